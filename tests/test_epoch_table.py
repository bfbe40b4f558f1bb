"""The epochs of many trials: one trial's rows, and columns of many as arrays."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from resray.analysis.epoch_table import EpochRows, EpochTable
from resray.analysis.results import REPEATED_TEXTS, Analysis
from resray.results.schema import table_schema
from resray.results.store import ResultStore, read_rows
from tests.report_builder import epochs_of, trial, write_results
from tests.table_files import change_files


def row(trial_id: str | None, epoch: int | None, accuracy: float | None = None, **more: Any) -> Any:
    return {"trial_id": trial_id, "epoch": epoch, "test_accuracy": accuracy, **more}


def table(*rows: dict[str, Any]) -> EpochTable:
    return EpochTable(EpochRows(pa.Table.from_pylist(list(rows), table_schema("epochs"))))


def test_trials_are_in_order_and_their_epochs_too() -> None:
    made = table(row("b", 2, 20.0), row("a", 3, 13.0), row("b", 1, 10.0), row("a", 1, 11.0))
    assert list(made) == ["a", "b"]
    assert made["b"]["test_accuracy"].tolist() == [10.0, 20.0]
    assert made["a"]["epoch"].tolist() == [1, 3]
    assert "c" not in made
    with pytest.raises(KeyError):
        made["c"]


def test_of_an_epoch_recorded_twice_the_last_row_counts() -> None:
    made = table(row("a", 1, 11.0), row("a", 2, 12.0), row("a", 1, 99.0), row(None, 1, 5.0))
    assert made["a"]["test_accuracy"].tolist() == [99.0, 12.0]
    assert len(made) == 1


def test_arrays_have_a_row_per_trial_and_a_column_per_epoch() -> None:
    made = table(row("a", 1, 11.0), row("a", 3, 13.0), row("b", 1, None), row("b", 2, math.inf))
    assert made.numbers.tolist() == [1, 2, 3]
    np.testing.assert_equal(
        made.arrays("test_accuracy", ["b", "unknown", "a"]),
        [[math.nan, math.inf, math.nan], [math.nan] * 3, [11.0, math.nan, 13.0]],
    )
    assert made.lengths(["a", "unknown"]).tolist() == [2, 0]
    assert made.arrays("test_accuracy", []).shape == (0, 3)


def test_whole_numbers_become_floats_and_texts_codes() -> None:
    texts = ('{"x": 1}', '{"x": 2}')
    made = table(row("a", 1, images=7, settings=texts[0]), row("a", 2, settings=texts[1]),
                 row("b", 1, settings=None), row("b", 2, images=9, settings=texts[0]))  # fmt: skip
    np.testing.assert_equal(made.arrays("images", ["a", "b"]), [[7, math.nan], [math.nan, 9]])
    codes, different = made.codes("settings", ["a", "b"])
    told = [[None if code < 0 else different[code] for code in own] for own in codes]
    assert told == [list(texts), [None, texts[0]]]


def test_a_part_of_a_table_knows_its_own_epochs_only() -> None:
    made = table(row("a", 1, 11.0), row("b", 1, 21.0), row("b", 2, 22.0))
    part = made.of(["a", "unknown"])
    assert list(part) == ["a"]
    assert part.numbers.tolist() == [1]
    np.testing.assert_equal(part.arrays("test_accuracy", ["a", "b"]), [[11.0], [math.nan]])


def test_no_epochs_and_an_epoch_without_a_number() -> None:
    empty = table()
    assert (len(empty), empty.numbers.tolist()) == (0, [])
    assert empty.arrays("test_accuracy", ["a"]).shape == (1, 0)
    odd = table(row("a", None, 50.0), row("a", 1, 51.0))
    assert odd.arrays("test_accuracy", ["a"]).tolist() == [[51.0]]
    assert odd.lengths(["a"]).tolist() == [2]


def test_what_is_read_in_dictionaries_is_what_was_written(tmp_path: Path) -> None:
    rows = [trial("resnet18", seed) for seed in (0, 1)]
    folder = write_results(tmp_path, rows)
    plain = read_rows(folder, "epochs").to_pandas()
    coded = read_rows(folder, "epochs", REPEATED_TEXTS).to_pandas()
    for column in plain.columns:
        assert coded[column].astype(object).equals(plain[column].astype(object)), column
    results = Analysis.of(folder)
    one = results.epoch_table[rows[1]["trial_id"]]
    assert one["trial_id"].unique().tolist() == [rows[1]["trial_id"]]


def test_files_of_an_older_version_have_no_settings(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_epochs("a", [{"trial_id": "a", "epoch": 1, "settings": "{}"}])
    store.flush()
    older = {"resray_schema_version": "1"}
    change_files(
        tmp_path,
        "epochs",
        lambda rows: rows.drop_columns(["settings", "study"]).replace_schema_metadata(older),
    )
    rows = read_rows(tmp_path, "epochs", REPEATED_TEXTS)
    assert rows.column_names == table_schema("epochs").names
    assert rows["settings"].to_pylist() == [None]
    assert rows["trial_id"].to_pylist() == ["a"]


def test_what_no_float_can_square_was_not_measured(tmp_path: Path) -> None:
    row = trial(epochs=2)
    first, second = epochs_of(row)
    epochs = [first | {"test_loss": 1e300}, second | {"test_loss": math.inf}]
    found = Analysis.of(write_results(tmp_path, [row], epochs=epochs)).epoch_table
    assert str(found.arrays("test_loss", [row["trial_id"]])[0].tolist()) == "[nan, inf]"
