"""Where the time of an epoch goes, and how throughput grows with workers and batch."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resray.analysis.breakdown import PARTS, breakdown, means_of
from resray.analysis.results import Analysis
from resray.figures.plot import Figure, Panel
from resray.figures.scaling import batch_figure, scaling_figure
from resray.figures.time_per_epoch import SECONDS, SHARE, time_figure
from resray.figures.utilisation import utilisation_figure
from resray.report.payload import figure_payload
from resray.report.record import trials_table
from resray.report.scaling_section import scaling_table
from resray.report.sections import means_table
from resray.report.time_section import time_table
from tests.report_builder import RECIPE, START, epochs_of, trial, write_results


def timed(name: str = "resnet18", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A trial of four epochs: 40 s of training, 8 of evaluating, 4 of starting, 60 in all."""
    spent = {"seconds_training": 40.0, "seconds_evaluating": 8.0, "seconds_starting": 4.0,
             "seconds_saving": None, "ended": START + timedelta(seconds=60)}  # fmt: skip
    return trial(name, seed, epochs=4, **{**spent, **changes})


def epochs_with(row: dict[str, Any], seconds: list[float], attempts: list[int]) -> list[Any]:
    return [
        epoch | {"seconds_training": second, "attempt": attempt}
        for epoch, second, attempt in zip(epochs_of(row), seconds, attempts, strict=True)
    ]


def parts_of(folder: Path) -> dict[str, float]:
    results = Analysis.of(folder)
    (parts,) = breakdown(results, results.rows).parts
    return dict(zip(PARTS, parts.tolist(), strict=True))


# --- the breakdown ------------------------------------------------------------------------------


def test_the_parts_add_up_to_the_time_from_start_to_end(tmp_path: Path) -> None:
    row = timed()
    folder = write_results(tmp_path, [row], epochs=epochs_with(row, [16, 8, 8, 8], [1, 1, 1, 1]))
    parts = parts_of(folder)
    assert np.isnan(parts.pop("saving")), "older results do not say"
    assert parts == pytest.approx(
        {"training": 8.0, "warming up": 2.0, "evaluating": 2.0, "starting": 1.0, "other": 2.0}
    )
    assert sum(parts.values()) * 4 == pytest.approx(60)


def test_writing_checkpoints_is_a_part(tmp_path: Path) -> None:
    row = timed(seconds_saving=6.0)
    folder = write_results(tmp_path, [row], epochs=epochs_with(row, [10, 10, 10, 10], [1, 1, 1, 1]))
    parts = parts_of(folder)
    assert (parts["saving"], parts["other"]) == pytest.approx((1.5, 0.5))
    figure = time_figure(Analysis.of(folder))
    assert figure is not None
    assert "saving checkpoints" in [series.label for series in figure.series]


def test_each_start_warms_up_and_a_resumed_trial_has_no_other_time(tmp_path: Path) -> None:
    row = timed(attempts=2)
    folder = write_results(tmp_path, [row], epochs=epochs_with(row, [12, 8, 12, 8], [1, 1, 2, 2]))
    parts = parts_of(folder)
    assert (parts["training"], parts["warming up"]) == pytest.approx((8.0, 2.0))
    assert np.isnan(parts["other"])
    results = Analysis.of(folder)
    found = breakdown(results, results.rows)
    assert (found.first[0], found.later[0]) == (12.0, 8.0)


def test_where_every_epoch_begins_a_start_none_is_said_to_warm_up(tmp_path: Path) -> None:
    row = timed(attempts=4)
    folder = write_results(tmp_path, [row], epochs=epochs_with(row, [16, 8, 8, 8], [1, 2, 3, 4]))
    assert parts_of(folder)["warming up"] == 0
    assert parts_of(folder)["training"] == 10


def test_a_trial_of_no_recorded_epoch_has_no_parts(tmp_path: Path) -> None:
    row = timed(epochs_done=0, seconds_training=None, seconds_starting=float("nan"))
    assert np.isnan(list(parts_of(write_results(tmp_path, [row], epochs=[])).values())).all()


def test_means_leave_out_what_is_not_known() -> None:
    values = np.array([[1.0, np.nan], [3.0, 4.0], [np.nan, np.nan]])
    means = means_of(values, np.array([0, 0, 1]), 2)
    assert means[0].tolist() == [2.0, 4.0]
    assert np.isnan(means[1]).all()


# --- its figure and its table -------------------------------------------------------------------


def bars_in(panel: Panel) -> dict[str, list[float]]:
    return {trace["legendgroup"]: trace["x"] for trace in panel.traces}


def test_the_figure_stacks_the_parts_as_seconds_or_as_shares(tmp_path: Path) -> None:
    rows = [timed(), timed("resnet34", exclusive=False)]
    epochs = [each for row in rows for each in epochs_with(row, [16, 8, 8, 8], [1, 1, 1, 1])]
    figure = time_figure(Analysis.of(write_results(tmp_path, rows, epochs=epochs)))
    assert figure is not None
    seconds = bars_in(figure.chosen({"measure": SECONDS})[0])
    shares = bars_in(figure.chosen({"measure": SHARE})[0])
    assert seconds["part-training"] == [8.0, 8.0]
    assert [sum(one[place] for one in shares.values()) for place in (0, 1)] == [100.0, 100.0]
    assert [series.label for series in figure.series] == [
        "training", "warming up", "evaluating", "starting", "waiting and other",
    ]  # fmt: skip
    trace = figure.chosen()[0].traces[0]
    assert trace["y"] == ["resnet18", "resnet34 (shared)"]
    assert trace["marker"]["pattern"]["shape"] == ["", "/"]
    assert trace["meta"]["keys"] == ["s0", "s1"]
    assert "not compared" in figure.caption


def test_the_table_gives_the_spread_and_the_first_epochs(tmp_path: Path) -> None:
    rows = [timed(seed=0), timed(seed=1)]
    epochs = [*epochs_with(rows[0], [16, 8, 8, 8], [1, 1, 1, 1]),
              *epochs_with(rows[1], [18, 9, 9, 9], [1, 1, 1, 1])]  # fmt: skip
    made = time_table(Analysis.of(write_results(tmp_path, rows, epochs=epochs)))
    assert made is not None
    (row,) = made.rows
    assert row[:4] == ("resnet18", 2, "8.50\u00a0±\u00a06.35", "17.0\u00a0±\u00a012.7")


def test_nothing_is_drawn_of_trials_without_a_speed(tmp_path: Path) -> None:
    results = Analysis.of(write_results(tmp_path, [timed(images_per_second=None)]))
    assert time_figure(results) is None
    assert time_table(results) == ""
    assert scaling_figure(results) is None
    assert scaling_table(results) == ""


# --- utilisation ---------------------------------------------------------------------------------


def test_utilisation_is_drawn_over_what_a_network_costs(tmp_path: Path) -> None:
    rows = [timed(seed=0, utilisation=0.3), timed(seed=1, utilisation=0.5),
            timed("resnet34", utilisation=0.6, exclusive=False),
            timed("resnet50", utilisation=None)]  # fmt: skip
    results = Analysis.of(write_results(tmp_path, rows))
    figure = utilisation_figure(results)
    assert figure is not None
    assert [series.label for series in figure.series] == ["resnet18", "resnet34"]
    (panel,) = figure.panels
    (points,) = panel.traces
    assert (points["x"], points["y"]) == ([556_651_520.0, 1_161_000_000.0], [40.0, 60.0])
    assert panel.layout["xaxis"]["type"] == "log"
    assert points["error_y"]["array"] == [pytest.approx(127.062, abs=1e-3), None]
    assert points["marker"]["symbol"] == ["circle", "square-open"]
    assert points["customdata"][0] == (
        "<b>resnet18</b><br>40.0\u00a0±\u00a0127.1 % (n = 2)<br>556.7\u00a0M multiply-adds<br>"
        "NVIDIA H200, bf16"
    )
    shown = {row[0]: row for row in time_table(results).rows}
    titles = [column.title for column in time_table(results).columns]
    place = titles.index("Utilisation,\u00a0%")
    assert titles[place - 1] == "Images/s"
    assert [shown[name][place] for name in ("resnet34", "resnet50")] == ["60.0", None]


def test_older_results_have_no_utilisation(tmp_path: Path) -> None:
    results = Analysis.of(write_results(tmp_path, [timed(utilisation=None)]))
    assert utilisation_figure(results) is None
    for made in (time_table(results), means_table(results.groups, {}), trials_table(results)):
        assert "Utilisation" not in made


# --- scaling ------------------------------------------------------------------------------------


def ranked(workers: int, rate: float, *, batch: int = 128, seed: int = 0, **changes: Any) -> Any:
    recipe = {**RECIPE, "model": {"name": "resnet18"}, "epochs": 4, "batch_size": batch}
    return timed(seed=seed, **{
        "trial_id": f"{workers}-{batch}-{seed}",
        "world_size": workers,
        "recipe": json.dumps(recipe),
        "batch_size": batch,
        "batch_per_rank": batch // workers,
        "images_per_second": rate,
        **changes,
    })  # fmt: skip


def scaling_of(folder: Path, rows: list[dict[str, Any]]) -> Figure:
    figure = scaling_figure(Analysis.of(write_results(folder, rows)))
    assert figure is not None
    return figure


def test_efficiency_is_the_share_of_what_each_worker_would_add(tmp_path: Path) -> None:
    rows = [ranked(1, 1000), ranked(1, 1100, seed=1), ranked(2, 1680), ranked(4, 2100)]
    rates, efficiency = scaling_of(tmp_path, rows).chosen()
    ideal, measured = rates.traces
    assert ideal["y"] == [1050.0, 4200.0]
    assert (measured["x"], measured["y"]) == ([1, 2, 4], [1050.0, 1680.0, 2100.0])
    assert efficiency.traces[1]["y"] == pytest.approx([100.0, 80.0, 50.0])
    assert measured["error_y"]["array"][1:] == [None, None]


def test_strong_and_weak_scaling_are_told_apart(tmp_path: Path) -> None:
    rows = [ranked(1, 1000, batch=64), ranked(2, 1500, batch=64), ranked(2, 1900, batch=128)]
    figure = scaling_of(tmp_path, rows)
    (switch,) = figure.switches
    assert switch.options == ("same batch over all workers", "same batch on each worker")
    drawn = {option: figure.chosen({"view": option})[0].traces[-1]["y"]
             for option in switch.options}  # fmt: skip
    assert list(drawn.values()) == [[1000.0, 1500.0], [1000.0, 1900.0]]
    made = scaling_table(Analysis.of(tmp_path))
    assert made is not None
    assert [row[7] for row in made.rows] == ["100.0", "75.0", "100.0", "95.0"]


def test_shared_machines_have_no_efficiency(tmp_path: Path) -> None:
    rows = [ranked(1, 1000, exclusive=False), ranked(2, 1500, exclusive=False)]
    figure = scaling_of(tmp_path, rows)
    (rates,) = figure.chosen()
    (measured,) = rates.traces
    assert measured["line"]["dash"] == "dash"
    assert "not compared" in figure.caption
    made = scaling_table(Analysis.of(tmp_path))
    assert made is not None
    assert [row[7] for row in made.rows] == ["–", "–"]


def test_other_devices_are_not_compared(tmp_path: Path) -> None:
    rows = [ranked(1, 1000), ranked(2, 1500, device="Tesla T4")]
    assert len(scaling_of(tmp_path, rows).chosen()) == 1


def test_configurations_that_differ_in_more_are_no_scaling(tmp_path: Path) -> None:
    rows = [ranked(1, 1000), timed("resnet34", world_size=2)]
    results = Analysis.of(write_results(tmp_path, rows))
    assert scaling_figure(results) is None
    assert batch_figure(results) is None


def test_throughput_is_drawn_over_the_batch_where_that_was_varied(tmp_path: Path) -> None:
    rows = [ranked(1, 1000, batch=64), ranked(1, 1800, batch=128)]
    figure = batch_figure(Analysis.of(write_results(tmp_path, rows)))
    assert figure is not None
    (panel,) = figure.chosen()
    assert (panel.traces[0]["x"], panel.traces[0]["y"]) == ([64.0, 128.0], [1000.0, 1800.0])


def test_names_are_text(tmp_path: Path) -> None:
    name = "<b>%{x}</b>"
    rows = [ranked(1, 1000, name=name), ranked(2, 1500, name=name)]
    results = Analysis.of(write_results(tmp_path, rows))
    for figure in (scaling_figure(results), time_figure(results)):
        assert figure is not None
        hovers = [trace.get("customdata") for panel in figure.chosen() for trace in panel.traces]
        assert name not in json.dumps(hovers)
        assert "%{x}" not in json.dumps(figure_payload(figure)["panels"])
