"""A search from its first trial to its audit: who runs, who is stopped, and what a kill leaves."""

import shutil
from collections import Counter
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from resray.results.store import ResultStore
from resray.run.jobs import Jobs
from resray.run.resources import Machine
from resray.run.search import Search
from resray.run.search_plan import SearchPlanner
from resray.search.best import winner
from resray.search.budget import Budget
from resray.study.expand import Options
from resray.training.checkpoint_file import read_checkpoint
from tests.inline_search import DAY, NETWORK, RATES, InlineSearch
from tests.table_files import drop_trial

OUTCOME = ["name", "seed", "role", "status", "rung", "epochs_done", "validation_accuracy"]
VERDICT = ["trial_id", "rung", "epoch", "value", "cutoff", "arrived", "stopped"]


def outcome(search: InlineSearch) -> list[list[Any]]:
    """Return what has come of the trials, without what depends on time."""
    trials = search.table("trials").sort_values("trial_id")
    return trials[OUTCOME].astype(object).where(trials[OUTCOME].notna(), None).values.tolist()


def verdicts(search: InlineSearch) -> set[tuple[Any, ...]]:
    decisions = search.table("decisions")
    plain = decisions[VERDICT].astype(object).where(decisions[VERDICT].notna(), None)
    return {tuple(row) for row in plain.values.tolist()}


def assert_invariants(search: InlineSearch) -> None:
    """Each epoch once, each rung decided once, every stop with its decision, none left over."""
    epochs = search.table("epochs")
    assert not epochs.duplicated(["trial_id", "epoch"]).any()
    trials = search.table("trials").set_index("trial_id")
    for trial_id, rows in epochs.groupby("trial_id"):
        assert sorted(rows["epoch"]) == list(range(1, trials["epochs_done"][str(trial_id)] + 1))
    decisions = search.table("decisions")
    assert not decisions.duplicated(["trial_id", "rung"]).any()
    of_search = trials[trials["role"] == "search"]
    assert set(of_search["status"]) <= {"completed", "stopped", "failed"}
    stopped = set(of_search.index[of_search["status"] == "stopped"])
    assert stopped == set(decisions.loc[decisions["stopped"], "trial_id"])


def search_rows(search: InlineSearch) -> pd.DataFrame:
    trials = search.table("trials")
    return trials[trials["role"] == "search"]


def test_asha_stops_most_and_only_the_winner_is_tested(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    ran = search.run()
    assert ran.exhausted
    assert_invariants(search)
    trials = search_rows(search)
    assert len(trials) == 9
    assert trials["epochs_done"].sum() < 9 * 9
    assert trials["test_accuracy"].isna().all(), "a search never sees test"
    epochs = search.table("epochs").merge(search.table("trials")[["trial_id", "role"]])
    assert epochs.loc[epochs["role"] == "search", "test_loss"].isna().all()
    best = trials[trials["status"] == "completed"].nlargest(1, "validation_accuracy")
    confirmed = search.table("trials").query("role == 'confirmation'")
    assert list(confirmed["seed"].sort_values()) == [1, 2]
    assert set(confirmed["name"]) == set(best["name"])
    assert set(confirmed["status"]) == {"completed"}
    assert confirmed["test_accuracy"].notna().all()
    reasons = trials.loc[trials["status"] == "stopped", "reason"]
    assert reasons.str.match(r"asha: rung \d after epoch \d, .* % is below .* %").all()


@pytest.mark.parametrize(
    "scheduler",
    [
        "asha",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("halving", "median", "none")),
    ],
)
def test_the_same_command_ends_it_after_kills(tmp_path: Path, scheduler: str) -> None:
    search = InlineSearch(tmp_path)
    ran = search.run_with_kills(1, 5, 2, 14, 3, scheduler=scheduler, confirm=0)
    assert ran.exhausted
    if scheduler != "median":
        assert_invariants(search)
    rows = search_rows(search)
    assert len(rows) == 9
    ended = dict(zip(rows["trial_id"], rows["attempts"], strict=True))
    assert max(ended.values()) <= 6
    before = list(search.started)
    search.run(scheduler=scheduler, confirm=0)
    assert search.started == before, "nothing is run twice"


@pytest.mark.parametrize(
    "rung_schedule", [pytest.param("full", marks=pytest.mark.slow), "rescaled"]
)
def test_halving_after_kills_is_halving_without(tmp_path: Path, rung_schedule: str) -> None:
    settings: dict[str, Any] = {
        "scheduler": "halving",
        "rung_schedule": rung_schedule,
        "confirm": 1,
    }
    whole, killed = InlineSearch(tmp_path / "a"), InlineSearch(tmp_path / "b")
    whole.run(**settings)
    killed.run_with_kills(2, 11, 1, 7, 20, 3, **settings)
    assert outcome(killed) == outcome(whole)
    assert verdicts(killed) == verdicts(whole)


def test_a_kill_between_epoch_and_decision_is_made_good(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    search.run(kill_after=25, confirm=0)
    stopped = search.table("decisions").query("stopped").iloc[0]
    drop_trial(search.folder / "results" / "small", "decisions", stopped["trial_id"])
    row = search_rows(search).set_index("trial_id").loc[stopped["trial_id"]]
    assert row["status"] == "stopped"
    search.run(confirm=0)
    assert_invariants(search)


def test_a_growing_search_runs_only_what_is_new(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    search.run(confirm=0)
    before = outcome(search)
    done = set(search.started)
    search.write(RATES.replace("[0.5,", "[0.3, 0.7, 0.5,"))
    search.started.clear()
    search.run(confirm=0)
    assert len(search.started) == 2
    assert not done & set(search.started)
    assert all(row in outcome(search) for row in before)
    assert_invariants(search)


def test_rescaled_rungs_are_trainings_of_their_own(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    search.run_with_kills(7, 9, scheduler="halving", rung_schedule="rescaled")
    rows = search_rows(search)
    assert rows["point"].nunique() == 9
    assert set(rows["epochs"]) == {1, 3, 9}
    assert set(rows["full_epochs"]) == {9}
    of_point = rows.groupby("point")["epochs"].apply(sorted)
    assert all(list(epochs) in ([1], [1, 3], [1, 3, 9]) for epochs in of_point)
    short = rows[rows["epochs"] == 3].iloc[0]
    last = search.table("epochs").query("trial_id == @short.trial_id").iloc[-1]
    assert last["learning_rate"] < 0.2 * short["learning_rate"], "its own cosine comes to its end"


def test_audited_trials_are_trained_to_their_end_and_cannot_win(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    search.run_with_kills(60, confirm=0, audit=2)
    rows = search_rows(search)
    audited = rows[rows["audited"].fillna(False).astype(bool)]
    assert len(audited) == 2
    assert set(audited["epochs_done"]) == {9}
    assert set(audited["status"]) == {"completed"}
    stops = search.table("decisions").query("stopped")
    assert set(audited["trial_id"]) <= set(stops["trial_id"]), "their stop is still on record"
    assert set(search.table("epochs").groupby(["trial_id", "epoch"]).size()) == {1}


def test_what_median_stopped_is_trained_again_for_the_audit_and_stored_once(
    tmp_path: Path,
) -> None:
    search = InlineSearch(tmp_path, checkpoint_seconds=inf)
    search.run(scheduler="median", confirm=0, audit=1)
    rows = search_rows(search)
    (audited,) = rows[rows["audited"].fillna(False).astype(bool)].to_dict("records")
    assert (audited["status"], audited["epochs_done"], audited["attempts"]) == ("completed", 9, 2)
    decisions, epochs = (
        table[table["trial_id"] == audited["trial_id"]]
        for table in (search.table("decisions"), search.table("epochs").sort_values("epoch"))
    )
    (stop,) = decisions.query("stopped")["epoch"]
    assert list(epochs["epoch"]) == list(range(1, 10))
    assert list(epochs["attempt"]) == [1] * stop + [2] * (9 - stop)


def test_a_rung_is_always_in_a_checkpoint(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, checkpoint_seconds=inf)
    search.run(confirm=0)
    stopped = search_rows(search).query("status == 'stopped'")
    assert len(stopped) > 3
    for row in stopped.to_dict("records"):
        folder = search.folder / "results" / "small" / "checkpoints" / row["trial_id"]
        last = read_checkpoint(folder / "last.pt")
        assert last is not None
        assert last["epoch"] == row["epochs_done"]
        assert (folder / "best.pt").exists()


def test_a_budget_stops_what_runs_and_more_of_it_goes_on(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, budget=Budget(seconds=DAY))
    ran = search.run(late_after=4)
    assert ran.reached == "time budget of 24 h"
    (stopped,) = search_rows(search).query("status == 'stopped'").to_dict("records")
    assert stopped["reason"] == "time budget of 24 h"
    assert 0 < stopped["epochs_done"] < 9
    search.wishes = {}
    assert search.run().exhausted
    assert_invariants(search)
    assert search.started[0] == search.started[1], "it goes on first"


def test_a_diverged_trial_ranks_last_and_the_rest_goes_on(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, RATES.replace("[0.5,", "[1.0e+30, 0.5,"))
    search.run(confirm=0)
    rows = search_rows(search)
    (diverged,) = rows[rows["reason"] == "diverged"].to_dict("records")
    decision = search.table("decisions").query(f"trial_id == '{diverged['trial_id']}'")
    assert decision["stopped"].tolist() == [True]
    assert decision["value"].isna().all()
    assert search.table("decisions")["cutoff"].dropna().between(0, 100).all()
    assert (rows["status"] == "completed").any()


def test_when_the_first_trials_fail_the_same_way_the_search_ends(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    text = search.file.read_text()
    search.file.write_text(text.replace(NETWORK, "'tests.inline_search:Refusing'"))
    ran = search.run()
    assert ran.reached is not None
    expected = "the first 3 trials all failed the same way: RuntimeError: no kernel for batch"
    assert ran.reached.startswith(expected)
    assert sorted(search_rows(search)["status"]) == ["failed"] * 3 + ["pending"] * 6


def test_fail_fast_ends_the_search_with_the_first_failure(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, fail_fast=True)
    text = search.file.read_text()
    search.file.write_text(text.replace(NETWORK, "'tests.inline_search:Refusing'"))
    assert str(search.run().reached).startswith("--fail-fast: ")
    assert (search_rows(search)["status"] == "failed").sum() == 1


def test_tpe_goes_on_with_what_it_knows(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, "{optimizer.lr: {loguniform: [0.001, 0.5]}}")
    search.run(kill_after=12, method="tpe", samples=4, confirm=0)
    search.run(method="tpe", samples=4, confirm=0)
    assert search_rows(search)["point"].nunique() == 4
    assert_invariants(search)
    done = list(search.started)
    search.run(method="tpe", samples=6, confirm=0)
    assert search_rows(search)["point"].nunique() == 6
    assert len(search.started) == len(done) + 2


def test_the_same_options_give_the_same_trials(tmp_path: Path) -> None:
    first, second = (InlineSearch(tmp_path / name) for name in "ab")
    axes = "{optimizer.lr: {loguniform: [0.001, 0.5]}}"
    first.write(axes)
    second.write(axes)
    plans = [SearchPlanner(each.request(samples=5)).plan.trials for each in (first, second)]
    assert [each.point for each in plans[0]] == [each.point for each in plans[1]]


def test_another_scheduler_takes_over_what_is_trained(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    search.run(confirm=0, audit=1)
    trained = set(search_rows(search).query("status == 'completed'")["trial_id"])
    search.started.clear()
    search.run(scheduler="none", confirm=0)
    rows = search_rows(search)
    assert set(rows["status"]) == {"completed"}
    assert rows["search"].nunique() == 1
    assert not rows["audited"].any(), "nobody was stopped"
    assert not trained & set(search.started)
    found = winner(ResultStore(search.folder / "results" / "small").trials())
    assert found is not None
    assert found["validation_accuracy"] == rows["validation_accuracy"].max()


def test_asha_compares_with_what_another_search_has_trained(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, RATES.replace("0.005, 0.001, 0.0001", "0.005"))
    search.run(scheduler="none", confirm=0)
    search.write(RATES)
    search.run(confirm=0)
    first = search.table("decisions").query("rung == 1")
    assert first["arrived"].max() == 9
    assert not first[first["arrived"] <= 7]["stopped"].any(), "what is trained is not stopped"


def test_another_seed_is_another_search(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    search.run(scheduler="halving", confirm=0)
    search.wishes = {"options": Options(seeds=(7,))}
    assert search.run(scheduler="halving", confirm=0).exhausted
    rows = search_rows(search).query("seed == 7")
    assert (rows["status"] == "completed").sum() == 1
    decisions = search.table("decisions")
    assert decisions[decisions["trial_id"].isin(rows["trial_id"])]["arrived"].max() == 9


def test_points_of_different_lengths_have_rungs_of_their_own(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, "{epochs: {grid: [3, 9]}, optimizer.lr: {grid: [0.1, 0.01]}}")
    search.run(scheduler="halving", rung_schedule="rescaled", confirm=0)
    rows = search_rows(search)
    assert rows.groupby("point")["full_epochs"].nunique().eq(1).all()
    assert rows["point"].nunique() == 4


def test_tpe_trains_points_of_one_recipe_once(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    text = search.file.read_text()
    twice = "    again:\n      axes: {optimizer.lr: {grid: [0.5, 0.2]}}\n    rates:"
    search.file.write_text(text.replace("    rates:", twice).replace(
        RATES, "{optimizer.lr: {grid: [0.5, 0.2, 0.1]}}"))  # fmt: skip
    ran = search.run(method="tpe", samples=5, scheduler="none", confirm=1)
    assert ran.exhausted
    assert search_rows(search)["trial_id"].nunique() == len(set(search.started)) - 1 == 3


def test_what_failed_on_the_way_is_tried_again(tmp_path: Path) -> None:
    halving: dict[str, Any] = {"scheduler": "halving", "grace": 2}
    for rung_schedule in ("full", "rescaled"):
        settings = {**halving, "rung_schedule": rung_schedule}
        search = InlineSearch(tmp_path / rung_schedule, fail_fast=True)
        search.run(kill_after=2, confirm=0, **settings)
        begun = search_rows(search).query("attempts > 0")["trial_id"].iloc[0]
        damaged = search.folder / "results" / "small" / "checkpoints" / begun / "last.pt"
        whole = damaged.read_bytes()
        damaged.write_bytes(b"no checkpoint")
        damaged.with_name("previous.pt").unlink(missing_ok=True)
        assert search.run(confirm=0, **settings).reached is not None
        damaged.write_bytes(whole)
        assert search.run(confirm=0, **settings).exhausted
        assert (search_rows(search)["status"] != "failed").all()


def test_a_confirmation_that_failed_is_tried_again(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path)
    search.run(confirm=1)
    store = ResultStore(search.folder / "results" / "small")
    (confirmed,) = [row["trial_id"] for row in store.trials() if row["role"] == "confirmation"]
    failed = {"status": "failed", "reason": "error", "epochs_done": 0, "error_class": "OSError"}
    store.put_trial({"trial_id": confirmed, **failed})
    store.flush()
    drop_trial(store.folder, "epochs", confirmed)
    shutil.rmtree(store.folder / "checkpoints" / confirmed)
    search.started.clear()
    assert search.run(confirm=1).exhausted
    assert search.started == [confirmed]
    row = ResultStore(store.folder).trial(confirmed) or {}
    assert (row["status"], row["error_class"], row["epochs_done"]) == ("completed", None, 9)


def test_what_a_bench_has_trained_confirms_and_stays_the_benchs(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, "{optimizer.lr: {grid: [0.02, 0.000001]}}")
    search.run(scheduler="none", confirm=1)
    (confirmed,) = search.table("trials").query("role == 'confirmation'")["trial_id"]
    store = ResultStore(search.folder / "results" / "small")
    store.put_trial({"trial_id": confirmed, "role": "bench", "space": None, "point": None})
    store.flush()
    search.started.clear()
    ran = search.run(scheduler="none", confirm=2)
    assert ran.exhausted
    assert len(search.started) == 1
    assert search.table("trials")["role"].value_counts()["confirmation"] == 1


def test_a_confirmation_whose_row_was_lost_is_not_trained_again(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, "{optimizer.lr: {grid: [0.02, 0.000001]}}")
    search.run(scheduler="none", confirm=1)
    before = search.table("trials").query("role == 'confirmation'")
    for path in (search.folder / "results" / "small" / "trials").iterdir():
        path.unlink()
    search.started.clear()
    assert search.run(scheduler="none", confirm=1).exhausted
    assert search.started == []
    after = search.table("trials").query("role == 'confirmation'")
    assert list(after["test_accuracy"]) == list(before["test_accuracy"])


@pytest.mark.parametrize("rung_schedule", ["full", "rescaled"])
def test_halving_ends_when_rows_of_trials_at_a_rung_were_lost(
    tmp_path: Path, rung_schedule: str
) -> None:
    """The checkpoints say that they have come to it, so no epoch of theirs is told again."""
    settings: dict[str, Any] = {
        "scheduler": "halving",
        "rung_schedule": rung_schedule,
        "confirm": 0,
    }
    whole = InlineSearch(tmp_path / "whole")
    whole.run(**settings)
    search = InlineSearch(tmp_path / "lost")
    search.run(kill_after=8, **settings)
    # A second time they are those of a search that has ended.
    for _ in range(2):
        for path in (tmp_path / "lost" / "results" / "small" / "trials").iterdir():
            path.unlink()
        assert search.run(**settings).exhausted
        assert outcome(search) == outcome(whole)
        assert verdicts(search) == verdicts(whole)


def test_a_job_that_comes_back_without_progress_fails(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, "{optimizer.lr: {grid: [0.02, 0.01]}}")
    planner = SearchPlanner(search.request(scheduler="halving", confirm=0))
    found = Search(planner, planner.allocation(Machine(1, 0)), Console(quiet=True))
    found.begin()
    jobs = Jobs(found, found.recorder, found.board, max_failures=0)
    facts = {"host": "node", "device": "cpu", "pid": 42, "seconds_starting": 0.0}
    handed_out = []
    while (job := jobs.next()) is not None:
        handed_out.append(job.trial_id)
        jobs.message(job.trial_id, {"kind": "started", "epoch": 0, "records": [], "facts": facts})
        jobs.message(job.trial_id, {"kind": "finished", "epoch": 0, "status": "stopped"})
        jobs.ended(job.trial_id)
    assert sorted(Counter(handed_out).values()) == [1, 1]
    found.store.flush()
    rows = search_rows(search)
    assert set(rows["status"]) == {"failed"}
    assert rows["error_message"].eq("ended after epoch 0 without getting any further").all()
