"""Which optimizers and which schedules have which options."""

from collections.abc import Mapping
from typing import Any

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
    "end": ("cosine", "linear", "cosine_restarts", "onecycle", "plateau"),
    "milestones": ("step",),
    "gamma": ("step", "plateau"),
    "period": ("cosine_restarts",),
    "period_factor": ("cosine_restarts",),
    "rise": ("onecycle",),
    "start": ("onecycle",),
    "cycle_momentum": ("onecycle",),
    "patience": ("plateau",),
    "parts": ("sequence",),
}
"""Each option that not all have, with the names of those that have it."""


def without_foreign(
    values: Mapping[str, Any], name: str, options: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Return what still means something of an optimizer's or schedule's values when ``name`` takes
    its place."""
    return {key: value for key, value in values.items() if name in options.get(key, (name,))}
