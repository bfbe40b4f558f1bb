"""What configurations cost and how good they are, over their seeds; which of them are the front."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from resray.analysis.comparability import comparable, on_one_device
from resray.analysis.evaluations import MEAN, evaluated
from resray.analysis.groups import Group, Row
from resray.analysis.results import Analysis
from resray.analysis.statistics import Moments
from resray.analysis.words import Valued, count, duration, time_unit
from resray.study.metrics import METRICS

TESTED = "test accuracy"
KWH = 3.6e6
"""Joules in a kilowatt-hour."""

Words = Callable[[float], Valued]


@dataclass(frozen=True)
class Cost:
    """Something that configurations cost, in the unit that its axis names."""

    measured: Moments
    axis: str
    words: Words
    """Writes a mean."""
    candidates: np.ndarray
    """Which groups may be compared in it."""
    exclusive: bool
    """Whether only runs that had their device to themselves compare."""
    unit: str
    """Of what ``words`` writes, if it does not."""

    @property
    def counted(self) -> bool:
        """Whether it is a large number, counted in thousands, millions and so on."""
        return self.words is count


def significant(value: float) -> Valued:
    """Return ``0.0123`` or ``12.3``: three digits that count."""
    return Valued(f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}", value)


def measured(groups: Sequence[Group], value: Callable[[Row], float | None]) -> Moments:
    """Return what finished trials say of a quantity; values that are not finite count as none."""
    rows = [(place, value(row)) for place, group in enumerate(groups) for row in group.finished]
    owners = np.array([place for place, _ in rows], dtype=int)
    values = np.array([own for _, own in rows], dtype=float)
    return Moments.of(values, owners, len(groups))


def qualities_of(results: Analysis) -> dict[str, Moments]:
    """Return the accuracies that some group has, by name: that on the test set first."""
    corrupted: dict[str, float] = {}
    for one in evaluated(results):
        if one.checkpoint == "best.pt":
            corrupted |= one.by_trial("corruptions", MEAN)
    found = {
        TESTED: measured(results.groups, lambda row: row["test_accuracy"]),
        "validation accuracy": measured(results.groups, lambda row: row["validation_accuracy"]),
        "corruption accuracy": measured(
            results.groups, lambda row: corrupted.get(row["trial_id"])
        ),
    }  # fmt: skip
    return {name: one for name, one in found.items() if one.n.any()}


def costs_of(results: Analysis) -> dict[str, Cost]:
    """Return what some group is known to cost, by name; those in which several compare first."""
    tested = [group for group in results.groups if group.summary("test_accuracy")]
    ranked = {group.label for group in comparable(tested)} if tested else set()
    # Which groups differ in nothing that is no choice of theirs: data, length, variant.
    alike = np.array([group.label in ranked for group in results.groups], dtype=bool)
    alone = alike & np.array(on_one_device(results.groups, exclusive=True), bool)
    one_device = alike & np.array(on_one_device(results.groups, exclusive=False), bool)

    def cost(column: str, axis: str, factor: float = 1.0, words: Words = significant,
             candidates: np.ndarray = alone) -> Cost:  # fmt: skip
        values = measured(results.groups, lambda row: row[column]).times(factor)
        unit = axis if words is significant else ""
        return Cost(values, axis, words, candidates & (values.n > 0), candidates is alone, unit)

    divisor, unit = time_unit([row["seconds_training"] or 0.0 for row in results.rows])
    price, memory = results.price_per_gpu_hour, METRICS["peak_memory_bytes"]
    found = {
        "training time": cost("seconds_training", f"{unit} of training", 1 / divisor,
                              lambda value: duration(value * divisor)),
        "GPU-hours": cost("gpu_hours", "GPU-hours"),
        "money": cost("gpu_hours", f"cost at {price or 0:g} per GPU-hour", price or 0.0),
        "energy": cost("energy_joules", "kWh", 1 / KWH),
        "multiply-adds": cost("multiply_adds", "multiply-adds per image", words=count,
                              candidates=alike),
        "parameters": cost("parameters", "parameters", words=count, candidates=alike),
        memory.title: cost("peak_memory_bytes", memory.unit, 1 / memory.scale,
                           candidates=one_device),
    }  # fmt: skip
    known = {name: one for name, one in found.items() if np.nansum(one.measured.mean) > 0}
    return dict(sorted(known.items(), key=lambda item: item[1].candidates.sum() < 2))


def front(costs: np.ndarray, qualities: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the places of the candidates that no other dominates, the cheapest first.

    One dominates another that costs no less and is no better, and differs in one of the two: the
    front is Pareto's. Of equals all are on it.
    """
    places = np.flatnonzero(candidates & np.isfinite(costs) & np.isfinite(qualities))
    pairs = np.stack([costs[places], -qualities[places]], axis=1)
    different, which = np.unique(pairs, axis=0, return_inverse=True)
    best = np.minimum.accumulate(different[:, 1])
    ahead = np.append(True, different[1:, 1] < best[:-1])[: len(different)]
    members = places[ahead[which.ravel()]]
    return members[np.argsort(costs[members], kind="stable")]
