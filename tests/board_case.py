"""Trials whose messages are recorded, judged and shown, as in a command, without training."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from resray.results.store import ResultStore
from resray.run.board import Board
from resray.run.recorder import Recorder
from resray.run.views import SearchView, TrialView
from resray.search.budget import Budget, Spending
from resray.search.decisions import Decision, Decisions
from resray.search.rules import rungs
from resray.study.search_spec import SearchSettings
from resray.training.trial import Job


def view_of(folder: Path, name: str, label: str, epochs: int = 4, work: float = 1.0) -> TrialView:
    job = Job(
        trial_id=name,
        name=name,
        recipe={},
        seed=0,
        stop_after=None,
        checkpoint_folder=str(folder / name),
        data_dir=None,
        dataset_checksum="",
        world_size=1,
        threads=1,
        use_gpu=False,
    )
    return TrialView(job, label, epochs, work)


def record(epoch: int, accuracy: float | None = 61.5, **columns: Any) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 1.2345,
        "validation_accuracy": accuracy,
        "test_accuracy": None,
        "images": 900,
        "images_per_second": 100.0,
        "seconds_training": 9.0,
        "seconds_evaluating": 1.0,
        "peak_memory_bytes": 1,
        "recorded": "2026-01-01T00:00:00+00:00",
        **columns,
    }


def started(epoch: int = 0, device: str = "Some CPU", seconds: float = 2.0) -> dict[str, Any]:
    facts = {"pid": 1, "host": "here", "device": device, "seconds_starting": seconds}
    return {"kind": "started", "epoch": epoch, "records": [], "facts": facts}


class Shown:
    """A board that hears of messages after they are recorded."""

    def __init__(
        self,
        folder: Path,
        *,
        side_by_side: int = 1,
        terminal: bool = False,
        width: int = 200,
        gpus: float = 0,
        search: SearchView | None = None,
    ) -> None:
        self.file = io.StringIO()
        console = Console(file=self.file, width=width, force_terminal=terminal)
        self.store = ResultStore(folder)
        self.recorder = Recorder(self.store, gpus_per_trial=gpus)
        self.board = Board(self.store, console, side_by_side=side_by_side, search=search)

    def hear(self, name: str, message: Mapping[str, Any]) -> None:
        if message["kind"] in ("died", "preempted"):
            self.recorder.died(name, message["reason"])
        else:
            self.recorder.message(name, message)
        self.board.hear(name, message)

    def printed(self) -> list[str]:
        """Return the lines printed since the last call."""
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        return text.splitlines()

    def text(self, width: int = 120) -> str:
        """Return the table as it is drawn now."""
        console = Console(file=io.StringIO(), width=width, record=True)
        console.print(self.board.table())
        return console.export_text()

    def row(self, label: str) -> list[str]:
        """Return the cells of the table's row of a trial."""
        (line,) = [
            line
            for line in self.text().splitlines()
            if line.strip("│ ").split("│")[0].strip() == label
        ]
        return [cell.strip() for cell in line.strip().strip("│").split("│")]


class Bench(Shown):
    """A benchmark's trials."""

    def plan(self, name: str, epochs: int = 4, work: float = 1.0, epoch: int = 0) -> None:
        identity = {"trial_id": name, "study": "s", "name": name, "seed": 0, "reductions": "[]"}
        self.recorder.plan({**identity, "role": "bench"})
        view = view_of(self.store.folder, name, f"{name} (seed 0)", epochs, work)
        view.epoch = epoch
        self.board.plan(view, "bench")

    def start(self, name: str, epoch: int = 0) -> None:
        self.hear(name, started(epoch, "Some CPU (2 threads)", seconds=1.0))

    def train(self, name: str, epoch: int, accuracy: float | None = 61.5, **columns: Any) -> None:
        told = record(epoch, accuracy, **{"test_accuracy": 60.25, **columns})
        self.hear(name, {"kind": "epoch", "epoch": epoch, "record": told, "saved": epoch})

    def end(self, name: str, **outcome: Any) -> None:
        self.hear(name, {"kind": "finished", "epoch": 0, "status": "completed", **outcome})


class Search(Shown):
    """A search's trials, of which ASHA as in Ray stops some, or nobody any."""

    def __init__(
        self,
        folder: Path,
        *,
        budget: Budget | None = None,
        points: int | None = None,
        decisions: Decisions | None = None,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.settings = SearchSettings(**(settings or {}))
        self.decisions = decisions or Decisions(self.settings)
        spending = Spending()
        search = SearchView(self.decisions, self.settings, budget or Budget(), spending, points)
        super().__init__(folder, width=100, search=search, **options)

    def plan(
        self, *names: str, epochs: int = 9, full: int = 9, work: float = 1.0, **columns: Any
    ) -> None:
        for name in names:
            identity = {"trial_id": name, "study": "s", "name": name, "seed": 0, "reductions": "[]"}
            point = {"space": "depths", "point": f'{{"x":"{name}"}}', "search": "asha"}
            size = {"epochs": epochs, "full_epochs": full, "role": "search"}
            self.recorder.plan({**identity, **point, **size, **columns})
            self.follow(name, epochs, work, columns.get("role", "search"))

    def follow(self, name: str, epochs: int = 9, work: float = 1.0, role: str = "search") -> None:
        view = view_of(self.store.folder, name, f"point {name}", epochs, work)
        view.epoch = len(self.store.epochs(name))
        self.board.plan(view, role)

    def start(self, name: str, epoch: int = 0) -> None:
        self.hear(name, started(epoch))

    def train(self, name: str, *accuracies: float, test: float | None = None) -> None:
        """Let a trial train one epoch for each accuracy, until it is stopped."""
        for accuracy in accuracies:
            epoch = len(self.store.epochs(name)) + 1
            told = record(epoch, accuracy, test_accuracy=test)
            message = {"kind": "epoch", "epoch": epoch, "record": told, "saved": epoch}
            self.recorder.message(name, message)
            decision = self._judge(name, epoch)
            self.board.hear(name, message)
            if decision is not None and decision.stopped:
                where = f"asha: rung {decision.rung} after epoch {epoch}"
                self.stop(name, f"{where}, {decision.value:.2f} % is below {decision.cutoff:.2f} %")
                return

    def _judge(self, name: str, epoch: int) -> Decision | None:
        row = self.store.trial(name) or {}
        factor = self.settings.reduction_factor
        epochs = rungs(self.settings.grace, factor, row["full_epochs"])
        if self.settings.scheduler == "median":
            self.decide(name, None, epoch, row["validation_accuracy"])
        asha = self.settings.scheduler == "asha" and not self.settings.rescaled
        if not asha or epoch not in epochs or row["role"] != "search" or row.get("audited"):
            return None
        rung, value = epochs.index(epoch) + 1, row["validation_accuracy"]
        values = [each.value or 0.0 for each in self.decisions.at(rung).values()]
        cutoff = float(np.percentile(values, 100 * (1 - 1 / factor))) if values else None
        return self.decide(name, rung, epoch, value, cutoff)

    def decide(
        self, name: str, rung: int | None, epoch: int, value: float, cutoff: float | None = None
    ) -> Decision:
        """Decide that a trial goes on, or stops below the cutoff."""
        if rung is not None:
            self.store.put_trial({"trial_id": name, "rung": rung})
        stopped = cutoff is not None and value < cutoff
        decision = Decision(rung, epoch, value, cutoff, 1, stopped)
        self.decisions.add(name, decision)
        return decision

    def stop(self, name: str, reason: str) -> None:
        self.recorder.stopped(name, reason)
        self.board.hear(name, {"kind": "stopped", "reason": reason})

    def end(self, name: str, **outcome: Any) -> None:
        epoch = len(self.store.epochs(name))
        self.hear(name, {"kind": "finished", "epoch": epoch, "status": "completed", **outcome})

    def lines(self) -> list[str]:
        """Return the lines printed since the last call, without how the search stands."""
        return [line.split(" | ")[0] for line in self.printed()]
