"""Time to accuracy: thresholds, means, what is and is not compared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resray.analysis.reaching import EPOCHS, TIME, Reaching, round_numbers
from resray.analysis.results import Analysis
from resray.figures.time_to_accuracy import time_to_accuracy_figure
from resray.report.payload import figure_payload
from resray.report.reaching_section import reaching_table
from tests.report_builder import epochs_of, trial, write_results

Curve = list[float | None]


def written(folder: Path, curves: dict[tuple[str, int], Curve], **changes: Any) -> Analysis:
    """Write trials with these validation accuracies, by name and seed; an epoch takes 30 s."""
    rows, epochs = [], []
    for (name, seed), curve in curves.items():
        own = changes.get(name, {})
        row = trial(name, seed, epochs=len(curve), seconds_training=30.0 * len(curve), **own)
        rows.append(row)
        epochs += [epoch | {"validation_accuracy": value}
                   for epoch, value in zip(epochs_of(row), curve, strict=True)]  # fmt: skip
    return Analysis.of(write_results(folder, rows, epochs=epochs))


# --- thresholds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (12.2, 39.9, [15, 20, 25, 30, 35]),
        (93.0, 95.1, [93, 93.5, 94, 94.5, 95]),
        (94.0, 94.0, [94]),
        (0.0, 0.04, []),
        (0.0, 100.0, [20, 40, 60, 80, 100]),
    ],
)
def test_thresholds_are_round(low: float, high: float, expected: list[float]) -> None:
    assert round_numbers(low, high, 6) == expected


def test_thresholds_lie_between_the_final_accuracies(tmp_path: Path) -> None:
    results = written(tmp_path, {("a", 0): [10, 50.0], ("b", 0): [10, 71.0]})
    assert Reaching(results, results.groups).thresholds(6) == [50, 55, 60, 65, 70]


# --- reaching -----------------------------------------------------------------------------------


def test_the_first_epoch_that_gets_there_counts(tmp_path: Path) -> None:
    results = written(tmp_path, {("a", 0): [30, 52, 40, None, 61]})
    reaching = Reaching(results, results.groups)
    assert reaching.needed("epoch", [30, 50, 60, 70]).tolist() == [[1, 2, 5, np.inf]]
    assert reaching.needed("time", [50])[0, 0] == pytest.approx(60)
    assert reaching.needed("images", [50])[0, 0] == 90_000


def test_test_accuracy_is_never_looked_at(tmp_path: Path) -> None:
    row = trial("a", epochs=3)
    epochs = [epoch | {"validation_accuracy": None, "test_accuracy": 99.0}
              for epoch in epochs_of(row)]  # fmt: skip
    results = Analysis.of(write_results(tmp_path, [row], epochs=epochs))
    assert time_to_accuracy_figure(results) is None
    assert reaching_table(results, TIME) == ""


def test_stopped_trials_enter_no_mean(tmp_path: Path) -> None:
    curves: dict[tuple[str, int], Curve] = {("a", 0): [50, 60], ("b", 0): [60, 70]}
    results = written(tmp_path, curves, b={"status": "stopped", "epochs_done": 2})
    assert [group.label for group in Reaching(results, results.groups).groups] == ["a"]


# --- the figure and the tables ------------------------------------------------------------------


@pytest.fixture
def results(tmp_path: Path) -> Analysis:
    return written(tmp_path, {
        ("fast", 0): [50, 60, 70, 72],
        ("fast", 1): [60, 70, 71, 72],
        ("slow", 0): [40, 50, 60, 71],
        ("slow", 1): [40, 45, 50, 59],
        ("slow", 2): [40, 66, 67, 67],
    })  # fmt: skip


def test_a_seed_that_never_gets_there_takes_for_ever(results: Analysis) -> None:
    figure = time_to_accuracy_figure(results)
    assert figure is not None
    (panel,) = figure.chosen({"along": "epoch"})
    fast, slow = panel.traces
    assert [tuple(each) for each in slow["customdata"]] == [("66", "2 of 3")], "else most did not"
    assert fast["y"] == [2.5, 2.5, 2.5, 4.0]
    assert fast["error_y"]["array"] == [0.5, 0.5, 0.5, 0.0]
    assert slow["y"] == [4]
    assert (slow["error_y"]["array"], slow["error_y"]["arrayminus"]) == ([0], [2])
    assert all(symbol.endswith("-open") for symbol in slow["marker"]["symbol"])
    assert not any(symbol.endswith("-open") for symbol in fast["marker"]["symbol"])


def test_spreads_stand_beside_each_other(results: Analysis) -> None:
    figure = time_to_accuracy_figure(results)
    assert figure is not None
    fast, slow = figure.chosen()[0].traces
    assert fast["x"][0] < 66 < slow["x"][0]


def test_time_comes_first_where_it_can_be_compared(results: Analysis, tmp_path: Path) -> None:
    figure = time_to_accuracy_figure(results)
    assert figure is not None
    assert figure.switches[0].options == ("time", "epoch", "images", "compute")
    curves: dict[tuple[str, int], Curve] = {("a", 0): [50, 70], ("b", 0): [50, 71]}
    shared = written(tmp_path / "shared", curves, b={"exclusive": False})
    figure = time_to_accuracy_figure(shared)
    assert figure is not None
    assert figure.switches[0].options[0] == "epoch"
    dashes = {along: [trace["line"]["dash"] for trace in figure.chosen({"along": along})[0].traces]
              for along in ("time", "epoch")}  # fmt: skip
    assert dashes == {"time": ["solid", "dash"], "epoch": ["solid", "solid"]}
    assert "not compared" in figure.caption


def test_the_tables_say_how_many_got_there(results: Analysis) -> None:
    made = reaching_table(results, TIME)
    assert made is not None
    fast, slow = made.rows
    assert fast[1:3] == ("1\u00a0min 15\u00a0s (2 of 2)",) * 2
    assert slow[1:3] == ("2\u00a0min 0\u00a0s (2 of 3)", "– (1 of 3)")
    epochs = reaching_table(results, EPOCHS)
    assert epochs is not None
    assert epochs.rows[0][1] == "2.5 (2 of 2)"


def test_what_is_not_known_was_reached_all_the_same(tmp_path: Path) -> None:
    rows = [trial("a", seed, epochs=2, seconds_training=60.0) for seed in range(3)]
    epochs = [epoch | {"validation_accuracy": 30.0 * epoch["epoch"]}
              for row in rows for epoch in epochs_of(row)]  # fmt: skip
    epochs[0]["seconds_training"] = None
    results = Analysis.of(write_results(tmp_path, rows, epochs=epochs))
    times, numbers = reaching_table(results, TIME), reaching_table(results, EPOCHS)
    assert times is not None
    assert numbers is not None
    assert times.rows[0][1] == "1\u00a0min 0\u00a0s (3 of 3, known of 2)"
    assert times.caption.endswith("over those of which it is known")
    assert numbers.rows[0][1] == "2 (3 of 3)"
    assert time_to_accuracy_figure(results) is not None


def test_a_threshold_that_nobody_reached_is_a_dash(tmp_path: Path) -> None:
    curves: dict[tuple[str, int], Curve] = {("a", 0): [20, 30], ("b", 0): [20, 70]}
    made = reaching_table(written(tmp_path, curves), EPOCHS)
    assert made is not None
    assert made.rows[0][-1] == "30.00"
    assert made.rows[0][2] is None


def test_the_target_of_the_study_is_a_threshold(tmp_path: Path) -> None:
    study = Path(__file__).parents[1] / "benchmarks" / "resnet10-speed.yaml"
    rows = [trial("plain", 0, epochs=4), trial("full", 0, epochs=4)]
    epochs = [epoch | {"validation_accuracy": 10.0 * epoch["epoch"]}
              for row in rows for epoch in epochs_of(row)]  # fmt: skip
    made = write_results(tmp_path, rows, epochs=epochs, study=study)
    table = reaching_table(Analysis.of(made), TIME)
    assert table is not None
    titles = [column.title for column in table.columns]
    assert "60\u00a0% (target)" in titles
    figure = time_to_accuracy_figure(Analysis.of(made))
    assert figure is not None
    assert "no trial reached it" in figure.caption
    assert figure.chosen()[0].layout["xaxis"]["tickvals"][-1] == 40


def test_names_are_text(tmp_path: Path) -> None:
    name = "<b>%{y}</b>"
    found = written(tmp_path, {(name, 0): [20, 30, 70], ("b", 0): [20, 75, 80]})
    figure = time_to_accuracy_figure(found)
    assert figure is not None
    assert name not in json.dumps(figure_payload(figure)["panels"])
