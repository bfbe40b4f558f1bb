"""From a study and options to trials: what wins over what, what is reduced, what an id is."""

import json
import subprocess
import sys
from typing import Any

import pytest

from resray.cli.show.recipe import differences
from resray.errors import InputError
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.layers import flatten
from resray.study.recipe_spec import Recipe
from resray.study.recipes import rescale, trial_id
from resray.study.spec import Study

RECIPE: dict[str, Any] = {
    "model": "resnet18",
    "data": {"name": "cifar100", "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
    "epochs": 100,
    "schedule": {"name": "step", "milestones": [50, 75], "warmup_epochs": 5},
}


def study(**changes: Any) -> Study:
    content = {
        "name": "mine",
        "title": "t",
        "question": "q",
        "recipe": RECIPE,
        "trials": [
            {"name": "plain"},
            {"name": "deep", "recipe": {"model": {"name": "resnet50", "norm": "group"}}},
        ],
        "variants": {
            "slow": {
                "description": "d",
                "recipe": {"optimizer": {"lr": 0.01, "momentum": 0.5}},
                "trials": {"deep": {"optimizer": {"lr": 0.02}}},
            }
        },
        "seeds": [3],
        "quick": {
            "recipe": {"epochs": 2, "batch_size": 32},
            "embedded": {"images": 640, "classes": 10, "image_size": 16, "validation_images": 128},
            "real": {"limit_train": 512, "limit_eval": 128, "image_size": 16},
        },
    }
    return Study.model_validate({**content, **changes})


def recipes(**options: Any) -> dict[str, Recipe]:
    return {trial.name: trial.recipe for trial in expand(study(), Options(**options))}


def told(trial: PlannedTrial) -> tuple[str, ...]:
    return tuple(map(str, trial.reductions))


def test_layers_win_in_order() -> None:
    slow = recipes(variant="slow")
    assert slow["plain"].optimizer.lr == 0.01
    assert slow["deep"].optimizer.lr == 0.02
    assert slow["deep"].optimizer.momentum == 0.5
    assert slow["deep"].model.norm == "group"
    assert recipes(variant="slow", overrides=("optimizer.lr=0.3",))["deep"].optimizer.lr == 0.3
    assert recipes()["deep"].optimizer.lr == 0.1


def test_shorthand_keeps_what_else_is_said_of_the_model() -> None:
    deep = recipes(select=("deep",), overrides=("model=resnet34",))["deep"]
    assert (deep.model.name, deep.model.norm) == ("resnet34", "group")


def test_quick_without_data_uses_embedded_images_with_the_datasets_classes() -> None:
    (trial, _) = expand(study(), Options(quick=True))
    data = trial.recipe.data
    assert (data.name, data.classes, data.images, data.image_size) == ("embedded", 100, 640, 16)
    assert (data.validation_images, data.mean, data.std) == (128, None, None)
    assert (trial.recipe.epochs, trial.recipe.batch_size) == (2, 32)
    assert trial.recipe.schedule.warmup_epochs == pytest.approx(0.1)
    assert trial.recipe.schedule.milestones == pytest.approx((1.0, 1.5))
    assert told(trial) == (
        "2 of 100 epochs",
        "embedded images in place of cifar100",
        "images of 16x16 pixels",
        "schedule rescaled: warmup_epochs 0.1 instead of 5, milestones 1, 1.5 instead of 50, 75",
        "batch_size 32 in place of 128",
    )


def test_quick_with_data_keeps_and_shrinks_it() -> None:
    (trial, _) = expand(study(), Options(quick=True, data_given=True))
    data = trial.recipe.data
    assert (data.name, data.limit_train, data.limit_eval) == ("cifar100", 512, 128)
    assert data.mean == (0.5, 0.5, 0.5)
    assert told(trial) == (
        "2 of 100 epochs",
        "512 training images",
        "128 images each for validation and test",
        "images of 16x16 pixels",
        "schedule rescaled: warmup_epochs 0.1 instead of 5, milestones 1, 1.5 instead of 50, 75",
        "batch_size 32 in place of 128",
    )


def test_quick_of_a_study_on_embedded_images_stays_embedded() -> None:
    own = {**RECIPE, "data": {"name": "embedded", "classes": 4, "images": 3000}}
    (trial, _) = expand(study(recipe=own), Options(quick=True, data_given=True))
    assert (trial.recipe.data.name, trial.recipe.data.classes) == ("embedded", 4)
    assert told(trial) == (
        "2 of 100 epochs",
        "640 embedded images",
        "images of 16x16 pixels",
        "schedule rescaled: warmup_epochs 0.1 instead of 5, milestones 1, 1.5 instead of 50, 75",
        "batch_size 32 in place of 128",
        "data.validation_images 128 in place of 5000",
    )


def test_embedded_by_set_takes_quicks_images_and_drops_what_was_the_datasets() -> None:
    (trial, _) = expand(study(), Options(overrides=("data=embedded", "data.images=200")))
    data = trial.recipe.data
    assert (data.name, data.classes, data.images, data.mean) == ("embedded", 100, 200, None)
    assert trial.recipe.epochs == 100


def test_named_dataset_wins_over_quicks_stand_in() -> None:
    (trial, _) = expand(study(), Options(quick=True, overrides=("data=cifar10",)))
    data = trial.recipe.data
    assert (data.name, data.limit_train, data.mean) == ("cifar10", 512, None)


def test_quick_never_lengthens_and_epochs_option_wins_over_it() -> None:
    short = {**RECIPE, "epochs": 1, "schedule": {"name": "cosine"}}
    assert expand(study(recipe=short), Options(quick=True))[0].recipe.epochs == 1
    assert recipes(quick=True, epochs=10)["plain"].epochs == 10


def test_rescale_moves_warmup_and_milestones_and_can_go_back() -> None:
    recipe = Recipe.model_validate(RECIPE)
    half = rescale(recipe, 50)
    assert half.epochs == 50
    assert half.schedule.warmup_epochs == 2.5
    assert half.schedule.milestones == (25, 37.5)
    assert rescale(half, 100) == recipe
    assert Recipe.model_validate(half.model_dump()) == half


def test_limits_and_stop_after_are_reductions() -> None:
    options = Options(stop_after=2, limit_train=2000, limit_eval=500)
    (trial, _) = expand(study(), options)
    assert (trial.stop_after, trial.recipe.epochs) == (2, 100)
    assert told(trial) == (
        "stopped after 2 of 100 epochs",
        "2,000 training images",
        "500 images each for validation and test",
    )


def test_stop_at_the_last_epoch_is_no_stop() -> None:
    (trial, _) = expand(study(), Options(stop_after=100))
    assert (trial.stop_after, told(trial)) == (None, ())


BY_HAND = {
    "data=cifar10": ("changed: data.name=cifar10",),
    "data=embedded": ("embedded images in place of cifar100", "images of 16x16 pixels"),
    "data.validation_images=0": ("changed: data.validation_images=0",),
    "data.split_seed=3": ("changed: data.split_seed=3",),
    "data.mean=[0, 0, 0]": ("changed: data.mean=[0.0, 0.0, 0.0]",),
    "data.limit_train=2000": ("2,000 training images",),
    "data.limit_train=100000": (),
    "data.image_size=16": ("images of 16x16 pixels",),
    "data.image_size=64": ("changed: data.image_size=64",),
    "model={stem: imagenet}": ("changed: model.stem=imagenet",),
    "model={name: resnet34, dropout: 0.3}": (
        "resnet34 in place of resnet50",
        "changed: model.dropout=0.3",
    ),
    "model=resnet34": ("resnet34 in place of resnet50",),
    "model.norm=group": (),
    "augmentation.cutout={size: 8}": ("changed: augmentation.cutout.size=8",),
    "augmentation={auto_augment: {}}": ('changed: augmentation.auto_augment={"probability": 1.0}',),
    "epochs=300": ("300 epochs in place of 100",),
    "optimizer.lr= 0.5": ("changed: optimizer.lr=0.5",),
    "optimizer.lr=0.1": (),
}


@pytest.mark.parametrize(("override", "expected"), BY_HAND.items())
def test_what_set_changes_is_named_once(override: str, expected: tuple[str, ...]) -> None:
    (trial,) = expand(study(), Options(select=("deep",), overrides=(override,)))
    assert told(trial) == expected


def test_a_value_by_hand_that_ends_phases_is_named() -> None:
    own = {
        **RECIPE,
        "label_smoothing": 0.1,
        "phases": {"label_smoothing": {"1-50": 0.1, "51-100": 0}},
    }
    options = Options(overrides=("label_smoothing=0.1",))
    assert told(expand(study(recipe=own), options)[0]) == ("changed: label_smoothing=0.1",)


def test_more_epochs_than_the_studys_are_named() -> None:
    (trial, _) = expand(study(), Options(epochs=400))
    assert told(trial) == (
        "400 epochs in place of 100",
        "schedule rescaled: warmup_epochs 20 instead of 5, milestones 200, 300 instead of 50, 75",
    )


def test_what_set_and_quick_both_change_is_named_by_hand() -> None:
    (trial, _) = expand(study(), Options(quick=True, overrides=("batch_size=64",)))
    assert "changed: batch_size=64" in told(trial)
    assert not any(text.startswith("batch_size") for text in told(trial))


def test_a_limit_above_what_there_is_is_no_reduction() -> None:
    assert told(expand(study(), Options(limit_train=45_000, limit_eval=10_000))[0]) == ()
    below = told(expand(study(), Options(limit_train=44_999, limit_eval=9_999))[0])
    assert below == ("44,999 training images", "9,999 images each for validation and test")
    embedded = {**RECIPE, "data": {"name": "embedded", "images": 1000, "validation_images": 100}}
    options = Options(limit_train=900, limit_eval=200)
    assert told(expand(study(recipe=embedded), options)[0]) == ()


def test_select_and_seeds() -> None:
    trials = expand(study(), Options(select=("d*",), seeds=(2, 0)))
    assert [(trial.name, trial.seed) for trial in trials] == [("deep", 2), ("deep", 0)]


WRONG = {
    "unknown key": (
        {"overrides": ("optimizer.nme=1",)},
        "--set optimizer.nme=1: optimizer: 'nme' is not known; did you mean 'name'?",
    ),
    "bad value": (
        {"overrides": ("optimizer.lr=0.1", "epochs=few")},
        "--set epochs=few: epochs: 'few' must be a whole number",
    ),
    "shorthand": (
        {"overrides": ("model=resnet51",)},
        "--set model=resnet51: model.name: 'resnet51' is not known; did you mean 'resnet50'?",
    ),
    "no value": ({"overrides": ("epochs",)}, "--set epochs: write key=value"),
    "no key": ({"overrides": ("=1",)}, "--set =1: write key=value"),
    "not YAML": ({"overrides": ("epochs=[",)}, "--set epochs=[: not valid YAML"),
    "clash": (
        {"overrides": ("epochs=60", "accumulation=2")},
        "--set epochs=60, --set accumulation=2: schedule.milestones[1]: 75 must be below epochs "
        "(60)",
    ),
    "limit": ({"limit_train": 0}, "--limit-train 0: data.limit_train: 0 must be at least 1"),
    "two lengths": (
        {"epochs": 3, "overrides": ("epochs=5",)},
        "--epochs 3: --set epochs=5 gives epochs too; leave out one of them",
    ),
    "epochs": ({"epochs": 0}, "--epochs: 0 must be at least 1"),
    "stop": ({"stop_after": 101}, "--stop-after: 101 must be from 1 to plain's 100 epochs"),
    "variant": ({"variant": "slw"}, "--variant: 'slw' is not known; did you mean 'slow'?"),
    "select": ({"select": ("x*",)}, "--select: 'x*' is not known (deep, plain)"),
    "seed twice": ({"seeds": (1, 1)}, "--seeds: 1 stands there twice"),
    "negative seed": ({"seeds": (-1,)}, "--seeds: -1 must be from 0 to 4294967295"),
    "no seed": ({"seeds": ()}, "--seeds: give at least one seed"),
    "all alike": (
        {"overrides": ("model={name: resnet18, norm: batch}",)},
        "plain and deep have the same recipe with these options",
    ),
}


@pytest.mark.parametrize(("options", "expected"), WRONG.values(), ids=WRONG.keys())
def test_wrong_option_is_one_line(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as raised:
        expand(study(), Options(**options))
    assert str(raised.value).startswith(expected)
    assert "\n" not in str(raised.value)


def test_trial_id_stays_what_it_is() -> None:
    """An id that changes makes every finished trial run again: change this only knowingly."""
    recipe = Recipe.model_validate(
        {"model": "resnet18", "data": "cifar10", "epochs": 200, "optimizer": {"lr": 0.05}}
    )
    assert trial_id(recipe, 0, dataset_checksum="abc", world_size=1) == "467215299dd7fa1a"


def test_trial_id_depends_on_all_that_matters_and_on_nothing_else() -> None:
    def identify(recipe: dict[str, Any], seed: int = 0, checksum: str = "a", world: int = 1) -> str:
        validated = Recipe.model_validate(recipe)
        return trial_id(validated, seed, dataset_checksum=checksum, world_size=world)

    plain = identify(RECIPE)
    turned = dict(reversed(RECIPE.items()))
    assert identify({**turned, "model": {"stem": "cifar", "name": "resnet18"}}) == plain
    assert identify({**RECIPE, "optimizer": {"lr": "1e-1"}, "batch_size": 128}) == plain
    others = [
        identify({**RECIPE, "batch_size": 64}),
        identify({**RECIPE, "schedule": {**RECIPE["schedule"], "warmup_epochs": 4}}),
        identify(RECIPE, seed=1),
        identify(RECIPE, checksum="b"),
        identify(RECIPE, world=2),
    ]
    assert len({plain, *others}) == 6


def test_trial_id_is_the_same_in_another_process() -> None:
    code = (
        "import json, sys\n"
        "from resray.study.recipes import trial_id\n"
        "from resray.study.recipe_spec import Recipe\n"
        "recipe = Recipe.model_validate(json.loads(sys.argv[1]))\n"
        "print(trial_id(recipe, 1, dataset_checksum='x', world_size=2))"
    )
    command = [sys.executable, "-c", code, json.dumps(RECIPE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    own = trial_id(Recipe.model_validate(RECIPE), 1, dataset_checksum="x", world_size=2)
    assert done.stdout.strip() == own


def test_flatten_and_differences() -> None:
    trials = expand(study(), Options())
    flat = flatten(trials[0].recipe)
    assert flat["schedule.milestones"] == [50.0, 75.0]
    assert flat == flatten(json.loads(trials[0].recipe.model_dump_json()))
    common, each = differences([trial.recipe for trial in trials])
    assert each == [
        {"model.name": "resnet18", "model.norm": "batch"},
        {"model.name": "resnet50", "model.norm": "group"},
    ]
    assert common["epochs"] == 100
    assert common.keys() | each[0].keys() == flat.keys()
