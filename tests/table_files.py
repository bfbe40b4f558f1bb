"""Files of the result tables, changed as no command would, or laid out as older versions did."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resray.results.files import encoded
from resray.results.schema import TABLES


def change_files(folder: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite each file of a table, without a checksum; remove those that get no rows."""
    for path in (folder / table).glob("*.parquet"):
        rows = change(pq.read_table(path))
        path.unlink()
        if len(rows):
            pq.write_table(rows, path)


def drop_trial(folder: Path, table: str, trial_id: str) -> None:
    """Remove a trial's rows from a table."""
    change_files(folder, table, lambda rows: rows.filter(pc.field("trial_id") != trial_id))


def in_older_layout(folder: Path, batch: bool = False) -> Path:
    """Lay a folder out as older versions did, a file to a trial or one batch of all; return it."""
    for table in TABLES:
        paths = [*(folder / table).glob("*.parquet")]
        if not paths:
            continue
        rows = pa.concat_tables([pq.read_table(path) for path in paths])
        for path in paths:
            path.unlink()
        if batch and table != "evaluations":
            (folder / table / "batch-0123456789abcdef.parquet").write_bytes(encoded(rows))
            continue
        for trial_id in rows["trial_id"].unique().to_pylist():
            of_trial = rows.filter(pc.field("trial_id") == trial_id)
            (folder / table / f"{trial_id}.parquet").write_bytes(encoded(of_trial))
    return folder
