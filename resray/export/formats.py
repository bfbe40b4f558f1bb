"""The forms that tables and figures are written in, and how a file is written."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from resray.errors import InputError, unknown
from resray.export.images import IMAGE_FORMATS
from resray.export.latex import latex
from resray.export.markdown import table as markdown_table
from resray.export.sheets import Sheet, Shown
from resray.files import output_file, plain

SUFFIXES = {
    ".csv": "csv",
    ".json": "json",
    ".md": "markdown",
    ".tex": "latex",
    ".png": "png",
    ".svg": "svg",
}
ENDINGS = {format: suffix for suffix, format in SUFFIXES.items()}
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")


def format_of(output: Path, typed: str | None, formats: Collection[str], what: str) -> str:
    """Return the format to write a file in: what was typed, else what its suffix says, else csv.

    Raises InputError for a format that is not among ``formats``, which ``what`` (a table, say) has,
    where the suffix says another one than was typed, and where it says one that is not known.
    """
    meant = SUFFIXES.get(output.suffix.lower())
    typed = named_format(typed)
    if typed is None and output.suffix and meant is None:
        endings = ", ".join(ENDINGS[format] for format in formats)
        raise InputError(
            f"--output {output}: {output.suffix} is no form that {what} is written in; end it in "
            f"{endings}, or name the form with --format"
        )
    if typed is not None and typed not in {*SUFFIXES.values(), *formats}:
        raise InputError(unknown("--format", typed, formats))
    if typed is not None and meant not in (None, typed):
        raise InputError(
            f"--format {typed}: --output {output} ends as {meant}; leave out one of them"
        )
    format = typed or meant or "csv"
    if format not in formats:
        raise InputError(f"{what} is not written as {format}; choose {', '.join(sorted(formats))}")
    return format


def named_format(typed: str | None) -> str | None:
    """Return the format that a suffix without its dot stands for (md, tex), else what was typed."""
    return typed if typed is None else SUFFIXES.get(f".{typed}", typed)


def written_sheet(sheet: Sheet, format: str) -> str:
    """Return a table in one of `TABLE_FORMATS`."""
    return WRITERS[format](sheet)


def as_csv(frame: pd.DataFrame) -> str:
    """Return comma-separated values with a header row; no cell is a formula to a spreadsheet."""
    named = frame.rename(columns=harmless)
    for title, kind in named.dtypes.items():
        if not is_numeric_dtype(kind):
            named[title] = named[title].map(harmless)
    return named.to_csv(index=False, lineterminator="\r\n")


def harmless(value: Any) -> Any:
    """Return ``value``; text that a spreadsheet would run as a formula gets an apostrophe."""
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return f"'{value}"
    return value


def as_json(frame: pd.DataFrame) -> str:
    """Return a list of one object per row; what was not measured is null."""
    titles = list(map(str, frame.columns))
    known = frame.astype(object).where(frame.notna(), None).values.tolist()
    rows = [dict(zip(titles, map(plain, row), strict=True)) for row in known]
    return json.dumps(rows, indent=2) + "\n"


def as_markdown(shown: Shown) -> str:
    """Return a table in GitHub's Markdown, numbers set to the right."""
    return markdown_table(shown.titles, shown.rows, shown.numeric)


WRITERS: dict[str, Callable[[Sheet], str]] = {
    "csv": lambda sheet: as_csv(sheet.values()),
    "json": lambda sheet: as_json(sheet.values()),
    "latex": lambda sheet: latex(sheet.shown(), sheet.caption, sheet.id),
    "markdown": lambda sheet: as_markdown(sheet.shown()),
}
TABLE_FORMATS = tuple(WRITERS)
FIGURE_FORMATS = (*IMAGE_FORMATS, "json", "csv")


def check_place(output: Path) -> None:
    """Raise InputError unless a file can be made there."""
    if str(output) == "-":
        raise InputError("--output -: must be a file; /dev/stdout is the standard output")
    if not output.parent.is_dir() or output.is_dir():
        raise InputError(f"--output {output}: must be a file in a folder that exists")


def write_file(output: Path, content: str | bytes) -> None:
    """Write a file; raise InputError if it cannot be written."""
    # A lone surrogate, which only a hostile name holds, becomes a question mark.
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    try:
        with output_file(output) as file:
            file.write(data)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be written ({error.strerror})") from error
