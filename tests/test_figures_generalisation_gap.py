"""The gap between training and test, and what corruptions, views and ensembles change."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resray.analysis.results import Analysis
from resray.figures.generalisation_gap import generalisation_figure, without_spikes
from resray.figures.robustness import robustness_figure
from resray.report.generalisation_section import generalisation_section
from resray.report.page import render
from resray.report.tables import Table
from resray.report.text import plain_text
from tests.page_reader import figures_of
from tests.report_builder import epochs_of, evaluation, trial, write_results


def epochs(row: dict[str, Any], **columns: list[float]) -> list[dict[str, Any]]:
    """Return a trial's epochs with these values, one for each epoch."""
    return [
        made | {name: values[place] for name, values in columns.items()}
        for place, made in enumerate(epochs_of(row))
    ]


def two_seeds(folder: Path) -> Analysis:
    """Two seeds of three epochs, of which validation selects the second and the third."""
    trials = [trial("a", seed, epochs=3, best_epoch=2 + seed) for seed in (0, 1)]
    rows = [
        *epochs(trials[0], train_accuracy=[30, 60, 90], test_accuracy=[40, 50, 60]),
        *epochs(trials[1], train_accuracy=[32, 62, 92], test_accuracy=[40, 50, 60]),
    ]
    return Analysis.of(write_results(folder, trials, epochs=rows))


def points_of(results: Analysis, **chosen: str) -> dict[str, float | None]:
    """Return what the left panel shows of the first configuration, by set of images."""
    figure = generalisation_figure(results)
    assert figure is not None
    (trace,) = figure.chosen(chosen)[0].traces
    return dict(zip(("train", "validation", "test"), trace["x"][:3], strict=True))


def test_gap_is_taken_at_the_epoch_that_is_asked_for(tmp_path: Path) -> None:
    results = two_seeds(tmp_path)
    assert points_of(results)["train"] == 76.0, "60 of the second epoch, 92 of the third"
    assert points_of(results)["test"] == 55.0
    last = points_of(results, at="last")
    assert (last["train"], last["test"]) == (91.0, 60.0)


def test_gap_from_epoch_to_epoch_may_be_negative(tmp_path: Path) -> None:
    figure = generalisation_figure(two_seeds(tmp_path))
    assert figure is not None
    panel = figure.chosen()[1]
    assert panel.title == "Training accuracy minus test accuracy (points)"
    (line,) = panel.traces
    assert (line["x"], line["y"]) == ([1, 2, 3], [-9.0, 11.0, 31.0])
    losses = figure.chosen({"quantity": "loss"})[1]
    assert losses.title == "Test loss minus training loss (nats)"
    assert losses.traces[0]["y"] == pytest.approx([0.26] * 3, abs=0.2)


def test_mean_gap_ends_where_the_shortest_trial_does(tmp_path: Path) -> None:
    trials = [trial("a", 0, epochs=3), trial("a", 1, epochs=3, epochs_done=2)]
    figure = generalisation_figure(Analysis.of(write_results(tmp_path, trials)))
    assert figure is not None
    (line,) = figure.chosen()[1].traces
    assert [math.isnan(value) for value in line["y"]] == [False, False, True]


def test_table_has_train_validation_test_gap_and_corruptions(tmp_path: Path) -> None:
    trials = [trial("a", seed, epochs=2, best_epoch=2) for seed in (0, 1)]
    rows = [
        one
        for row in trials
        for one in epochs(row, train_accuracy=[50, 90 + row["seed"]], test_accuracy=[50, 80],
                          validation_accuracy=[50, 81])
    ]  # fmt: skip
    values = [
        value
        for row in trials
        for value in (evaluation(row, "test", 80.0),
                      evaluation(row, "corruptions", 60.0 + row["seed"], condition="mean"))
    ]  # fmt: skip
    results = Analysis.of(write_results(tmp_path, trials, epochs=rows, evaluations=values))
    (table,) = generalisation_section(results).tables
    assert isinstance(table, Table)
    (cells,) = table.rows
    assert [plain_text(cell).replace("\u00a0", " ") for cell in cells] == [
        "a", "2", "90.50 ± 6.35", "81.00 ± 0.00", "80.00 ± 0.00", "+10.50 ± 6.35",
        "60.50 ± 6.35", "−19.50 ± 6.35",
    ]  # fmt: skip


def test_trials_that_did_not_finish_are_left_out(tmp_path: Path) -> None:
    trials = [trial("a", 0), trial("a", 1, status="stopped", epochs_done=3)]
    figure = generalisation_figure(Analysis.of(write_results(tmp_path, trials)))
    assert figure is not None
    assert "(n = 1)" in figure.chosen()[0].traces[0]["customdata"][0]
    running = [trial("a", status="running")]
    results = Analysis.of(write_results(tmp_path / "running", running))
    assert generalisation_figure(results) is None
    assert generalisation_section(results) == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0, 2.0, 1.5], None),
        ([1.0, 2.0, 3.0, 2.0, 1e6], [-0.18, 3.18]),
        ([math.nan, math.nan], None),
    ],
)
def test_spikes_are_left_out_of_the_axis(values: list[float], expected: list[float] | None) -> None:
    found = without_spikes(np.array([values]))
    assert found == (None if expected is None else pytest.approx(expected))


def test_odd_epochs_leave_the_page_whole(tmp_path: Path) -> None:
    nothing = [math.nan] * 3
    trials = [
        trial("<script>", epochs=3, best_epoch=None),
        trial("diverged", epochs=3, best_epoch=9),
        trial("single", epochs=1),
        trial("unmeasured", epochs=3),
    ]
    rows = [
        *epochs(trials[0], test_accuracy=nothing, test_loss=nothing),
        *epochs(trials[1], train_loss=[1.0, math.inf, math.nan]),
        *epochs_of(trials[2]),
    ]
    results = Analysis.of(write_results(tmp_path, trials, epochs=rows))
    page = render(results)
    assert "generalisation" in figures_of(page)
    assert "<script>," not in page


# --- robustness ---------------------------------------------------------------------------------


def evaluated(folder: Path) -> Analysis:
    trials = [trial(name, seed) for name in ("a", "b") for seed in (0, 1)]
    values = []
    for row in trials:
        seed, lost = row["seed"], {"a": 20.0, "b": 40.0}[row["name"]]
        values += [
            evaluation(row, "test", 80.0 + seed),
            evaluation(row, "corruptions", 80.0 + seed - lost, condition="mean"),
            evaluation(row, "tta", 81.0 + seed, condition="5 views"),
            evaluation(row, "tta", 82.0 + seed, condition="10 views"),
        ]
    members = [row["trial_id"] for row in trials[:2]]
    values.append(
        evaluation(trials[0], "ensemble", 84.5, condition="2 members")
        | {"trial_id": "hash", "seed": None, "epoch": None, "checkpoint": "best.pt@20,20",
           "members": f'["{members[0]}", "{members[1]}"]'}
    )  # fmt: skip
    return Analysis.of(write_results(folder, trials, evaluations=values))


def test_robustness_stands_beside_the_uncorrupted_accuracy(tmp_path: Path) -> None:
    figure = robustness_figure(evaluated(tmp_path))
    assert figure is not None
    scatter, lost, _ = figure.chosen()
    assert [(trace["x"], trace["y"]) for trace in scatter.traces] == [([80.5], [60.5]),
                                                                     ([80.5], [40.5])]  # fmt: skip
    assert "the mean change of −30.0 points" in figure.caption
    (trace,) = lost.traces
    assert trace["y"] == ["a", "b"]
    assert trace["x"] == pytest.approx([50 * (20 / 80 + 20 / 81), 50 * (40 / 80 + 40 / 81)])


def test_gains_are_to_the_same_checkpoints_without_views(tmp_path: Path) -> None:
    figure = robustness_figure(evaluated(tmp_path))
    assert figure is not None
    panel = figure.chosen()[2]
    found = [dict(zip(trace["y"], trace["x"], strict=True)) for trace in panel.traces]
    assert found == [{"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 2.0}, {"a": 4.0, "b": None}]
    assert "ensemble over seeds: diamond" in figure.caption


def test_views_alone_make_a_figure_of_their_gain(tmp_path: Path) -> None:
    row = trial("a")
    values = [evaluation(row, "test", 80.0), evaluation(row, "tta", 81.5, condition="5 views")]
    figure = robustness_figure(Analysis.of(write_results(tmp_path, [row], evaluations=values)))
    assert figure is not None
    (panel,) = figure.chosen()
    assert panel.traces[0]["x"] == [1.5]


def test_nothing_to_compare_makes_no_figure(tmp_path: Path) -> None:
    row = trial("a")
    values = [
        evaluation(row, "corruptions", 60.0, condition="mean"),
        evaluation(row, "tta", math.nan, condition="5 views"),
    ]
    assert (
        robustness_figure(Analysis.of(write_results(tmp_path, [row], evaluations=values))) is None
    )
