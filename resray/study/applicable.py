"""Which networks, optimizers and schedules have which options."""

from collections.abc import Mapping
from typing import Any

from resray.models.table import is_outside, is_wide

OPTIMIZER_OPTIONS = {
    "momentum": ("sgd", "muon"),
    "nesterov": ("sgd", "muon"),
    "betas": ("adam", "adamw", "muon"),
    "companion_lr": ("muon",),
}
_WITH_WARMUP = ("constant", "cosine", "linear", "step", "cosine_restarts")
SCHEDULE_OPTIONS = {
    "warmup_epochs": _WITH_WARMUP,
    "warmup_start": _WITH_WARMUP,
    "warmup_end": _WITH_WARMUP,
    "interval": (*_WITH_WARMUP, "onecycle"),
    "end": ("cosine", "linear", "cosine_restarts", "onecycle", "plateau"),
    "milestones": ("step",),
    "gamma": ("step", "plateau"),
    "period": ("cosine_restarts",),
    "length": ("cosine", "linear", "onecycle"),
    "unit": ("cosine", "linear", "cosine_restarts", "onecycle"),
    "period_factor": ("cosine_restarts",),
    "rise": ("onecycle",),
    "start": ("onecycle",),
    "cycle_momentum": ("onecycle",),
    "patience": ("plateau",),
    "parts": ("sequence",),
}
"""Each option that not all have, with the names of those that have it."""
SHAPE_OPTIONS = {"block", "blocks", "channels", "groups", "width_per_group", "bottleneck_width"}
"""What the model `resnet` has beside the named ones."""
RESNET_OPTIONS = {"stem", "norm", "zero_init_residual", "shared_stages", "shortcut"}
"""What no WideResNet has."""
REGULARISERS = {
    "dropout",
    "stochastic_depth",
    "initialisation",
    "classifier_initialisation",
}
"""What each of resray's own networks has."""


def without_foreign(
    values: Mapping[str, Any], name: str, options: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Return what still means something of an optimizer's or schedule's values when ``name`` takes
    its place."""
    return {key: value for key, value in values.items() if name in options.get(key, (name,))}


def in_use(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flattened recipe (`resray.study.layers.flatten`) without the options that its
    network, optimizer, schedule and loader do not have, and without those of mixing that is off."""
    unused = _unused(recipe)
    return {key: value for key, value in recipe.items() if key not in unused}


def _unused(recipe: Mapping[str, Any]) -> set[str]:
    optimizer = recipe.get("optimizer.name", "sgd")
    schedule = recipe.get("schedule.name", "cosine")
    unused = {f"model.{key}" for key in _not_of_model(str(recipe.get("model.name")))}
    unused |= {f"optimizer.{key}" for key, has in OPTIMIZER_OPTIONS.items() if optimizer not in has}
    unused |= {f"schedule.{key}" for key, has in SCHEDULE_OPTIONS.items() if schedule not in has}
    if recipe.get("loader.name", "device") == "device":
        unused |= {"loader.workers", "loader.pinned_memory"}
    return unused | _not_of_mixing(recipe)


def _not_of_mixing(recipe: Mapping[str, Any]) -> set[str]:
    if any(key.startswith("phases.mixing") for key in recipe):
        return set()
    on = [bool(recipe.get(f"mixing.{key}")) for key in ("mixup_alpha", "cutmix_alpha")]
    if not any(on):
        return {"mixing.probability", "mixing.cutmix_chance"}
    return set() if all(on) else {"mixing.cutmix_chance"}


def _not_of_model(name: str) -> set[str]:
    if is_outside(name):
        return SHAPE_OPTIONS | RESNET_OPTIONS | REGULARISERS
    if is_wide(name):
        return SHAPE_OPTIONS | RESNET_OPTIONS
    return set() if name == "resnet" else SHAPE_OPTIONS
