"""From a trial's epochs to the figures in its own row."""

import random
from typing import Any

import pytest

from resray.results.summary import best_epoch, highest, summarise, summary_of


def summary_rows(validation: list[float | None]) -> list[dict[str, Any]]:
    return [
        {
            "epoch": number,
            "validation_accuracy": accuracy,
            "test_accuracy": 90.0 - number,
            "images": 1000,
            "seconds_training": 2.0,
            "seconds_evaluating": 0.5,
            "peak_memory_bytes": 100 - number,
        }
        for number, accuracy in enumerate(validation, 1)
    ]


def test_summary_selects_on_validation_and_takes_the_first_of_equals() -> None:
    summary = summarise(summary_rows([50.0, 60.0, 60.0]))
    expected = {
        "epochs_done": 3,
        "best_epoch": 2,
        "validation_accuracy": 60.0,
        "test_accuracy": 88.0,
        "test_accuracy_best": 89.0,
        "test_accuracy_last": 87.0,
        "seconds_training": 6.0,
        "seconds_evaluating": 1.5,
        "seconds_compiling": None,
        "seconds_saving": None,
        "images_per_second": 500.0,
        "peak_memory_bytes": 99,
        "energy_joules": None,
    }
    assert summary == expected


def test_summary_may_select_on_test() -> None:
    rows = summary_rows([50.0, 60.0, 70.0])
    rows[0]["test_accuracy"] = rows[1]["test_accuracy"] = 90.0
    summary = summarise(rows, "test")
    assert (summary["best_epoch"], summary["validation_accuracy"]) == (1, 50.0)
    assert summary["test_accuracy"] == 90.0


def test_energy_and_saving_are_summed_only_where_every_epoch_tells_them() -> None:
    first, second = summary_rows([50.0, 60.0])
    for column in ("energy_joules", "seconds_saving"):
        told = {column: 10.0}
        assert summarise([first | told, second | told])[column] == 20.0
        assert summarise([first | told, second])[column] is None


def test_summary_without_validation_takes_the_last_epoch() -> None:
    summary = summarise(summary_rows([None, None]))
    assert (summary["best_epoch"], summary["test_accuracy"]) == (2, 88.0)
    assert summary["validation_accuracy"] is None


def test_without_epochs_nothing_was_measured() -> None:
    nothing = summarise([])
    assert nothing.pop("epochs_done") == 0
    assert set(nothing.values()) == {None}


@pytest.mark.parametrize("selection", ["validation", "test"])
def test_extended_by_an_epoch_at_a_time_it_is_what_all_epochs_come_to(selection: str) -> None:
    generator = random.Random(7)
    rows = summary_rows([50.0] * 40)
    for row in rows:
        row["validation_accuracy"] = generator.choice([None, 60.0, 61.0, 62.0])
        row["test_accuracy"] = generator.choice([None, 70.0, 71.0])
        row["seconds_saving"] = generator.random()
        row["peak_memory_bytes"] = generator.choice([None, 3, 5])
    summary = summary_of([], selection)
    for done, row in enumerate(rows, 1):
        summary = summary.with_epoch(row)
        columns, before = summary.columns(), rows[:done]
        assert columns == summarise(before, selection)
        best = best_epoch(before, selection) or {}
        assert columns["best_epoch"] == best.get("epoch")
        assert columns["test_accuracy"] == best.get("test_accuracy")
        for column in ("test_accuracy", "peak_memory_bytes"):
            name = {"test_accuracy": "test_accuracy_best"}.get(column, column)
            assert columns[name] == highest(row[column] for row in before)
        saved = sum(row["seconds_saving"] for row in before)
        assert columns["seconds_saving"] == pytest.approx(saved)
        assert columns["images_per_second"] == pytest.approx(500.0)
