"""From the points of a search to trials: which layer wins, what options change, what is refused."""

from typing import Any

import pytest

from resray.errors import InputError
from resray.search.plan import plan_point, plan_search, search_settings
from resray.search.points import Point
from resray.study.entries import AS_RUN
from resray.study.expand import Options, expand
from resray.study.layers import flatten
from resray.study.load import load_study
from resray.study.reduction import Reduction
from resray.study.search_spec import SearchSettings
from tests.search_study import AXES, CROPS, planned, study

SEARCHES = ("basicblock-depth", "depth-family", "resnext", "wrn-cifar100")
"""The shipped studies with a search; a message lists them."""


def test_layers_win_in_order() -> None:
    axes = {
        "trial": {"grid": ["large"]},
        "rate": {"grid": {"low": {"optimizer": {"lr": 0.5, "momentum": 0.1}}}},
        "optimizer.momentum": {"grid": [0.2]},
    }
    spaces = {"main": {"recipe": {"optimizer": {"lr": 0.7}, "accumulation": 2}, "axes": axes}}
    options = Options(variant="slow", overrides=("accumulation=4",), seeds=(8, 9))
    (found,) = planned(study(spaces=spaces), options).trials
    trial, recipe = found.trial, found.trial.recipe
    assert (trial.study, trial.name, trial.variant, trial.seed) == (
        "mine",
        "large-low-0.2",
        "slow",
        8,
    )
    assert (recipe.model.name, recipe.optimizer.weight_decay) == ("resnet18", 0.1), "trial"
    assert (recipe.batch_size, recipe.epochs) == (64, 80), "the variant, and its trial"
    assert recipe.optimizer.lr == 0.5, "an axis after the space's recipe"
    assert recipe.optimizer.momentum == 0.2, "a later axis after an earlier one"
    assert recipe.accumulation == 4, "--set"
    assert trial.reductions == (Reduction("set", "4", key="accumulation"),)


def test_a_point_on_a_trial_alone_is_that_trial() -> None:
    own = study({"trial": {"grid": ["small", "large"]}})
    searched = {each.trial.name: each.trial for each in planned(own).trials}
    assert searched == {trial.name: trial for trial in expand(own, Options(seeds=(3,)))}
    half = Options(epochs=20, seeds=(3,), stop_after=5)
    searched = {each.trial.name: each.trial for each in planned(own, half).trials}
    whole = expand(own, Options(epochs=20, seeds=(3,)))
    assert searched == {trial.name: trial for trial in whole}


def test_a_space_without_trials_starts_from_the_base_and_its_variant() -> None:
    recipe = planned(study(CROPS["axes"]), Options(variant="slow")).trials[0].trial.recipe
    assert (recipe.batch_size, recipe.label_smoothing, recipe.model.name) == (64, 0, "resnet10")


def test_quick_leaves_alone_what_is_searched_and_drops_points_that_it_makes_equal() -> None:
    axes = {
        "trial": {"grid": ["small", "large"]},
        "epochs": {"grid": [10, 20, 40]},
        "optimizer.lr": {"grid": [0.1, 0.2]},
    }
    plan = planned(study(axes), Options(quick=True, data_given=True))
    recipes = [each.trial.recipe for each in plan.trials]
    assert len(recipes) == 4
    assert plan.dropped == 8
    assert plan.notes == ("8 of 12 points have the recipe of another one",)
    assert {recipe.optimizer.lr for recipe in recipes} == {0.1, 0.2}
    assert {recipe.optimizer.momentum for recipe in recipes} == {0.5}
    assert {(recipe.epochs, recipe.model.name) for recipe in recipes} == {(4, "resnet10")}


def test_a_point_of_the_tables_is_planned_as_it_was() -> None:
    own = study()
    for each in planned(own, samples=2).trials:
        again = Point.from_json("main", each.point.to_json())
        assert plan_point(own, again, Options(), 3) == each.trial
    outside = Point("main", {"trial": "small", "optimizer.name": "sgd", "optimizer.lr": 0.7})
    assert plan_point(own, outside, Options(), 3).recipe.optimizer.lr == 0.7


STRANGE = {
    "space": (Point("other", {}), "space: 'other' is not known (main)"),
    "axis": (Point("main", {"epoch": 3}), "as mine has it now: axis 'epoch' is not known (mix, "),
    "trial": (Point("main", {"trial": "huge"}), "has it now: trial 'huge' is not known (large,"),
    "name": (Point("main", {"mix": "all"}), "point all is none of space main as mine has it now: "),
    "condition": (
        Point("main", {"mix": "none", "mixing.mixup_alpha": 1}),
        "mixing.mixup_alpha does not apply there",
    ),
    "value": (
        Point("main", {"optimizer.name": "sgdd"}),
        "point sgdd of space main: optimizer.name: 'sgdd' is not known; did you mean 'sgd'?",
    ),
}


@pytest.mark.parametrize(("point", "expected"), STRANGE.values(), ids=STRANGE.keys())
def test_a_point_that_is_none_of_the_studys_is_refused(point: Point, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        plan_point(study(), point, Options(), 0)
    assert expected in str(raised.value)


def test_typed_settings_win_over_quick_ones_and_these_over_the_studys() -> None:
    own = study(samples=8, grace=5, audit=1, quick={"samples": 2, "grace": 2, "confirm": 1})
    assert search_settings(own, {}, quick=False).model_dump() == {
        **SearchSettings().model_dump(), "samples": 8, "grace": 5, "audit": 1
    }  # fmt: skip
    quick = search_settings(own, {"grace": 3, "samples": None}, quick=True)
    assert (quick.samples, quick.grace, quick.confirm, quick.audit) == (2, 3, 1, 1)


WRONG = {
    "samples": ({"samples": 0}, "--samples 0: 0 must be at least 1"),
    "method": ({"method": "gird"}, "--method gird: 'gird' is not known; did you mean 'grid'?"),
    "scheduler": ({"scheduler": "hyper"}, "--scheduler hyper: 'hyper' is not known (asha,"),
    "factor": ({"reduction_factor": 1}, "--reduction-factor 1: 1 must be at least 2"),
    "grace": ({"grace": 40}, "grace 40 is not below the 40 epochs of "),
}


@pytest.mark.parametrize("method", ["grid", "random", "tpe"])
@pytest.mark.parametrize(("typed", "expected"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_one_line(typed: dict[str, Any], expected: str, method: str) -> None:
    with pytest.raises(InputError) as raised:
        planned(study(), **{"method": method, **typed})
    assert str(raised.value).startswith(expected)
    assert "\n" not in str(raised.value)


def test_spaces_are_selected_by_globs() -> None:
    union = study(spaces={"main": {"axes": AXES}, "crops": CROPS})
    settings = search_settings(union, {}, quick=False)
    plan = plan_search(union, settings, ("cr*",), Options())
    assert {each.point.space for each in plan.trials} == {"crops"}
    with pytest.raises(InputError, match=r"--space: 'x\*' is not known \(crops, main\)"):
        plan_search(union, settings, ("x*",), Options())


def test_a_study_without_a_search_says_which_have_one() -> None:
    with pytest.raises(InputError) as raised:
        search_settings(load_study("resnet10-speed"), {}, quick=False)
    assert str(raised.value) == (
        f"resnet10-speed has no search space; studies with one: {', '.join(SEARCHES)}"
    )


def test_tpe_plans_nothing_but_finds_options_that_are_wrong() -> None:
    plan = planned(study(), method="tpe", samples=5)
    assert (plan.trials, plan.wanted, plan.notes) == ([], 5, ())
    with pytest.raises(InputError, match="--set epochs=few: epochs: 'few' must be a whole number"):
        planned(study(), Options(overrides=("epochs=few",)), method="tpe")


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", SEARCHES)
def test_every_shipped_search_is_planned(name: str, quick: bool) -> None:
    own = load_study(name)
    for variant in [each for each in own.variant_names if each != AS_RUN]:
        plan = planned(own, Options(variant=variant, quick=quick))
        assert len({each.trial.name for each in plan.trials}) == len(plan.trials)
        assert plan.found == plan.wanted
        assert len(plan.trials) <= 12 or not quick, "--quick is a matter of minutes"
    many = planned(own, Options(quick=quick), method="random", samples=200)
    assert all(each.trial.recipe.data.validation_images for each in many.trials)


def test_the_space_of_wrn_holds_what_its_author_lists_as_worth_trying() -> None:
    own = load_study("wrn-cifar100")
    assert own.search is not None
    assert set(own.search.evaluate) == {"tta", "ensemble"}
    assert own.search.confirm >= 3, "of these the ensemble is made"
    flats = [
        flatten(each.trial.recipe)
        for each in planned(own, method="random", samples=200).trials
        if each.point.space == "beyond"
    ]
    listed: dict[str, set[Any]] = {
        "epochs": {150, 200},
        "model.name": {"wrn-28-12", "wrn-40-10"},
        "augmentation.auto_augment.probability": {1.0},
        "augmentation.rand_augment.probability": {1.0},
        "mixing.cutmix_alpha": {1.0},
        "model.stochastic_depth": {0.1, 0.2},
    }
    for key, values in listed.items():
        assert values <= {flat.get(key) for flat in flats}, key
    assert {flat["early_stopping"] for flat in flats} == {None}
