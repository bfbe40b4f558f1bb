"""What is said of an exported model: its figures, those of its seeds, and the published ones."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from resray.analysis.groups import Group, Row, reductions_of
from resray.analysis.published import Comparison, comparisons, in_words
from resray.analysis.results import Analysis, members_of
from resray.results.store import read_table

IDENTITY = ("trial_id", "study", "name", "seed")
RECORD = ("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
          "test_loss", "test_accuracy")  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """Everything that the card, the metrics and the configuration of one trial are made from."""

    results: Analysis
    row: Row
    checkpoint: str
    """Name of the exported checkpoint: best, last or epoch-0010."""
    epoch: int
    """The epoch after which it was written."""

    @property
    def epochs(self) -> pd.DataFrame:
        """The trial's epoch rows."""
        known = self.results.epoch_table.get(self.row["trial_id"])
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
        """What was reduced against the study's recipe, in words."""
        return [str(each) for each in reductions_of(self.row)]

    @property
    def comparisons(self) -> list[Comparison]:
        """The published figures of this recipe, each beside the mean over its finished seeds."""
        return [item for item in comparisons(self.results) if item.group is self.group]

    @property
    def evaluations(self) -> list[Row]:
        """What `resray evaluate` measured of this trial, or of ensembles that it is in."""
        tables = self.results.evaluation_tables.items()
        own = (table for key, table in tables
               if len(table) and self.row["trial_id"] in members_of(key, table))  # fmt: skip
        return [row for table in own for row in records(table)]


def records(frame: pd.DataFrame) -> list[Row]:
    """Return a table's rows as plain values, None for what is missing."""
    # Through pandas' nullable types, so that a whole number beside a missing one stays whole.
    plain = frame.convert_dtypes().astype(object)
    rows = plain.where(plain.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def metrics(facts: Facts) -> dict[str, Any]:
    """Return the content of metrics.json."""
    epochs = [
        {**{key: row[key] for key in row if key not in IDENTITY},
         "settings": json.loads(row["settings"]) if row["settings"] else None}
        for row in records(facts.epochs)
    ]  # fmt: skip
    return {
        "exported": {"checkpoint": facts.checkpoint, **facts.at_epoch},
        "trial": {key: value for key, value in facts.row.items() if key != "recipe"}
        | {"reductions": facts.reductions},
        "seeds": seed_summaries(facts.group),
        "published": [
            {
                **item.published.model_dump(mode="json"),
                "measured": item.measured and asdict(item.measured),
                "obstacles": list(map(in_words, item.obstacles)),
            }
            for item in facts.comparisons
        ],
        "evaluations": facts.evaluations,
        "epochs": epochs,
    }


def seed_summaries(group: Group) -> dict[str, Any]:
    """Return mean, sample standard deviation and n over the finished trials of one recipe."""
    columns = ("validation_accuracy", "test_accuracy", "test_accuracy_best", "test_accuracy_last")
    found = {column: group.summary(column) for column in columns}
    return {
        "seeds": [row["seed"] for row in group.finished],
        **{column: asdict(summary) for column, summary in found.items() if summary is not None},
    }
