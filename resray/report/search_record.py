"""What the tables hold of a search, whose trials are compared with each other, never averaged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from resray.report.epoch_table import EpochTable
from resray.results.store import read_table
from resray.search.best import of_latest

Row = dict[str, Any]


@dataclass(frozen=True)
class SearchRecord:
    """The rows of a search's trials; all empty where nothing was searched."""

    trials: tuple[Row, ...]
    """Those of one search: the one that was worked on last."""
    others: int
    """Trials of searches with other settings, seed, options, images or recipe, which do not compare
    with these."""
    epochs: EpochTable
    """Epoch rows by trial id, in order of epoch."""
    events: tuple[Row, ...]
    decisions: tuple[Row, ...]
    """Oldest first."""

    def __bool__(self) -> bool:
        return bool(self.trials)


def read_search(
    folder: Path, trials: list[Row], epochs: EpochTable, events: list[Row]
) -> SearchRecord:
    """Return what the tables hold of a search's trials; reads their decisions in a folder.

    ``epochs`` and ``events`` may hold other trials' too. Of several searches the newest is taken.
    """
    own = of_latest(trials)
    settings = {row["trial_id"]: row["search"] for row in own}
    made = plain_rows(read_table(folder, "decisions").sort_values("decided", kind="stable"))
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


def plain_rows(frame: pd.DataFrame) -> list[Row]:
    """Return a table as rows of plain values, None where one is missing."""
    # Through pandas' nullable types, so that a whole number beside a missing one stays whole.
    frame = frame.convert_dtypes().astype(object)
    plain = frame.where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
