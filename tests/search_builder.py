"""Synthetic searches on disk: made-up accuracies, decided on by the real schedulers."""

import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from resray.report import write_report
from resray.results.store import ResultStore
from resray.run.schedulers import Judge, scheduler_of
from resray.search.best import winner
from resray.search.decisions import Decision, Decisions
from resray.search.plan import search_key
from resray.search.rules import asha_cutoff, halving, rungs
from resray.study.search_spec import SearchSettings
from tests.report_builder import START, epoch_row, epochs_of, trial

Point = dict[str, Any]

GRID: list[Point] = [
    {"trial": depth, "optimizer.name": optimizer, "optimizer.lr": lr}
    for depth, optimizer, lr in itertools.product(
        ("resnet18", "resnet34", "resnet50"), ("sgd", "adam"), (0.01, 0.03, 0.1, 0.3)
    )
]
"""24 points, as `resray tune` shall search them on CIFAR-10."""

ASHA = SearchSettings(scheduler="asha", grace=1, reduction_factor=3)
UNKNOWN = ("started", "ended", "seconds_training", "seconds_evaluating", "validation_accuracy",
           "best_epoch", "images_per_second")  # fmt: skip
"""What is known of a trial only once it was trained."""
UNTESTED = dict.fromkeys(("test_accuracy", "test_accuracy_best", "test_accuracy_last",
                          "test_images"))  # fmt: skip


def shuffled(points: list[Point]) -> list[Point]:
    return sorted(points, key=lambda point: math.sin(1e4 * hash_of(point)))


def hash_of(point: Point) -> float:
    return sum(ord(letter) * place for place, letter in enumerate(json.dumps(point), 1)) / 1e5


def ceiling(point: Point) -> float:
    """Return the accuracy that a point tends to: best near 0.1 for SGD, near 0.01 for Adam."""
    lr = point.get("optimizer.lr", 0.1)
    best = 0.1 if point.get("optimizer.name") != "adam" else 0.01
    depth = {"resnet18": 0.0, "resnet34": 1.5, "resnet50": 1.0}.get(str(point.get("trial")), 0.5)
    return 72 + depth - 9 * abs(math.log10(lr / best)) + math.sin(5e3 * hash_of(point))


@dataclass
class SearchBuilder:
    """Writes a search's rows as its workers would, in simulated time."""

    folder: Path
    settings: SearchSettings = ASHA
    epochs: int = 9
    workers: int = 2
    space: str = "grid"
    clock: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ResultStore(self.folder)
        self.decisions = Decisions(self.settings)
        scheduler = scheduler_of(self.settings, self.epochs)
        self.judge = None
        if scheduler is not None and self.settings.rung_schedule == "full":
            self.judge = Judge(scheduler, self.settings, self.decisions, self.decide)

    def decide(self, row: dict[str, Any], made: Decision) -> None:
        """Record a decision."""
        identity = {key: row[key] for key in ("trial_id", "study", "name", "seed", "search")}
        if made.rung is not None and made.value is not None:
            self.store.put_trial({"trial_id": row["trial_id"], "rung": made.rung})
        scheduler = {"scheduler": self.settings.scheduler, "decided": self.now}
        self.store.put_decision({**identity, **scheduler, **asdict(made)})
        self.decisions.add(row["trial_id"], made)

    @property
    def looks(self) -> tuple[int, ...]:
        """The epochs of the rungs."""
        return rungs(self.settings.grace, self.settings.reduction_factor, self.epochs)

    def plan(self, point: Point, *, epochs: int | None = None, **changes: Any) -> str:
        """Write the row of a waiting point and return its trial's id."""
        length = epochs or self.epochs
        name = str(point.get("trial", "resnet18"))
        row = trial(name, epochs=length)
        row |= dict.fromkeys(UNKNOWN)
        row |= {
            "trial_id": f"t{len(self.rows):03}",
            "name": "-".join(str(value) for value in point.values()) or "base",
            "role": "search",
            "search": search_key(self.settings),
            "space": self.space,
            "point": json.dumps(point),
            "rung": 0,
            "full_epochs": self.epochs,
            "audited": False,
            "status": "pending",
            "attempts": 0,
            "epochs_done": 0,
            "recipe": json.dumps({**json.loads(row["recipe"]), "point": point}),
            **UNTESTED,
            **changes,
        }
        self.rows.append(row)
        self.store.put_trial(row)
        return str(row["trial_id"])

    def run(self, points: Iterable[Point], *, diverging: Iterable[int] = (),
            failing: Iterable[int] = (), budget: float = math.inf) -> None:  # fmt: skip
        """Train points side by side, each until it is stopped; ``budget`` in simulated seconds."""
        waiting = [self.plan(point) for point in points]
        doomed = {waiting[place]: "diverged" for place in diverging}
        doomed |= {waiting[place]: "error" for place in failing}
        running: list[tuple[float, int, str]] = [(self.clock, w, "") for w in range(self.workers)]
        while running:
            self.clock, worker, trial_id = min(running)
            running.remove((self.clock, worker, trial_id))
            if not trial_id or self.over(trial_id):
                if not waiting or self.clock > budget:
                    continue
                trial_id = waiting.pop(0)
                self.start(trial_id, worker)
            elif self.clock > budget:
                self.end(trial_id, "stopped", f"time budget of {budget:.0f} s")
                continue
            else:
                self.step(trial_id, doomed.get(trial_id))
            running.append((self.clock + self.seconds(trial_id), worker, trial_id))

    def over(self, trial_id: str) -> bool:
        return self.row(trial_id)["status"] != "running"

    def row(self, trial_id: str) -> dict[str, Any]:
        row = self.store.trial(trial_id)
        assert row
        return row

    def seconds(self, trial_id: str) -> float:
        return float(self.row(trial_id)["multiply_adds"]) / 3e8

    def start(self, trial_id: str, worker: int) -> None:
        attempts = self.row(trial_id)["attempts"] + 1
        changes = {"status": "running", "attempts": attempts, "host": f"node-{worker % 2}"}
        first = self.row(trial_id)["started"] or self.now
        self.store.put_trial({"trial_id": trial_id, "started": first, **changes})
        self.event(trial_id, "started" if attempts == 1 else "resumed", pid=4000 + worker)

    @property
    def now(self) -> Any:
        return START + timedelta(seconds=self.clock)

    def event(self, trial_id: str, kind: str, **columns: Any) -> None:
        row = self.row(trial_id)
        shared = {key: row[key] for key in ("trial_id", "study", "name", "seed", "host")}
        counts = {"attempt": row["attempts"], "epoch": row["epochs_done"]}
        self.store.put_event({**shared, **counts, "event": kind, "time": self.now, **columns})

    def step(self, trial_id: str, doom: str | None) -> None:
        """Train one epoch and let the referee decide."""
        row = self.row(trial_id)
        epoch = row["epochs_done"] + 1
        if doom and epoch == 2:
            self.decide(row, Decision(self.next_rung(trial_id), epoch - 1, None, None, 1, True))
            self.end(trial_id, "failed", doom, error_class=f"{doom.capitalize()}Error",
                     error_message="loss became nan")  # fmt: skip
            return
        self.train(row, epoch)
        decision = None
        if self.judge and not row["audited"] and self.settings.rung_schedule == "full":
            record = self.store.epochs(trial_id)[-1]
            decision = self.judge.after_epoch(self.row(trial_id), record)
        if decision and decision.stopped:
            self.end(trial_id, "stopped", decision.reason(self.settings.scheduler))
        elif epoch == row["epochs"]:
            self.end(trial_id, "completed")

    def train(self, row: dict[str, Any], epoch: int) -> None:
        top = ceiling(json.loads(row["point"]))
        accuracy = 10 + (top - 10) * (1 - math.exp(-4 * epoch / row["epochs"]))
        seconds = self.seconds(row["trial_id"])
        record = epoch_row(row | {"seconds_training": seconds, "epochs_done": 1}, epoch)
        tested = dict.fromkeys(("test_accuracy", "test_loss"))
        measured = {"validation_accuracy": accuracy, "recorded": self.now}
        self.store.put_epochs(row["trial_id"], [record | tested | measured])
        done = self.store.epochs(row["trial_id"])
        best = max(done, key=lambda one: one["validation_accuracy"])
        self.store.put_trial({
            "trial_id": row["trial_id"],
            "epochs_done": epoch,
            "best_epoch": best["epoch"],
            "validation_accuracy": best["validation_accuracy"],
            "seconds_training": sum(one["seconds_training"] for one in done),
            "seconds_evaluating": sum(one["seconds_evaluating"] for one in done),
        })  # fmt: skip

    def end(self, trial_id: str, status: str, reason: str | None = None, **columns: Any) -> None:
        ended = {"status": status, "reason": reason, "ended": self.now, **columns}
        self.store.put_trial({"trial_id": trial_id, **ended})
        self.event(trial_id, status)

    def run_rescaled(self, points: Iterable[Point]) -> None:
        """Train each point anew for each rung that it reaches, one after the other (ASHA), as older
        versions did."""
        for point in points:
            for rung, length in enumerate([*self.looks, self.epochs], 1):
                trial_id = self.plan(point, epochs=length)
                self.to_end(trial_id)
                last = length == self.epochs
                if not last and self.arrive(trial_id, rung):
                    break

    def arrive(self, trial_id: str, rung: int) -> bool:
        """Decide on a training of a rung's own length; return whether its point is stopped."""
        row = self.row(trial_id)
        earlier = [made.value for made in self.decisions.at(rung).values() if made.value]
        cutoff, value = asha_cutoff(earlier, self.settings.reduction_factor), best_of(row)
        stopped = cutoff is not None and value < cutoff
        made = Decision(rung, row["epochs_done"], value, cutoff, len(earlier) + 1, stopped)
        self.decide(row, made)
        return stopped

    def next_rung(self, trial_id: str) -> int:
        """Return the rung that a trial would come to next."""
        return (self.decisions.rung_of(trial_id) or 0) + 1

    def halve(self, points: Iterable[Point]) -> None:
        """Train all points to each rung, whose better ones go on from there (halving)."""
        alive = [self.plan(point) for point in points]
        for rung, epoch in enumerate([*self.looks, self.epochs], 1):
            for trial_id in alive:
                self.to_end(trial_id, epoch)
            if epoch < self.epochs:
                values = {trial_id: best_of(self.row(trial_id)) for trial_id in alive}
                kept, cutoff = halving(values, self.settings.reduction_factor)
                for trial_id in alive:
                    verdict = (values[trial_id], cutoff, len(alive), trial_id not in kept)
                    made = Decision(rung, epoch, *verdict)
                    self.decide(self.row(trial_id), made)
                    if made.stopped:
                        self.end(trial_id, "stopped", made.reason(self.settings.scheduler))
                alive = [trial_id for trial_id in alive if trial_id in kept]

    def to_end(self, trial_id: str, epoch: int | None = None) -> None:
        """Train a trial up to an epoch, or to its end."""
        self.start(trial_id, 0)
        while not self.over(trial_id) and self.row(trial_id)["epochs_done"] != epoch:
            self.clock += self.seconds(trial_id)
            self.step(trial_id, None)
        if not self.over(trial_id):
            self.end(trial_id, "stopped", f"stop-after {epoch}")

    def audit(self, count: int) -> None:
        """Train the first so many stopped trials to their end."""
        stopped = [row["trial_id"] for row in self.stored() if row["status"] == "stopped"]
        for trial_id in stopped[:count]:
            self.go_on(trial_id)

    def go_on(self, trial_id: str) -> None:
        """Train a stopped trial to its end, for the audit."""
        self.store.put_trial({"trial_id": trial_id, "audited": True})
        self.start(trial_id, 0)
        while not self.over(trial_id):
            self.clock += self.seconds(trial_id)
            self.step(trial_id, None)

    def confirm(self, seeds: int, **changes: Any) -> None:
        """Write the winner's confirmations."""
        won = winner(self.stored())
        assert won
        for seed in range(1, seeds + 1):
            test = 70.4 + 0.3 * math.sin(seed)
            tested = {"test_accuracy": test, "test_accuracy_best": test + 0.2,
                      "test_accuracy_last": test, "test_images": 10000,
                      "validation_accuracy": test + 0.4}  # fmt: skip
            row = won | tested | {"trial_id": f"c{seed}", "seed": seed, "role": "confirmation",
                                  "rung": None, "audited": None} | changes  # fmt: skip
            self.store.put_trial(row)
            self.store.put_epochs(row["trial_id"], epochs_of(row))
            self.event(row["trial_id"], "started", pid=4000, epoch=0)
            self.clock += 60
            self.event(row["trial_id"], row["status"])

    def stored(self) -> list[dict[str, Any]]:
        return [self.row(row["trial_id"]) for row in self.rows]

    def written(self) -> Path:
        """Return the folder, with all rows in its files."""
        self.store.flush()
        return self.folder

    def report(self) -> Path:
        return write_report(self.written(), self.folder / "out" / "report.html")


def best_of(row: dict[str, Any]) -> float:
    """Return the highest validation accuracy of a trial."""
    return float(row["validation_accuracy"])
