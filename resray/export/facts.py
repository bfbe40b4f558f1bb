"""What is said of an exported model: its figures, those of its seeds, and the published ones."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from resray.report.aggregate import Group, Results, Row, reductions_of
from resray.results.store import read_table
from resray.study.metrics import COUNTED, OF_DEVICE
from resray.study.spec import Published

IDENTITY = ("trial_id", "study", "name", "seed")
RECORD = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
          "test_loss", "test_accuracy")  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """Everything that the card, the metrics and the configuration of one trial are made from."""

    results: Results
    row: Row
    checkpoint: str
    """Name of the exported checkpoint: best, last or epoch-0010."""
    epoch: int
    """The epoch after which it was written."""

    @property
    def epochs(self) -> pd.DataFrame:
        """The trial's epoch rows."""
        known = self.results.epochs.get(self.row["trial_id"])
        return read_table(self.results.folder, "epochs").head(0) if known is None else known

    @property
    def group(self) -> Group:
        """The trials that differ from this one in their seed only."""
        identity = self.row["trial_id"]
        members = ((group, row) for group in self.results.groups for row in group.trials)
        return next(group for group, row in members if row["trial_id"] == identity)

    @property
    def at_epoch(self) -> dict[str, Any]:
        """The figures of the exported weights' epoch; None for what was not measured."""
        rows = records(self.epochs[self.epochs["epoch"] == self.epoch])
        return {column: rows[0][column] if rows else None for column in RECORD}

    @property
    def reductions(self) -> list[str]:
        """What was reduced against the study's recipe."""
        return reductions_of(self.row)

    @property
    def published(self) -> list[Published]:
        """The published figures of this trial, in the study's order."""
        figures = self.results.study.published if self.results.study else []
        return [figure for figure in figures if figure.trial == self.row["name"]
                and figure.variant in (None, self.row["variant"])]  # fmt: skip

    @property
    def evaluations(self) -> list[Row]:
        """What `resray evaluate` measured of this trial, or of ensembles that it is in."""
        identity = self.row["trial_id"]
        return [
            row
            for row in records(read_table(self.results.folder, "evaluations"))
            if row["trial_id"] == identity or f'"{identity}"' in (row["members"] or "")
        ]


def records(frame: pd.DataFrame) -> list[Row]:
    """Return a table's rows as plain values, None for what is missing."""
    # Through pandas' nullable types, so that a whole number beside a missing one stays whole.
    plain = frame.convert_dtypes().astype(object)
    rows = plain.where(plain.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def metrics(facts: Facts) -> dict[str, Any]:
    """Return the content of metrics.json."""
    epochs = [
        {**{key: row[key] for key in row if key not in IDENTITY}, "settings": settings_of(row)}
        for row in records(facts.epochs)
    ]
    return {
        "exported": {"checkpoint": facts.checkpoint, **facts.at_epoch},
        "trial": {key: value for key, value in facts.row.items() if key != "recipe"}
        | {"reductions": facts.reductions},
        "seeds": seed_summaries(facts.group),
        "published": [figure.model_dump(mode="json") for figure in facts.published],
        "evaluations": facts.evaluations,
        "epochs": epochs,
    }


def settings_of(row: Row) -> Mapping[str, Any] | None:
    """Return the settings in force in an epoch, or None where they were not recorded."""
    return json.loads(row["settings"]) if row["settings"] else None


def seed_summaries(group: Group) -> dict[str, Any]:
    """Return mean, sample standard deviation and n over the finished trials of one recipe."""
    columns = ("validation_accuracy", "test_accuracy", "test_accuracy_best", "test_accuracy_last")
    found = {column: group.summary(column) for column in columns}
    return {
        "seeds": [row["seed"] for row in group.finished],
        **{
            column: {"mean": summary.mean, "deviation": summary.deviation, "n": summary.n}
            for column, summary in found.items()
            if summary is not None
        },
    }


def measured_beside(facts: Facts, figure: Published) -> float | None:
    """Return the trial's own value of a published figure's metric, or None if it has none."""
    if figure.epoch is not None:
        rows = records(facts.epochs[facts.epochs["epoch"] == figure.epoch])
        return epoch_value(rows[0], facts.row, figure.metric) if rows else None
    if figure.metric in ("seconds_per_epoch", "iterations_per_second"):
        return trial_rate(facts.row, figure.metric)
    return facts.row.get(figure.metric)


def epoch_value(epoch: Row, trial: Row, metric: str) -> float | None:
    """Return a metric of one epoch."""
    rate, batch_size = epoch["images_per_second"], trial["batch_size"]
    if metric == "seconds_per_epoch":
        return epoch["seconds_training"]
    if metric == "iterations_per_second":
        return rate / batch_size if rate and batch_size else None
    return epoch.get(metric)


def trial_rate(row: Row, metric: str) -> float | None:
    """Return seconds per epoch or batches per second over a whole trial."""
    if metric == "seconds_per_epoch":
        seconds, epochs = row["seconds_training"], row["epochs_done"]
        return seconds / epochs if seconds and epochs else None
    rate, batch_size = row["images_per_second"], row["batch_size"]
    return rate / batch_size if rate and batch_size else None


def why_not_comparable(facts: Facts, figure: Published) -> Sequence[str]:
    """Return what keeps our value from standing against a published one; nothing if it may."""
    if figure.metric in COUNTED:
        return ()
    row, reasons = facts.row, list(facts.reductions)
    if row["status"] != "completed":
        reasons.append(f"the training is {row['status']}")
    if figure.epochs is not None and figure.epoch is None and figure.epochs != row["epochs"]:
        reasons.append(f"{figure.epochs} epochs there, {row['epochs']} here")
    if figure.metric in OF_DEVICE and figure.device != row["device"]:
        reasons.append("another device")
    if figure.metric in OF_DEVICE and row["exclusive"] is not True:
        reasons.append("the device was shared")
    return reasons
