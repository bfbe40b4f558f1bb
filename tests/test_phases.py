"""Settings that change by epoch: what holds when, how they are rescaled, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from resray.study.phases import epoch_range, recipe_at, settings_in_force
from resray.study.recipe_spec import Recipe
from resray.study.recipes import rescale
from resray.study.reductions import reductions

PHASES: dict[str, dict[str, Any]] = {
    "model.dropout": {"1-50": 0.3, "51-80": 0.2, "81-100": 0.1},
    "mixing.mixup_alpha": {"1-40": 0.2, "41-70": 0.15, "71-100": 0},
    "augmentation": {"1-40": {}, "41-70": {"cutout": {"size": 6}}, "71-100": {"cutout": None}},
}


def recipe(**changes: Any) -> Recipe:
    own = {
        "model": "wrn-16-2",
        "data": "cifar100",
        "epochs": 100,
        "augmentation": {"cutout": {"size": 8, "probability": 0.7}},
        "phases": PHASES,
    }
    return Recipe.model_validate({**own, **changes})


@pytest.mark.parametrize(
    ("epoch", "dropout", "mixup", "cutout"),
    [(1, 0.3, 0.2, 8), (40, 0.3, 0.2, 8), (41, 0.3, 0.15, 6), (51, 0.2, 0.15, 6),
     (71, 0.2, 0, None), (100, 0.1, 0, None)],
)  # fmt: skip
def test_values_hold_in_their_epochs(
    epoch: int, dropout: float, mixup: float, cutout: int | None
) -> None:
    now = recipe_at(recipe(), epoch)
    assert (now.model.dropout, now.mixing.mixup_alpha) == (dropout, mixup)
    assert (now.augmentation.cutout and now.augmentation.cutout.size) == cutout
    if now.augmentation.cutout:
        assert now.augmentation.cutout.probability == 0.7, "a phase changes only what it names"


def test_without_phases_the_recipe_itself_holds() -> None:
    plain = recipe(phases={})
    assert recipe_at(plain, 7) is plain


def test_settings_in_force_are_plain_and_change() -> None:
    first, last = (settings_in_force(recipe(), epoch) for epoch in (1, 100))
    changed = {key for key in first | last if first.get(key) != last.get(key)}
    assert {"model.dropout", "mixing.mixup_alpha", "augmentation.cutout.size"} <= changed
    assert "optimizer.lr" not in first
    json.dumps(first)


def test_rescaling_keeps_proportions() -> None:
    scaled = rescale(recipe(), 10)
    assert scaled.phases["model.dropout"] == {"1-5": 0.3, "6-8": 0.2, "9-10": 0.1}
    assert list(scaled.phases["augmentation"]) == ["1-4", "5-7", "8-10"]
    assert Recipe.model_validate(scaled.model_dump()) == scaled


@pytest.mark.parametrize("epochs", [*range(1, 12), 49])
def test_every_rescaled_recipe_is_valid(epochs: int) -> None:
    parts = [
        {"name": "cosine", "warmup_epochs": 2.9, "until": 3},
        {"name": "cosine_restarts", "period": 20, "until": 60},
        {"name": "cosine", "warmup_epochs": 39},
    ]
    scaled = rescale(recipe(schedule={"name": "sequence", "parts": parts}), epochs)
    assert Recipe.model_validate(scaled.model_dump()) == scaled
    assert recipe_at(scaled, epochs).phases == {}


def told(own: Recipe, run: Recipe) -> tuple[str, ...]:
    return tuple(map(str, reductions(own, run, None)))


def test_rescaled_phases_are_named() -> None:
    own = recipe()
    assert "phases rescaled: boundaries after epochs 40, 50, 70, 80 fall after 4, 5, 7, 8" in told(
        own, rescale(own, 10)
    )


PARTS: list[dict[str, Any]] = [
    {"name": "cosine_restarts", "warmup_epochs": 5, "period": 20, "until": 60},
    {"name": "cosine"},
]


@pytest.mark.parametrize(
    ("changes", "epochs", "expected"),
    [
        ({"name": "sequence", "parts": PARTS}, 10,
         "part 1's warmup_epochs 0.5 instead of 5, part 1's period 2 instead of 20, "
         "part 1's until 6 instead of 60"),
        ({"name": "sequence", "parts": [{"name": "cosine", "until": 99}, {"name": "linear"}]}, 10,
         "parts: 1 instead of 2"),
        ({"name": "cosine_restarts", "period": 25}, 50, "period 12.5 instead of 25"),
        ({"name": "step", "milestones": [60, 80]}, 10, "milestones 6, 8 instead of 60, 80"),
    ],
)  # fmt: skip
def test_what_moved_in_the_schedule_is_named(
    changes: dict[str, Any], epochs: int, expected: str
) -> None:
    own = recipe(phases={}, schedule=changes)
    named = (f"{epochs} of 100 epochs", f"schedule rescaled: {expected}")
    assert told(own, rescale(own, epochs)) == named
    assert told(own, own) == ()


def test_epochs_that_were_set_by_hand_are_not_called_rescaled() -> None:
    own = recipe(phases={}, schedule={"name": "cosine", "warmup_epochs": 5})
    by_hand = recipe(phases={}, schedule={"name": "cosine", "warmup_epochs": 5}, epochs=10)
    assert told(own, by_hand) == ("10 of 100 epochs",)


def test_patience_is_not_rescaled_and_said_so() -> None:
    plateau = {"name": "plateau", "patience": 5}
    own = recipe(phases={}, schedule=plateau, early_stopping={"patience": 15})
    scaled = rescale(own, 10)
    assert scaled.early_stopping == own.early_stopping
    assert scaled.schedule == own.schedule
    assert told(own, scaled)[1:] == (
        "not rescaled: early stopping's patience of 15 epochs",
        "not rescaled: the plateau's patience of 5 epochs",
    )


def test_steps_are_not_rescaled_and_said_so() -> None:
    counted = {"name": "cosine_restarts", "period": 40, "unit": "steps"}
    parts = [{"name": "cosine", "until": 50}, counted]
    for schedule in (counted, {"name": "sequence", "parts": parts}):
        own = recipe(phases={}, schedule=schedule)
        assert told(own, rescale(own, 10))[-1] == ("not rescaled: the schedule counts steps")


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ({"model.dropout": {"1-50": 0.3, "61-100": 0.1}}, "epochs 51 to 60 have no value"),
        ({"model.dropout": {"1-50": 0.3, "50-100": 0.1}}, "epoch 50 has two values"),
        ({"model.dropout": {"1-90": 0.3}}, "epochs 91 to 100 have no value"),
        ({"model.dropout": {"1-120": 0.3}}, "ends at epoch 120, but the recipe has 100"),
        ({"model.dropout": {"first": 0.3}}, "'first' is no range of epochs"),
        ({"model.dropout": {"1-100": 2}}, "model.dropout: 2 must be less than 1"),
        ({"model.dropuot": {"1-100": 0.1}}, "did you mean 'model.dropout'?"),
        ({"augmentation": {"1-100": {"cutuot": {}}}}, "did you mean 'cutout'?"),
        ({"augmentation": {"1-100": 3}}, "augmentation: 3 must be a mapping"),
        ({"label_smoothing": {}}, "has no phase"),
    ],
)
def test_wrong_phases_are_refused(phases: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        recipe(phases=phases)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1-40", (1, 40)), (" 7 ", (7, 7)), ("40-1", (0, 0)), ("0-4", (0, 0)), ("a-b", (0, 0))],
)
def test_epoch_range(text: str, expected: tuple[int, int]) -> None:
    assert epoch_range(text) == expected
