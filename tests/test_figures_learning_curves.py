"""Learning curves say what their seeds did: means with their band, each trial, thinned unseen."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resray.analysis.results import Analysis
from resray.figures.epoch_lines import FEWEST, WIDTH, kept_points, most_points, outline
from resray.figures.gradient_norms import gradient_figure
from resray.figures.learning_curves import curve_figure
from resray.figures.plot import Figure, Panel, Trace
from resray.report.contents import all_figures
from resray.report.page import render
from tests.report_builder import epochs_of, trial, write_results

NAN = float("nan")
SHARED_RECIPE = json.dumps({"epochs": 4})


def with_values(row: dict[str, Any], **columns: list[float | None]) -> list[dict[str, Any]]:
    """Return a trial's epochs, as many as the columns have values."""
    rows = epochs_of(row)
    return [epoch | {name: values[place] for name, values in columns.items()}
            for place, epoch in enumerate(rows)]  # fmt: skip


def results_of(folder: Path, *trials: tuple[dict[str, Any], list[dict[str, Any]]]) -> Analysis:
    rows = [row for row, _ in trials]
    epochs = [epoch for _, own in trials for epoch in own]
    return Analysis.of(write_results(folder, rows, epochs=epochs))


def drawn(results: Analysis, **options: str) -> list[Panel]:
    figure = curve_figure(results)
    assert figure is not None
    return figure.chosen(options)


def solid(panel: Panel) -> list[Trace]:
    """Return a panel's lines: neither training curves, nor bands, nor marks."""
    return [trace for trace in panel.traces if trace["mode"] != "markers"
            and "fill" not in trace and trace["line"]["dash"] != "dot"]  # fmt: skip


def bands(panel: Panel) -> list[Trace]:
    return [trace for trace in panel.traces if "fill" in trace]


def marks(panel: Panel) -> list[Trace]:
    return [trace for trace in panel.traces if trace["mode"] == "markers"]


def two_seeds(folder: Path, **changes: Any) -> Analysis:
    first, second = (trial(seed=seed, epochs=2, best_epoch=2 - seed, **changes) for seed in (0, 1))
    return results_of(
        folder,
        (first, with_values(first, validation_accuracy=[40.0, 60.0], train_loss=[2.0, 1.0])),
        (second, with_values(second, validation_accuracy=[50.0, 90.0], train_loss=[1.0, 0.5])),
    )


def test_line_is_the_mean_within_the_band_of_the_seeds(tmp_path: Path) -> None:
    validation, test = drawn(two_seeds(tmp_path))
    (line,) = solid(validation)
    assert (line["x"], line["y"]) == ([1, 2], [45, 75])
    assert "n = 2" in line["hovertemplate"]
    (band,) = bands(validation)
    assert (band["x"], band["y"]) == ([1, 2, 2, 1], [50, 90, 60, 40])
    assert band["legendgroup"] == line["legendgroup"]
    assert test.title == "Test accuracy (%)"


def test_error_and_loss_are_switched_to(tmp_path: Path) -> None:
    validation, _ = drawn(two_seeds(tmp_path), quantity="error")
    assert validation.title == "Validation error (%)"
    assert solid(validation)[0]["y"] == [55, 25]
    assert bands(validation)[0]["y"] == [60, 40, 10, 50]
    validation, _ = drawn(two_seeds(tmp_path), quantity="loss")
    (background,) = [
        trace for trace in validation.traces if trace.get("line", {}).get("dash") == "dot"
    ]
    assert background["y"] == [1.5, 0.75]


def test_curves_are_drawn_along_epochs_time_images_and_compute(tmp_path: Path) -> None:
    results = two_seeds(tmp_path, seconds_training=300.0, multiply_adds=1_000_000)
    panels = {along: drawn(results, along=along)[0]
              for along in ("epoch", "time", "images", "compute")}  # fmt: skip
    titles = [panel.layout["xaxis"]["title"]["text"] for panel in panels.values()]
    assert titles == [
        "epoch", "minutes of training", "images trained on", "multiply-adds of training",
    ]  # fmt: skip
    assert solid(panels["time"])[0]["x"] == pytest.approx([2.5, 5.0])
    assert solid(panels["images"])[0]["x"] == [45_000, 90_000]
    assert solid(panels["compute"])[0]["x"] == [1.35e11, 2.7e11]
    assert bands(panels["time"])[0]["x"] == pytest.approx([2.5, 5.0, 5.0, 2.5])


def test_what_was_not_recorded_cannot_be_chosen(tmp_path: Path) -> None:
    row = trial(epochs=2, multiply_adds=None)
    figure = curve_figure(
        results_of(tmp_path, (row, with_values(row, seconds_training=[None, None])))
    )
    assert figure is not None
    assert {switch.id: switch.options for switch in figure.switches} == {
        "quantity": ("accuracy", "error", "loss"),
        "along": ("epoch", "images"),
    }


def test_times_of_shared_machines_are_dashed(tmp_path: Path) -> None:
    own, shared = trial("resnet18", epochs=2), trial("resnet34", epochs=2, exclusive=False)
    results = results_of(tmp_path, (own, epochs_of(own)), (shared, epochs_of(shared)))
    dashes = {along: [trace["line"]["dash"] for trace in solid(drawn(results, along=along)[0])]
              for along in ("time", "epoch")}  # fmt: skip
    assert dashes == {"time": ["solid", "dash"], "epoch": ["solid", "solid"]}
    figure = curve_figure(results)
    assert figure is not None
    assert "shared machine, times not compared" in figure.caption


def test_each_seed_has_a_mark_at_its_selected_epoch(tmp_path: Path) -> None:
    (mark,) = marks(drawn(two_seeds(tmp_path))[0])
    assert (mark["x"], mark["y"], mark["customdata"]) == ([2, 1], [60, 50], [0, 1])


def test_mean_ends_with_its_shortest_trial(tmp_path: Path) -> None:
    whole = trial(seed=0, epochs=4, recipe=SHARED_RECIPE)
    short = trial(seed=1, epochs=4, recipe=SHARED_RECIPE, trial_id="short", epochs_done=2)
    results = results_of(
        tmp_path,
        (whole, with_values(whole, test_accuracy=[10.0, 20.0, 30.0, 40.0])),
        (short, with_values(short, test_accuracy=[30.0, 40.0])),
    )
    assert solid(drawn(results)[1])[0]["y"][:2] == [20, 30]
    assert all(math.isnan(value) for value in solid(drawn(results)[1])[0]["y"][2:])
    figure = curve_figure(results)
    assert figure is not None
    assert "A mean ends with the shortest of its trials." in figure.caption
    each = solid(figure.chosen({"lines": "each trial"})[1])
    assert [trace["y"] for trace in each] == [[10, 20, 30, 40], [30, 40]]


def test_failed_trial_enters_no_mean_but_is_there_to_be_seen(tmp_path: Path) -> None:
    rows = [trial(seed=0, epochs=3), trial(seed=1, epochs=3),
            trial(seed=2, epochs=3, status="failed", epochs_done=1)]  # fmt: skip
    results = results_of(tmp_path, *((row, epochs_of(row)) for row in rows))
    figure = curve_figure(results)
    assert figure is not None
    assert "1 unfinished trial of other configurations is in no mean." in figure.caption
    assert len(solid(figure.chosen()[0])) == 1
    each = solid(figure.chosen({"lines": "each trial"})[0])
    assert [trace["line"]["width"] for trace in each] == [2, 2, 1.4]
    assert "seed 2, failed" in each[2]["hovertemplate"]


def test_where_none_has_finished_each_trial_is_a_thin_line(tmp_path: Path) -> None:
    rows = [trial(seed=seed, epochs=3, status="running", epochs_done=2) for seed in (0, 1)]
    results = results_of(tmp_path, *((row, epochs_of(row)) for row in rows))
    figure = curve_figure(results)
    assert figure is not None
    assert [trace["line"]["width"] for trace in solid(figure.chosen()[0])] == [1.4, 1.4]
    assert marks(figure.chosen()[0]) == []
    assert "Thin: unfinished trials" in figure.caption


def test_what_is_missing_is_a_gap_in_mean_and_band(tmp_path: Path) -> None:
    rows = [trial(seed=seed, epochs=4) for seed in (0, 1)]
    accuracies: list[list[float | None]] = [[10, NAN, 30, 40], [20, 30, 40, 50]]
    results = results_of(tmp_path, *(
        (row, with_values(row, validation_accuracy=own, test_accuracy=own))
        for row, own in zip(rows, accuracies, strict=True)))  # fmt: skip
    panel = drawn(results)[0]
    np.testing.assert_equal(solid(panel)[0]["y"], [15, NAN, 35, 45])
    np.testing.assert_equal(bands(panel)[0]["y"], [20, 10, NAN, 40, 50, 40, 30])
    np.testing.assert_equal(bands(panel)[0]["x"], [1, 1, NAN, 3, 4, 4, 3])


def test_without_a_validation_split_there_is_only_the_test_panel(tmp_path: Path) -> None:
    row = trial(epochs=2, best_epoch=None)
    nothing: list[float | None] = [None, None]
    results = results_of(tmp_path, (row, with_values(row, validation_accuracy=nothing,
                                                     validation_loss=nothing)))  # fmt: skip
    assert [panel.title for panel in drawn(results)] == ["Test accuracy (%)"]


def test_endless_losses_draw_nothing_and_warn_of_nothing(tmp_path: Path) -> None:
    row = trial("<b>x</b>", epochs=2, trial_id="x")
    results = results_of(tmp_path, (row, with_values(row, train_loss=[math.inf, NAN],
                                                     test_loss=[-math.inf, 1.0])))  # fmt: skip
    np.testing.assert_equal(solid(drawn(results, quantity="loss")[1])[0]["y"], [NAN, 1])
    assert "<b>x</b>" not in solid(drawn(results)[0])[0]["hovertemplate"]
    assert 'data-figure="curves"' in render(results)


# --- thinning -----------------------------------------------------------------------------------


def test_thinned_curve_keeps_its_ends_and_its_spikes() -> None:
    values = np.zeros((2, 300, 1))
    values[0, 123], values[1, 77] = 1, -1
    kept = kept_points(values, 30)
    assert kept.shape == (2, 30)
    assert (np.diff(kept, axis=1) > 0).all()
    assert kept[:, [0, -1]].tolist() == [[0, 299], [0, 299]]
    assert 123 in kept[0]
    assert 77 in kept[1]


def test_short_curve_is_not_thinned() -> None:
    assert kept_points(np.zeros((1, 5, 2)), 5).tolist() == [[0, 1, 2, 3, 4]]


def test_points_follow_the_budget_between_what_is_seen_and_what_is_needed() -> None:
    assert most_points(1, 10_000) == WIDTH
    assert most_points(100, 10_000) == 100
    assert most_points(10_000, 10_000) == FEWEST


def test_long_training_is_drawn_with_as_many_points_as_can_be_seen(tmp_path: Path) -> None:
    row = trial(epochs=WIDTH + 40)
    results = results_of(tmp_path, (row, epochs_of(row)))
    figure = curve_figure(results)
    assert figure is not None
    (line,) = solid(figure.chosen()[0])
    assert len(line["x"]) == len(line["y"]) == WIDTH
    assert (line["x"][0], line["x"][-1]) == (1, WIDTH + 40)
    assert f"those {WIDTH} points are drawn" in figure.caption


def test_outline_goes_around_each_stretch() -> None:
    upper, lower = np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3, 4])
    there = np.array([True, True, False, True])
    np.testing.assert_equal(outline(there, upper, lower), [5, 6, 2, 1, NAN, 8, 4])
    assert outline(np.zeros(4, bool), upper, lower).tolist() == []


# --- gradients ----------------------------------------------------------------------------------


def gradients(folder: Path, *norms: tuple[list[float | None], list[float | None]]) -> Figure | None:
    rows = [trial(seed=seed, epochs=2) for seed in range(len(norms))]
    return gradient_figure(results_of(folder, *(
        (row, with_values(row, gradient_norm_first_stage=first, gradient_norm_last_stage=last))
        for row, (first, last) in zip(rows, norms, strict=True))))  # fmt: skip


def test_gradient_norms_are_means_over_seeds_and_their_ratio_is_switched_to(tmp_path: Path) -> None:
    figure = gradients(tmp_path, ([4.0, 2.0], [2.0, 2.0]), ([2.0, 6.0], [2.0, 1.0]))
    assert figure is not None
    first, last = figure.chosen()
    assert solid(first)[0]["y"] == [3, 4]
    assert bands(last)[0]["y"] == [2, 2, 1, 2]
    (ratio,) = figure.chosen({"view": "first / last"})
    assert solid(ratio)[0]["y"] == [1.5, 3.5]


def test_norms_that_no_logarithm_can_show_are_gaps(tmp_path: Path) -> None:
    figure = gradients(tmp_path, ([0.0, 2.0], [None, None]))
    assert figure is not None
    (first,) = figure.chosen()
    np.testing.assert_equal(solid(first)[0]["y"], [2.0])
    assert gradients(tmp_path / "none", ([0.0, NAN], [None, math.inf])) is None


def test_gradients_too_small_to_divide_by_are_left_out(tmp_path: Path) -> None:
    row = trial(epochs=2)
    first, second = epochs_of(row)
    epochs = [first | {"gradient_norm_last_stage": 1e-300}, second]
    figure = gradient_figure(Analysis.of(write_results(tmp_path, [row], epochs=epochs)))
    assert figure is not None


def test_lines_of_one_colour_differ_in_their_dashes(tmp_path: Path) -> None:
    trials = [trial(f"net{n:02}", epochs=3) for n in range(16)]
    results = results_of(tmp_path, *((row, epochs_of(row)) for row in trials))
    figures = all_figures(results)
    kinds = {"solid", "dashdot", "longdashdot"}
    for name in ("curves", "gradients", "generalisation"):
        panel = figures[name].chosen()[-1]
        looks = [(trace["line"]["color"], trace["line"]["dash"]) for trace in panel.traces
                 if trace.get("line", {}).get("dash") in kinds]  # fmt: skip
        assert len(set(looks)) == len(looks) == 16
        assert "as the key shows" in figures[name].caption
    html = render(results)
    assert "stroke-dasharray" in html


def test_few_lines_are_solid(tmp_path: Path) -> None:
    figure = curve_figure(two_seeds(tmp_path))
    assert figure is not None
    assert "dashes" not in figure.caption


def test_the_target_of_the_study_stands_across_the_accuracies(tmp_path: Path) -> None:
    study = Path(__file__).parents[1] / "benchmarks" / "resnet10-speed.yaml"
    row = trial("plain", epochs=3)
    results = Analysis.of(write_results(tmp_path, [row], epochs=epochs_of(row), study=study))
    for quantity, height in {"accuracy": 60, "error": 40, "loss": None}.items():
        for panel in drawn(results, quantity=quantity):
            (line,) = (trace for trace in panel.traces if trace.get("meta") == {"helper": True})
            assert (line["x"], line["y"]) == ([1, 3], [height, height])
    figure = curve_figure(results)
    assert figure is not None
    assert "the study's target of 60\u00a0%" in figure.caption
