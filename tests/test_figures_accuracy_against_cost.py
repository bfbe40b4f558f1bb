"""Accuracy against cost: the front is what nothing dominates, of what may be compared at all."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resray.analysis.costs import front
from resray.analysis.results import Analysis
from resray.figures.accuracy_against_cost import CLOUD_FROM, cost_figure
from resray.figures.label_places import LETTER, WIDTH, boxes, label_places, overlap
from resray.figures.plot import Figure, Trace
from resray.report.front_section import front_section
from resray.report.page import render
from resray.report.tables import Table
from tests.report_builder import evaluation, trial, write_results

EVERY = np.array([True, True, True, True])


def results_of(folder: Path, *rows: dict[str, Any], **tables: Any) -> Analysis:
    return Analysis.of(write_results(folder, list(rows), epochs=[], **tables))


def four(folder: Path, **changes: Any) -> Analysis:
    """Return four configurations: b is dearer than a and no better, d the dearest and the best."""
    figures = {"a": (10, 80.0), "b": (20, 79.0), "c": (30, 85.0), "d": (40, 90.0)}
    return results_of(folder, *(
        trial(name, seed, test_accuracy=accuracy + seed, multiply_adds=cost, parameters=50 - cost,
              seconds_training=10.0 * cost, **changes)
        for name, (cost, accuracy) in figures.items() for seed in (0, 1)))  # fmt: skip


def figure_of(results: Analysis) -> Figure:
    figure = cost_figure(results)
    assert figure is not None
    return figure


def traces(results: Analysis, **options: str) -> tuple[Trace, Trace]:
    """Return the front and the points."""
    (panel,) = figure_of(results).chosen(options)
    return panel.traces[-2], panel.traces[-1]


# --- the front ----------------------------------------------------------------------------------


def test_front_is_what_nothing_cheaper_reaches() -> None:
    costs, accuracies = np.array([3.0, 1.0, 2.0, 4.0]), np.array([90.0, 80.0, 70.0, 95.0])
    assert front(costs, accuracies, EVERY).tolist() == [1, 0, 3]


def test_equals_are_both_on_the_front_and_others_of_one_cost_are_not() -> None:
    costs, accuracies = np.array([1.0, 1.0, 1.0, 2.0]), np.array([80.0, 80.0, 70.0, 80.0])
    assert front(costs, accuracies, EVERY).tolist() == [0, 1]


def test_what_is_unknown_or_does_not_compare_is_not_on_the_front() -> None:
    costs, accuracies = np.array([1.0, 2.0, np.nan, 4.0]), np.array([np.nan, 80.0, 99.0, 95.0])
    candidates = np.array([True, True, True, False])
    assert front(costs, accuracies, candidates).tolist() == [1]
    assert front(costs, accuracies, ~EVERY).tolist() == []


@pytest.mark.parametrize("seed", range(20))
def test_front_is_that_of_the_definition(seed: int) -> None:
    generator = np.random.default_rng(seed)
    costs, accuracies = generator.integers(8, size=(2, 30)).astype(float)
    candidates = generator.random(30) < 0.7
    alike = np.flatnonzero(candidates)
    undominated = [
        one for one in alike
        if not any(costs[other] <= costs[one] and accuracies[other] >= accuracies[one]
                   and (costs[other], accuracies[other]) != (costs[one], accuracies[one])
                   for other in alike)
    ]  # fmt: skip
    assert sorted(front(costs, accuracies, candidates)) == undominated


# --- the figure ---------------------------------------------------------------------------------


def test_points_are_means_with_their_spread(tmp_path: Path) -> None:
    _, points = traces(four(tmp_path), cost="multiply-adds")
    assert points["x"] == [10, 20, 30, 40]
    assert points["y"] == [80.5, 79.5, 85.5, 90.5]
    assert points["error_y"]["array"] == pytest.approx([12.7062047 / 2] * 4)
    assert points["error_y"]["visible"]
    assert not points["error_x"]["visible"]
    assert points["customdata"][0] == "80.50\u00a0±\u00a06.35 % (n = 2)"


def test_front_is_stepped_and_what_it_dominates_is_paler(tmp_path: Path) -> None:
    line, points = traces(four(tmp_path), cost="multiply-adds")
    assert (line["x"][:3], line["y"]) == ([10, 30, 40], [80.5, 85.5, 90.5, 90.5])
    assert line["x"][3] > 40
    assert line["line"]["shape"] == "hv"
    assert points["marker"]["opacity"] == [1, 0.5, 1, 1]


def test_front_hangs_on_no_series_that_may_be_hidden(tmp_path: Path) -> None:
    line, points = traces(four(tmp_path))
    assert "legendgroup" not in line
    assert line["meta"] == {"helper": True}
    assert points["meta"]["keys"] == ["s0", "s1", "s2", "s3"]


def test_each_cost_has_its_own_front(tmp_path: Path) -> None:
    line, _ = traces(four(tmp_path), cost="parameters")
    assert line["x"][:-1] == [10]
    line, points = traces(four(tmp_path), cost="training time")
    assert line["x"][:-1] == pytest.approx([100 / 60, 300 / 60, 400 / 60])
    (panel,) = figure_of(four(tmp_path)).chosen({"cost": "training time"})
    assert panel.layout["xaxis"]["title"]["text"] == "minutes of training"
    assert points["marker"]["symbol"] == ["circle", "square", "diamond", "triangle-up"]


def test_shared_machines_are_open_and_on_no_front_of_times(tmp_path: Path) -> None:
    rows = [
        trial("a", exclusive=False, multiply_adds=10, seconds_training=1.0),
        trial("b"),
        trial("c"),
    ]
    results = results_of(tmp_path, *rows)
    line, points = traces(results, cost="training time")
    assert [symbol.endswith("-open") for symbol in points["marker"]["symbol"]] == [True] + [
        False
    ] * 2
    assert "shared machine" in points["hovertext"][0]
    assert len(line["x"]) == 3
    assert min(line["x"]) * 60 > 1
    line, points = traces(results, cost="multiply-adds")
    assert not any(symbol.endswith("-open") for symbol in points["marker"]["symbol"])
    assert line["x"][0] == 10
    # Costs in which nothing compares are not what is seen first.
    alone = results_of(
        tmp_path / "shared", trial("a", exclusive=False), trial("b", exclusive=False)
    )
    assert figure_of(alone).switches[0].options[0] == "multiply-adds"
    assert traces(alone, cost="training time")[0]["x"] == []


def test_times_of_other_devices_do_not_compare(tmp_path: Path) -> None:
    rows = [trial("a"), trial("b"), trial("c", device="CPU", seconds_training=1.0)]
    line, _ = traces(results_of(tmp_path, *rows), cost="training time")
    assert min(line["x"]) * 60 > 1


def test_only_what_was_trained_alike_is_on_the_front(tmp_path: Path) -> None:
    reduced = trial("c", test_accuracy=99.0, multiply_adds=1, dataset_checksum="other")
    line, points = traces(results_of(tmp_path, trial("a"), trial("b"), reduced))
    assert 99.0 in points["y"]
    assert 99.0 not in line["y"]


def test_energy_memory_and_money_are_costs_where_they_are_known(tmp_path: Path) -> None:
    known: dict[str, Any] = {
        "gpu_hours": 2.0,
        "energy_joules": 7.2e6,
        "peak_memory_bytes": 3 * 2**30,
    }
    results = results_of(tmp_path, trial("a", **known), trial("b"))
    costs = ("training time", "multiply-adds", "parameters", "GPU-hours", "energy", "peak memory")
    assert set(figure_of(results).switches[0].options) == set(costs)
    found = {cost: traces(results, cost=cost)[1]["x"][0] for cost in costs[3:]}
    assert found == pytest.approx({"GPU-hours": 2, "energy": 2, "peak memory": 3})
    priced = replace(results, price_per_gpu_hour=2.5)
    assert traces(priced, cost="money")[1]["x"][0] == 5
    assert "money" not in figure_of(replace(results, price_per_gpu_hour=0.0)).switches[0].options


def test_accuracy_on_corrupted_images_can_be_chosen(tmp_path: Path) -> None:
    rows = [trial("a"), trial("b")]
    found = [evaluation(rows[0], "corruptions", 70.0, condition="mean")]
    results = results_of(tmp_path, *rows, evaluations=found)
    qualities = ("test accuracy", "validation accuracy", "corruption accuracy")
    assert figure_of(results).switches[1].options == qualities
    _, points = traces(results, quality="corruption accuracy")
    np.testing.assert_equal(points["y"], [70, np.nan])


def test_of_many_configurations_all_stand_in_grey_behind(tmp_path: Path) -> None:
    rows = [trial("net", trial_id=f"t{n}", recipe=json.dumps({"lr": n}), test_accuracy=50.0 + n)
            for n in range(CLOUD_FROM + 1)]  # fmt: skip
    (panel,) = figure_of(results_of(tmp_path, *rows)).chosen()
    cloud, line, points = panel.traces
    assert len(cloud["x"]) == len(points["x"]) == CLOUD_FROM + 1
    assert "legendgroup" not in cloud
    assert cloud["meta"] == {"helper": True}
    assert line["y"] == [90, 90]


def test_without_a_test_accuracy_there_is_neither_figure_nor_table(tmp_path: Path) -> None:
    results = results_of(
        tmp_path, trial(test_accuracy=None), trial("b", test_accuracy=float("nan"))
    )
    assert cost_figure(results) is None
    assert front_section(results) == ""


def test_odd_names_are_shown_letter_by_letter(tmp_path: Path) -> None:
    results = results_of(
        tmp_path, trial("<b>x</b>", trial_id="x", multiply_adds=5), trial("y" * 60)
    )
    line, points = traces(results, cost="multiply-adds")
    assert points["hovertext"][0] == "&lt;b&gt;x&lt;/b&gt;"
    assert "<b>" not in "".join(line["text"])
    assert all(len(text) < 40 for text in line["text"])
    assert "<b>x</b>" not in render(results)


# --- names beside points ------------------------------------------------------------------------


def test_names_never_overlap_and_stay_inside() -> None:
    generator = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in generator.random((40, 2))]
    names = ["resnet18"] * 40
    found = label_places(points, names, [], 300)
    placed = [dict(boxes(x * WIDTH, y * 300, len(names[0]) * LETTER))[place]
              for (x, y), place in zip(points, found, strict=True) if place]  # fmt: skip
    assert 5 < len(placed) < 40
    assert not any(overlap(one, other) for n, one in enumerate(placed) for other in placed[:n])
    assert all(left >= 0 and right <= WIDTH and low >= 0 and high <= 300
               for left, right, low, high in placed)  # fmt: skip


def test_name_without_room_is_left_out() -> None:
    assert label_places([(0.5, 0.5)], ["a"], [], 300) == ["top left"]
    assert label_places([(0.0, 0.5)], ["a"], [], 300) == ["bottom right"]
    assert label_places([(0.5, 0.5)], ["m" * 80], [], 300) == [None]


# --- the table ----------------------------------------------------------------------------------


def test_table_holds_the_fronts_with_what_each_step_gains(tmp_path: Path) -> None:
    (found,) = front_section(four(tmp_path)).tables
    assert isinstance(found, Table)
    rows = [[str(cell) for cell in row] for row in found.rows if row[1] == "multiply-adds"]
    assert rows == [
        ["a", "multiply-adds", "10", "80.50\u00a0±\u00a06.35", "2", "–", "–"],
        ["c", "multiply-adds", "30", "85.50\u00a0±\u00a06.35", "2", "+5.00", "3.00"],
        ["d", "multiply-adds", "40", "90.50\u00a0±\u00a06.35", "2", "+5.00", "1.33"],
    ]
    assert {row[1] for row in found.rows} == {"training time", "multiply-adds", "parameters"}


def test_one_configuration_has_no_table(tmp_path: Path) -> None:
    assert front_section(results_of(tmp_path, trial())) == ""


@pytest.mark.parametrize(
    "column", ["seconds_training", "gpu_hours", "energy_joules", "peak_memory_bytes"]
)
def test_what_costs_nothing_has_no_multiple(tmp_path: Path, column: str) -> None:
    costs = {"a": 0, "b": 3600}
    rows = [trial(name, test_accuracy=80.0 + cost, **{column: cost}) for name, cost in
            costs.items()]  # fmt: skip
    results = results_of(tmp_path, *rows)
    (found,) = front_section(results).tables
    assert isinstance(found, Table)
    names = {"seconds_training": "training time", "gpu_hours": "GPU-hours",
             "energy_joules": "energy", "peak_memory_bytes": "peak memory"}  # fmt: skip
    of_cost = [row for row in found.rows if str(row[1]).startswith(names[column])]
    assert [(row[0], str(row[-1])) for row in of_cost] == [("a", "–"), ("b", "–")]
    render(results)
