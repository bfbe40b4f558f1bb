"""How a recipe's values are written for people: as a study file has them."""

from collections.abc import Mapping
from typing import Any

from resray.study.recipe_spec import SequencePart


def written(value: Any) -> str:
    """Return a recipe's value as it may stand in a study file.

    Of a schedule's part, only what is not at its default.
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(written(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {written(item)}' for key, item in own(value).items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def own(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule's part without what is at its default."""
    default = SequencePart().model_dump(mode="json")
    return {
        key: item for key, item in part.items() if key == "name" or item != default.get(key, ...)
    }
