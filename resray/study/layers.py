"""Merging a recipe from layers: the base, what a trial changes, what a variant and the user change.

Each layer remembers where it came from, so that a mistake in the merged recipe is reported at the
layer that brought it in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from resray.study.entries import Entry, entries
from resray.study.strict import Mistake
from resray.study.unions import UNIONS, renamed
from resray.study.yaml_file import Key, section


@dataclass(frozen=True)
class Layer:
    """Some keys of a recipe, and where they were written."""

    changes: Mapping[str, Any]
    path: tuple[Key, ...] = ()
    """Within the study file, for a layer that stands there."""
    label: str = ""
    """The command line option, for a layer that stands there."""
    is_value: bool = False
    """At the path stands one value, whose dotted key stands elsewhere, and no mapping of keys."""


def recipe_layers(document: Any, index: int | None, variant: str) -> list[Layer]:
    """Return the layers of trial ``index`` under a variant, from raw YAML data, base first.

    Without an index these are the layers of no trial: the base recipe, and what the variant changes
    in all of them. The name of no variant (the default one is none) leaves the trial as it is.
    """
    entry = Entry("", ()) if index is None else entries(document)[index]
    varied = [("variants", variant, "recipe"), ("variants", variant, "trials", entry.name)]
    layers = [
        *(Layer(section(document, *path), path) for path in [("recipe",), *entry.paths]),
        *(Layer(nested(key, value), ("grid", key), is_value=True) for key, value in entry.changes),
        *(Layer(section(document, *path), path) for path in varied),
    ]
    return [layer for layer in layers if layer.changes or layer.path == ("recipe",)]


def nested(dotted_key: Any, value: Any) -> dict[str, Any]:
    """Return ``{"optimizer": {"lr": 0.1}}`` for ``optimizer.lr``, shorthands written out."""
    for key in reversed(str(dotted_key).split(".")):
        value = {key: value}
    return normalise(value)


def merge(layers: Iterable[Layer]) -> dict[str, Any]:
    """Merge layers key by key, later ones winning; lists are replaced whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _apply(merged, normalise(layer.changes))
    return merged


def normalise(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Write shorthands such as ``model: resnet18`` and ``data: {folder: ...}`` out with a name."""
    long = {
        key: {"name": value} if key in UNIONS and isinstance(value, str) else value
        for key, value in changes.items()
    }
    if "folder" in section(changes, "data"):
        long["data"] = {"name": "folder", **long["data"]}
    return long


def flatten(nested: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe (or its JSON as a mapping) as one level of dotted keys to plain values."""
    content = nested.model_dump(mode="json") if isinstance(nested, BaseModel) else nested
    return {".".join(path): value for path, value in leaves(content) if value != {}}


def leaves(changes: Mapping[Any, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value of a layer's changes with its path; an empty mapping is a value."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and value:
            yield from (((str(key), *rest), inner) for rest, inner in leaves(value))
        else:
            yield (str(key),), value


def layer_at_fault(layers: Sequence[Layer], path: Sequence[Key]) -> Layer:
    """Return the last of the layers that hold the longest part of ``path``."""
    return max(reversed(layers), key=lambda layer: _depth(normalise(layer.changes), path))


def in_document(layer: Layer, mistake: Mistake) -> Mistake:
    """Return a recipe's mistake as one of the study file in which the layer at fault stands."""
    if not layer.is_value:
        return mistake.within(layer.path)
    is_whole = mistake.path in dict(leaves(layer.changes))
    return Mistake(layer.path, mistake.message if is_whole else mistake.with_place)


def _depth(changes: Any, path: Sequence[Key]) -> int:
    for depth, key in enumerate(path):
        if not isinstance(changes, Mapping) or key not in changes:
            return depth
        changes = changes[key]
    return len(path)


def _apply(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    kept = dict(base)
    for part, (_, default) in UNIONS.items():
        before, name = section(base, part), section(changes, part).get("name")
        if before and isinstance(name, str) and name != before.get("name", default):
            kept[part] = renamed(part, before, name)
    merged = deep_merge(kept, changes)
    if "phases" in changes and isinstance(merged["phases"], Mapping):
        # A setting's ranges belong together: those of a later layer take their place.
        merged["phases"] = {**section(base, "phases"), **section(changes, "phases")}
    return merged


def deep_merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings key by key; anything else in ``changes`` replaces what was there."""
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = deep_merge(before, value)
        merged[key] = value
    return merged
