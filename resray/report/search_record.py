"""What the tables hold of a search, whose trials are compared with each other, never averaged."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from resray.results.store import read_table

Row = dict[str, Any]


@dataclass(frozen=True)
class SearchRecord:
    """The rows of a search's trials; all empty where nothing was searched."""

    trials: tuple[Row, ...]
    epochs: Mapping[str, pd.DataFrame]
    """Epoch rows by trial id, in order of epoch."""
    events: tuple[Row, ...]
    decisions: tuple[Row, ...]
    """Oldest first. Those of a search with other settings, which was run before, are left out."""

    def __bool__(self) -> bool:
        return bool(self.trials)


def read_search(
    folder: Path, trials: list[Row], epochs: Mapping[str, pd.DataFrame]
) -> SearchRecord:
    """Read events and decisions of a search's trials from a results folder."""
    settings = {row["trial_id"]: row["search"] for row in trials}
    made = plain_rows(read_table(folder, "decisions").sort_values("decided", kind="stable"))
    return SearchRecord(
        trials=tuple(trials),
        epochs={trial_id: rows for trial_id, rows in epochs.items() if trial_id in settings},
        events=tuple(plain_rows(read_table(folder, "events"), set(settings))),
        decisions=tuple(
            row
            for row in made
            if row["trial_id"] in settings and row["search"] == settings[row["trial_id"]]
        ),
    )


def plain_rows(frame: pd.DataFrame, chosen: set[str] | None = None) -> list[Row]:
    """Return a table as rows of plain values, None where one is missing.

    ``chosen`` restricts it to trials with these ids.
    """
    if chosen is not None:
        frame = frame[frame["trial_id"].isin(chosen)]
    # Through pandas' nullable types, so that a whole number beside a missing one stays whole.
    frame = frame.convert_dtypes().astype(object)
    plain = frame.where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
