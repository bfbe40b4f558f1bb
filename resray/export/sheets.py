"""Tables on their way to a file: the report's by their id, and those that are stored."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from resray.errors import InputError, unknown
from resray.report.aggregate import Results, Row, load_results
from resray.report.tables import Table
from resray.report.text import MISSING, plain_text, value_of
from resray.results.schema import TABLES
from resray.results.store import read_table

AS_SHOWN = " (as shown)"
"""Ends the title of a column of texts that say more than the numbers in the column before it."""


@dataclass(frozen=True)
class Shown:
    """A table as it is read."""

    titles: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: list[list[str]]


@dataclass(frozen=True)
class Sheet:
    """A table as values, for programs, and as texts, for readers."""

    id: str
    caption: str
    values: Callable[[], pd.DataFrame]
    shown: Callable[[], Shown]


# --- the report's tables ------------------------------------------------------------------------


def report_tables(results: Results) -> dict[str, Table]:
    """Return every table of the report by its id, in the page's order."""
    from resray.report.page import SECTIONS, content

    parts = (content(part, results, {}) for part in SECTIONS)
    return {table.id: table for part in parts for table in part.tables if isinstance(table, Table)}


def report_sheet(table: Table) -> Sheet:
    """Return a table of the report as a sheet."""
    return Sheet(table.id, table.caption, lambda: values_of(table), lambda: shown_of(table))


def shown_of(table: Table) -> Shown:
    return Shown(
        titles=tuple(title_of(column.title) for column in table.columns),
        numeric=tuple(column.numeric for column in table.columns),
        rows=[[plain_text(cell) for cell in row] for row in table.rows],
    )


def values_of(table: Table) -> pd.DataFrame:
    """Return a table's values; numbers are as exact as they were computed, to twelve digits.

    Seconds are seconds. A column of numbers whose texts say more (a spread, hours and minutes, a
    reason) is followed by these.
    """
    columns: dict[str, list[object]] = {}
    for place, column in enumerate(table.columns):
        title = untaken(title_of(column.title), columns)
        cells = [row[place] for row in table.rows]
        texts = [text_of(cell) for cell in cells]
        if not column.numeric or all(value_of(cell) is None for cell in cells):
            columns[title] = [*texts]
            continue
        columns[title] = [number_of(value_of(cell)) for cell in cells]
        if not all(text is None or is_number(text) for text in texts):
            columns[untaken(title + AS_SHOWN, columns)] = [*texts]
    return pd.DataFrame(columns, dtype=object)


def title_of(title: str) -> str:
    return title.replace("\u00a0", " ")


def untaken(title: str, taken: dict[str, list[object]]) -> str:
    """Return a title that no column before has."""
    while title in taken:
        title += "'"
    return title


def text_of(cell: object) -> str | None:
    """Return a cell's text with ordinary spaces; None where it says that there is nothing."""
    text = plain_text(cell).replace("\u00a0", " ")
    return None if text in (MISSING, "") else text


def number_of(value: float | None) -> float | int | None:
    if value is None:
        return None
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def is_number(text: str) -> bool:
    """Return whether a text is a number and nothing else; ``11.17 M`` is one, in short."""
    try:
        float(text.rstrip("MGTP ").replace(",", "").replace("−", "-"))
    except ValueError:
        return False
    return True


# --- stored tables ------------------------------------------------------------------------------


def stored_sheets(folder: Path, trial_ids: Sequence[str] | None) -> Iterator[Sheet]:
    """Yield the Parquet tables of a results folder, whole or the rows of some trials."""
    for name in TABLES:

        def read(name: str = name) -> pd.DataFrame:
            frame = read_table(folder, name)
            if trial_ids is not None:
                frame = frame[frame["trial_id"].isin(trial_ids)]
            return frame.reset_index(drop=True)

        caption = f"The stored table {name}: all its columns (docs/schema.md says what they mean)"
        yield frame_sheet(f"stored-{name}", caption, read)


def frame_sheet(id: str, caption: str, read: Callable[[], pd.DataFrame]) -> Sheet:
    """Return a sheet of what ``read`` returns."""
    return Sheet(id, caption, read, lambda: shown_of_frame(read()))


def shown_of_frame(frame: pd.DataFrame) -> Shown:
    numeric = tuple(
        pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
        for kind in frame.dtypes
    )
    known = frame.astype(object).where(frame.notna(), MISSING)
    rows = [[str(value) for value in row] for row in known.values.tolist()]
    return Shown(tuple(map(str, frame.columns)), numeric, rows)


# --- which results ------------------------------------------------------------------------------


def load_selected(folder: Path, select: Sequence[str]) -> Results:
    """Read a results folder, of it only the trials whose name one of ``select`` matches.

    Raises InputError if the folder holds no results, or a name matches nothing.
    """
    return load_results(folder, selected_ids(folder, select))


def selected_ids(folder: Path, select: Sequence[str]) -> list[str] | None:
    """Return the ids of the trials whose name one of ``select`` matches; None: of all."""
    if not select:
        return None
    rows = read_table(folder, "trials")
    matches = [str(trial_id) for trial_id, name in zip(rows["trial_id"], rows["name"], strict=True)
               if fits({"name": name}, select)]  # fmt: skip
    if not matches:
        raise InputError(unknown("--select", ", ".join(select), set(map(str, rows["name"]))))
    return matches


def fits(row: Row, select: Sequence[str]) -> bool:
    return any(fnmatchcase(str(row["name"]), glob) for glob in select)
