"""What the command line changes in every recipe: ``--set``, ``--quick``, limits."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from resray.data.table import CIFAR
from resray.errors import InputError
from resray.study.data_spec import Data
from resray.study.layers import Layer, flatten, layer_at_fault, leaves, merge, nested
from resray.study.mistakes import validated
from resray.study.model_spec import Model
from resray.study.spec import Study
from resray.study.strict import Mistake
from resray.study.yaml_file import parse, section

QUICK = "--quick"
"""The label of the layers that the option brings in."""


def set_layer(text: str) -> Layer:
    """Return the change that ``--set optimizer.lr=0.01`` asks for; the value is read as YAML.

    Raises `InputError` where there is no key, or the value is not valid YAML.
    """
    label = f"--set {text}"
    key, equals, value = text.partition("=")
    keys = key.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"{label}: write key=value, e.g. optimizer.lr=0.01")
    content = parse(value, label).content if value.strip() else None
    return Layer(nested(key.strip(), content), label=label)


def without_phases(recipe: dict[str, Any], sets: Sequence[Layer]) -> dict[str, Any]:
    """Return a recipe whose phases leave alone what ``--set`` fixes for the whole training."""
    fixed = [key for layer in sets for key in flatten(layer.changes)]
    kept = {
        setting: table
        for setting, table in recipe["phases"].items()
        if not any(overlap(setting, key) for key in fixed)
    }
    return {**recipe, "phases": kept}


def overlap(setting: str, key: str) -> bool:
    """Whether one of two dotted keys is the other one or lies in it."""
    return f"{setting}.".startswith(f"{key}.") or f"{key}.".startswith(f"{setting}.")


def model_from(name: str, overrides: Sequence[str]) -> Model:
    """Return the model of this name with ``--set KEY=VALUE`` changes of its own keys.

    Raises `InputError` that names the option at fault.
    """
    layers = [Layer({"name": name}, label=f"model {name}")]
    layers += [set_layer(text) for text in overrides]
    return validated(Model, merge(layers), partial(mistake_message, layers))


def mistake_message(layers: Sequence[Layer], mistake: Mistake) -> str:
    """Start a mistake with the option at fault, or with all of them where they clash together."""
    labels = [layer.label for layer in layers if layer.label]
    label = layer_at_fault(layers, mistake.path).label or ", ".join(labels)
    return f"{label}: {mistake.with_place}"


def limit_layers(limit_train: int | None, limit_eval: int | None) -> list[Layer]:
    """Return the changes that ``--limit-train`` and ``--limit-eval`` ask for."""
    limits = {"limit_train": limit_train, "limit_eval": limit_eval}
    return [
        Layer({"data": {key: limit}}, label=f"--{key.replace('_', '-')} {limit}")
        for key, limit in limits.items()
        if limit is not None
    ]


def quick_recipe_layer(study: Study, searched: Sequence[str] = ()) -> Layer:
    """Return what ``--quick`` changes in any recipe; its epochs rescale and are left out here.

    So are the dotted keys that a search gives values of its own: a point is trained as it says.
    """
    left_out = ("epochs", *searched)
    kept = [
        Layer(nested(".".join(path), value))
        for path, value in leaves(study.quick.recipe)
        if not any(overlap(".".join(path), key) for key in left_out)
    ]
    return Layer(merge(kept), label=QUICK)


def data_layers(
    study: Study, own: Data, sets: Sequence[Layer], *, quick: bool, data_given: bool
) -> list[Layer]:
    """Return how the data changes when embedded images stand in, or when ``--quick`` shrinks it.

    A dataset that the user named with ``--set`` is wanted as it is, like one with ``--data-dir``
    and a folder that the study names.
    """
    named = [layer for layer in sets if section(layer.changes, "data").get("name")]
    name = section(named[-1].changes, "data")["name"] if named else own.name
    given = data_given or named or getattr(own, "folder", None)
    if quick and (name == "embedded" or not given):
        return [Layer({"data": _embedded(study, own)}, label=QUICK)]
    if quick:
        return [Layer({"data": study.quick.real}, label=QUICK)]
    if name == "embedded" and own.name != "embedded":
        return [Layer({"data": _embedded(study, own)}, label=named[-1].label)]
    return []


def _embedded(study: Study, own: Data) -> dict[str, Any]:
    classes = CIFAR[own.name].classes if own.name in CIFAR else getattr(own, "classes", None)
    data = {**study.quick.embedded, "name": "embedded"}
    return {**data, "classes": classes} if classes else data
