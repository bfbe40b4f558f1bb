"""Which keys the members of a recipe's unions have, and following keys through types."""

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from resray.errors import not_known
from resray.study.data_spec import Data, Loader
from resray.study.model_spec import Model, kind_of_model
from resray.study.optimizer_spec import Optimizer, Schedule
from resray.study.yaml_file import Key

UNIONS = {
    "model": (Model, ""),
    "data": (Data, ""),
    "loader": (Loader, "device"),
    "optimizer": (Optimizer, "sgd"),
    "schedule": (Schedule, "cosine"),
}
"""The parts of a recipe that are unions, each with the name that is meant where there is none."""
OLD_EVAL_BATCH = 500
"""The default of ``eval_batch_size`` before there was auto, which stands for it."""
_OF_ONE = ("arguments", "mean", "std", "classes", "images", "folder")
"""Keys that say something about one network or dataset and are wrong for another one."""


def own_keys(part: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a part's values those that the member which they name has."""
    member = _member(part, values.get("name"))
    return {key: value for key, value in values.items() if not member or key in member.model_fields}


def without_defaults(part: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part's values but for those at their defaults; the name always."""
    member = _member(part, values.get("name"))
    fields = member.model_fields if member else {}
    return {
        key: value
        for key, value in values.items()
        if key == "name" or key not in fields or value != fields[key].default
    }


def renamed(part: str, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what still holds of a part's values when another network, dataset ... takes over."""
    kept = {} if name == "embedded" else own_keys(part, {**values, "name": name})
    return {key: value for key, value in kept.items() if key not in _OF_ONE}


def of_this_version(recipe: Any) -> Any:
    """Return a stored recipe without the keys that its optimizer, schedule ... do not have.

    Older versions wrote them into every recipe, at their defaults, and the batch of the evaluation
    at what then was its default. What is no mapping stays.
    """
    if not isinstance(recipe, Mapping):
        return recipe
    parts_of = (key for key in UNIONS if isinstance(recipe.get(key), dict))
    own: dict[str, Any] = {key: own_keys(key, recipe[key]) for key in parts_of}
    if parts := own.get("schedule", {}).get("parts"):
        own["schedule"]["parts"] = [own_keys("schedule", part) for part in parts]
    if recipe.get("eval_batch_size") == OLD_EVAL_BATCH:
        own["eval_batch_size"] = "auto"
    return {**recipe, **own}


def in_use(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flattened recipe (`resray.study.layers.flatten`) without the options that its
    network, optimizer, schedule ... do not have, and without those of mixing that is off."""
    unused = _of_mixing_off(recipe) | {"schedule.until"}
    members = {part: _member(part, recipe.get(f"{part}.name")) for part in UNIONS}
    for key in recipe:
        part, *rest = key.split(".")
        if rest and (member := members.get(part)) and rest[0] not in member.model_fields:
            unused.add(key)
    return {key: value for key, value in recipe.items() if key not in unused}


def _of_mixing_off(recipe: Mapping[str, Any]) -> set[str]:
    if any(key.startswith("phases.mixing") for key in recipe):
        return set()
    on = [bool(recipe.get(f"mixing.{key}")) for key in ("mixup_alpha", "cutmix_alpha")]
    if not any(on):
        return {"mixing.probability", "mixing.cutmix_chance"}
    return set() if all(on) else {"mixing.cutmix_chance"}


def _member(part: str, name: Any) -> type[BaseModel] | None:
    """Return the member of a part's union that has this name, None if there is none."""
    union, default = UNIONS[part]
    tag = kind_of_model({"name": name}) if part == "model" else name or default
    return dict(members(union)).get(str(tag))


# --- types ----------------------------------------------------------------------------------------


def bare(kind: Any) -> Any:
    """Strip annotations and the None of an optional value."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    if is_union(kind):
        some = [member for member in get_args(kind) if member is not type(None)]
        return bare(some[0]) if len(some) == 1 else Union[tuple(some)]  # noqa: UP007
    return kind


def is_union(kind: Any) -> bool:
    """Whether a type is a union."""
    return get_origin(kind) in (Union, types.UnionType)


def members(kind: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of a union by the tags that tell them apart, which plain values lack."""
    kind = bare(kind)
    for option in get_args(kind) if is_union(kind) else ():
        tags = [mark.tag for mark in getattr(option, "__metadata__", ()) if isinstance(mark, Tag)]
        name = getattr(bare(option), "model_fields", {}).get("name")
        for tag in tags or (get_args(name.annotation) if name else ()):
            yield tag, bare(option)


def keys_of(kind: Any) -> dict[str, Any]:
    """Return the keys that a model, or any member of a union of models, has, with their types."""
    models = [model for _, model in members(kind)] or [bare(kind)]
    return {
        key: bare(field.annotation)
        for model in reversed(models)
        for key, field in getattr(model, "model_fields", {}).items()
    }


def child_type(kind: Any, key: Key) -> Any:
    """Return the type that a key or index leads to, or None where it leads nowhere."""
    if fields := keys_of(kind):
        return fields.get(str(key))
    kind, arguments = bare(kind), get_args(bare(kind))
    if get_origin(kind) is dict:
        return bare(arguments[1])
    # Ends of a range, betas, channels: all of a tuple are of one type.
    return bare(arguments[0]) if get_origin(kind) in (list, tuple) else None


def unknown_key(
    kind: Any, keys: Sequence[str], first: Sequence[str] = ()
) -> tuple[int, str] | None:
    """Return the depth of the first key that leads nowhere from a type, and what is wrong with it.

    ``first`` are what could stand at depth 0 beside the type's own. None: all lead somewhere.
    """
    for depth, key in enumerate(keys):
        child = child_type(kind, key)
        if child is None:
            choices = [*keys_of(kind), *([] if depth else first)]
            return depth, not_known(key, choices) if choices else f"has no {key!r} in it"
        kind = child
    return None
