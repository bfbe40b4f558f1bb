"""Options of optimizers and schedules: refused where they do nothing, left behind by a change."""

from typing import Any

import pytest

from resray.errors import InputError
from resray.study.expand import Options, expand
from resray.study.load import load_study
from resray.study.mistakes import mistakes_in
from resray.study.recipe_spec import Recipe
from resray.study.spec import Study
from resray.study.strict import dotted
from tests.studies import recipes

PARTS: list[dict[str, Any]] = [
    {"name": "cosine_restarts", "period": 2, "until": 4},
    {"name": "cosine"},
]


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({"model": "resnet10", "data": "cifar10", "epochs": 10, **changes})


def said(**changes: Any) -> str:
    """Return the first mistake in a recipe, with its place."""
    content = {"model": "resnet10", "data": "cifar10", "epochs": 10, **changes}
    mistake = mistakes_in(Recipe, content)[0]
    return f"{dotted(mistake.prefix)}: {mistake.message}"


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ({"name": "adam", "nesterov": True}, "only sgd or muon has it, not adam"),
        ({"name": "adamw", "momentum": 0.5}, "only sgd or muon has it, not adamw"),
        ({"betas": (0.9, 0.99)}, "only adam or adamw or muon has it, not sgd"),
        ({"companion_lr": 0.1}, "only muon has it, not sgd"),
        ({"nesterov": True, "momentum": 0}, "needs a momentum above 0"),
    ],
)
def test_options_of_another_optimizer_are_refused(optimizer: dict[str, Any], message: str) -> None:
    assert message in said(optimizer=optimizer)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"gamma": 0.5}, "gamma: only step or plateau has it, not cosine"),
        ({"name": "constant", "end": 0.1}, "has it, not constant"),
        ({"name": "step", "milestones": [3], "end": 0.1}, "has it, not step"),
        ({"name": "onecycle", "warmup_epochs": 1}, "has it, not onecycle"),
        ({"name": "plateau", "warmup_start": 0.1}, "has it, not plateau"),
        ({"parts": PARTS}, "only sequence has it, not cosine"),
        ({"name": "sequence"}, "parts: is missing"),
        ({"name": "sequence", "parts": [{"name": "plateau"}]}, "'plateau' is not known"),
        ({"name": "sequence", "parts": PARTS, "gamma": 0.5}, "has it, not sequence"),
        ({"name": "sequence", "parts": PARTS, "warmup_start": 0.5}, "has it, not sequence"),
        ({"name": "sequence", "parts": [{**PARTS[0], "gamma": 0.5}, PARTS[1]]},
         "has it, not cosine_restarts"),
        ({"name": "sequence", "parts": [{**PARTS[0], "warmup_epochs": 4}, PARTS[1]]},
         "4 must be below the part's 4 epochs"),
        ({"name": "sequence", "parts": [PARTS[0], {**PARTS[1], "warmup_epochs": 7}]},
         "7 must be below the part's 6 epochs"),
        ({"warmup_epochs": 3, "length": 3}, "3 must be above warmup_epochs"),
        ({"warmup_epochs": 3, "length": 3, "unit": "steps"},
         "a length in steps does not go with a warm-up"),
        ({"interval": "epoch", "length": 3, "unit": "steps"},
         "steps do not go with interval: epoch"),
    ],
)  # fmt: skip
def test_options_of_another_schedule_are_refused(schedule: dict[str, Any], message: str) -> None:
    assert message in said(schedule=schedule)


def test_options_that_mean_something_are_kept() -> None:
    muon = {"name": "muon", "momentum": 0.95, "nesterov": True, "betas": (0.9, 0.95)}
    plateau = {"name": "plateau", "gamma": 0.5, "patience": 2, "end": 0.1}
    kept = recipe(optimizer=muon, schedule=plateau)
    assert (kept.optimizer.betas, kept.schedule.gamma) == ((0.9, 0.95), 0.5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "onecycle", "plateau"])
def test_set_changes_every_shipped_recipe_to_every_name(optimizer: str, schedule: str) -> None:
    overrides = (f"optimizer.name={optimizer}", f"schedule.name={schedule}")
    for study in ("wrn-cifar100", "resnet10-speed"):
        select = () if study == "resnet10-speed" else ("paper", "session-0[24]", "base-wrn")
        changed = recipes(study, select=select, overrides=overrides)
        named = {(each.optimizer.name, each.schedule.name) for each in changed.values()}
        assert named == {(optimizer, schedule)}
    paper = recipes("wrn-cifar100", select=("paper",), overrides=overrides)["paper"]
    assert getattr(paper.optimizer, "nesterov", False) == (optimizer in ("sgd", "muon"))
    assert paper.optimizer.weight_decay == 5e-4


def test_an_option_of_another_optimizer_is_reported_where_it_stands() -> None:
    with pytest.raises(InputError) as raised:
        expand(load_study("depth-family"), Options(overrides=("optimizer.betas=[0.8, 0.9]",)))
    assert str(raised.value) == (
        "--set optimizer.betas=[0.8, 0.9]: optimizer.betas: "
        "only adam or adamw or muon has it, not sgd"
    )


def test_a_trials_optimizer_leaves_the_options_of_the_base_behind() -> None:
    base = {"optimizer": {"momentum": 0.5, "nesterov": True, "lr": 0.3}}
    study = Study.model_validate({
        "name": "mine", "title": "t", "question": "q",
        "recipe": {"model": "resnet10", "data": "cifar10", "epochs": 10, **base},
        "trials": [{"name": "own"}, {"name": "other", "recipe": {"optimizer": {"name": "adam"}}}],
    })  # fmt: skip
    own, other = (trial.recipe.optimizer for trial in expand(study, Options()))
    assert (own.name, own.momentum, own.nesterov) == ("sgd", 0.5, True)
    assert (other.name, other.lr) == ("adam", 0.3)
