"""From a trial's epoch rows to the figures in its own row."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from resray.study.layers import flatten

Row = dict[str, Any]

VALIDATION, TEST = "validation", "test"
"""The split that selects a trial's best epoch; test only of what was run as its author did."""
LAST = "last epoch"
"""What stands in place of a split where none selects."""

HOLDING = ("seconds_compiling", "seconds_training", "seconds_evaluating", "seconds_saving")
"""What an epoch, or a trial, holds its device for."""

TOTALS = ("images", "seconds_training", "seconds_evaluating", "seconds_compiling", "seconds_saving",
          "energy_joules")  # fmt: skip
"""Columns of an epoch that are added up over a trial."""
UNTOLD = {"seconds_compiling": None, "seconds_saving": None, "energy_joules": None}
"""Those of them that older records lack."""


@dataclass(frozen=True)
class Summary:
    """What a trial's epochs come to so far, extended by one epoch at a time in constant time.

    The best epoch is the first with the highest accuracy of the split that selects; where there is
    none, nothing may be selected and it is the last. Epochs that were not evaluated are none to
    select; without evaluated ones nothing was measured.
    """

    selection: str = VALIDATION
    last: Row = field(default_factory=dict)
    judged: Row | None = None
    """The best of the epochs that have an accuracy of the split that selects."""
    evaluated: bool = False
    totals: Row = field(default_factory=dict)
    test_accuracy_best: float | None = None
    peak_memory_bytes: int | None = None

    def with_epoch(self, record: Row) -> "Summary":
        """Return the summary of these epochs and the next one."""
        column, told = f"{self.selection}_accuracy", {**UNTOLD, **record}
        better = record[column] is not None and (
            self.judged is None or record[column] > self.judged[column]
        )
        return replace(
            self,
            last=record,
            judged=record if better else self.judged,
            evaluated=self.evaluated or is_evaluated(record),
            totals={each: total((self.totals.get(each, 0), told[each])) for each in TOTALS},
            test_accuracy_best=highest((self.test_accuracy_best, record["test_accuracy"])),
            peak_memory_bytes=highest((self.peak_memory_bytes, record["peak_memory_bytes"])),
        )

    def columns(self) -> Row:
        """Return the columns of the trials table that follow."""
        best = self.judged or (self.last if self.evaluated else {})
        totals = dict.fromkeys(TOTALS) | self.totals
        images, training = totals.pop("images"), totals["seconds_training"]
        return {
            "epochs_done": self.last.get("epoch", 0),
            "best_epoch": best.get("epoch"),
            "validation_accuracy": best.get("validation_accuracy"),
            "test_accuracy": best.get("test_accuracy"),
            "test_accuracy_best": self.test_accuracy_best,
            "test_accuracy_last": self.last.get("test_accuracy"),
            **totals,
            "images_per_second": images / training if training else None,
            "peak_memory_bytes": self.peak_memory_bytes,
        }


def summary_of(epochs: Iterable[Row], selection: str = VALIDATION) -> Summary:
    """Return the summary of a trial's epochs, oldest first."""
    return reduce(Summary.with_epoch, epochs, Summary(selection))


def summarise(epochs: Iterable[Row], selection: str = VALIDATION) -> Row:
    """Return the columns of the trials table that follow from its epochs, oldest first."""
    return summary_of(epochs, selection).columns()


def selection_of(row: Mapping[str, Any]) -> str:
    """Return the split that selects the best epoch of a trials row: validation, but for what was
    run as its author did."""
    return str(parsed_json(row.get("recipe"), {}).get("selection", VALIDATION))


def chosen_by(row: Mapping[str, Any]) -> str:
    """Return what chooses the best epoch of a trials row: a split or, where no images are held out
    to select on, by its recipe or its epochs, that it is the last one."""
    recipe, selection = flatten(parsed_json(row.get("recipe"), {})), selection_of(row)
    unmeasured = row.get("best_epoch") is not None and row["validation_accuracy"] is None
    unheld = unmeasured or recipe.get("data.validation_images") == 0
    return LAST if unheld and selection == VALIDATION else selection


def parsed_json(text: str | None, empty: Any) -> Any:
    """Return what ``text`` says if it has the shape of ``empty``, else ``empty``."""
    try:
        value = json.loads(text) if text else empty
    except (ValueError, RecursionError):
        return empty
    return value if isinstance(value, type(empty)) else empty


def best_epoch(epochs: Sequence[Mapping[str, Any]], selection: str) -> Mapping[str, Any] | None:
    """Return the row with the highest accuracy of a split, the first if several have it.

    Where that split is none that was evaluated, though the other one was, it is the last row; None
    before the first evaluation.
    """
    column = f"{selection}_accuracy"
    judged = [row for row in epochs if row[column] is not None]
    evaluated = any(is_evaluated(row) for row in epochs)
    last = epochs[-1] if evaluated else None
    return max(judged, key=lambda row: (row[column], -row["epoch"]), default=last)


def is_evaluated(record: Mapping[str, Any]) -> bool:
    """Return whether an epoch has an accuracy of validation or test."""
    return (record["validation_accuracy"], record["test_accuracy"]) != (None, None)


def highest(values: Any) -> Any:
    """Return the highest of the values that were measured, or None."""
    return max((value for value in values if value is not None), default=None)


def total(values: Any) -> Any:
    """Return the sum of the values, or None if one of them was not measured, or there is none."""
    known = list(values)
    return sum(known) if known and None not in known else None


def seconds_of(record: Mapping[str, Any]) -> float:
    """Return how long an epoch, or a trial, held its device; older ones have no time of saving."""
    return sum(record.get(part) or 0.0 for part in HOLDING)


FLOPS_PER_MULTIPLY_ADD = 2 * 3
"""Of training: a multiply-add is two operations, a backward pass as many as two forward passes."""


def utilisation(row: Mapping[str, Any]) -> float | None:
    """Return the share of its devices' matrix rate that a trials row's images per second make, None
    where one of them is not known."""
    factors = ("multiply_adds", "images_per_second", "matrix_rate", "world_size")
    each, speed, rate, ranks = (row.get(column) for column in factors)
    if each is None or speed is None or rate is None or ranks is None:
        return None
    return float(FLOPS_PER_MULTIPLY_ADD * each * speed / (rate * ranks))
