"""The trials of wrn-cifar100, value by value, against their source; what changes by epoch."""

from pathlib import Path
from typing import Any

import pytest

from resray.report.aggregate import load_results
from resray.report.comparison import comparisons
from resray.study.load import load_study, study_files
from resray.study.phases import recipe_at
from resray.study.recipe_spec import Recipe
from tests.report_builder import epochs_of, trial, write_results
from tests.studies import SGD, UNCHANGED, in_force, recipes, same

CIFAR100 = {
    "name": "cifar100",
    "mean": (0.5071, 0.4865, 0.4409),
    "std": (0.2673, 0.2564, 0.2761),
}
COLOURS: dict[str, Any] = {
    "brightness_contrast": {"probability": 0.3},
    "hue_saturation_value": {"probability": 0.3},
}
BASE = {
    "data": CIFAR100,
    "epochs": 100,
    "batch_size": 128,
    "optimizer": {**SGD, "lr": 0.05},
    "schedule": {"name": "onecycle", "end": 4e-6},
    "augmentation": {**UNCHANGED, **COLOURS},
    "mixing": {"mixup_alpha": 0.4},
}
FULL: dict[str, Any] = {
    "flip": 0.5,
    "crop_padding": 0,
    "shift_scale_rotate": {"probability": 0.5},
    **COLOURS,
    "cutout": {"probability": 0.5, "size": 8},
}
RESTARTS = {
    "name": "cosine_restarts",
    "warmup_epochs": 5,
    "warmup_start": 0.1,
    "period": 25,
    "period_factor": 1,
    "end": 1e-3,
}
SESSION_02 = {
    "model": {"name": "wrn-28-10", "dropout": 0.3},
    "data": CIFAR100,
    "epochs": 100,
    "batch_size": 256,
    "optimizer": {**SGD, "lr": 0.1, "weight_decay": 1e-3},
    "schedule": RESTARTS,
    "augmentation": FULL,
    "mixing": {"mixup_alpha": 0.2},
    "label_smoothing": 0.1,
    "clip_gradient_norm": 1.0,
    "early_stopping": {"patience": 15},
}
PAPER = {
    "model": {"name": "wrn-28-10"},
    "data": CIFAR100,
    "epochs": 200,
    "batch_size": 128,
    "optimizer": {**SGD, "nesterov": True},
    "schedule": {"name": "step", "milestones": (60, 120, 160), "gamma": 0.2},
    "augmentation": {"flip": 0.5, "crop_padding": 4},
}


def cut(**augmentation: Any) -> dict[str, Any]:
    """Session 02 with these transformations beside flip and cutout."""
    kept = {key: FULL[key] for key in ("flip", "crop_padding", "cutout")}
    return {**SESSION_02, "augmentation": {**kept, **augmentation}}


def test_wrn_cifar100() -> None:
    found = recipes("wrn-cifar100")
    in_phases = {name: found.pop(name) for name in ("session-04", "session-05")}
    wrn = {"name": "wrn-28-10", "dropout": 0.3}
    same(
        found,
        {
            "base-resnet18": {**BASE, "model": "resnet18", "epochs": 40},
            "base-resnet34": {**BASE, "model": "resnet34", "epochs": 40},
            "base-resnet18-dropout": {**BASE, "model": {"name": "resnet18", "dropout": 0.3}},
            "base-resnet34-dropout": {**BASE, "model": {"name": "resnet34", "dropout": 0.3}},
            "base-wrn": {**BASE, "model": "wrn-28-10"},
            "session-02": SESSION_02,
            "session-02-mixup-0.4": {**SESSION_02, "mixing": {"mixup_alpha": 0.4}},
            "session-02-onecycle": {**SESSION_02, "schedule": BASE["schedule"]},
            "session-02-fp32": {**SESSION_02, "precision": "fp32"},
            "session-02-no-cutout": {**SESSION_02, "augmentation": {**FULL, "cutout": None}},
            "session-02-batch-128": {**SESSION_02, "batch_size": 128},
            "search-wrn-28-12": {**SESSION_02, "model": {**wrn, "name": "wrn-28-12"}},
            "search-wrn-40-10": {**SESSION_02, "model": {**wrn, "name": "wrn-40-10"}},
            "search-autoaugment": cut(auto_augment={}),
            "search-randaugment": cut(rand_augment={}),
            "search-cutmix": {**SESSION_02, "mixing": {"cutmix_alpha": 1}},
            "search-stochastic-depth": {**SESSION_02, "model": {**wrn, "stochastic_depth": 0.2}},
            "paper": PAPER,
            "paper-mixup": {**PAPER, "mixing": {"mixup_alpha": 1}},
            "paper-cutmix": {**PAPER, "mixing": {"cutmix_alpha": 1, "probability": 0.5}},
        },
    )
    assert [recipe.epochs for recipe in in_phases.values()] == [100, 100]


def test_wrn_cifar100_keeps_the_checkpoints_of_both_sessions() -> None:
    policy = load_study("wrn-cifar100").checkpoints
    assert (policy.at, policy.every, policy.keep_last) == ((10, 25, 50, 75), 10, 5)


def test_variants_of_wrn_cifar100_change_epochs_only() -> None:
    default = recipes("wrn-cifar100")
    changed_epochs = {
        variant: {
            name: recipe.epochs
            for name, recipe in recipes("wrn-cifar100", variant=variant).items()
            if recipe != default[name]
        }
        for variant in ("40-epochs", "200-epochs")
    }
    forty = ("base-resnet18-dropout", "base-resnet34-dropout", "base-wrn")
    assert changed_epochs == {
        "40-epochs": dict.fromkeys(forty, 40),
        "200-epochs": {"session-02": 200},
    }


# Epochs at which something changes, and the values in force from there on: dropout, MixUp, label
# smoothing, side of the cutout, largest shift (None: no shift, scale or rotation).
SESSION_04 = {
    1: (0.3, 0.2, 0.1, 8, 0.0625),
    40: (0.3, 0.2, 0.1, 8, 0.0625),
    41: (0.3, 0.15, 0.1, 6, 0.03125),
    50: (0.3, 0.15, 0.1, 6, 0.03125),
    51: (0.2, 0.15, 0.05, 6, 0.03125),
    70: (0.2, 0.15, 0.05, 6, 0.03125),
    71: (0.2, 0.0, 0.05, 4, None),
    80: (0.2, 0.0, 0.05, 4, None),
    81: (0.1, 0.0, 0.05, 4, None),
    100: (0.1, 0.0, 0.05, 4, None),
}
SESSION_05 = {
    1: (0.3, 0.2, 0.1, 8, 0.0625),
    60: (0.3, 0.2, 0.1, 8, 0.0625),
    61: (0.2, 0.2, 0.1, 6, 0.03125),
    100: (0.2, 0.2, 0.1, 6, 0.03125),
}


@pytest.mark.parametrize(
    ("name", "expected", "rate"),
    [("session-04", SESSION_04, 0.15), ("session-05", SESSION_05, 0.1)],
)
def test_sessions_in_phases(name: str, expected: dict[int, tuple[float, ...]], rate: float) -> None:
    recipe = recipes("wrn-cifar100")[name]
    assert {epoch: in_force(recipe, epoch) for epoch in expected} == expected
    restarts, decay = recipe.schedule.parts
    assert recipe.optimizer.lr == rate
    assert (restarts.name, restarts.period, restarts.until) == ("cosine_restarts", 20, 60)
    assert (decay.name, decay.until) == ("cosine", None)
    assert (restarts.warmup_epochs, decay.warmup_epochs) == (0, 0), "60 epochs are three periods"
    assert restarts.end * rate == decay.end * rate == pytest.approx(1e-4, rel=1e-5)
    # All else is session 02's.
    own = ("optimizer", "schedule", "phases")
    kept = recipe.model_dump(exclude=set(own))
    assert kept == Recipe.model_validate(SESSION_02).model_dump(exclude=set(own))
    assert recipe.optimizer.weight_decay == 1e-3


def test_cutout_is_told_apart_from_the_sources_coarse_dropout() -> None:
    assert "coarse dropout" in load_study("wrn-cifar100").assumed["augmentation"]


def test_last_phase_of_session_04_flips_and_cuts_out_only() -> None:
    last = recipe_at(recipes("wrn-cifar100")["session-04"], 71).augmentation
    on = {key for key, value in last if value}
    assert on == {"flip", "crop_probability", "cutout"}
    assert last.flip == 0.5


def test_quick_keeps_every_phase_of_session_04() -> None:
    recipe = recipes("wrn-cifar100", quick=True)["session-04"]
    seen = [in_force(recipe, epoch) for epoch in range(1, recipe.epochs + 1)]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(SESSION_04.values()))
    assert [part.until for part in recipe.schedule.parts] == [6, None]


def test_the_failure_of_session_01_stands_beside_session_02_without_a_difference(
    tmp_path: Path,
) -> None:
    row = trial("session-02", study="wrn-cifar100", epochs=3)
    write_results(tmp_path, [row], study=study_files()["wrn-cifar100"], epochs=epochs_of(row))
    (item,) = (
        item
        for item in comparisons(load_results(tmp_path))
        if item.published.source.endswith("session 01")
    )
    assert item.measured is not None
    assert item.difference is None
    assert item.notes == "not comparable (another configuration)"
