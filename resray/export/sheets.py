"""Tables on their way to a file: the report's by their id, and those that are stored."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from resray.analysis.results import Analysis
from resray.analysis.words import MISSING
from resray.errors import InputError, unknown
from resray.report.contents import SECTIONS, content
from resray.report.tables import Table
from resray.report.text import plain_text, value_of
from resray.results.schema import TABLES
from resray.results.store import read_table
from resray.results.summary import parsed_json

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


def report_tables(results: Analysis) -> dict[str, Table]:
    """Return every table of the report by its id, in the page's order."""
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


def stored_sheets(results: Analysis) -> Iterator[Sheet]:
    """Yield the Parquet tables of the results' folders, of the trials that the results hold."""
    known = {row["trial_id"] for row in results.all_rows}
    # What networks predicted is bytes, of which no sheet can make anything.
    for name in (each for each in TABLES if each != "predictions"):
        caption = f"The stored table {name}, all its columns (docs/schema.md)"
        yield frame_sheet(f"stored-{name}", caption, partial(stored, results, name, known))


def stored(results: Analysis, name: str, known: Collection[str]) -> pd.DataFrame:
    """Return the rows of a stored table that are of known trials or of ensembles of them."""
    if not results.sources:
        frame = read_table(results.folder, name)
        return frame[is_known(frame, known)].reset_index(drop=True)
    parts = [
        stored(part, name, {row["trial_id"] for row in part.all_rows}).assign(source=source)
        for source, part in results.sources.items()
    ]
    return pd.concat(parts, ignore_index=True)


def is_known(frame: pd.DataFrame, known: Collection[str]) -> pd.Series:
    """Return for each row whether it is of a known trial, or of nothing but such ones."""
    if "members" not in frame:
        return frame["trial_id"].isin(known)
    members = [parsed_json(text, []) if isinstance(text, str) else [] for text in frame["members"]]
    of_known = [bool(each) and all(one in known for one in each) for each in members]
    return frame["trial_id"].isin(known) | pd.Series(of_known, index=frame.index, dtype=bool)


def frame_sheet(id: str, caption: str, read: Callable[[], pd.DataFrame]) -> Sheet:
    """Return a sheet of what ``read`` returns."""
    return Sheet(id, caption, read, lambda: shown_of_frame(read()))


def shown_of_frame(frame: pd.DataFrame) -> Shown:
    numeric = tuple(is_numeric_dtype(kind) and not is_bool_dtype(kind) for kind in frame.dtypes)
    known = frame.astype(object).where(frame.notna(), MISSING)
    rows = [[str(value) for value in row] for row in known.values.tolist()]
    return Shown(tuple(map(str, frame.columns)), numeric, rows)


# --- which results ------------------------------------------------------------------------------


def load(
    folders: Sequence[Path],
    select: Sequence[str] = (),
    names: Sequence[str | None] | None = None,
) -> Analysis:
    """Read results folders, of a single one only the trials whose name one of ``select`` matches.

    ``names`` are what to call each of several, as in `Analysis.of`. Raises InputError if a folder
    holds no results, or a name matches nothing.
    """
    if len(folders) > 1:
        if select:
            raise InputError("--select: only for the results of a single folder")
        return Analysis.of(folders, names)
    return Analysis.of(folders[0], trial_ids=selected_ids(folders[0], select))


def selected_ids(folder: Path, select: Sequence[str]) -> list[str] | None:
    """Return the ids of the trials whose name one of ``select`` matches; None: of all."""
    if not select:
        return None
    rows = read_table(folder, "trials")
    matches = [str(trial_id) for trial_id, name in zip(rows["trial_id"], rows["name"], strict=True)
               if any(fnmatchcase(str(name), glob) for glob in select)]  # fmt: skip
    if not matches:
        raise InputError(unknown("--select", ", ".join(select), set(map(str, rows["name"]))))
    return matches
