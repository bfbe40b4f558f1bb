"""The recipes of wrn-cifar100, value by value: what its summary states, what its notebooks ran."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.published import comparisons
from resray.analysis.results import Analysis
from resray.study.load import load_study, study_files
from resray.study.phases import recipe_at
from resray.study.recipe_spec import Recipe
from tests.report_builder import epochs_of, trial, write_results
from tests.studies import SGD, UNSEEN, as_run, in_force, recipes, same

CIFAR100 = {
    "name": "cifar100",
    "mean": (0.5071, 0.4865, 0.4409),
    "std": (0.2673, 0.2564, 0.2761),
}
SMALL_HOLES = {
    "probability": 0.5,
    "size": (3.2, 6.4),
    "holes": (1, 2),
    "inside": True,
    "fill": 0,
}
BASE_STEPS: dict[str, Any] = {
    "color_jitter": {
        "probability": 0.5,
        "brightness": 0.1,
        "contrast": 0.1,
        "saturation": 0.1,
        "hue": 0.5,
    },
    "shift_scale_rotate": {
        "probability": 0.5,
        "shift": (0.0625, 0.0625),
        "scale": 0.1,
        "scale_by_axis": True,
        "degrees": 7,
        "border": "black",
    },
    "brightness_contrast": {"probability": 0.5, "brightness": 0.2, "contrast": 0.2},
    "hue_saturation_value": {"probability": 0.5, "hue": 10, "saturation": 15, "value": 10},
    "resized_crop": {"probability": 0.5, "scale": (0.765625, 0.765625), "ratio": (1, 1)},
    "cutout": SMALL_HOLES,
}


def augmented(steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """These steps in this order after a flip, without a crop."""
    return {"flip": 0.5, "crop_padding": 0, **steps, "order": tuple(steps), **changes}


def network(name: str, dropout: float = 0) -> dict[str, Any]:
    wide = {"classifier_initialisation": "xavier_uniform"}
    return {"name": name, "dropout": dropout, **(wide if "wrn" in name else {"stem": "imagenet"})}


WRN = network("wrn-28-10", 0.3)
ONECYCLE = {"name": "onecycle", "end": 4e-6}
BASE = {
    "data": CIFAR100,
    "epochs": 100,
    "batch_size": 128,
    "optimizer": {**SGD, "lr": 0.05},
    "schedule": ONECYCLE,
    "augmentation": augmented(BASE_STEPS),
    "mixing": {"mixup_alpha": 0.4},
    "precision": "fp32",
}
STEPS: dict[str, Any] = {
    "shift_scale_rotate": {
        "probability": 0.5,
        "shift": 0.0625,
        "scale": 0.1,
        "scale_by_axis": True,
        "degrees": 15,
        "border": "black",
        "whole_pixels": True,
    },
    "cutout": {"probability": 0.5, "size": 8, "holes": 1, "inside": True, "fill": 0},
    "brightness_contrast": {"probability": 0.3, "brightness": 0.2, "contrast": 0.2},
    "hue_saturation_value": {"probability": 0.3, "hue": 10, "saturation": 20, "value": 10},
}


def cycles(*ends: int | None, lasts: Sequence[float], lr: float) -> dict[str, Any]:
    """A cosine with a warm-up of 5 epochs from 0.01, restarts of its length, then one cosine."""
    first, second, *third = ends
    start, *last = (float(f"{rate / lr:.6g}") for rate in (0.01, *lasts))
    warmup = {"warmup_epochs": 5, "warmup_start": start}
    return {
        "name": "sequence",
        "parts": [
            {"name": "cosine", **warmup, "end": last[0], "until": first},
            {"name": "cosine_restarts", "period": first, "end": last[0], "until": second},
            *({"name": "cosine", "end": last[1], "until": end} for end in third),
        ],
    }


SESSION_02 = {
    "model": WRN,
    "data": CIFAR100,
    "epochs": 100,
    "batch_size": 256,
    "optimizer": {**SGD, "lr": 0.1, "weight_decay": 1e-3},
    "schedule": cycles(25, None, lasts=[1e-4], lr=0.1),
    "augmentation": augmented(STEPS),
    "mixing": {"mixup_alpha": 0.2},
    "label_smoothing": 0.1,
    "clip_gradient_norm": 1.0,
    "early_stopping": {"patience": 15, "after_restart": True},
    "eval_precision": "fp32",
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


def only(*steps: str, **changes: Any) -> dict[str, Any]:
    """Session 02 with these of its transformations."""
    kept = {step: STEPS[step] for step in steps}
    return {**SESSION_02, "augmentation": augmented(kept, **changes)}


def learned(policy: str) -> dict[str, Any]:
    kept = {policy: {}, "cutout": STEPS["cutout"]}
    return {**SESSION_02, "augmentation": {"flip": 0.5, "crop_padding": 0, **kept}}


def test_wrn_cifar100() -> None:
    found = recipes("wrn-cifar100")
    in_phases = {name: found.pop(name) for name in ("session-04", "session-05")}
    move, hole, *colours = STEPS
    same(
        found,
        {
            "base-resnet18": {**BASE, "model": network("resnet18"), "epochs": 40},
            "base-resnet34": {**BASE, "model": network("resnet34"), "epochs": 40},
            "base-resnet18-dropout": {**BASE, "model": network("resnet18", 0.4)},
            "base-resnet34-dropout": {**BASE, "model": network("resnet34", 0.4)},
            "base-wrn": {**BASE, "model": WRN},
            "session-02": SESSION_02,
            "session-02-mixup-0.4": {**SESSION_02, "mixing": {"mixup_alpha": 0.4}},
            "session-02-onecycle": {**SESSION_02, "schedule": ONECYCLE},
            "session-02-fp32": {**SESSION_02, "precision": "fp32"},
            "session-02-no-flip": only(*STEPS, flip=0),
            "session-02-no-colours": only(move, hole),
            "session-02-no-cutout": only(move, *colours),
            "session-02-batch-128": {**SESSION_02, "batch_size": 128},
            "search-wrn-28-12": {**SESSION_02, "model": network("wrn-28-12", 0.3)},
            "search-wrn-40-10": {**SESSION_02, "model": network("wrn-40-10", 0.3)},
            "search-autoaugment": learned("auto_augment"),
            "search-randaugment": learned("rand_augment"),
            "search-cutmix": {**SESSION_02, "mixing": {"cutmix_alpha": 1}},
            "search-stochastic-depth": {**SESSION_02, "model": {**WRN, "stochastic_depth": 0.2}},
            "paper": PAPER,
            "paper-mixup": {**PAPER, "mixing": {"mixup_alpha": 1}},
            "paper-cutmix": {**PAPER, "mixing": {"cutmix_alpha": 1, "probability": 0.5}},
        },
    )
    assert [recipe.epochs for recipe in in_phases.values()] == [100, 100]


def test_wrn_cifar100_keeps_the_checkpoints_of_both_sessions() -> None:
    policy = load_study("wrn-cifar100").checkpoints
    assert policy.at == (10, 20, 25, 30, 40, 50, 60, 75, 90)
    assert (policy.every, policy.keep_last) == (10, None)


def test_variants_of_wrn_cifar100_change_the_length_only() -> None:
    default = recipes("wrn-cifar100")
    changed_epochs = {
        variant: {
            name: recipe.epochs
            for name, recipe in recipes("wrn-cifar100", variant=variant).items()
            if recipe != default[name]
        }
        for variant in ("40-epochs", "200-epochs")
    }
    assert changed_epochs == {
        "40-epochs": {"base-wrn": 40, "session-02": 40},
        "200-epochs": {"session-02": 200},
    }


def test_session_02_in_40_epochs_is_its_schedule_in_proportion() -> None:
    shorter = recipes("wrn-cifar100", variant="40-epochs")["session-02"]
    (rescaled,) = recipes("wrn-cifar100", select=("session-02",), epochs=40).values()
    assert shorter.schedule == rescaled.schedule


# Epochs at which something changes, and the values in force from there on: dropout, MixUp, label
# smoothing, side of the cutout, largest shift (None: no shift, scale or rotation).
SESSION_04 = {
    1: (0.3, 0.2, 0.1, 8, 0.0625),
    40: (0.3, 0.2, 0.1, 8, 0.0625),
    41: (0.3, 0.15, 0.1, 6, 0.05),
    50: (0.3, 0.15, 0.1, 6, 0.05),
    51: (0.2, 0.15, 0.05, 6, 0.05),
    70: (0.2, 0.15, 0.05, 6, 0.05),
    71: (0.2, 0.0, 0.05, 4, None),
    80: (0.2, 0.0, 0.05, 4, None),
    81: (0.1, 0.0, 0.05, 4, None),
    100: (0.1, 0.0, 0.05, 4, None),
}
SESSION_05 = {
    1: (0.3, 0.2, 0.1, 8, 0.0625),
    60: (0.3, 0.2, 0.1, 8, 0.0625),
    61: (0.2, 0.15, 0.1, 6, 0.05),
    100: (0.2, 0.15, 0.1, 6, 0.05),
}


@pytest.mark.parametrize(
    ("name", "expected", "schedule", "rate"),
    [
        ("session-04", SESSION_04, cycles(20, 60, None, lasts=[5e-4, 1e-5], lr=0.15), 0.15),
        ("session-05", SESSION_05, cycles(25, 50, None, lasts=[1e-4, 1e-5], lr=0.1), 0.1),
    ],
)
def test_sessions_in_phases(
    name: str, expected: dict[int, tuple[float, ...]], schedule: dict[str, Any], rate: float
) -> None:
    recipe = recipes("wrn-cifar100")[name]
    assert {epoch: in_force(recipe, epoch) for epoch in expected} == expected
    assert recipe.optimizer.lr == rate
    assert recipe.schedule == Recipe.model_validate({**SESSION_02, "schedule": schedule}).schedule
    # All else is session 02's.
    own = ("optimizer", "schedule", "phases")
    kept = recipe.model_dump(exclude=set(own))
    assert kept == Recipe.model_validate(SESSION_02).model_dump(exclude=set(own))
    assert recipe.optimizer.weight_decay == 1e-3


def steps_on(recipe: Recipe, epoch: int) -> set[str]:
    return {key for key, value in recipe_at(recipe, epoch).augmentation if value}


@pytest.mark.parametrize("name", ["session-04", "session-04-as-run"])
def test_session_04_takes_its_transformations_away(name: str) -> None:
    recipe = (recipes("wrn-cifar100") | as_run("wrn-cifar100"))[name]
    always = {"flip", "crop_probability", "cutout", "order"}
    smaller = recipe_at(recipe, 41).augmentation
    assert steps_on(recipe, 1) == always | set(STEPS)
    assert steps_on(recipe, 41) == always | {"shift_scale_rotate", "brightness_contrast"}
    assert steps_on(recipe, 71) == always
    assert smaller.shift_scale_rotate == smaller.shift_scale_rotate.model_copy(
        update={"probability": 0.35, "shift": 0.05, "scale": 0.07, "degrees": 10}
    )
    light = {"probability": 0.2, "brightness": 0.15, "contrast": 0.15}
    assert smaller.brightness_contrast.model_dump() == light
    assert [recipe_at(recipe, e).augmentation.cutout.probability for e in (1, 41, 71)] == [
        0.5,
        0.35,
        0.3,
    ]


def test_quick_keeps_every_phase_of_session_04() -> None:
    recipe = recipes("wrn-cifar100", quick=True)["session-04"]
    seen = [in_force(recipe, epoch) for epoch in range(1, recipe.epochs + 1)]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(SESSION_04.values()))
    assert [part.until for part in recipe.schedule.parts] == [2, 6, None]


# --- as run -------------------------------------------------------------------------------------

COMMON = {"data": {**CIFAR100, **UNSEEN}, "selection": "test", "channels_last": False}
BASE_RUN = {**BASE, **COMMON}
WEAKLY_DECAYED = {"optimizer": {**SGD, "lr": 0.05, "weight_decay": 1e-4}}
HOLES = {**STEPS, "cutout": SMALL_HOLES}
RESTARTS = {
    "name": "cosine_restarts",
    "warmup_epochs": 5,
    "warmup_start": 1,
    "warmup_end": 10,
    "period": 25,
    "unit": "steps",
    "end": 0.01,
}
SESSION_02_RUN = {
    **SESSION_02,
    **COMMON,
    "optimizer": {**SGD, "lr": 0.01, "weight_decay": 1e-3},
    "schedule": RESTARTS,
    "augmentation": augmented(HOLES),
    "early_stopping": {"patience": 15, "target": 74},
    "precision": "fp16",
}


def first(epochs: int, of: int) -> dict[str, Any]:
    return {"epochs": epochs, "schedule": {**ONECYCLE, "length": of}}


def later(model: str, epochs: int, batch: int, peak: float, length: int | None) -> dict[str, Any]:
    """A trial of session8-more-trials: OneCycle from 1e-6 to the peak and to 1e-10."""
    grey = {**STEPS["cutout"], "fill": 128}
    return {
        **SESSION_02_RUN,
        "model": WRN if "wrn" in model else {"name": model},
        "epochs": epochs,
        "batch_size": batch,
        "optimizer": {**SGD, "lr": peak, "weight_decay": 1e-3},
        "schedule": {"name": "onecycle", "length": length},
        "augmentation": augmented({**STEPS, "cutout": grey}),
    }


def test_wrn_cifar100_as_run() -> None:
    found = as_run("wrn-cifar100")
    phased = found.pop("session-04-as-run")
    for name, recipe in found.items():
        if name.startswith("more-"):
            lr, schedule = recipe.optimizer.lr, recipe.schedule
            assert lr * schedule.start == pytest.approx(1e-6, rel=1e-5)
            assert lr * schedule.end == pytest.approx(1e-10, rel=1e-5)
            plain = schedule.model_copy(update={"start": 0.04, "end": 0.0})
            found[name] = recipe.model_copy(update={"schedule": plain})
    crop = {"probability": 0.5, "scale": (0.8, 1), "ratio": (0.9, 1.1)}
    cropped = {"shift_scale_rotate": HOLES["shift_scale_rotate"], "resized_crop": crop}
    no_colours = ("shift_scale_rotate", "resized_crop", "cutout")
    expected: dict[str, dict[str, Any]] = {
        "base-resnet18": {
            **BASE_RUN, **WEAKLY_DECAYED, "model": network("resnet18"), "epochs": 40,
        },
        "base-resnet34": {
            **BASE_RUN, **WEAKLY_DECAYED, "model": network("resnet34"), "epochs": 40,
        },
        "base-resnet34-dropout": {**BASE_RUN, "model": network("resnet34", 0.4)},
        "base-resnet18-dropout": {**BASE_RUN, "model": network("resnet18", 0.4), **first(27, 100)},
        "base-wrn": {**BASE_RUN, "model": WRN, **first(3, 100)},
        "base-wrn-second": {**BASE_RUN, "model": WRN, **first(1, 100)},
        "base-resnet34-mixup-0.2": {
            **BASE_RUN,
            **WEAKLY_DECAYED,
            "model": network("resnet34"),
            **first(15, 40),
            "mixing": {"mixup_alpha": 0.2},
            "augmentation": augmented({step: BASE_STEPS[step] for step in no_colours}),
        },
        "session-02": SESSION_02_RUN,
        "session-02-first": {**SESSION_02_RUN, "epochs": 8},
        "session-01": {
            **SESSION_02_RUN,
            "epochs": 58,
            "augmentation": augmented({**cropped, **HOLES}),
        },
        "more-wrn-onecycle": later("wrn-28-10", 50, 256, 0.1, None),
        "more-resnet50-onecycle-512": later("resnet50", 50, 512, 0.12648552, None),
        "more-resnet50-onecycle-256": later("resnet50", 15, 256, 0.026827, 50),
        "more-resnet50-local": later("resnet50", 7, 256, 0.0702974, 50),
    }  # fmt: skip
    same(found, {f"{name}-as-run": recipe for name, recipe in expected.items()})

    restarts, swings = phased.schedule.parts
    assert (restarts.warmup_end, restarts.period, restarts.end, restarts.until) == (
        15,
        20,
        0.05,
        60,
    )
    assert (swings.name, swings.length, swings.unit, swings.end) == ("cosine", 40, "steps", 1e-3)
    assert phased.early_stopping is not None
    assert phased.early_stopping.target == 75
    stated = recipes("wrn-cifar100")["session-04"]
    for epoch in SESSION_04:
        dropout, mixup, smoothing, _, shift = in_force(phased, epoch)
        assert (dropout, mixup, smoothing, shift) == (
            *in_force(stated, epoch)[:3],
            in_force(stated, epoch)[4],
        )
        cutout = recipe_at(phased, epoch).augmentation.cutout
        assert cutout is not None
        assert cutout.size == (3.2, 6.4)


def test_the_failure_of_session_01_stands_beside_its_trial_as_run(tmp_path: Path) -> None:
    row = trial("session-01-as-run", study="wrn-cifar100", epochs=3, variant="as-run")
    write_results(tmp_path, [row], study=study_files()["wrn-cifar100"], epochs=epochs_of(row))
    (item,) = (item for item in comparisons(Analysis.of(tmp_path)) if item.published.value == 6.60)
    assert item.measured is not None
    assert item.published.epoch == 1


def test_the_run_that_session_03_never_was_is_not_compared() -> None:
    (figure,) = (f for f in load_study("wrn-cifar100").published if "session 03" in f.protocol)
    assert figure.not_comparable
    assert "no run" in figure.protocol
