"""Merging a recipe from layers: the base, what a trial changes, what a variant and the user change.

Each layer remembers where it came from, so that a mistake in the merged recipe is reported at the
layer that brought it in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from resray.models.table import is_outside, is_wide
from resray.study.applicable import (
    OPTIMIZER_OPTIONS,
    SCHEDULE_OPTIONS,
    SHAPE_OPTIONS,
    without_foreign,
)
from resray.study.entries import entries
from resray.study.source import Key

# What is named, with the name that it has where a recipe says none.
_NAMED = {"model": None, "data": None, "optimizer": "sgd", "schedule": "cosine"}
# Of `model`: what a WideResNet has, and what belongs to one network only.
_OF_WIDE = {"dropout", "stochastic_depth", "initialisation", "classifier_initialisation"}
_OF_ONE_MODEL = {"arguments", *SHAPE_OPTIONS}
# Keys of `data` that say something about one dataset and are wrong for another one.
_OF_ONE_DATASET = {"mean", "std", "classes", "images", "folder"}


@dataclass(frozen=True)
class Layer:
    """Some keys of a recipe, and where they were written."""

    changes: Mapping[str, Any]
    path: tuple[Key, ...] = ()
    """Within the study file, for a layer that stands there."""
    label: str = ""
    """The command line option, for a layer that stands there."""


def section(document: Any, *path: Key) -> dict[str, Any]:
    """Return the mapping at a path of raw YAML data; empty where there is none."""
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return {}
    return document if isinstance(document, dict) else {}


def recipe_layers(document: Any, index: int | None, variant: str) -> list[Layer]:
    """Return the layers of trial ``index`` under a variant, from raw YAML data, base first.

    Without an index these are the layers of no trial: the base recipe, and what the variant changes
    in all of them. The name of no variant (the default one is none) leaves the trial as it is.
    """
    layers = [Layer(section(document, "recipe"), ("recipe",))]
    paths: list[tuple[Key, ...]] = [("variants", variant, "recipe")]
    if index is not None:
        found = entries(document)
        if index >= len(found):
            return layers
        entry = found[index]
        layers += [Layer(section(document, *path), path) for path in entry.paths]
        layers += [Layer(nested(key, value), ("grid", key)) for key, value in entry.changes]
        paths.append(("variants", variant, "trials", entry.name))
    if isinstance(variant, str):
        layers += [Layer(section(document, *path), path) for path in paths]
    return [layer for layer in layers if layer.changes or layer.path == ("recipe",)]


def nested(dotted_key: Any, value: Any) -> dict[str, Any]:
    """Return ``{"optimizer": {"lr": 0.1}}`` for ``optimizer.lr``, shorthands written out."""
    keys = str(dotted_key).split(".")
    for key in reversed(keys):
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
    long = dict(changes)
    if "folder" in section(changes, "data"):
        long["data"] = {"name": "folder", **changes["data"]}
    for key in ("model", "data", "loader"):
        if isinstance(long.get(key), str):
            long[key] = {"name": long[key]}
    return long


def flatten(nested: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe (or its JSON as a mapping) as one level of dotted keys to plain values."""
    content = nested.model_dump(mode="json") if isinstance(nested, BaseModel) else nested
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": part for inner, part in flatten(value).items()}
        else:
            flat[key] = value
    return flat


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


def _depth(changes: Any, path: Sequence[Key]) -> int:
    for depth, key in enumerate(path):
        if not isinstance(changes, Mapping) or key not in changes:
            return depth
        changes = changes[key]
    return len(path)


def _apply(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    kept = dict(base)
    for group, default in _NAMED.items():
        before, name = section(base, group), section(changes, group).get("name")
        if before and isinstance(name, str) and name != before.get("name", default):
            kept[group] = _kept(group, before, name)
    merged = deep_merge(kept, changes)
    if "phases" in changes and isinstance(merged["phases"], Mapping):
        # A setting's ranges belong together: those of a later layer take their place.
        merged["phases"] = {**section(base, "phases"), **section(changes, "phases")}
    return merged


def _kept(group: str, values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what still holds of a group's values when another network, dataset ... takes over."""
    if group == "optimizer":
        return without_foreign(values, name, OPTIMIZER_OPTIONS)
    if group == "schedule":
        return without_foreign(values, name, SCHEDULE_OPTIONS)
    if group == "data":
        able = set() if name == "embedded" else set(values) - _OF_ONE_DATASET
    elif is_outside(name):
        able = set()
    else:
        able = _OF_WIDE if is_wide(name) else set(values) - _OF_ONE_MODEL
    return {key: value for key, value in values.items() if key in able}


def deep_merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings key by key; anything else in ``changes`` replaces what was there."""
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = deep_merge(before, value)
        else:
            merged[key] = value
    return merged
