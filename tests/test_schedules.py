"""Schedules held against torch's own schedulers over whole trainings, step by step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from resray.study.optimizer_spec import Schedule
from resray.study.recipe_spec import Recipe
from resray.study.recipes import rescale
from resray.training.schedules import (
    Position,
    learning_rate_factor,
    momentum_at,
    plateau_factor,
    position,
)
from tests.studies import made

Build = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]


def places(schedule: Schedule, epochs: int, steps_per_epoch: int) -> list[Position]:
    return [
        position(schedule, step=step, steps_per_epoch=steps_per_epoch, epochs=epochs)
        for step in range(epochs * steps_per_epoch)
    ]


def factors(schedule: Schedule, epochs: int, steps_per_epoch: int) -> list[float]:
    return [learning_rate_factor(place) for place in places(schedule, epochs, steps_per_epoch)]


def torch_groups(build: Build, steps: int) -> list[dict[str, Any]]:
    """The parameter group at each step of an SGD with rate 1 under torch's scheduler."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    scheduler = build(optimizer)
    groups = []
    for step in range(steps):
        groups.append(dict(optimizer.param_groups[0]))
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return groups


def torch_factors(build: Build, steps: int) -> list[float]:
    return [group["lr"] for group in torch_groups(build, steps)]


def test_cosine_is_pytorchs() -> None:
    ours = factors(made(Schedule, name="cosine", end=0.01), epochs=5, steps_per_epoch=4)
    theirs = torch_factors(lambda o: CosineAnnealingLR(o, T_max=20, eta_min=0.01), 20)
    assert ours == pytest.approx(theirs)


def test_step_is_pytorchs_multistep() -> None:
    ours = factors(made(Schedule, name="step", milestones=(2, 4), gamma=0.2), 6, 3)
    theirs = torch_factors(lambda o: MultiStepLR(o, [6, 12], gamma=0.2), 18)
    assert ours == pytest.approx(theirs)


def test_linear_is_pytorchs() -> None:
    ours = factors(made(Schedule, name="linear", end=0.5), epochs=2, steps_per_epoch=5)
    theirs = torch_factors(lambda o: LinearLR(o, 1.0, 0.5, total_iters=10), 10)
    assert ours == pytest.approx(theirs)
    assert factors(made(Schedule, name="linear"), 2, 5)[-1] == pytest.approx(0.1), (
        "one step before 0"
    )


def test_constant_stays() -> None:
    assert set(factors(made(Schedule, name="constant"), 3, 4)) == {1.0}


@pytest.mark.parametrize(
    ("after", "build"),
    [
        (made(Schedule, name="cosine", warmup_epochs=2, warmup_start=0.1),
         lambda o: CosineAnnealingLR(o, T_max=12)),
        (made(Schedule, name="linear", warmup_epochs=2, warmup_start=0.1),
         lambda o: LinearLR(o, 1.0, 0.0, total_iters=12)),
        (made(Schedule, name="constant", warmup_epochs=2, warmup_start=0.1),
         lambda o: ConstantLR(o, factor=1.0)),
        (made(Schedule, name="cosine_restarts", period=1.5, warmup_epochs=2, warmup_start=0.1),
         lambda o: CosineAnnealingWarmRestarts(o, T_0=6)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
def test_warmup_and_then_is_pytorchs_sequence(after: Schedule, build: Build) -> None:
    def sequence(optimizer: torch.optim.Optimizer) -> SequentialLR:
        warmup = LinearLR(optimizer, start_factor=0.1, total_iters=8)
        return SequentialLR(optimizer, [warmup, build(optimizer)], milestones=[8])

    assert factors(after, 5, 4) == pytest.approx(torch_factors(sequence, 20))


def test_a_warmup_from_zero_moves_from_its_first_step_on() -> None:
    rising = [0.25, 0.5, 0.75, 1.0]
    assert factors(made(Schedule, name="constant", warmup_epochs=2), 3, 2) == [*rising, 1.0, 1.0]
    sequence = made(Schedule, 
        {"name": "sequence", "parts": [{"name": "constant", "until": 1},
                                       {"name": "cosine", "warmup_epochs": 1}]}
    )  # fmt: skip
    assert factors(sequence, 3, 4)[4:9] == [*rising, 1.0]
    # 1.5 steps: the second one is past the whole way.
    assert factors(made(Schedule, name="constant", warmup_epochs=0.75), 2, 2)[:2] == [1 / 1.5, 1.0]


def test_a_warmup_from_above_zero_keeps_its_start() -> None:
    schedule = made(Schedule, name="constant", warmup_epochs=2, warmup_start=0.2)
    assert factors(schedule, 3, 2)[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize(("period", "factor"), [(2, 1), (1, 2), (3, 1), (2, 3)])
def test_restarts_are_pytorchs(period: int, factor: int) -> None:
    schedule = made(
        Schedule, name="cosine_restarts", period=period, period_factor=factor, end=0.001
    )
    ours = factors(schedule, epochs=10, steps_per_epoch=7)
    theirs = torch_factors(
        lambda o: CosineAnnealingWarmRestarts(o, period * 7, factor, eta_min=0.001), 70
    )
    assert ours == pytest.approx(theirs)


def test_a_restart_is_not_put_off_by_rounding() -> None:
    schedule = made(Schedule, name="cosine_restarts", period=0.7)
    peaks = [step for step, f in enumerate(factors(schedule, 7, 10)) if f == pytest.approx(1)]
    assert peaks == [0, 7, 14, 21, 28, 35, 42, 49, 56, 63], "0.7 * 10 is 7.000000000000001"


@pytest.mark.parametrize("rise", [0.3, 0.25, 0.5])
@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_onecycle_is_pytorchs_with_its_momentum(rise: float, steps_per_epoch: int) -> None:
    schedule = made(Schedule, name="onecycle", rise=rise, start=0.1, end=1e-4)
    steps = 6 * steps_per_epoch

    def build(optimizer: torch.optim.Optimizer) -> OneCycleLR:
        return OneCycleLR(
            optimizer, 1.0, steps, pct_start=rise, div_factor=10, final_div_factor=1000
        )

    theirs = torch_groups(build, steps)
    ours = places(schedule, 6, steps_per_epoch)
    rates = [learning_rate_factor(place) for place in ours]
    assert rates == pytest.approx([group["lr"] for group in theirs])
    momenta = [momentum_at(place) for place in ours]
    assert momenta == pytest.approx([group["momentum"] for group in theirs])


def test_nothing_else_sets_the_momentum() -> None:
    still = made(Schedule, name="onecycle", cycle_momentum=False)
    for schedule in (still, made(Schedule, name="cosine")):
        assert {momentum_at(place) for place in places(schedule, 2, 3)} == {None}


def test_a_sequences_parts_span_their_own_epochs() -> None:
    parts = [
        {"name": "cosine_restarts", "period": 2, "until": 4, "warmup_epochs": 1},
        {"name": "onecycle", "until": 7},
        {"name": "step", "milestones": (1,), "gamma": 0.5},
    ]
    whole = made(Schedule, {"name": "sequence", "parts": parts})
    singles = [made(Schedule, {key: part[key] for key in part if key != "until"}) for part in parts]
    lengths = (4, 3, 3)
    expected = [
        factor
        for part, epochs in zip(singles, lengths, strict=True)
        for factor in factors(part, epochs, 5)
    ]
    assert factors(whole, 10, 5) == expected
    momenta = [momentum_at(place) is not None for place in places(whole, 10, 5)]
    assert momenta == [20 <= step < 35 for step in range(50)]


def test_session_04s_sequence_is_pytorchs() -> None:
    parts = [
        {"name": "cosine_restarts", "period": 20, "until": 60, "end": 0.01},
        {"name": "cosine", "end": 0.01},
    ]
    whole = made(Schedule, {"name": "sequence", "parts": parts})

    def build(optimizer: torch.optim.Optimizer) -> SequentialLR:
        restarts = CosineAnnealingWarmRestarts(optimizer, T_0=60, eta_min=0.01)
        decay = CosineAnnealingLR(optimizer, T_max=120, eta_min=0.01)
        return SequentialLR(optimizer, [restarts, decay], milestones=[180])

    assert factors(whole, 100, 3) == pytest.approx(torch_factors(build, 300))


def test_plateau_is_pytorchs() -> None:
    schedule = made(Schedule, name="plateau", gamma=0.5, patience=2, end=0.2)
    accuracies = [10.0, 20, 19, 20, 20, 21, 21, 21, 21, 20, 20, 20, 19, 21.001, 5, 5, 5, 5, 22]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    plateau = ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=2, min_lr=0.02)
    theirs, ours = [], []
    for epoch, accuracy in enumerate(accuracies):
        ours.append(0.1 * plateau_factor(schedule, 0.1, accuracies[:epoch]))
        theirs.append(optimizer.param_groups[0]["lr"])
        plateau.step(accuracy)
    assert ours == pytest.approx(theirs)
    assert sorted(set(theirs)) == pytest.approx([0.02, 0.025, 0.05, 0.1]), "falls to its floor"


def test_rescaled_schedules_keep_their_shape() -> None:
    restarts = {"name": "cosine_restarts", "period": 2, "warmup_epochs": 1}
    recipe = Recipe.model_validate(
        {"model": "resnet18", "data": "embedded", "epochs": 10, "schedule": restarts}
    )
    half = rescale(recipe, 5)
    assert factors(half.schedule, 5, 8) == pytest.approx(factors(recipe.schedule, 10, 4))


# --- by epoch, with a length, in steps ------------------------------------------------------------


def held(values: list[float], steps_per_epoch: int) -> list[float]:
    """Each epoch's value at each of its steps."""
    return [value for value in values for _ in range(steps_per_epoch)]


def test_a_cosine_by_epoch_rises_again_beyond_its_length_as_pytorchs() -> None:
    schedule = made(Schedule, name="cosine", interval="epoch", length=6, end=0.01)
    theirs = torch_factors(lambda o: CosineAnnealingLR(o, T_max=6, eta_min=0.01), 14)
    assert factors(schedule, 14, 3) == pytest.approx(held(theirs, 3))
    assert theirs[6] == pytest.approx(0.01)
    assert theirs[12] == pytest.approx(1.0)


def test_each_schedule_can_change_by_epoch() -> None:
    for options in (
        {"name": "linear", "warmup_epochs": 2},
        {"name": "step", "milestones": (2, 3)},
        {"name": "cosine_restarts", "period": 2},
        {"name": "onecycle"},
    ):
        by_epoch = made(Schedule, {**options, "interval": "epoch"})
        as_one_step = made(Schedule, options)
        assert factors(by_epoch, 5, 4) == held(factors(as_one_step, 5, 1), 4), options


def test_a_linear_schedule_stays_at_its_end() -> None:
    ours = factors(made(Schedule, name="linear", length=2, end=0.5), 4, 5)
    theirs = torch_factors(lambda o: LinearLR(o, 1.0, 0.5, total_iters=10), 20)
    assert ours == pytest.approx(theirs)
    warmed = factors(made(Schedule, name="linear", length=3, warmup_epochs=1), 4, 2)
    assert warmed == [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0], "the warm-up is of the length"


@pytest.mark.parametrize("length", [{"length": 20}, {"length": 140, "unit": "steps"}])
def test_a_onecycle_may_be_cut_off(length: dict[str, Any]) -> None:
    schedule = made(Schedule, {"name": "onecycle", **length})
    theirs = torch_groups(lambda o: OneCycleLR(o, 1.0, 140), 35)
    ours = places(schedule, 5, 7)
    rates = [learning_rate_factor(place) for place in ours]
    assert rates == pytest.approx([group["lr"] for group in theirs])
    assert [momentum_at(place) for place in ours] == pytest.approx(
        [group["momentum"] for group in theirs]
    )
    assert factors(made(Schedule, name="onecycle", length=2), 4, 5)[9:] == [0.0] * 11, (
        "stays at its end"
    )


def test_restarts_and_swings_may_be_periods_of_steps() -> None:
    schedule = made(Schedule, name="cosine_restarts", period=5, unit="steps", end=0.1)
    theirs = torch_factors(lambda o: CosineAnnealingWarmRestarts(o, T_0=5, eta_min=0.1), 21)
    assert factors(schedule, 3, 7) == pytest.approx(theirs)
    swings = made(Schedule, name="cosine", length=4, unit="steps")
    theirs = torch_factors(lambda o: CosineAnnealingLR(o, T_max=4), 21)
    assert factors(swings, 3, 7) == pytest.approx(theirs)


def test_a_warmup_above_what_follows_is_left_after_one_more_step() -> None:
    schedule = made(Schedule, name="cosine_restarts", period=2, unit="steps", warmup_epochs=2,
                        warmup_start=1, warmup_end=9)  # fmt: skip
    assert factors(schedule, 3, 4) == pytest.approx(
        [1, 2, 3, 4, 5, 6, 7, 8, 8, 0.5, 1, 0.5], abs=1e-12
    )
    to_one = made(Schedule, name="constant", warmup_epochs=1, warmup_start=0.5)
    assert factors(to_one, 2, 2) == [0.5, 0.75, 1.0, 1.0]


def test_the_training_ends_in_the_last_part() -> None:
    parts = [{"name": "constant", "until": 2}, {"name": "cosine", "length": 4, "unit": "steps"}]
    whole = made(Schedule, {"name": "sequence", "parts": parts})
    after = position(whole, step=12, steps_per_epoch=3, epochs=4)
    assert (after.part, after.step) == (whole.parts[1], 6)


def test_plateau_ends_where_a_reduction_is_too_small() -> None:
    schedule = made(Schedule, name="plateau", gamma=0.1, patience=0)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-4)
    plateau = ReduceLROnPlateau(optimizer, "max", factor=0.1, patience=0)
    for epoch in range(1, 9):
        plateau.step(50.0)
        ours = 1e-4 * plateau_factor(schedule, 1e-4, [50.0] * epoch)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"])
    assert ours == pytest.approx(1e-8), "from there a reduction is 9e-9"


def test_lengths_are_rescaled_and_steps_are_not() -> None:
    def rescaled(**schedule: Any) -> Schedule:
        recipe = {"model": "resnet18", "data": "embedded", "epochs": 10, "schedule": schedule}
        return rescale(Recipe.model_validate(recipe), 5).schedule

    assert rescaled(name="cosine", length=8).length == 4
    assert rescaled(name="cosine", length=8, unit="steps").length == 8
    assert rescaled(name="cosine_restarts", period=25, unit="steps").period == 25
