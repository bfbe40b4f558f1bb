"""Metrics of every epoch as a table for spreadsheets, scripts and papers."""

import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from resray.errors import InputError, unknown
from resray.report.aggregate import Results, Row, load_results, reductions_of

COLUMNS = {
    "model": None,
    "epoch": None,
    "train_loss": 4,
    "test_accuracy": 2,
    "iterations_per_second": 3,
    "epoch_seconds": 3,
    "trial": None,
    "seed": None,
    "variant": None,
    "validation_accuracy": 2,
    "status": None,
    "exclusive": None,
    "device": None,
    "reduced": None,
}
"""The columns with their decimal places; None is no measured figure."""

SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".tex": "latex"}
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")


def export_table(
    results: Path, output: Path, *, format: str | None = None, select: Sequence[str] = ()
) -> Path:
    """Write one row per epoch of every trial whose name one of ``select`` matches; return the file.

    Losses are in nats, accuracies in percent, times in seconds. ``iterations_per_second`` counts
    batches of the training steps, whose time is ``epoch_seconds``; both may be compared only where
    ``exclusive`` is true and ``device`` is the same. ``reduced`` says what was cut against the
    study's recipe. Without a ``format`` the file's suffix says it, and csv is the default. Raises
    InputError for an unknown format, a name that matches nothing, or a file that cannot be written.
    """
    format = SUFFIXES.get(output.suffix.lower(), "csv") if format is None else format
    if format not in WRITERS:
        raise InputError(unknown("--format", format, WRITERS))
    if not output.parent.is_dir():
        raise InputError(f"--output {output}: must be a file in a folder that exists")
    frame = epoch_table(load_results(results), select)
    text = WRITERS[format](frame)
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"--output {output}: cannot be written ({error.strerror})") from error
    return output


def epoch_table(results: Results, select: Sequence[str] = ()) -> pd.DataFrame:
    """Return the table that `export_table` writes; a value that was not measured is missing."""
    chosen = [
        row
        for row in results.trials
        if not select or any(fnmatchcase(str(row["name"]), glob) for glob in select)
    ]
    if not chosen and select:
        names = {str(row["name"]) for row in results.trials}
        raise InputError(unknown("--select", ", ".join(select), names))
    parts = [trial_table(row, results.epochs[row["trial_id"]])
             for row in chosen if row["trial_id"] in results.epochs]  # fmt: skip
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    return whole.round({name: places for name, places in COLUMNS.items() if places is not None})


def trial_table(row: Row, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one trial."""
    batch_size = row["batch_size"] or float("nan")
    columns = {
        "model": row["model"],
        "epoch": epochs["epoch"],
        "train_loss": epochs["train_loss"],
        "test_accuracy": epochs["test_accuracy"],
        "iterations_per_second": epochs["images_per_second"] / batch_size,
        "epoch_seconds": epochs["seconds_training"],
        "trial": row["name"],
        "seed": row["seed"],
        "variant": row["variant"],
        "validation_accuracy": epochs["validation_accuracy"],
        "status": row["status"],
        "exclusive": row["exclusive"],
        "device": row["device"],
        "reduced": "; ".join(reductions_of(row)),
    }
    return pd.DataFrame(columns, index=epochs.index)[list(COLUMNS)]


def as_csv(frame: pd.DataFrame) -> str:
    """Return comma-separated values with a header row; no cell is a formula to a spreadsheet."""
    return frame.map(harmless).to_csv(index=False, lineterminator="\r\n")


def harmless(value: object) -> object:
    """Return ``value``; text that a spreadsheet would run as a formula gets an apostrophe."""
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return f"'{value}"
    return value


def as_json(frame: pd.DataFrame) -> str:
    """Return a list of one object per epoch; what was not measured is null."""
    return json.dumps(json.loads(frame.to_json(orient="records")), indent=2) + "\n"


def as_markdown(frame: pd.DataFrame) -> str:
    """Return a table in GitHub's Markdown."""
    from resray.export.markdown import table

    missing = frame.astype(object).where(frame.notna(), None)
    return table(list(frame.columns), missing.values.tolist())


def as_latex(frame: pd.DataFrame) -> str:
    """Return a ``longtable`` with the rules of the LaTeX package booktabs."""
    return frame.to_latex(index=False, escape=True, longtable=True, na_rep="--")


WRITERS: dict[str, Callable[[pd.DataFrame], str]] = {
    "csv": as_csv,
    "json": as_json,
    "latex": as_latex,
    "markdown": as_markdown,
}
