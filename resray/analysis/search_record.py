"""What the tables hold of a search, whose trials are compared with each other, never averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resray.analysis.epoch_table import EpochTable
from resray.analysis.statistics import LARGEST
from resray.search.best import of_latest

Row = dict[str, Any]


@dataclass(frozen=True)
class SearchRecord:
    """The rows of a search's trials; all empty where nothing was searched."""

    trials: tuple[Row, ...]
    """Those of one search: the one that was worked on last."""
    others: int
    """Trials of searches with other settings, seed, options, images, recipe or code, which do not
    compare with these."""
    epochs: EpochTable
    """Epoch rows by trial id, in order of epoch."""
    events: tuple[Row, ...]
    decisions: tuple[Row, ...]
    """Oldest first."""

    def __bool__(self) -> bool:
        return bool(self.trials)


def recorded(
    trials: Sequence[Row], epochs: EpochTable, events: Sequence[Row], decisions: Sequence[Row]
) -> SearchRecord:
    """Return what the tables hold of the search that was worked on last.

    ``epochs``, ``events`` and ``decisions`` may hold other trials' too. What several folders hold
    of a search is no one search: the folder that was worked on last counts.
    """
    newest = max(trials, key=lambda row: str(row["updated"] or ""), default=None)
    own = of_latest(row for row in trials if newest and row["source"] == newest["source"])
    settings = {row["trial_id"]: row["search"] for row in own}
    made = sorted(decisions, key=lambda row: (row["decided"] is None, row["decided"] or 0))
    return SearchRecord(
        trials=tuple(own),
        others=len(trials) - len(own),
        epochs=epochs.of(settings),
        events=tuple(row for row in events if row["trial_id"] in settings),
        decisions=tuple(
            row
            for row in made
            if row["trial_id"] in settings and row["search"] == settings[row["trial_id"]]
        ),
    )


def plain_rows(table: pa.Table) -> list[Row]:
    """Return a table as rows of plain values, None where one is missing or no measurement."""
    columns = [plain_column(column) for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain_column(column: pa.ChunkedArray) -> list[Any]:
    return list((measured(column) if pa.types.is_floating(column.type) else column).to_pylist())


def measured(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of floats without what no measurement gives: NaN, and what is too large, or
    too close to 0, for its square to be told from infinity, or from 0."""
    size = pc.abs(column)
    kept = pc.if_else(pc.less(size, LARGEST), column, None)
    return pc.if_else(pc.less(size, 1 / LARGEST), 0.0, kept)
