"""The totals that a board keeps are those that all of its trials together come to."""

import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console

from resray.results.store import ResultStore
from resray.run.board import Board
from resray.run.remaining import UNFINISHED, chances, epochs_left
from resray.run.views import SearchView
from resray.search.best import rank
from resray.search.budget import Budget, Spending
from resray.search.decisions import Decision, Decisions
from resray.search.rules import rungs
from resray.study.search_spec import SearchSettings
from tests.board_case import record, started, view_of

FULL = 9


class ManyTrials:
    """A search of trials that nobody trains, whose rows are kept in memory."""

    def __init__(self, folder: Path, trials: int, file: Any) -> None:
        settings = SearchSettings(scheduler="asha")
        self.search = SearchView(Decisions(settings), settings, Budget(), Spending(), None)
        self.ids = [f"t{number:05}" for number in range(trials)]
        rows = [self._row(trial_id) for trial_id in self.ids]
        self.store = ResultStore(folder)
        for row in rows:
            self.store.put_trial(row)
        self.board = Board(self.store, Console(file=file), side_by_side=4, search=self.search)
        for number, trial_id in enumerate(self.ids):
            work = 1.0 + number % 3
            self.board.plan(view_of(folder, trial_id, trial_id, FULL, work), "search")

    def _row(self, trial_id: str) -> dict[str, Any]:
        return {
            "trial_id": trial_id,
            "role": "search",
            "status": "pending",
            "space": "s",
            "point": trial_id,
            "epochs": FULL,
            "full_epochs": FULL,
            "rung": 0,
        }

    def start(self, trial_id: str) -> None:
        self.board.hear(trial_id, started(self.board.views[trial_id].epoch))

    def train(self, trial_id: str, accuracy: float, seconds: float = 9.0) -> bool:
        """Train an epoch; return whether the trial was stopped at a rung, by chance."""
        epoch = self.board.views[trial_id].epoch + 1
        before = self.board.views[trial_id].row["validation_accuracy"] or 0.0
        best = max(before, accuracy)
        columns: dict[str, Any] = {"validation_accuracy": best, "epochs_done": epoch}
        epochs = rungs(1, 3, FULL)
        stopped = False
        if epoch in epochs:
            columns["rung"] = epochs.index(epoch) + 1
            stopped = accuracy < 60
            decision = Decision(columns["rung"], epoch, best, 60.0, 1, stopped)
            self.search.decisions.add(trial_id, decision)
        told = record(epoch, accuracy, seconds_training=seconds)
        self.store.hold_epoch(trial_id, told, columns)
        self.board.hear(trial_id, {"kind": "epoch", "record": told})
        return stopped

    def end(self, trial_id: str, status: str) -> None:
        epoch = self.board.views[trial_id].epoch
        row = self.store.trial(trial_id) or {}
        self.store.hold_epoch(trial_id, record(max(1, epoch)), {**row, "status": status})
        kind = "stopped" if status == "stopped" else "finished"
        self.board.hear(trial_id, {"kind": kind, "reason": status})


def check(many: ManyTrials) -> None:
    """Compare what the board keeps with what its trials come to, one by one."""
    board, search = many.board, many.search
    views = board.views.values()
    assert +board.totals.states == Counter((view.role, view.state) for view in views)
    done = sum(view.epoch * view.work_per_epoch for view in views)
    ends = {"failed": lambda view: view.epoch}
    full = sum(
        ends.get(view.state, lambda view: FULL)(view) * view.work_per_epoch for view in views
    )
    assert board.totals.share == pytest.approx(100 * done / full)
    stands = [
        view
        for view in views
        if view.row["validation_accuracy"] is not None
        and view.state != "failed"
        and not search.decisions.is_stopped(view.job.trial_id)
    ]
    assert board.totals.best(3) == sorted(stands, key=lambda view: rank(view.row))[:3]
    known = chances(search, FULL)
    left = [
        (board.totals.remaining.starts.value() or 0.0) * (view.state != "running")
        + 10.0
        * view.work_per_epoch
        * epochs_left(view.epoch, FULL, [each for each in known if each[0] > view.judged])
        for view in views
        if view.state in UNFINISHED
    ]
    # Running epochs began just now, and chances may be of a percent fewer decisions.
    assert board.seconds_left() == pytest.approx(
        max(max(left, default=0.0), sum(left) / 4), rel=0.02, abs=5
    )


def test_totals_after_any_messages(tmp_path: Path) -> None:
    random, many = Random(1), None
    with open(os.devnull, "w") as file:
        many = ManyTrials(tmp_path, 60, file)
        active: list[str] = []
        waiting = list(many.ids)
        for step in range(600):
            if waiting and len(active) < 4:
                active.append(waiting.pop())
                many.start(active[-1])
            if not active:
                break
            trial_id = random.choice(active)
            view, chance = many.board.views[trial_id], random.random()
            over = None
            if chance < 0.05:
                many.board.hear(trial_id, {"kind": "died", "reason": "by chance"})
                waiting.append(trial_id)
                active.remove(trial_id)
                continue
            if chance < 0.08:
                over = "failed"
            elif many.train(trial_id, random.uniform(40, 90), 10 * view.work_per_epoch - 1):
                over = "stopped"
            elif view.epoch == FULL:
                over = "completed"
            if over is not None:
                many.end(trial_id, over)
                active.remove(trial_id)
            if step > 20:
                check(many)
        assert {state for (_, state), n in many.board.totals.states.items() if n} >= {
            "completed",
            "stopped",
            "failed",
        }


def test_many_messages_on_many_trials(tmp_path: Path) -> None:
    with open(os.devnull, "w") as file:
        many = ManyTrials(tmp_path, 10_000, file)
        for trial_id in many.ids[:4000]:
            many.start(trial_id)
            work = many.board.views[trial_id].work_per_epoch
            for epoch in range(5):
                accuracy = 60.0 + epoch + int(trial_id[1:]) % 1000 / 100
                many.train(trial_id, accuracy, 10 * work - 1)
            many.end(trial_id, "stopped")
        check(many)
        assert many.board.totals.states["search", "stopped"] == 4000
        assert len(many.board.table().rows) == 5, "the overview stays short"
