"""The five shipped studies: their sources' configurations, figures and claims, one by one."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from resray.errors import InputError
from resray.models.build import build_model
from resray.models.count import count_parameters
from resray.study.entries import ablation_steps
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study, study_files
from resray.study.phases import recipe_at
from resray.study.recipe_spec import Recipe
from resray.study.recipes import flatten

# Metrics, by the letters that the tables below name them with.
TEST, TRAIN, LOSS, HIDDEN = "test_accuracy", "train_accuracy", "train_loss", "hidden_accuracy"
TIME, EPOCH, SPEED, SIZE = (
    "seconds_training",
    "seconds_per_epoch",
    "iterations_per_second",
    "parameters",
)
DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
AUTHOR_EPOCHS = (100, 100, 150, 200, 250)
BASE_SESSION = (
    ("base-resnet18", 53.44, 40),
    ("base-resnet34", 59.29, 40),
    ("base-resnet18-dropout", 62.96, 100),
    ("base-resnet34-dropout", 62.54, 100),
    ("base-wrn", 68.08, 100),
)
NAMES_B = ("resnet10-b", "resnet40-b", "resnet102-b", "resnet40-b-ft")

Figure = tuple[str, str, float, int | None, int | None]
"""Trial, metric, value, epochs of the training, epoch of the figure."""


def by_budget(trial: str, metric: str, values: tuple[float, float, float]) -> list[Figure]:
    return [
        (trial, metric, value, 10, epoch) for value, epoch in zip(values, (1, 5, 10), strict=True)
    ]


def curve(metric: str, first: tuple[float, ...], last: float) -> list[Figure]:
    early: list[Figure] = [
        ("resnet10-b", metric, value, 200, epoch) for epoch, value in enumerate(first, 1)
    ]
    return [*early, ("resnet10-b", metric, last, 200, 200)]


PUBLISHED: dict[str, list[Figure]] = {
    "depth-family": [
        *((name, TEST, value, epochs, None) for name, value, epochs in
          zip(DEPTHS, (87.92, 86.41, 87.93, 88.17, 91.68), AUTHOR_EPOCHS, strict=True)),
        *((name, TIME, 60 * minutes + seconds, epochs, None) for name, (minutes, seconds), epochs in
          zip(DEPTHS, ((23, 38), (28, 44), (95, 0), (219, 0), (312, 0)), AUTHOR_EPOCHS,
              strict=True)),
        *((name, SIZE, millions * 1e6, None, None) for name, millions in
          zip(DEPTHS, (11, 21, 25, 44, 60), strict=True)),
        *((name, TEST, value, 200, None) for name, value in
          zip(DEPTHS, (94.82, 95.34, 95.55, 95.58, 95.76), strict=True)),
    ],
    "resnext": [
        *by_budget("resnet50", LOSS, (1.7408, 0.5014, 0.1373)),
        *by_budget("resnet50", TEST, (51.11, 76.74, 78.79)),
        *by_budget("resnet50", SPEED, (2.46, 2.42, 2.42)),
        *by_budget("resnet50", EPOCH, (158, 161, 161)),
        *by_budget("resnext50_32x4d", LOSS, (1.9723, 0.6635, 0.2166)),
        *by_budget("resnext50_32x4d", TEST, (45.91, 73.44, 76.75)),
        *by_budget("resnext50_32x4d", SPEED, (2.76, 2.76, 2.76)),
        *by_budget("resnext50_32x4d", EPOCH, (141, 141, 141)),
    ],
    "resnet10-speed": [],
    "wrn-cifar100": [
        *((name, TEST, value, epochs, None) for name, value, epochs in BASE_SESSION),
        ("session-02", TEST, 6.60, None, 1),
        ("session-02", TEST, 71.20, 100, None),
        ("session-02", TEST, 71.20, 100, None),
        ("session-04", TEST, 72.98, 100, 99),
        ("session-02", TIME, 6 * 3600, 100, None),
        ("session-02", TIME, 8 * 3600, 100, None),
        ("base-resnet18", SIZE, 11.2e6, None, None),
        ("base-resnet34", SIZE, 21.3e6, None, None),
        ("base-wrn", SIZE, 36.5e6, None, None),
        ("paper", TEST, 81, 200, None),
        ("paper-mixup", TEST, 82.5, 200, None),
        ("paper-cutmix", TEST, 83, 200, None),
    ],
    "basicblock-depth": [
        *((name, SIZE, value, None, None) for name, value in
          zip(NAMES_B, (4.90e6, 4_994_730, 4.99e6), strict=False)),
        *((name, TEST, value, epochs, None) for name, value, epochs in
          zip(NAMES_B, (94.41, 95.20, 94.23, 96.01), (200, 200, 200, 310), strict=True)),
        *((name, HIDDEN, value, epochs, None) for name, value, epochs in
          zip(NAMES_B, (83.18, 84.33, 83.39, 85.09), (200, 200, 200, 310), strict=True)),
        ("resnet40-b", HIDDEN, 84.37, 200, None),
        ("resnet40-b", TEST, 95.05, 200, None),
        ("resnet40-b-as2", TEST, 75.71, 200, None),
        *curve(TRAIN, (39.0, 58.8, 67.3, 71.8, 76.0), 99.99),
        *curve(TEST, (48.0, 61.0, 65.2, 69.8, 72.2), 94.32),
    ],
}  # fmt: skip

CLAIMS = {
    "depth-family": "abcd",
    "resnext": "abcd",
    "resnet10-speed": "abc",
    "wrn-cifar100": "abcdefghij",
    "basicblock-depth": "abc",
}


def planned(study: str, **options: Any) -> dict[str, PlannedTrial]:
    return {trial.name: trial for trial in expand(load_study(study), Options(**options))}


def recipes(study: str, **options: Any) -> dict[str, Recipe]:
    return {name: trial.recipe for name, trial in planned(study, **options).items()}


def test_the_five_studies_are_there() -> None:
    assert set(study_files()) == set(PUBLISHED)
    assert all(load_study(name).seeds == [0] for name in PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_figure_is_there_and_no_other(name: str) -> None:
    found = [(f.trial, f.metric, f.value, f.epochs, f.epoch) for f in load_study(name).published]
    assert sorted(found, key=str) == sorted(
        (
            (trial, metric, float(value), *epochs)
            for trial, metric, value, *epochs in PUBLISHED[name]
        ),
        key=str,
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_claim_is_there_once(name: str) -> None:
    claims = [claim.id for claim in load_study(name).claims]
    assert len(set(claims)) == len(claims)
    assert {claim[0] for claim in claims if re.fullmatch(r"[a-z]\d?", claim)} == set(CLAIMS[name])


def test_devices_are_the_sources() -> None:
    devices = {
        name: {f.device for f in load_study(name).published} - {"any", "unstated"}
        for name in PUBLISHED
    }
    assert devices == {
        "depth-family": {"NVIDIA P100"},
        "resnext": {"NVIDIA T4"},
        "resnet10-speed": set(),
        "wrn-cifar100": {"NVIDIA T4 or V100"},
        "basicblock-depth": {"Kaggle GPU"},
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_assumed_is_a_setting(name: str) -> None:
    keys = {key for recipe in recipes(name).values() for key in flatten(recipe)}
    for key in load_study(name).assumed:
        known = any(f"{other}.".startswith(f"{key}.") for other in keys)
        # Groups that no trial or only some use are null in the others.
        assert known or key == "ablate.target_accuracy", key


# --- recipes ------------------------------------------------------------------------------------

SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}
NO_CHANGES = {"flip": 0, "crop_padding": 0}


def same(found: dict[str, Recipe], expected: dict[str, dict[str, Any]]) -> None:
    assert list(found) == list(expected)
    for name, recipe in found.items():
        assert recipe == Recipe.model_validate(expected[name]), name


@pytest.mark.parametrize(
    ("variant", "epochs", "stem"),
    [
        ("standard", (200,) * 5, "cifar"),
        ("author-epochs", AUTHOR_EPOCHS, "cifar"),
        ("imagenet-stem", (200,) * 5, "imagenet"),
    ],
)
def test_depth_family(variant: str, epochs: tuple[int, ...], stem: str) -> None:
    expected = {
        name: {
            "model": {"name": name, "zero_init_residual": True, "stem": stem},
            "data": {"name": "cifar10"},
            "epochs": length,
            "batch_size": 128,
            "optimizer": SGD,
            "schedule": {"name": "cosine", "warmup_epochs": 5},
            "augmentation": {"flip": 0.5, "crop_padding": 4},
        }
        for name, length in zip(DEPTHS, epochs, strict=True)
    }
    same(recipes("depth-family", variant=variant), expected)


def test_resnext() -> None:
    common = {
        "data": {"name": "cifar10"},
        "epochs": 10,
        "batch_size": 128,
        "optimizer": {**SGD, "lr": 0.01},
        "schedule": {"name": "constant"},
        "augmentation": NO_CHANGES,
        "precision": "fp32",
        "channels_last": False,
    }
    names = ("resnet50", "resnext50_32x4d")
    same(recipes("resnext"), {name: {**common, "model": {"name": name}} for name in names})
    assert load_study("resnext").exclusive


PLAIN = {
    "model": {"name": "resnet10"},
    "data": {"name": "cifar10"},
    "epochs": 5,
    "batch_size": 4,
    "loader": {"name": "per-image", "workers": 0, "pinned_memory": False},
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0, "weight_decay": 0},
    "schedule": {"name": "constant"},
    "augmentation": NO_CHANGES,
    "precision": "fp32",
    "channels_last": False,
}
CHANGES: dict[str, dict[str, Any]] = {
    "batch": {"batch_size": 256},
    "loader": {"loader": {"name": "per-image", "workers": 2, "pinned_memory": True}},
    "amp": {"precision": "auto"},
    "accumulation": {"accumulation": 2},
    "optimizer": {
        "optimizer": {"name": "adamw", "lr": 1e-3, "momentum": 0, "weight_decay": 0.01},
        "schedule": {"name": "onecycle", "end": 4e-6},
    },
    "shared-layer": {"model": {"name": "resnet10", "shared_stages": [1]}},
}


def changed(*names: str) -> dict[str, Any]:
    recipe: dict[str, Any] = dict(PLAIN)
    for name in names:
        recipe |= CHANGES[name]
    return recipe


def test_resnet10_speed_switches_one_change_at_a_time() -> None:
    names = list(CHANGES)
    expected = {"resray": {**changed(*names), "loader": {"name": "device"}}, "plain": PLAIN}
    expected |= {
        "+".join(("plain", *names[:number])): changed(*names[:number]) for number in range(1, 5)
    }
    expected |= {"full-shared-layer": changed(*names[:5]), "full": changed(*names)}
    expected |= {f"plain+{name}": changed(name) for name in names[1:]}
    expected |= {
        f"full-{name}": changed(*(other for other in names if other != name)) for name in names[:5]
    }
    same(recipes("resnet10-speed"), expected)


def test_resnet10_speed_has_all_three_forms_and_the_device_to_itself() -> None:
    study = load_study("resnet10-speed")
    assert study.exclusive
    assert study.ablate is not None
    assert study.ablate.forms == ["chain", "add", "remove"]
    steps = {
        step.name for form in study.ablate.forms for step in ablation_steps(list(CHANGES), form)
    }
    assert len(steps) == 17
    assert steps | {"resray"} == set(study.trial_names)


def test_fp16_variants_change_the_precision_of_mixed_trials_only() -> None:
    for name in ("resnet10-speed", "wrn-cifar100"):
        default, fp16 = recipes(name), recipes(name, variant="fp16")
        assert len(default) == len(fp16)
        for trial, recipe in default.items():
            expected = "fp32" if recipe.precision == "fp32" else "fp16"
            assert fp16[trial] == recipe.model_copy(update={"precision": expected}), trial


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
    "augmentation": {**NO_CHANGES, **COLOURS},
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


def in_force(recipe: Recipe, epoch: int) -> tuple[float | None, ...]:
    now = recipe_at(recipe, epoch)
    moved, cutout = now.augmentation.shift_scale_rotate, now.augmentation.cutout
    return (
        now.model.dropout,
        now.mixing.mixup_alpha,
        now.label_smoothing,
        cutout.size if cutout else None,
        moved.shift if moved else None,
    )


@pytest.mark.parametrize(
    ("name", "expected", "rate", "first_rate"),
    [("session-04", SESSION_04, 0.15, 0.01), ("session-05", SESSION_05, 0.1, 0.01)],
)
def test_sessions_in_phases(
    name: str, expected: dict[int, tuple[float, ...]], rate: float, first_rate: float
) -> None:
    recipe = recipes("wrn-cifar100")[name]
    assert {epoch: in_force(recipe, epoch) for epoch in expected} == expected
    restarts, decay = recipe.schedule.parts
    assert recipe.optimizer.lr == rate
    assert (restarts.name, restarts.period, restarts.until) == ("cosine_restarts", 20, 60)
    assert (decay.name, decay.until) == ("cosine", None)
    assert restarts.warmup_start * rate == pytest.approx(first_rate, rel=1e-5)
    assert restarts.end * rate == decay.end * rate == pytest.approx(1e-4, rel=1e-5)
    # All else is session 02's.
    own = ("optimizer", "schedule", "phases")
    kept = recipe.model_dump(exclude=set(own))
    assert kept == Recipe.model_validate(SESSION_02).model_dump(exclude=set(own))
    assert recipe.optimizer.weight_decay == 1e-3


def test_last_phase_of_session_04_flips_and_cuts_out_only() -> None:
    last = recipe_at(recipes("wrn-cifar100")["session-04"], 71).augmentation
    on = {key for key, value in last if value}
    assert on == {"flip", "crop_probability", "cutout"}
    assert last.flip == 0.5


def test_basicblock_depth() -> None:
    as1: dict[str, Any] = {
        "model": {"name": "resnet40-b"},
        "data": {
            "name": "cifar10",
            "mean": (0.4914, 0.4822, 0.4465),
            "std": (0.2023, 0.1994, 0.2010),
        },
        "epochs": 200,
        "batch_size": 128,
        "eval_batch_size": 100,
        "optimizer": SGD,
        "schedule": {"name": "cosine", "end": 0},
        "augmentation": {"flip": 0.5, "crop_padding": 4},
    }
    as2 = {
        "optimizer": {"name": "adam", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
        "schedule": {"name": "plateau", "gamma": 0.5, "patience": 5},
    }
    affine = {
        "probability": 1,
        "degrees": 10,
        "translate": 0.1,
        "scale": (0.9, 1.1),
        "shear": 10,
    }
    fine_tuned = {
        "epochs": 310,
        "mixing": {"cutmix_alpha": 1, "probability": 0.5},
        "augmentation": {"flip": 0.5, "crop_padding": 4, "affine": affine},
    }
    expected = {
        "resnet10-b": {**as1, "model": {"name": "resnet10-b"}},
        "resnet40-b": as1,
        "resnet102-b": {**as1, "model": {"name": "resnet102-b"}},
        "resnet40-b-linear": {**as1, "schedule": {"name": "linear", "end": 0}},
        "resnet40-b-as2": {**as1, **as2},
        "resnet40-b-ft": {**as1, **fine_tuned},
    }
    same(recipes("basicblock-depth"), expected)
    assert load_study("basicblock-depth").default_variant == "as1"


# --- sizes --------------------------------------------------------------------------------------


def parameters_of(study: str, trial: str) -> int:
    recipe = recipes(study)[trial]
    with torch.device("meta"):
        network = build_model(recipe.model, 100 if recipe.data.name == "cifar100" else 10)
    return count_parameters(network)


def test_resnet40_b_has_the_published_parameters() -> None:
    assert parameters_of("basicblock-depth", "resnet40-b") == 4_994_730


@pytest.mark.parametrize(
    ("study", "trial", "millions"),
    [
        ("basicblock-depth", "resnet10-b", "4.90"),
        ("wrn-cifar100", "base-resnet18", "11.2"),
        ("wrn-cifar100", "base-resnet34", "21.3"),
        ("wrn-cifar100", "session-02", "36.5"),
        ("depth-family", "resnet50", "23.5"),
        ("depth-family", "resnet101", "42.5"),
        ("depth-family", "resnet152", "58.2"),
    ],
)
def test_parameters_round_to_the_published_ones(study: str, trial: str, millions: str) -> None:
    digits = len(millions.split(".")[1])
    assert f"{parameters_of(study, trial) / 1e6:.{digits}f}" == millions


def test_resnet102_b_stays_under_five_millions() -> None:
    # Published is 4.99M, which is the exact count cut off rather than rounded.
    assert 4_990_000 <= parameters_of("basicblock-depth", "resnet102-b") < 5_000_000


# --- quick --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("data_given", [False, True])
def test_quick_is_small_and_still_compares_different_trials(name: str, data_given: bool) -> None:
    trials = planned(name, quick=True, data_given=data_given)
    assert list(trials) == load_study(name).trial_names
    for trial in trials.values():
        data = trial.recipe.data
        assert data.image_size == 16
        assert trial.recipe.epochs <= 10
        assert (data.limit_train or (data.images or 0) - data.validation_images) <= 512
        assert (data.limit_eval or data.validation_images) <= 128


def test_quick_names_its_stand_ins() -> None:
    trials = planned("wrn-cifar100", quick=True)
    models = {trial.recipe.model.name for name, trial in trials.items() if "resnet" not in name}
    assert models == {"wrn-16-2", "wrn-16-3", "wrn-22-2"}
    assert "wrn-16-2 in place of wrn-28-10" in trials["session-04"].reductions


def test_quick_keeps_every_phase_of_session_04() -> None:
    recipe = recipes("wrn-cifar100", quick=True)["session-04"]
    seen = [in_force(recipe, epoch) for epoch in range(1, recipe.epochs + 1)]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(SESSION_04.values()))
    assert [part.until for part in recipe.schedule.parts] == [6, None]


# --- the documentation, and mistakes ------------------------------------------------------------

DOCUMENTATION = Path(__file__).parent.parent / "docs" / "studies.md"
BLOCKS = re.findall(
    r"^```yaml\n(name: .*?)^```", DOCUMENTATION.read_text(), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("text", BLOCKS, ids=[block.splitlines()[0] for block in BLOCKS])
def test_documented_study_files_are_valid(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    study = load_study(str(path))
    for variant in study.variant_names:
        assert expand(study, Options(variant=variant))
        assert expand(study, Options(variant=variant, quick=True))


def test_documentation_names_every_key_of_a_study_and_has_examples() -> None:
    text = DOCUMENTATION.read_text()
    assert len(BLOCKS) >= 2
    assert set().union(*(yaml.safe_load(block) for block in BLOCKS)) >= {
        "trials", "ablate", "grid", "variants", "quick", "published", "claims", "assumed",
        "checkpoints", "exclusive",
    }  # fmt: skip
    assert all(f"`{name}`" in text for name in PUBLISHED)


MISTAKEN = """\
name: mistaken
title: Eight mistakes
question: Which?
colour: blue
recipe:
  model: resnet81
  data: cifar10
  epochs: 10
  batch_size: many
  optimizer: {name: sgd, lr: -0.1}
  phases:
    label_smoothing:
      1-4: 0.1
      6-10: 0
trials:
  - name: small
  - name: large
    recipe: {model: resnet34}
  - name: small
    recipe: {epochs: 5}
grid:
  optimizer.momentum: []
claims:
  - id: a
    text: larger is better
    check:
      - test_accuracy[large] > test_accuracy[small]
      - test_acuracy[large] > 90
"""
MESSAGES = [
    "4: 'colour' is not known; (",
    "6: recipe.model.name: 'resnet81' is not known; did you mean 'resnet18'? (",
    "9: recipe.batch_size: 'many' must be a whole number",
    "10: recipe.optimizer.lr: -0.1 must be greater than 0",
    "14: recipe.phases.label_smoothing.6-10: epoch 5 has no value",
    "19: trials[2].name: 'small' stands there twice",
    "22: grid.optimizer.momentum: [] must have at least 1 item, not 0",
    "28: claims[0].check[1]: 'test_acuracy' is not known; did you mean 'test_accuracy'? (",
]


def mistakes_in(path: Path) -> list[str]:
    with pytest.raises(InputError) as raised:
        load_study(str(path))
    assert raised.value.exit_code == 2
    return str(raised.value).splitlines()


def test_ten_mistakes_each_say_where_and_what(tmp_path: Path) -> None:
    path, broken, missing = (tmp_path / f"{name}.yaml" for name in ("mistaken", "broken", "none"))
    path.write_text(MISTAKEN)
    broken.write_text(MISTAKEN.replace("lr: -0.1}", "lr: 0.1"))
    found = mistakes_in(path)
    assert len(found) == len(MESSAGES), found
    for message, expected in zip(found, MESSAGES, strict=True):
        assert message.startswith(f"{path}:{expected}")
    assert mistakes_in(missing) == [f"{missing}: No such file or directory"]
    (syntax,) = mistakes_in(broken)
    assert syntax.startswith(f"{broken}:11: not valid YAML: while parsing a flow mapping")
