"""Who is stopped early, decided from the store's rows and recorded in it; kills between writes."""

import json
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from resray.results.store import ResultStore, read_table
from resray.search.referee import Referee, RungState, search_key
from resray.search.rules import Decision
from resray.study.search_spec import SearchSettings
from tests.table_files import change_files, drop_trial

ASHA = SearchSettings(scheduler="asha", grace=1, reduction_factor=3)
HALVING = SearchSettings(scheduler="halving", grace=1, reduction_factor=3)
RESCALED = SearchSettings(scheduler="asha", rung_schedule="rescaled")
MEDIAN = SearchSettings(scheduler="median", grace=2)


def plan(store: ResultStore, trial_id: str, settings: SearchSettings = ASHA, **row: Any) -> None:
    fixed = {"study": "s", "name": trial_id.upper(), "seed": 0, "role": "search"}
    state = {"status": "running", "epochs": 9, "full_epochs": 9, "rung": 0, "audited": False}
    key = search_key(settings)
    store.put_trial({"trial_id": trial_id, **fixed, **state, "search": key, **row})
    store.flush()


def train(store: ResultStore, trial_id: str, accuracies: Iterable[float]) -> None:
    """Add epochs to a trial, after those that it has."""
    first = len(store.epochs(trial_id)) + 1
    rows = [
        {"trial_id": trial_id, "epoch": epoch, "validation_accuracy": accuracy}
        for epoch, accuracy in enumerate(accuracies, first)
    ]
    store.put_epochs(trial_id, rows)
    store.flush()


def trained(
    folder: Path, trials: dict[str, list[float]], settings: SearchSettings = ASHA, **row: Any
) -> ResultStore:
    store = ResultStore(folder)
    for trial_id, accuracies in trials.items():
        plan(store, trial_id, settings, **row)
        train(store, trial_id, accuracies)
    return store


def drop_last_decision(folder: Path, trial_id: str) -> None:
    """Leave the table as a kill just before the trial's last decision would have."""
    decided = read_table(folder, "decisions").query("trial_id == @trial_id")["decided"].max()
    last = (pc.field("trial_id") == trial_id) & (pc.field("decided") == decided)
    change_files(folder, "decisions", lambda rows: rows.filter(~last))


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Return what the decisions table says, without the moments."""
    if not (folder / "decisions").is_dir():
        return []
    frame = read_table(folder, "decisions").drop(columns="decided").astype(object)
    return [tuple(row) for row in frame.where(frame.notna(), None).itertuples(index=False)]


def test_the_key_holds_what_decides_about_stops_and_nothing_else() -> None:
    assert search_key(ASHA.model_copy(update={"samples": 9, "seed": 4, "audit": 2})) == (
        '{"grace":1,"reduction_factor":3,"rung_schedule":"full","scheduler":"asha"}'
    )
    assert search_key(SearchSettings(scheduler="none", grace=4)) == '{"scheduler":"none"}'
    assert search_key(MEDIAN) == '{"grace":2,"scheduler":"median"}'


def test_asha_decides_when_a_trial_arrives_and_records_on_what(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [50], "b": [40], "c": [60]})
    referee = Referee(store, ASHA)
    assert referee.rungs_of(9) == (1, 3)
    assert referee.after_epoch("a") == Decision(1, 1, 50.0, None, 1, False)
    assert referee.after_epoch("b") == Decision(1, 1, 40.0, 50.0, 2, True)
    found = referee.after_epoch("c")
    assert found is not None
    assert found.cutoff == pytest.approx(40 + 2 / 3 * 10)
    assert (found.arrived, found.stopped) == (3, False)
    assert [referee.is_stopped(each) for each in "abc"] == [False, True, False]
    row = store.decisions("b")[0]
    assert {key: row[key] for key in ("study", "name", "seed", "search", "scheduler")} == {
        "study": "s",
        "name": "B",
        "seed": 0,
        "search": search_key(ASHA),
        "scheduler": "asha",
    }
    assert (store.trial("b") or {})["rung"] == 1
    assert referee.table() == [RungState(1, 1, 3, 2, 1, found.cutoff)]


def test_the_value_is_the_best_up_to_the_rung_and_none_after(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [50, 70, 60, 90]})
    decisions = Referee(store, ASHA)
    decisions.after_epoch("a")
    assert [made.value for made in decisions.decisions("a")] == [50, 70]


def test_nothing_is_decided_twice_nor_at_the_end(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [50] * 9})
    referee = Referee(store, ASHA)
    last = referee.after_epoch("a")
    assert (last and last.rung) == 2
    before = rows(tmp_path)
    assert referee.after_epoch("a") is None
    assert Referee(ResultStore(tmp_path), ASHA).after_epoch("a") is None
    assert rows(tmp_path) == before
    assert len(before) == 2


def test_a_stop_at_one_of_several_overdue_rungs_is_the_last_decision(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [50], "b": [40, 60, 60]})
    referee = Referee(store, ASHA)
    referee.after_epoch("a")
    last = referee.after_epoch("b")
    assert (last and last.rung, len(referee.decisions("b"))) == (1, 1)


ACCURACIES = {"a": [50, 51, 58, 59], "b": [40, 60, 61, 62], "c": [55, 45, 46, 47], "d": [60] * 4}


def sweep(folder: Path, killed: bool) -> None:
    """Train in turns; ``killed``: every step has its own process, and decisions are lost."""
    store = trained(folder, {trial_id: [] for trial_id in ACCURACIES})
    referee = Referee(store, ASHA)
    for epoch, trial_id in product(range(4), ACCURACIES):
        if referee.is_stopped(trial_id):
            continue
        train(referee.store, trial_id, [ACCURACIES[trial_id][epoch]])
        if killed:
            referee = Referee(ResultStore(folder), ASHA)
        made = referee.after_epoch(trial_id)
        if killed and made is not None:
            drop_last_decision(folder, trial_id)
            referee = Referee(ResultStore(folder), ASHA)
            assert referee.after_epoch(trial_id) == made


def test_kills_between_any_two_writes_change_no_decision(tmp_path: Path) -> None:
    sweep(tmp_path / "whole", killed=False)
    sweep(tmp_path / "killed", killed=True)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    stopped = read_table(tmp_path / "whole", "decisions")["stopped"]
    assert (len(stopped), stopped.sum()) == (7, 2)


def test_a_grown_search_counts_what_arrived_before(tmp_path: Path) -> None:
    Referee(trained(tmp_path, {"a": [50]}), ASHA).after_epoch("a")
    grown = Referee(trained(tmp_path, {"b": [40]}), ASHA)
    assert grown.after_epoch("b") == Decision(1, 1, 40.0, 50.0, 2, True)


def test_searches_with_other_keys_do_not_see_each_other(tmp_path: Path) -> None:
    Referee(trained(tmp_path, {"a": [50]}), ASHA).after_epoch("a")
    other = ASHA.model_copy(update={"reduction_factor": 2})
    referee = Referee(trained(tmp_path, {"b": [40]}, other), other)
    assert referee.after_epoch("b") == Decision(1, 1, 40.0, None, 1, False)
    assert referee.decisions("a") == []
    assert referee.table() == [RungState(1, 1, 1, 1, 0, None)]


def test_a_trial_of_two_searches_has_decisions_of_each(tmp_path: Path) -> None:
    others = ASHA.model_copy(update={"grace": 2})
    store = trained(tmp_path, {"a": [50, 60, 70, 80]})
    for settings in (ASHA, others):
        Referee(store, settings).after_epoch("a")
    assert len(store.decisions("a")) == 3
    epochs = [
        [made.epoch for made in Referee(store, each).decisions("a")] for each in (ASHA, others)
    ]
    assert epochs == [[1, 3], [2]]


def test_an_audited_trial_is_never_decided_on(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [50], "b": [40]})
    referee = Referee(store, ASHA)
    for trial_id in "ab":
        referee.after_epoch(trial_id)
    store.put_trial({"trial_id": "b", "audited": True})
    train(store, "b", [99, 99])
    assert referee.after_epoch("b") is None
    referee.lost("b")
    assert len(store.decisions("b")) == 1


def test_a_lost_trial_ranks_last_and_shifts_no_cutoff(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [50, 51], "b": [40], "c": []})
    referee = Referee(store, ASHA)
    referee.lost("c")
    referee.after_epoch("a")
    referee.lost("a")
    referee.lost("a")
    assert referee.decisions("c") == [Decision(1, 0, None, None, 1, True)]
    assert referee.decisions("a")[1:] == [Decision(2, 2, None, None, 1, True)]
    assert referee.after_epoch("b") == Decision(1, 1, 40.0, 50.0, 2, True)
    assert referee.is_stopped("c")
    assert Referee(ResultStore(tmp_path), ASHA).table() == referee.table()
    assert referee.table()[0] == RungState(1, 1, 3, 1, 2, 50.0)


def test_lost_after_the_last_rung_is_no_decision(tmp_path: Path) -> None:
    referee = Referee(trained(tmp_path, {"a": [50] * 4}), ASHA)
    referee.after_epoch("a")
    referee.lost("a")
    assert [made.stopped for made in referee.decisions("a")] == [False, False]


COHORT = {"a": 50.0, "b": 40.0, "c": 55.0, "d": 55.0, "e": 10.0, "f": 20.0}


def cohort(folder: Path, values: dict[str, float]) -> ResultStore:
    return trained(folder, {name: [value] for name, value in values.items()}, HALVING)


def test_halving_decides_a_whole_rung(tmp_path: Path) -> None:
    referee = Referee(cohort(tmp_path, COHORT), HALVING)
    assert referee.after_epoch("a") is None, "not before all have arrived"
    assert referee.close_rung(1, COHORT) == {"c", "d"}
    assert referee.decisions("a") == [Decision(1, 1, 50.0, 55.0, 6, True)]
    assert referee.reason(referee.decisions("a")[0]) == (
        "halving: rung 1 after epoch 1, 50.00 % is below 55.00 %"
    )
    assert referee.table() == [RungState(1, 1, 6, 2, 4, 55.0)]


def test_halving_goes_on_after_a_kill_at_any_decision(tmp_path: Path) -> None:
    store = cohort(tmp_path, COHORT)
    whole = Referee(store, HALVING).close_rung(1, COHORT)
    expected = rows(tmp_path)
    for lost in range(1, len(COHORT) + 1):
        for trial_id in sorted(COHORT)[-lost:]:
            drop_trial(tmp_path, "decisions", trial_id)
        again = Referee(ResultStore(tmp_path), HALVING)
        assert again.close_rung(1, COHORT) == whole
        assert rows(tmp_path) == expected


def test_a_failed_trial_never_goes_on(tmp_path: Path) -> None:
    store = cohort(tmp_path, {"a": 50.0, "b": 90.0, "c": 40.0})
    store.put_trial({"trial_id": "b", "status": "failed", "reason": "diverged"})
    referee = Referee(store, HALVING)
    referee.lost("b")
    assert referee.decisions("b") == [], "its rung is decided as a whole"
    assert referee.close_rung(1, "abc") == {"a"}
    assert referee.decisions("b") == [Decision(1, 1, None, 50.0, 3, True)]
    assert referee.reason(referee.decisions("b")[0]) == (
        "halving: rung 1 after epoch 1, diverged or failed"
    )


def test_of_equal_trials_the_first_by_id_goes_on_and_the_reason_says_so(tmp_path: Path) -> None:
    referee = Referee(cohort(tmp_path, dict.fromkeys("zyx", 50.0)), HALVING)
    assert referee.close_rung(1, "zyx") == {"x"}
    assert referee.reason(referee.decisions("y")[0]) == (
        "halving: rung 1 after epoch 1, 50.00 % is no more than 50.00 %"
    )


def test_a_grown_cohort_keeps_earlier_decisions(tmp_path: Path) -> None:
    Referee(cohort(tmp_path, {"a": 50.0, "b": 40.0, "c": 30.0}), HALVING).close_rung(1, "abc")
    grown = Referee(cohort(tmp_path, {"d": 60.0, "e": 45.0, "f": 55.0}), HALVING)
    assert grown.close_rung(1, "abcdef") == {"a", "d", "f"}
    assert grown.decisions("e") == [Decision(1, 1, 45.0, 55.0, 6, True)]


def test_a_rung_of_its_own_schedule_is_decided_on_arrival(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [30, 50, 45], "b": [60, 40, 20], "c": [20]}, RESCALED, epochs=3)
    store.put_trial({"trial_id": "c", "status": "failed", "reason": "diverged"})
    referee = Referee(store, RESCALED)
    assert referee.after_epoch("a") is None
    assert referee.arrive("a", 2) == Decision(2, 3, 50.0, None, 1, False)
    assert referee.arrive("c", 2) == Decision(2, 1, None, None, 2, True)
    assert referee.arrive("b", 2) == Decision(2, 3, 60.0, 50.0, 2, False)
    again = Referee(ResultStore(tmp_path), RESCALED)
    assert again.arrive("a", 2) == referee.decisions("a")[0]
    assert (store.trial("a") or {})["rung"] == 2


def test_a_rung_of_its_own_that_is_lost_is_told_at_that_rung(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [30]}, RESCALED, epochs=3)
    plan(store, "whole", RESCALED)
    referee = Referee(store, RESCALED)
    for trial_id in ("a", "whole"):
        referee.lost(trial_id)
    assert referee.decisions("a") == [Decision(2, 1, None, None, 1, True)]
    assert referee.decisions("whole") == []


def test_median_compares_a_best_value_with_the_means_of_three_others(tmp_path: Path) -> None:
    others: dict[str, list[float]] = {"a": [0, 40, 60], "b": [0, 50, 60], "c": [0, 60, 80]}
    store = trained(tmp_path, {**others, "d": [54, 10, 20]}, MEDIAN)
    referee = Referee(store, MEDIAN)
    last = referee.after_epoch("d")
    assert referee.decisions("d") == [
        Decision(None, 2, 54.0, 50.0, 4, False),
        Decision(None, 3, 54.0, 55.0, 4, True),
    ]
    assert last is not None
    assert referee.reason(last) == "median: after epoch 3, 54.00 % is below 55.00 %"
    assert referee.table() == [RungState(None, 2, 1, 1, 0, 50.0), RungState(None, 3, 1, 0, 1, 55.0)]
    assert Referee(ResultStore(tmp_path), MEDIAN).after_epoch("d") is None


def test_median_leaves_alone_whom_too_few_can_be_compared_with(tmp_path: Path) -> None:
    store = trained(tmp_path, {"a": [90, 90, 90], "b": [90, 90], "c": [90, 90]}, MEDIAN)
    plan(store, "d", MEDIAN)
    train(store, "d", [1, 1, 1])
    referee = Referee(store, MEDIAN)
    first, second = (referee.after_epoch("d"), referee.decisions("d"))
    assert first == second[0] == Decision(None, 2, 1.0, 90.0, 4, True)
    referee.after_epoch("a")
    assert referee.decisions("a")[1] == Decision(None, 3, 90.0, None, 1, False), (
        "d's third epoch is later than its stop, so it does not count"
    )


def test_nothing_is_decided_without_a_scheduler(tmp_path: Path) -> None:
    settings = SearchSettings(scheduler="none")
    referee = Referee(trained(tmp_path, {"a": [1, 2, 3]}, settings), settings)
    assert referee.after_epoch("a") is None
    referee.lost("a")
    assert (referee.rungs_of(100), referee.table(), rows(tmp_path)) == ((), [], [])


def test_a_referee_of_an_empty_folder_decides_nothing_yet(tmp_path: Path) -> None:
    assert Referee(ResultStore(tmp_path / "new"), ASHA).table() == []
    assert json.loads(Referee(ResultStore(tmp_path / "new"), ASHA).key)["scheduler"] == "asha"
