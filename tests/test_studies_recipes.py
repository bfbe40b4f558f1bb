"""The recipes of the shipped studies but wrn-cifar100, value by value, against their sources."""

from typing import Any

import pytest

from resray.study.entries import ablation_steps
from resray.study.load import load_study
from tests.studies import SGD, UNCHANGED, recipes, same

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


@pytest.mark.parametrize(
    ("variant", "epochs", "stem"),
    [
        ("standard", (200,) * 5, "cifar"),
        ("author-epochs", (100, 100, 150, 200, 250), "cifar"),
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
        "augmentation": UNCHANGED,
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
    "augmentation": UNCHANGED,
    "precision": "fp32",
    "channels_last": False,
}
CHANGES: dict[str, dict[str, Any]] = {
    "batch": {"batch_size": 256},
    "loader": {"loader": {"name": "per-image", "workers": 2, "pinned_memory": True}},
    "amp": {"precision": "auto"},
    "accumulation": {"accumulation": 2},
    "optimizer": {
        "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01},
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
        "optimizer": {"name": "adam", "lr": 0.1, "weight_decay": 1e-4},
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


def test_fp16_variants_change_the_precision_of_mixed_trials_only() -> None:
    for name in ("resnet10-speed", "wrn-cifar100"):
        default, fp16 = recipes(name), recipes(name, variant="fp16")
        assert len(default) == len(fp16)
        for trial, recipe in default.items():
            expected = "fp32" if recipe.precision == "fp32" else "fp16"
            assert fp16[trial] == recipe.model_copy(update={"precision": expected}), trial
