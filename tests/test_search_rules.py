"""The rules that stop trials early, against Ray Tune's own and against what they promise."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from resray.search import rules

STREAMS = range(60)


NOBODY: Any = None
"""Ray's controller, which ASHA asks nothing."""


def handles(count: int) -> list[Trial]:
    """Return trials as Ray's schedulers know them, of which nothing is ever run."""
    return [Trial("training", trial_id=str(number), stub=True) for number in range(count)]


def accuracies(stream: random.Random, trials: int, epochs: int) -> list[list[float]]:
    """Draw curves of validation accuracy, in steps so coarse that some are equal."""
    tops = [stream.randint(20, 95) for _ in range(trials)]
    return [
        [
            round(top * epoch / (epoch + 2) + stream.uniform(-8, 8)) / 1
            for epoch in range(1, 1 + epochs)
        ]
        for top in tops
    ]


def interleaved(stream: random.Random, trials: int, epochs: int) -> Iterator[tuple[int, int]]:
    """Yield (trial, epoch) in an order that several trials at a time could have."""
    ahead = {trial: 1 for trial in range(trials)}
    while ahead:
        trial = stream.choice(list(ahead)[:4])
        yield trial, ahead[trial]
        ahead[trial] += 1
        if ahead[trial] > epochs:
            del ahead[trial]


def asha(value: float, earlier: Sequence[float], factor: int) -> tuple[float | None, bool]:
    """Return the cutoff for an arrival, and whether ASHA stops it."""
    cutoff = rules.asha_cutoff(earlier, factor)
    return cutoff, cutoff is not None and value < cutoff


@pytest.mark.parametrize("seed", STREAMS)
def test_asha_decides_as_rays(seed: int) -> None:
    stream = random.Random(seed)
    trials, epochs = stream.randint(1, 30), stream.randint(2, 40)
    grace, factor = stream.randint(1, epochs - 1), stream.randint(2, 5)
    curves = accuracies(stream, trials, epochs)
    ray = AsyncHyperBandScheduler("epoch", "value", "max", epochs, grace, factor)
    theirs = handles(trials)
    for handle in theirs:
        ray.on_trial_add(NOBODY, handle)
    rungs = rules.rungs(grace, factor, epochs)
    arrived: dict[int, list[float]] = {epoch: [] for epoch in rungs}
    stopped: set[int] = set()
    for trial, epoch in interleaved(stream, trials, epochs):
        if trial in stopped or epoch == epochs:
            continue
        value = curves[trial][epoch - 1]
        stops = False
        if epoch in arrived:
            cutoff, stops = asha(value, arrived[epoch], factor)
            bracket = ray._brackets[0]
            assert cutoff == bracket.cutoff(dict(bracket._rungs)[epoch])
            arrived[epoch].append(value)
        result = {"epoch": epoch, "value": value}
        said = ray.on_trial_result(NOBODY, theirs[trial], result)
        assert said == (TrialScheduler.STOP if stops else TrialScheduler.CONTINUE)
        stopped |= {trial} if stops else set()


def test_rungs_are_below_the_full_length() -> None:
    assert rules.rungs(1, 3, 9) == (1, 3)
    assert rules.rungs(1, 3, 10) == (1, 3, 9)
    assert rules.rungs(2, 2, 2) == ()
    assert rules.rungs(4, 4, 100) == (4, 16, 64)


def test_the_first_to_arrive_goes_on_and_equals_stay() -> None:
    assert asha(0.0, [], 3) == (None, False)
    assert asha(50.0, [50.0], 3) == (50.0, False)
    assert asha(49.9, [50.0], 3) == (50.0, True)
    assert asha(50.0, [40.0, 60.0], 2) == (50.0, False), "interpolated"


@pytest.mark.parametrize("seed", STREAMS)
def test_halving_is_the_same_in_any_order(seed: int) -> None:
    stream = random.Random(seed)
    factor = stream.randint(2, 5)
    measured = [stream.choice([None, *range(8)]) for _ in range(stream.randint(1, 40))]
    values: dict[str, float | None] = {f"{trial:02}": value for trial, value in enumerate(measured)}
    kept, cutoff = rules.halving(values, factor)
    shuffled = stream.sample(sorted(values), len(values))
    assert rules.halving({trial: values[trial] for trial in shuffled}, factor) == (kept, cutoff)
    best = sorted((value for value in measured if value is not None), reverse=True)
    assert len(kept) == min(len(best), max(1, len(values) // factor))
    assert sorted((values[trial] or 0 for trial in kept), reverse=True) == best[: len(kept)]
    assert cutoff == (best[len(kept) - 1] if best else None)


def test_halving_breaks_ties_by_id_and_passes_over_who_has_no_value() -> None:
    assert rules.halving({"b": 50, "a": 50, "c": 40}, 3) == ({"a"}, 50)
    assert rules.halving({"a": None, "b": 1, "c": None}, 3) == ({"b"}, 1)
    assert rules.halving({"a": None}, 2) == (set(), None)
    assert rules.halving({"a": 7}, 5) == ({"a"}, 7), "one goes on, though a fifth of one is none"


def epochs_trained(order: Sequence[float], factor: int, epochs: int) -> int:
    """Return the epochs that ASHA trains of trials with constant accuracies, one at a time."""
    spent = 0
    arrived: dict[int, list[float]] = {epoch: [] for epoch in rules.rungs(1, factor, epochs)}
    for value in order:
        for epoch, earlier in arrived.items():
            _, stopped = asha(value, earlier, factor)
            earlier.append(value)
            if stopped:
                spent += epoch
                break
        else:
            spent += epochs
    return spent


def test_what_asha_saves_depends_on_the_order_of_arrival() -> None:
    grid, full = [float(value) for value in range(10, 100, 10)], 9 * 9
    assert epochs_trained(grid, 3, 9) == full, "worst first: nothing is ever below the cutoff"
    assert epochs_trained(grid[::-1], 3, 9) == 9 + 8 * 1, "best first: 79 % of the compute is saved"
    shuffled = random.Random(0).sample(grid, 9)
    assert 9 + 8 * 1 < epochs_trained(shuffled, 3, 9) < full
