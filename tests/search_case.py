"""A search whose messages are recorded, judged and shown, without training anything."""

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from resray.results.store import ResultStore
from resray.run.progress import TrialView
from resray.run.recorder import Recorder
from resray.run.search_progress import SearchBoard
from resray.search.budget import Budget, Spending
from resray.search.referee import Referee
from resray.study.search_spec import SearchSettings
from resray.training.trial import Job


class Search:
    """Trials whose messages are recorded, judged and shown, as in a command."""

    def __init__(
        self,
        folder: Path,
        *,
        budget: Budget | None = None,
        points: int | None = None,
        side_by_side: int = 1,
        terminal: bool = False,
        gpus: float = 0,
        **settings: Any,
    ) -> None:
        self.file = io.StringIO()
        self.console = Console(file=self.file, width=100, force_terminal=terminal)
        self.store = ResultStore(folder)
        self.recorder = Recorder(self.store, gpus_per_trial=gpus)
        self.referee = Referee(self.store, SearchSettings(**settings))
        self.board = SearchBoard(
            self.store,
            self.console,
            self.referee,
            side_by_side=side_by_side,
            budget=budget or Budget(),
            points=points,
            spending=Spending(),
        )

    def plan(
        self, *names: str, epochs: int = 9, full: int = 9, work: float = 1.0, **columns: Any
    ) -> None:
        for name in names:
            identity = {"trial_id": name, "study": "s", "name": name, "seed": 0, "reductions": "[]"}
            place = {"space": "depths", "point": f'{{"x":"{name}"}}', "search": self.referee.key}
            size = {"epochs": epochs, "full_epochs": full, "role": "search"}
            self.recorder.plan({**identity, **place, **size, **columns})
            self.follow(name, epochs, work, columns.get("role", "search"))

    def follow(self, name: str, epochs: int = 9, work: float = 1.0, role: str = "search") -> None:
        job = Job(
            trial_id=name,
            name=name,
            recipe={},
            seed=0,
            stop_after=None,
            checkpoint_folder=str(self.store.folder / "checkpoints" / name),
            data_dir=None,
            dataset_checksum="",
            world_size=1,
            threads=1,
            use_gpu=False,
        )
        done = self.store.epochs(name)
        view = TrialView(job, f"point {name}", epochs, work, epoch=len(done))
        self.board.plan(view, role)

    def start(self, name: str, epoch: int = 0) -> None:
        facts = {"pid": 1, "host": "here", "device": "Some CPU", "seconds_starting": 2.0}
        message = {"kind": "started", "epoch": epoch, "records": [], "facts": facts}
        self.recorder.message(name, message)
        self.board.hear(name, message)

    def train(self, name: str, *accuracies: float, test: float | None = None) -> None:
        """Let a trial train one epoch for each accuracy, until it is stopped."""
        for accuracy in accuracies:
            epoch = len(self.store.epochs(name)) + 1
            told = record(epoch, accuracy, test)
            message = {"kind": "epoch", "epoch": epoch, "record": told, "saved": epoch}
            self.recorder.message(name, message)
            decision = self.referee.after_epoch(name)
            self.board.hear(name, message)
            if decision is not None and decision.stopped:
                self.stop(name, self.referee.reason(decision))
                return

    def stop(self, name: str, reason: str) -> None:
        self.recorder.stopped(name, reason)
        self.board.hear(name, {"kind": "stopped", "reason": reason})

    def end(self, name: str, **outcome: Any) -> None:
        epoch = len(self.store.epochs(name))
        message = {"kind": "finished", "epoch": epoch, "status": "completed", **outcome}
        self.recorder.message(name, message)
        self.board.hear(name, message)

    def lines(self) -> list[str]:
        """Return the lines printed since the last call, without how the search stands."""
        return [line.split(" | ")[0] for line in self.printed()]

    def printed(self) -> list[str]:
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        return text.splitlines()

    def shown(self) -> str:
        console = Console(file=io.StringIO(), width=100, record=True)
        console.print(self.board.table())
        return console.export_text()

    def row(self, label: str) -> list[str]:
        """Return the cells of the overview's row of a trial."""
        (line,) = [line for line in self.shown().splitlines() if f"│ {label} " in line]
        return [cell.strip() for cell in line.strip().strip("│").split("│")]


def record(epoch: int, accuracy: float, test: float | None) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 1.0,
        "validation_accuracy": accuracy,
        "test_accuracy": test,
        "images": 100,
        "images_per_second": 11.0,
        "seconds_training": 9.0,
        "seconds_evaluating": 1.0,
        "peak_memory_bytes": 1,
        "recorded": "2026-01-01T00:00:00+00:00",
    }
