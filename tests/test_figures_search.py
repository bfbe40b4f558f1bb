"""Where a search's figures put its points, its epochs and its workers."""

import json
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.results import Analysis
from resray.analysis.search import search_of
from resray.analysis.search_cost import spent_on
from resray.figures.parallel_coordinates import parallel_figure
from resray.figures.search_axes import ABSENT, SpaceAxis, axes_of, differing_axes
from resray.figures.search_curves import rungs_figure
from resray.figures.search_history import best_figure
from resray.figures.search_plot import SHADES, shade, with_begun
from resray.figures.search_space import aside, axes_figure, places_on
from resray.figures.search_workers import stretches, workers_figure
from resray.report.payload import figure_payload
from resray.study.search_spec import Search, SearchSettings, Space
from tests.search_builder import GRID, SearchBuilder, shuffled


def axis(points: list[dict[str, Any]], search: Search | None = None) -> SpaceAxis:
    (one,) = differing_axes(points, search)
    return one


# --- the axes -----------------------------------------------------------------------------------


def test_listed_values_have_places_of_their_own() -> None:
    depths = axis([{"trial": name} for name in ("resnet101", "resnet18", "resnet50")])
    assert depths.values == ("resnet18", "resnet50", "resnet101")
    assert [place for place, _ in depths.ticks] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    rates = axis([{"lr": value} for value in (0.1, 0.01)])
    assert rates.values == (0.01, 0.1)
    assert not rates.continuous


def test_drawn_numbers_lie_on_the_scale_that_the_study_says() -> None:
    points = [{"lr": value} for value in (0.001, 0.01, 0.1)]
    spaces = {form: Space.model_validate({"axes": {"lr": {form: [0.001, 0.1]}}})
              for form in ("loguniform", "uniform")}  # fmt: skip
    found = {form: axis(points, Search(spaces={"one": space})) for form, space in spaces.items()}
    assert found["loguniform"].place({"lr": 0.01}) == pytest.approx(0.5)
    assert found["uniform"].place({"lr": 0.01}) == pytest.approx(0.0909, abs=1e-3)
    assert all(one.continuous for one in found.values())


def test_an_axis_that_does_not_apply_has_a_place_for_that() -> None:
    first, second = differing_axes([{"name": "sgd", "momentum": 0.9}, {"name": "adam"}], None)
    assert (first.everywhere, second.everywhere) == (True, False)
    assert second.place({"name": "adam"}) == ABSENT
    assert second.ticks[0] == (ABSENT, "–")


def test_an_axis_with_one_value_everywhere_is_none() -> None:
    assert differing_axes([{"lr": 0.1, "epochs": 9}, {"lr": 0.2, "epochs": 9}], None)[0].key == "lr"
    assert len(differing_axes([{"epochs": 9}, {"epochs": 9}], None)) == 0


def test_names_are_short_where_they_stay_different() -> None:
    points = [{"optimizer.name": "sgd", "a.size": 1, "b.size": 1},
              {"optimizer.name": "adam", "a.size": 2, "b.size": 2}]  # fmt: skip
    assert [one.label for one in differing_axes(points, None)] == ["optimizer", "a.size", "b.size"]


def test_shades_go_from_the_lowest_to_the_highest() -> None:
    assert shade(0, 0, 10) == "@scale-0"
    assert shade(10, 0, 10) == f"@scale-{SHADES - 1}"
    assert shade(5, 5, 5) == f"@scale-{SHADES - 1}"


# --- points and epochs --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = SearchBuilder(tmp_path_factory.mktemp("search"))
    builder.run(shuffled(GRID)[:12], diverging=[3])
    builder.audit(2)
    builder.confirm(1)
    return builder.written()


def test_each_point_is_a_line_and_the_winner_lies_on_top(folder: Path) -> None:
    figure = parallel_figure(Analysis.of(folder))
    assert figure is not None
    (full,), (panel,) = (figure.chosen({"view": view}) for view in figure.switches[0].options)
    lines = panel.traces
    assert len(lines) == 12
    assert len(full.traces) < 12
    assert lines[-1]["line"]["color"] == "@series-1"
    assert all(line["y"] == [3, 2, 1, 0] for line in lines)
    assert lines[-1]["x"][-1] == 1.0
    layout = panel.layout
    names = [note for note in layout["annotations"] if note.get("xref") == "paper"]
    assert [note["xanchor"] for note in names] == ["right"] * 4, "no line passes under a name"
    assert layout["margin"]["l"] > 7 * len("accuracy (%)")


def test_curves_end_at_the_stop_and_the_audit_goes_on_apart(folder: Path) -> None:
    results = Analysis.of(folder)
    figure = rungs_figure(results)
    assert figure is not None
    traces = figure.chosen()[0].traces
    by_key: dict[str, list[Any]] = {}
    for trace in traces:
        by_key.setdefault(trace.get("legendgroup", "stops"), []).append(trace)
    assert {trace["x"][-1] for trace in by_key["rung1"]} == {1}
    assert [(trace["x"][0], trace["x"][-1]) for trace in by_key["audited"]] in (
        [(1, 9), (1, 9)], [(1, 9), (3, 9)], [(3, 9), (1, 9)], [(3, 9), (3, 9)])  # fmt: skip
    (crosses,) = by_key["stops"]
    stopped = [row for row in results.search.decisions if row["stopped"] and row["value"]]
    assert sorted(crosses["x"]) == sorted(row["epoch"] for row in stopped)


def test_a_cross_lies_at_the_end_of_its_curve(tmp_path: Path) -> None:
    """A training whose last epoch was not its best is judged by its best."""
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID)[:8])
    (stop, *_) = [row for row in builder.stored() if row["status"] == "stopped"]
    last = builder.store.epochs(stop["trial_id"])[-1]
    builder.store.put_epochs(stop["trial_id"], [last | {"validation_accuracy": 12.5}])
    figure = rungs_figure(Analysis.of(builder.written()))
    assert figure is not None
    traces = figure.chosen()[0].traces
    *curves, crosses = traces
    ends = {(curve["x"][-1], curve["y"][-1]) for curve in curves}
    assert set(zip(crosses["x"], crosses["y"], strict=True)) <= ends
    assert 12.5 in crosses["y"]
    assert any("highest so far" in text and ", cutoff " in text for text in crosses["customdata"])


def test_best_so_far_only_rises_and_leaves_the_audit_out(folder: Path) -> None:
    results = Analysis.of(folder)
    figure = best_figure(results)
    assert figure is not None
    views = figure.switches[0].options
    time, work = (figure.chosen({"view": view})[0].traces[0] for view in views)
    assert time["y"] == sorted(time["y"])
    assert time["x"] == sorted(time["x"])
    search = search_of(results)
    assert search is not None
    assert work["x"][-1] == pytest.approx(spent_on(search.points).work)


def test_a_point_stands_in_every_panel(folder: Path) -> None:
    figure = axes_figure(Analysis.of(folder))
    assert figure is not None
    for panel in figure.chosen():
        traces = panel.traces
        assert sum(len(trace["x"]) for trace in traces) == 12
        (early,) = (trace for trace in traces if trace["legendgroup"] == "early")
        assert early["marker"]["symbol"].endswith("-open")


def test_points_stand_at_their_value_unless_one_covers_another(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="none"))
    builder.run({"trial": name, "optimizer.lr": lr} for name in ("resnet18", "resnet34")
                for lr in (0.01, 0.03, 0.1))  # fmt: skip
    accuracies = {"t000": 20.0, "t001": 20.4, "t002": 70.0, "t003": 40.0, "t004": 55.0, "t005": 90}
    for trial_id, accuracy in accuracies.items():
        builder.store.put_trial({"trial_id": trial_id, "validation_accuracy": accuracy})
    search = search_of(Analysis.of(builder.written()))
    assert search is not None
    depths = axes_of(search)[0]
    places = places_on(depths, with_begun(search))
    at_home = {one: places[one] == depths.place(json.loads(builder.row(one)["point"]))
               for one in accuracies}  # fmt: skip
    assert at_home == {"t000": False, "t001": True, "t002": True, "t003": True, "t004": True,
                       "t005": True}  # fmt: skip
    assert abs(places["t000"] - places["t001"]) == pytest.approx(0.02)
    assert [aside(number, 0.7) for number in range(4)] == pytest.approx([0, 0.02, -0.02, 0.04])
    assert aside(99, 0.3) == 0.15, "it stays within the band of its value"


def test_hover_text_stays_text(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run([{"trial": "<b>x</b>%{y}"}, {"trial": "resnet18"}])
    figure = parallel_figure(Analysis.of(builder.written()))
    assert figure is not None
    text = json.dumps(figure_payload(figure))
    assert "<b>x</b>" not in text
    assert "%{y}" not in text


# --- workers ------------------------------------------------------------------------------------


def test_what_a_kill_cut_off_lasts_to_its_last_epoch(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, workers=1)
    trial_id = builder.plan(GRID[0])
    builder.start(trial_id, 0)
    builder.clock = 30
    builder.step(trial_id, None)
    builder.clock = 9000
    builder.event(trial_id, "died", detail="noticed by the next command")
    builder.start(trial_id, 0)
    builder.clock = 9007
    builder.end(trial_id, "interrupted")
    first, second = stretches(Analysis.of(builder.written()))
    assert (first.seconds, first.outcome) == (30, "cut off")
    assert (second.seconds, second.outcome) == (7, "interrupted")


def test_the_timeline_tells_audit_and_confirmation_apart(folder: Path) -> None:
    figure = workers_figure(Analysis.of(folder))
    assert figure is not None
    traces = figure.chosen()[0].traces
    bars = {trace["legendgroup"]: len(trace["x"]) for trace in traces}
    assert bars["audited"] == 2
    assert bars["confirmation"] == 1
    assert sum(bars.values()) == 12 + 2 + 1
    assert "2 workers had a trial" in figure.caption
    assert [entry.key for entry in figure.series][-2:] == ["audited", "confirmation"]
