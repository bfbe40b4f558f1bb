"""What must hold of a search's tables, however often its command was killed. No Ray, no running.

`violations` is for the results of one finished search; `outcome` is what does not depend on when
things happened.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from resray.results.store import read_table

Row = dict[str, Any]

ENDED = ("completed", "stopped", "failed")
BEGUN = ("started", "resumed")
FOUND = (
    *("role", "space", "point", "seed", "epochs", "status", "reason", "rung", "epochs_done"),
    *("best_epoch", "validation_accuracy", "test_accuracy", "audited"),
)
DECIDED = ("rung", "epoch", "value", "cutoff", "arrived", "stopped")


@dataclass(frozen=True)
class Tables:
    """A search's results: the trials, and each trial's rows in the other tables, in their order."""

    trials: list[Row]
    epochs: dict[str, list[Row]]
    events: dict[str, list[Row]]
    decisions: dict[str, list[Row]]

    @classmethod
    def read(cls, results: Path) -> "Tables":
        """Read the tables of a results folder, such as results/depth-family."""
        trials = rows_of(results, "trials", "trial_id")
        ids = [row["trial_id"] for row in trials]
        others = (("epochs", "epoch"), ("events", "time"), ("decisions", "decided"))
        return cls(trials, *(by_trial(ids, rows_of(results, *other)) for other in others))

    @property
    def searched(self) -> list[Row]:
        """The trials of role search."""
        return [row for row in self.trials if row["role"] == "search"]

    def stops(self, trial_id: str) -> list[Row]:
        """Return the decisions that stopped a trial."""
        return [row for row in self.decisions[trial_id] if row["stopped"]]


def rows_of(results: Path, table: str, order: str) -> list[Row]:
    """Return a table's rows by the column ``order``, with None where there is no value."""
    frame = read_table(results, table).sort_values(order).astype(object)
    return [{str(key): value for key, value in row.items()}
            for row in frame.where(frame.notna(), None).to_dict("records")]  # fmt: skip


def by_trial(trial_ids: Iterable[str], rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each trial."""
    found: dict[str, list[Row]] = {trial_id: [] for trial_id in trial_ids}
    for row in rows:
        found[row["trial_id"]].append(row)
    return found


def violations(tables: Tables, points: int) -> list[str]:
    """Return what is wrong with a finished search of so many points, under one scheduler.

    With rescaled rungs a point has several trainings, each of which is a trial of its own.
    """
    return [
        *lost_or_doubled_points(tables, points),
        *unfinished_trials(tables),
        *missing_or_repeated_epochs(tables),
        *trials_run_again(tables),
        *stops_without_decision(tables),
        *doubled_decisions(tables),
        *wrong_values(tables),
        *wrong_cutoffs(tables),
        *tested_trials(tables),
    ]


def lost_or_doubled_points(tables: Tables, points: int) -> Iterator[str]:
    """Every point is there, and at each length of its recipe once."""
    found = Counter((row["space"], row["point"], row["epochs"]) for row in tables.searched)
    distinct = {key[:2] for key in found}
    if len(distinct) != points:
        yield f"{len(distinct)} points, not {points}"
    for (_, point, _), count in found.items():
        if count > 1:
            yield f"{point} was trained {count} times"


def unfinished_trials(tables: Tables) -> Iterator[str]:
    """Every trial has an end, and who completed has all epochs of its recipe."""
    for row in tables.trials:
        if row["status"] not in ENDED:
            yield f"{row['name']} is {row['status']}"
        if row["status"] == "completed" and row["epochs_done"] != row["epochs"]:
            yield f"{row['name']} completed after {row['epochs_done']} of {row['epochs']} epochs"


def missing_or_repeated_epochs(tables: Tables) -> Iterator[str]:
    """Each epoch done is recorded once, and none after a later one."""
    for row in tables.trials:
        epochs = tables.epochs[row["trial_id"]]
        numbers = [epoch["epoch"] for epoch in epochs]
        if numbers != list(range(1, row["epochs_done"] + 1)):
            yield f"{row['name']} has epochs {numbers}, not 1 to {row['epochs_done']}"
        for column in ("attempt", "recorded"):
            if not in_order(epoch[column] for epoch in epochs):
                yield f"{row['name']}: {column} goes back from one epoch to the next"


def in_order(values: Iterable[Any]) -> bool:
    """Return whether no value is below the one before it."""
    return all(before <= after for before, after in pairwise(values))


def trials_run_again(tables: Tables) -> Iterator[str]:
    """Each attempt begins once, after what is recorded; none begins after the trial's end.

    An audited trial goes on after its stop, and then completes.
    """
    for row in tables.trials:
        events = tables.events[row["trial_id"]]
        begun = [event for event in events if event["event"] in BEGUN]
        attempts = [event["attempt"] for event in begun]
        if attempts != list(range(1, row["attempts"] + 1)):
            yield f"{row['name']} began attempts {attempts} of {row['attempts']}"
        if not in_order(event["epoch"] for event in events):
            yield f"{row['name']} lost epochs that it had recorded"
        ends = ("completed",) if row["audited"] else ENDED
        if any(after["event"] in BEGUN and before["event"] in ends
               for before, after in pairwise(events)):  # fmt: skip
            yield f"{row['name']} began again after its end"


def stops_without_decision(tables: Tables) -> Iterator[str]:
    """A scheduler stopped exactly those of whom one decision says so, after the epoch it names."""
    for row in tables.searched:
        name, stops = row["name"], tables.stops(row["trial_id"])
        ended_there = [stop["epoch"] for stop in stops] == [row["epochs_done"]]
        if row["status"] == "stopped" and "budget" not in row["reason"] and not ended_there:
            yield f"{name} ended after epoch {row['epochs_done']}, not by a decision: {stops}"
        in_full = row["status"] == "completed" and row["epochs"] == row["full_epochs"]
        if in_full and stops and not row["audited"]:
            yield f"{name} completed, though a decision had stopped it"


def doubled_decisions(tables: Tables) -> Iterator[str]:
    """A trial is decided on once at each rung; with median stopping, after each epoch."""
    for row in tables.trials:
        made = tables.decisions[row["trial_id"]]
        looks = Counter((each["search"], each["rung"] or each["epoch"]) for each in made)
        for (_, look), count in looks.items():
            if count > 1:
                yield f"{row['name']} was decided on {count} times at rung {look}"


def wrong_values(tables: Tables) -> Iterator[str]:
    """A decision's value is the best accuracy up to its epoch."""
    for trial_id, made in tables.decisions.items():
        for each in (decision for decision in made if decision["value"] is not None):
            epochs = tables.epochs[trial_id]
            accuracies = [row["validation_accuracy"] for row in epochs
                          if row["epoch"] <= each["epoch"]]  # fmt: skip
            if each["value"] != max(accuracies, default=None):
                yield f"{each['name']} was judged by {each['value']} among {accuracies}"


def wrong_cutoffs(tables: Tables) -> Iterator[str]:
    """ASHA compares each arrival with all before it, also with those from before a kill."""
    arrived: dict[tuple[str, int], list[float]] = {}
    made = [each for decisions in tables.decisions.values() for each in decisions]
    for each in sorted(made, key=lambda row: row["decided"]):
        if each["scheduler"] != "asha" or each["value"] is None:
            continue
        earlier = arrived.setdefault((each["search"], each["rung"]), [])
        share = 1 - 1 / json.loads(each["search"])["reduction_factor"]
        cutoff = float(np.percentile(earlier, 100 * share)) if earlier else None
        right = (cutoff, len(earlier) + 1, cutoff is not None and each["value"] < cutoff)
        found = (each["cutoff"], each["arrived"], each["stopped"])
        if found != right:
            yield f"{each['name']} at rung {each['rung']}: {found}, by those before it {right}"
        earlier.append(each["value"])


def tested_trials(tables: Tables) -> Iterator[str]:
    """Nothing is known of test about the trials of a search."""
    for trial in tables.searched:
        for row in (trial, *tables.epochs[trial["trial_id"]]):
            known = [key for key in row if key.startswith("test_") and row[key] is not None]
            if known:
                yield f"{trial['name']} has {', '.join(known)}"


def outcome(tables: Tables) -> list[Row]:
    """Return what a search has found and decided, trial by trial."""
    found = [
        {key: row[key] for key in FOUND}
        | {"decisions": [{key: made[key] for key in DECIDED}
                         for made in tables.decisions[row["trial_id"]]]}
        for row in tables.trials
    ]  # fmt: skip
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True))
