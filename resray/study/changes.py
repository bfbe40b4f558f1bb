"""What ``--quick`` and ``--set`` changed in a trial's recipe, for people to read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resray.study.layers import Layer, leaf_paths, normalise
from resray.study.overrides import overlap
from resray.study.recipe_spec import Recipe
from resray.study.reductions import named_of_data, without_idle_limits

Path = tuple[str, ...]


def changes(
    own: Recipe, run: Recipe, *, quick: Sequence[Layer], by_hand: Sequence[Layer]
) -> tuple[str, ...]:
    """Name what differs from the study's own recipe where these layers touch it.

    ``batch_size 32 in place of 128`` by ``--quick``, and ``changed: optimizer.lr=0.5`` by hand;
    figures under either say nothing about the study's own recipe. What `reductions` names is left
    out.
    """
    before, after = own.model_dump(mode="json"), run.model_dump(mode="json")
    different = [
        path
        for path in _paths([*by_hand, *quick])
        if not _is_named(own, run, path) and _differs(own, run, path)
    ]
    typed = [path for path in different if path in _paths(by_hand)]
    rest = [path for path in different if not any(_meet(path, each) for each in _paths(by_hand))]
    if _stands_in(own, run):
        rest = [path for path in rest if path[0] != "data"]
    return (
        *(f"{_dotted(path)} {_at(after, path)} in place of {_at(before, path)}" for path in rest),
        *(f"changed: {_dotted(path)}={_at(after, path)}" for path in typed),
    )


def _paths(layers: Iterable[Layer]) -> list[Path]:
    """Return what the layers change, each key once."""
    found = (path for layer in layers for path in leaf_paths(normalise(layer.changes)))
    return list(dict.fromkeys(found))


def _is_named(own: Recipe, run: Recipe, path: Path) -> bool:
    """Whether `reductions` has words of its own for a key."""
    named = {("epochs",), ("model", "name")}
    if _stands_in(own, run):
        named.add(("data", "name"))
    return path in named or path in {("data", key) for key in named_of_data(own, run)}


def _stands_in(own: Recipe, run: Recipe) -> bool:
    """Whether embedded images take the place of another dataset."""
    return run.data.name == "embedded" != own.data.name


def _differs(own: Recipe, run: Recipe, path: Path) -> bool:
    before, after = (without_idle_limits(recipe).model_dump(mode="json") for recipe in (own, run))
    lost = own.phases.keys() - run.phases.keys()
    fixed = any(overlap(setting, _dotted(path)) for setting in lost)
    return fixed or _value(before, path) != _value(after, path)


def _meet(path: Path, other: Path) -> bool:
    return overlap(_dotted(path), _dotted(other))


def _dotted(path: Path) -> str:
    return ".".join(path)


def _at(recipe: Mapping[str, Any], path: Path) -> str:
    """Return a recipe's value as YAML would have it on a command line."""
    value = _value(recipe, path)
    return value if isinstance(value, str) else json.dumps(value)


def _value(recipe: Any, path: Path) -> Any:
    """Return what stands at a path; None where nothing does."""
    for key in path:
        recipe = recipe.get(key) if isinstance(recipe, Mapping) else None
    return recipe
