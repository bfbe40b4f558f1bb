"""What results hold beside the tables, from which these can be made again."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from resray.results.schema import table_schema
from resray.results.summary import summarise

Row = dict[str, Any]


def epoch_rows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a checkpoint's records as rows of the epochs table, but for whose they are.

    Raises ValueError unless there is one for each epoch from 1 on, with what a summary needs.
    """
    schema = table_schema("epochs")
    try:
        rows = [{**each, "recorded": datetime.fromisoformat(each["recorded"])} for each in records]
        if [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
            raise ValueError("not one for each epoch from 1 on")
        if unknown := {key for row in rows for key in row} - set(schema.names):
            raise ValueError(f"no columns of the epochs: {', '.join(sorted(unknown))}")
        pa.Table.from_pylist(rows, schema=schema)
        summarise(rows)
    except (TypeError, LookupError, ArithmeticError, pa.ArrowException) as error:
        raise ValueError(f"not records of epochs ({error})") from error
    return rows
