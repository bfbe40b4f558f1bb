"""The recipes of the shipped studies but wrn-cifar100, value by value, against their sources."""

from typing import Any

import pytest

from resray.study.entries import ablation_steps
from resray.study.load import load_study
from tests.studies import SGD, UNCHANGED, UNSEEN, as_run, recipes, same

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


def test_basic_blocks_make_as_many_layers() -> None:
    found = recipes("depth-family", variant="basic-blocks")
    default = recipes("depth-family")
    assert [name for name in DEPTHS if found[name] == default[name]] == ["resnet18", "resnet34"]
    for name, layers in (("resnet50", 50), ("resnet101", 102), ("resnet152", 152)):
        model = found[name].model
        assert model.block == "basic"
        assert 2 * sum(model.blocks) + 2 == layers
        assert model.zero_init_residual


NORMALISED = {
    "name": "cifar10",
    "mean": (0.4914, 0.4822, 0.4465),
    "std": (0.2023, 0.1994, 0.2010),
}
RESNEXT = {
    "data": NORMALISED,
    "batch_size": 128,
    "loader": {"name": "per-image", "workers": 0, "pinned_memory": False},
    "optimizer": {**SGD, "lr": 0.01},
    "schedule": {"name": "constant"},
    "augmentation": UNCHANGED,
    "precision": "fp32",
    "channels_last": False,
}


def test_resnext() -> None:
    expected = {
        f"{name}-{epochs}": {
            **RESNEXT,
            "epochs": epochs,
            "model": {"name": name, "initialisation": "torch"},
        }
        for name in ("resnet50", "resnext50_32x4d")
        for epochs in (1, 5, 10)
    }
    same(recipes("resnext"), expected)
    assert load_study("resnext").exclusive


def test_resnext_as_run() -> None:
    narrow = {
        "name": "resnet",
        "block": "bottleneck",
        "blocks": (3, 4, 6, 3),
        "channels": (64, 128, 256, 512),
        "groups": 32,
        "bottleneck_width": 128,
    }
    expected = {
        f"{name}-{epochs}-as-run": {
            **RESNEXT,
            "data": {**NORMALISED, **UNSEEN},
            "epochs": epochs,
            "model": {**model, "initialisation": "torch"},
        }
        for name, model in (("resnet50", {"name": "resnet50"}), ("resnext50_32x4d", narrow))
        for epochs in (1, 5, 10)
    }
    same(as_run("resnext"), expected)


PLAIN: dict[str, Any] = {
    "model": {
        "name": "resnet10",
        "initialisation": "xavier_normal",
        "classifier_initialisation": "xavier_normal",
    },
    "data": {"name": "cifar10", "mean": (0, 0, 0), "std": (1, 1, 1)},
    "epochs": 5,
    "batch_size": 4,
    "loader": {"name": "per-image", "workers": 0, "pinned_memory": False, "shuffle": False},
    "optimizer": {"name": "sgd", "lr": 0.001, "momentum": 0, "weight_decay": 0},
    "schedule": {"name": "constant"},
    "augmentation": UNCHANGED,
    "precision": "fp32",
    "channels_last": False,
}
KAIMING = {"initialisation": "kaiming_normal", "classifier_initialisation": "kaiming_normal"}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
CHANGES: dict[str, dict[str, Any]] = {
    "batch": {"batch_size": 256},
    "loader": {"loader": {"workers": 4, "pinned_memory": True}},
    "amp": {"precision": "auto", "eval_precision": "fp32"},
    "accumulation": {"accumulation": 4},
    "optimizer": {
        "optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 1e-4},
        "schedule": {"name": "onecycle", "end": 4e-6},
    },
    "shared-layer": {"model": {"shared_stages": [1]}},
    "unlisted": {"model": KAIMING, "data": HALF, "loader": {"shuffle": True}},
}


def changed(*names: str) -> dict[str, Any]:
    recipe: dict[str, Any] = dict(PLAIN)
    for name in names:
        for key, value in CHANGES[name].items():
            joined = isinstance(value, dict) and key not in ("optimizer", "schedule")
            recipe[key] = {**recipe[key], **value} if joined else value
    return recipe


def test_resnet10_speed_switches_one_change_at_a_time() -> None:
    names = list(CHANGES)
    on_device = {"name": "device", "shuffle": True}
    expected = {"resray": {**changed(*names), "loader": on_device}, "plain": PLAIN}
    expected |= {
        "+".join(("plain", *names[:number])): changed(*names[:number]) for number in range(1, 6)
    }
    expected |= {"full-unlisted": changed(*names[:6]), "full": changed(*names)}
    expected |= {f"plain+{name}": changed(name) for name in names[1:]}
    expected |= {
        f"full-{name}": changed(*(other for other in names if other != name)) for name in names[:6]
    }
    same(recipes("resnet10-speed"), expected)


def test_resnet10_speed_as_run() -> None:
    onecycle = {"name": "onecycle", "end": 4e-6, "length": 980, "unit": "steps"}
    full = {
        **changed("batch", "loader", "accumulation", "optimizer", "unlisted"),
        "schedule": onecycle,
        "precision": "fp16",
        "eval_precision": "fp32",
    }
    expected = {
        "plain-as-run": {**PLAIN, "data": {**PLAIN["data"], **UNSEEN}},
        "full-as-run": {
            **full,
            "data": {**full["data"], **UNSEEN},
            "model": {"name": "resnet10", **KAIMING, "shortcut": "none"},
        },
    }
    same(as_run("resnet10-speed"), expected)


def test_resnet10_speed_has_all_three_forms_and_the_device_to_itself() -> None:
    study = load_study("resnet10-speed")
    assert study.exclusive
    assert study.ablate is not None
    assert study.ablate.forms == ["chain", "add", "remove"]
    steps = {
        step.name for form in study.ablate.forms for step in ablation_steps(list(CHANGES), form)
    }
    assert len(steps) == 20
    assert steps | {"resray"} == set(recipes("resnet10-speed"))


AS1: dict[str, Any] = {
    "model": {"name": "resnet40-b", "initialisation": "torch"},
    "data": NORMALISED,
    "epochs": 200,
    "batch_size": 128,
    "eval_batch_size": 100,
    "optimizer": SGD,
    "schedule": {"name": "cosine", "end": 0, "interval": "epoch"},
    "augmentation": {"flip": 0.5, "crop_padding": 4},
    "precision": "fp32",
}
AS2 = {
    "optimizer": {"name": "adam", "lr": 0.1, "weight_decay": 1e-4},
    "schedule": {"name": "plateau", "gamma": 0.5, "patience": 5},
}
LINEAR = {"schedule": {"name": "linear", "end": 0, "interval": "epoch"}}
AFFINE = {"probability": 1, "degrees": 10, "translate": 0.1, "scale": (0.9, 1.1), "shear": 10}
FINE_TUNED = {
    "epochs": 310,
    "mixing": {"cutmix_alpha": 1, "probability": 0.5, "cutmix_sides": "even"},
    "augmentation": {"flip": 0.5, "crop_padding": 4, "affine": AFFINE},
}


def network(depth: int) -> dict[str, Any]:
    return {"model": {"name": f"resnet{depth}-b", "initialisation": "torch"}}


def test_basicblock_depth() -> None:
    expected = {
        f"resnet{depth}-b{suffix}": {**AS1, **network(depth), **changes}
        for suffix, changes in (("", {}), ("-linear", LINEAR), ("-as2", AS2))
        for depth in (10, 40, 102)
    }
    expected["resnet40-b-ft"] = {**AS1, **FINE_TUNED}
    expected["resnet40-b-ft-linear"] = {**AS1, **FINE_TUNED, **LINEAR}
    same(recipes("basicblock-depth"), expected)
    assert load_study("basicblock-depth").default_variant == "as1"


def test_basicblock_depth_as_run() -> None:
    common = {
        **AS1,
        "data": {**NORMALISED, **UNSEEN},
        "selection": "test",
        "channels_last": False,
    }

    def cosine(length: int) -> dict[str, Any]:
        return {"schedule": {"name": "cosine", "interval": "epoch", "length": length}}

    slower = {**AS2, "schedule": {"name": "plateau", "gamma": 0.1, "patience": 5}}
    sooner = {**AS2, "schedule": {"name": "plateau", "gamma": 0.5, "patience": 3}}
    expected = {
        "resnet10-b": {**network(10)},
        "resnet10-b-as2": {**network(10), **slower, "epochs": 150},
        "resnet40-b": {},
        "resnet40-b-250": {**cosine(250), "epochs": 250},
        "resnet40-b-as2": sooner,
        "resnet102-b": {**network(102)},
        "resnet40-b-ft": {**FINE_TUNED, **cosine(300), "epochs": 350},
    }
    wanted = {f"{name}-as-run": {**common, **changes} for name, changes in expected.items()}
    same(as_run("basicblock-depth"), wanted)


def test_fp16_variants_change_the_precision_of_mixed_trials_only() -> None:
    for name in ("resnet10-speed", "wrn-cifar100"):
        default, fp16 = recipes(name), recipes(name, variant="fp16")
        assert len(default) == len(fp16)
        for trial, recipe in default.items():
            expected = "fp32" if recipe.precision == "fp32" else "fp16"
            assert fp16[trial] == recipe.model_copy(update={"precision": expected}), trial
