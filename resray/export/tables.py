"""Tables for spreadsheets, scripts and papers: every epoch, or one of the report's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from resray.analysis.groups import Row, reductions_of
from resray.analysis.results import Analysis
from resray.errors import InputError, unknown
from resray.export.formats import (
    TABLE_FORMATS,
    check_place,
    format_of,
    write_file,
    written_sheet,
)
from resray.export.sheets import (
    Sheet,
    frame_sheet,
    load,
    report_sheet,
    report_tables,
    stored_sheets,
)
from resray.report.contents import all_figures

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

EPOCHS = "epochs"
EPOCHS_CAPTION = (
    "Every epoch of every trial: losses in nats, accuracies in percent, times in seconds; compare "
    "times only where exclusive is true and the device is the same"
)


def export_table(
    folders: Path | Sequence[Path],
    output: Path,
    *,
    table: str = EPOCHS,
    format: str | None = None,
    select: Sequence[str] = (),
    names: Sequence[str | None] | None = None,
) -> Path:
    """Write a table of the results in one or more folders to a file, and return the file.

    ``table`` is the id of one of the report's tables, ``stored-NAME`` for one of the Parquet tables
    as it is, or ``epochs``: one row per epoch. Of a single folder, ``select`` restricts it to the
    trials whose name one of these matches; of several, ``names`` are what to call each. Without a
    ``format`` the file's suffix says it, and csv is the default. Raises InputError for an unknown
    table or format, a name that matches nothing, or a file that cannot be written.
    """
    format = format_of(output, format, TABLE_FORMATS, "a table")
    check_place(output)
    results = load([folders] if isinstance(folders, Path) else folders, select, names)
    write_file(output, written_sheet(find_sheet(results, table), format))
    return output


def find_sheet(results: Analysis, name: str) -> Sheet:
    """Return a table by its id; raise InputError, with those there are, if there is no such one."""
    # The table of epochs is asked for most, and needs nothing of the report.
    if name == EPOCHS:
        return epochs_sheet(results)
    sheets = all_sheets(results)
    if name not in sheets and name in all_figures(results):
        raise InputError(f"--name: {name!r} is a figure, which `resray export figure` writes")
    if name not in sheets:
        raise InputError(unknown("--name", name, sheets))
    return sheets[name]


def all_sheets(results: Analysis) -> dict[str, Sheet]:
    """Return every table there is, by its id: of epochs, of the report, as stored."""
    tables = [report_sheet(table) for table in report_tables(results).values()]
    found = [epochs_sheet(results), *tables, *stored_sheets(results)]
    return {sheet.id: sheet for sheet in found}


def epochs_sheet(results: Analysis) -> Sheet:
    return frame_sheet(EPOCHS, EPOCHS_CAPTION, lambda: epoch_table(results))


def epoch_table(results: Analysis) -> pd.DataFrame:
    """Return one row per epoch of every trial; a value that was not measured is missing.

    ``iterations_per_second`` counts batches of the training steps, whose time is ``epoch_seconds``;
    ``reduced`` says what was cut against the study's recipe. Results of several folders have a
    column ``source`` with the folder's name.
    """
    columns = [*COLUMNS, *(["source"] if results.sources else [])]
    trials = [row for row in results.rows if row["trial_id"] in results.epoch_table]
    if not trials:
        return pd.DataFrame(columns=columns)
    parts = [results.epoch_table[row["trial_id"]] for row in trials]
    described = pd.DataFrame(map(trial_columns, trials), dtype=object).infer_objects()
    places = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    whole = described.iloc[places].reset_index(drop=True)
    epochs = pd.concat(parts, ignore_index=True)
    whole = whole.assign(
        epoch=epochs["epoch"],
        train_loss=epochs["train_loss"],
        test_accuracy=epochs["test_accuracy"],
        iterations_per_second=epochs["images_per_second"] / whole["batch_size"].astype(float),
        epoch_seconds=epochs["seconds_training"],
        validation_accuracy=epochs["validation_accuracy"],
    )[columns]
    return whole.round({name: places for name, places in COLUMNS.items() if places is not None})


def trial_columns(row: Row) -> dict[str, object]:
    """Return what is the same in all rows of a trial."""
    same = ("model", "seed", "variant", "status", "exclusive", "device", "source", "batch_size")
    reduced = "; ".join(map(str, reductions_of(row)))
    return {"trial": row["name"], "reduced": reduced} | {name: row[name] for name in same}
