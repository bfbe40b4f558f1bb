"""What became of each point of a search, and what won: plain data for the report."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from resray.analysis.groups import Row, distinct
from resray.analysis.results import Analysis, once
from resray.results.summary import parsed_json
from resray.search.audit import audit_began
from resray.search.best import better_audited, confirmations_of, in_full, ranked, winner
from resray.search.best import points_of as trainings_of_points
from resray.study.search_spec import Search as StudySearch

BEGINS = ("started", "resumed")
"""Events with which a trial takes its place."""
COMPLETED, STOPPED, ENDED = "completed", "stopped", "ended"
FAILED, DIVERGED, UNFINISHED = "failed", "diverged", "unfinished"
STATES = {
    COMPLETED: "trained in full",
    STOPPED: "stopped by the scheduler",
    ENDED: "ended by a budget",
    FAILED: "failed",
    DIVERGED: "diverged",
    UNFINISHED: "waiting or unfinished",
}
"""What may have become of a point, in words."""


@dataclass(frozen=True)
class SearchPoint:
    """One point of a space with its trainings."""

    rows: tuple[Row, ...]
    """One, or one for each rung where each rung is a training of its own: the shortest first."""
    decisions: tuple[Row, ...]
    """What the scheduler decided, oldest first."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """Each axis's value; axes that do not apply are absent."""
        return dict(parsed_json(self.rows[0]["point"], {}))

    @cached_property
    def own_rows(self) -> tuple[Row, ...]:
        """The trainings that the search itself asked for: those that an audit added are left out.

        Where a training goes on from its checkpoint, the audited row is the point's only one.
        """
        return tuple(row for row in self.rows if not row["audited"]) or self.rows

    @cached_property
    def row(self) -> Row:
        """The training that came furthest, of those that have begun."""
        begun = [row for row in self.own_rows if row["status"] != "pending"]
        return begun[-1] if begun else self.own_rows[0]

    @cached_property
    def stop(self) -> Row | None:
        """The decision that stopped the point, None for a divergence too."""
        stops = [row for row in self.decisions if row["stopped"] and row["value"] is not None]
        return stops[-1] if stops else None

    @cached_property
    def state(self) -> str:
        """One of `STATES`."""
        if self.stop:
            return STOPPED
        if self.row["status"] == "failed":
            return DIVERGED if self.row["reason"] == "diverged" else FAILED
        if self.row["status"] == "completed":
            return COMPLETED if in_full(self.row) else UNFINISHED
        return ENDED if self.row["status"] == "stopped" and not self.waits else UNFINISHED

    @property
    def waits(self) -> bool:
        """Whether the training ended at a rung at which all must arrive before one goes on."""
        return str(self.row["reason"]).startswith("stop-after")

    @property
    def audited(self) -> Row | None:
        """The training that was ended after a stop, for the audit; None if it was not (yet)."""
        ended = (row for row in self.rows if row["audited"] and in_full(row))
        return next(ended, None) if self.stop else None

    @property
    def audit_over(self) -> bool:
        """Whether a training for the audit has come to an end: its last epoch, or a divergence."""
        return self.audited is not None or self.audit_diverged

    @property
    def audit_diverged(self) -> bool:
        """Whether a training for the audit diverged."""
        lost = any(row["audited"] and row["reason"] == "diverged" for row in self.rows)
        return self.stop is not None and lost

    @property
    def accuracy(self) -> float | None:
        """Highest validation accuracy in percent, up to the stop if it was stopped."""
        return self.stop["value"] if self.stop else self.row["validation_accuracy"]

    @property
    def epochs(self) -> int:
        """Epochs of the longest training, up to the stop if it was stopped."""
        return self.stop["epoch"] if self.stop else self.row["epochs_done"] or 0

    @property
    def full_epochs(self) -> int:
        """Epochs of the point's recipe at its full length."""
        return self.rows[-1]["full_epochs"] or self.rows[-1]["epochs"] or 0

    @cached_property
    def rung(self) -> int:
        """The highest rung that the point was judged at, 0 if it was at none."""
        judged = [row["rung"] or 0 for row in self.decisions if row["value"] is not None]
        return max(judged, default=self.row["rung"] or 0)


@dataclass(frozen=True)
class Search:
    """A search: its points, the best first."""

    points: tuple[SearchPoint, ...]
    study: StudySearch | None
    """What the study file says of its spaces, if there is one."""
    settings: Mapping[str, Any]
    """The scheduler and its settings; empty where they are not recorded."""
    others: int
    """Trials of other searches in the same folder."""
    won: SearchPoint | None
    """The point with the highest validation accuracy of those trained in full."""
    confirmations: tuple[Row, ...]
    """The winner's trainings with fresh seeds."""
    better: SearchPoint | None
    """The best audited point that beat the winner after all."""
    audit_began: datetime | None
    """When the first audited point was trained on; None without an audit."""

    def of_state(self, *states: str) -> list[SearchPoint]:
        return [point for point in self.points if point.state in states]

    @cached_property
    def arrived(self) -> list[SearchPoint]:
        """The points that have begun, in the order in which they did."""
        begun = [point for point in self.points if first_start(point) is not None]
        return sorted(begun, key=lambda point: (first_start(point), point.rows[0]["trial_id"]))

    @cached_property
    def highest_rung(self) -> int:
        """The highest rung at which a point was stopped, 0 if none was."""
        return max((point.rung for point in self.of_state(STOPPED)), default=0)

    @property
    def spaces(self) -> list[str]:
        """The names of the spaces whose points compete."""
        return distinct((point.rows[0] for point in self.points), "space")

    @cached_property
    def labels(self) -> dict[str, str]:
        """The short name of every axis."""
        return short_names(
            list(dict.fromkeys(key for point in self.points for key in point.values))
        )

    def name_of(self, point: SearchPoint) -> str:
        """Return ``trial=resnet18, lr=0.1``."""
        values = (f"{self.labels[key]}={value_text(value)}" for key, value in point.values.items())
        return ", ".join(values) or "the study's recipe"

    def places(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield where the winner came in at each rung: rung, epoch, place, number of arrivals."""
        for decision in self.won.decisions if self.won else ():
            if decision["rung"] is not None and decision["value"] is not None:
                rivals = [row["value"] for row in decisions_at(self.points, decision["rung"])
                          if row["value"] is not None]  # fmt: skip
                above = [value for value in rivals if value > decision["value"]]
                yield decision["rung"], decision["epoch"], len(above) + 1, len(rivals)


def first_start(point: SearchPoint) -> Any:
    """Return when the point's first training began, None if none has."""
    return min((row["started"] for row in point.rows if row["started"] is not None), default=None)


def decisions_at(points: Iterable[SearchPoint], rung: int | None) -> list[Row]:
    """Return the decisions on all points at a rung."""
    return [row for point in points for row in point.decisions if row["rung"] == rung]


@once
def search_of(results: Analysis) -> Search | None:
    """Return the search that the results hold, None if there is none."""
    record = results.search
    if not record:
        return None
    points = tuple(points_of(record.trials, record.decisions))
    won = winner(record.trials)
    of_row = {row["trial_id"]: point for point in points for row in point.rows}
    better = better_audited(record.trials, won) if won else None
    return Search(
        points=points,
        study=results.study.search if results.study else None,
        settings=parsed_json(record.trials[0]["search"], {}),
        others=record.others,
        won=of_row[won["trial_id"]] if won else None,
        confirmations=tuple(confirmations(results, won)) if won else (),
        better=of_row[better["trial_id"]] if better else None,
        audit_began=audit_began(audit_starts(points, record.events)),
    )


def audit_starts(
    points: Iterable[SearchPoint], events: Iterable[Row]
) -> Iterator[tuple[datetime, datetime]]:
    """Yield for each start of an audited training when it was, and when its point was stopped."""
    stopped = {row["trial_id"]: point.stop["decided"] for point in points if point.stop
               for row in point.rows if row["audited"]}  # fmt: skip
    for event in events:
        if event["event"] in BEGINS and event["time"] and stopped.get(event["trial_id"]):
            yield event["time"], stopped[event["trial_id"]]


def points_of(trials: Sequence[Row], decisions: Sequence[Row]) -> Iterator[SearchPoint]:
    """Yield the points, the best first: by their furthest training, as `ranked` has it."""
    made: dict[str, list[Row]] = {}
    for decision in decisions:
        made.setdefault(decision["trial_id"], []).append(decision)
    points = {}
    for own in trainings_of_points(trials):
        taken = [decision for row in own for decision in made.get(row["trial_id"], [])]
        point = SearchPoint(tuple(own), tuple(taken))
        points[(point.audited or point.row)["trial_id"]] = point
    yield from (points[row["trial_id"]] for row in ranked(trials) if row["trial_id"] in points)


def confirmations(results: Analysis, won: Row) -> list[Row]:
    """Return what confirms the winner; rows whose recipe is damaged confirm nothing."""
    whole = [row for row in (won, *results.rows) if "batch_size" in parsed_json(row["recipe"], {})]
    return confirmations_of(whole[1:], won) if won in whole else []


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return ``lr`` for ``optimizer.lr`` and ``optimizer`` for ``optimizer.name``, where no two
    axes would have the same."""
    short = {key: key.removesuffix(".name").rpartition(".")[2] for key in keys}
    names = list(short.values())
    return {key: name if names.count(name) == 1 else key for key, name in short.items()}


def value_text(value: Any) -> str:
    """Return an axis's value as people write it."""
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if is_number(value) else json.dumps(value, default=str)


def is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)
