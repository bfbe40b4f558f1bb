"""When trials ran: lanes, pauses, and the timeline that is drawn of them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.results import Analysis
from resray.analysis.timeline import Stretch, in_time, lanes, utilisation, without_pauses
from resray.figures.lanes import Timeline
from resray.figures.plot import Figure
from resray.figures.timeline import (
    MOST_BARS,
    shortest_bar,
    timeline_figure,
    together,
    trial_stretches,
)
from resray.report.payload import figure_payload
from tests.report_builder import START, trial, write_results
from tests.search_builder import GRID, SearchBuilder


def stretch(
    start: float, end: float, *, pid: int = 1, host: str = "a", outcome: str = "completed"
) -> Stretch:
    first, last = (START + timedelta(seconds=seconds) for seconds in (start, end))
    return Stretch(f"t{start}", host, pid, 1, 0, first, last, outcome)


def event(row: dict[str, Any], kind: str, second: float, **columns: Any) -> dict[str, Any]:
    return {
        **{key: row[key] for key in ("trial_id", "study", "name", "seed", "host")},
        "time": START + timedelta(seconds=second),
        "event": kind,
        "attempt": 1,
        "epoch": 0,
        **columns,
    }


def figure_of(folder: Path) -> Figure:
    figure = timeline_figure(Analysis.of(folder))
    assert figure is not None
    return figure


def bars_by_fate(figure: Figure) -> dict[str, int]:
    (panel,) = figure.chosen()
    return {trace["legendgroup"]: len(trace["x"]) for trace in panel.traces}


# --- lanes and pauses ---------------------------------------------------------------------------


def test_a_process_has_one_lane_and_a_later_one_may_take_it() -> None:
    found = [stretch(0, 5, pid=1), stretch(1, 9, pid=2), stretch(6, 8, pid=1),
             stretch(8, 9, pid=3), stretch(0, 1, pid=1, host="b")]  # fmt: skip
    assert lanes(sorted(found, key=lambda one: one.start)) == {
        ("a", 1): ("a", 1),
        ("a", 2): ("a", 2),
        ("a", 3): ("a", 1),
        ("b", 1): ("b", 1),
    }


def test_trials_whose_process_is_not_known_share_a_lane_only_in_turn() -> None:
    found = [stretch(0, 5, pid=0), stretch(1, 3, pid=0), stretch(4, 6, pid=0)]
    lane_of = lanes(found)
    assert [lane_of[one.process] for one in found] == [("a", 1), ("a", 2), ("a", 2)]


def test_what_overlaps_in_one_process_is_of_another() -> None:
    found = in_time([stretch(0, 10), stretch(9.5, 30), stretch(20, 25), stretch(31, 40)])
    lane_of = lanes(found)
    assert [one.pid for one in found] == [1, 1, 0, 1]
    assert [lane_of[one.process][1] for one in found] == [1, 1, 2, 1]
    assert utilisation(found, 2) == pytest.approx((10 + 20.5 + 5 + 9) / 80)


def test_pauses_in_which_nothing_ran_are_left_out() -> None:
    moved, cut = without_pauses([stretch(0, 10), stretch(4000, 4010)])
    assert cut == timedelta(seconds=3990)
    assert moved[1].start == moved[0].end
    assert utilisation(moved, 1) == 1.0


def test_utilisation_is_the_share_of_the_workers_time() -> None:
    assert utilisation([stretch(0, 10, pid=1), stretch(0, 5, pid=2)], 2) == 0.75
    assert utilisation([stretch(0, 0)], 1) is None


# --- the trials' timeline -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four trials: completed after a kill, failed, running, and waiting."""
    rows = [
        trial("resnet18", epochs=4, attempts=2),
        trial("resnet34", status="failed", epochs_done=0),
        trial("resnet50", epochs=4, status="running", epochs_done=2, ended=None),
        trial("resnet101", status="pending", epochs_done=0, started=None, ended=None, host=None),
    ]
    done, failed, running, _ = rows
    events = [
        event(done, "started", 0, pid=11),
        event(done, "resumed", 200, pid=12, attempt=2),
        event(done, "completed", 300, attempt=2),
        event(failed, "started", 301, pid=12),
        event(failed, "failed", 310, pid=None),
        event(running, "started", 5, pid=13),
    ]
    return write_results(tmp_path, rows, events=events)


def test_every_start_is_a_bar_in_the_colour_of_what_became_of_it(folder: Path) -> None:
    figure = figure_of(folder)
    assert bars_by_fate(figure) == {
        "fate-completed": 1,
        "fate-failed": 1,
        "fate-interrupted": 1,
        "fate-running": 1,
    }
    assert [entry.label for entry in figure.series] == [
        "completed", "failed", "interrupted or cut off", "still running",
    ]  # fmt: skip
    assert "4 starts of 3 trials" in figure.caption


def test_what_runs_and_what_was_cut_off_lasts_to_its_last_epoch(folder: Path) -> None:
    found = {(one.outcome, one.seconds) for one in trial_stretches(Analysis.of(folder))}
    # The builder's epochs end after a minute each.
    assert {("cut off", 240.0), ("running", 115.0), ("completed", 100.0), ("failed", 9.0)} == found


def test_a_start_without_an_epoch_is_seen(tmp_path: Path) -> None:
    row = trial(epochs=1, epochs_done=0, status="interrupted")
    events = [event(row, "started", 0, pid=1), event(row, "resumed", 90, pid=2),
              event(row, "interrupted", 100)]  # fmt: skip
    (panel,) = figure_of(write_results(tmp_path, [row], events=events)).chosen()
    assert min(panel.traces[0]["x"]) == pytest.approx(100 / 400)


def test_trials_without_events_last_from_their_start_to_their_end(tmp_path: Path) -> None:
    figure = figure_of(write_results(tmp_path, [trial(seed=0), trial(seed=1)]))
    (panel,) = figure.chosen()
    assert panel.traces[0]["y"] == ["node-1 · 1", "node-1 · 2"]
    assert "Utilisation: 100\u00a0%" in figure.caption


def test_there_is_no_timeline_of_what_never_started(tmp_path: Path) -> None:
    row = trial(status="pending", epochs_done=0, started=None, ended=None)
    assert timeline_figure(Analysis.of(write_results(tmp_path, [row]))) is None


def test_a_search_that_was_only_confirmed_has_its_own_timeline(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:3])
    assert timeline_figure(Analysis.of(builder.written())) is None


def test_names_of_trials_and_hosts_are_text(tmp_path: Path) -> None:
    figure = figure_of(write_results(tmp_path, [trial("<b>%{y}</b>", host="<i>host</i>")]))
    text = json.dumps(figure_payload(figure))
    assert "<b>%{y}" not in text
    assert "<i>" not in text


# --- many ---------------------------------------------------------------------------------------


def test_a_few_trials_have_a_bar_each() -> None:
    assert shortest_bar([stretch(0, 10), stretch(20, 30)], 1) == 0.0


def test_of_many_trials_short_neighbours_of_one_fate_share_a_bar() -> None:
    found = [stretch(n, n + 1, outcome="failed" if n == 2500 else "completed")
             for n in range(5000)]  # fmt: skip
    bars = list(together(Timeline(found), shortest_bar(found, 1)))
    assert sum(len(bar.members) for bar in bars) == 5000
    assert len(bars) <= MOST_BARS
    (failed,) = (bar for bar in bars if bar.stretch.outcome == "failed")
    assert failed.members == (found[2500],)
    assert all(bar.stretch.seconds == len(bar.members) for bar in bars)


def test_shared_bars_are_told_of(tmp_path: Path) -> None:
    row = trial(epochs=1)
    seconds = range(0, 3 * MOST_BARS, 2)
    events = [each for second in seconds
              for each in (event(row, "started", second, pid=1),
                           event(row, "completed", second + 1))]  # fmt: skip
    figure = figure_of(write_results(tmp_path, [row], events=events))
    assert "share a bar" in figure.caption
    (panel,) = figure.chosen()
    assert len(panel.traces[0]["x"]) < len(seconds)
    assert "starts</b>, completed" in panel.traces[0]["customdata"][0]
