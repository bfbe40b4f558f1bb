"""What the user sees while trials run: a live table on a terminal, plain lines elsewhere."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from resray.files import read_json
from resray.results.store import ResultStore
from resray.results.summary import (
    LAST,
    TEST,
    VALIDATION,
    chosen_by,
    is_evaluated,
    seconds_of,
)
from resray.run.trainable import PROGRESS_FILE
from resray.training.trial import Job

Row = dict[str, Any]


@dataclass
class TrialView:
    """What is shown of one trial, and what its time left is reckoned from."""

    job: Job
    label: str
    epochs: int
    work_per_epoch: float
    """Training multiply-adds of one epoch: trials not yet measured are scaled from others."""
    state: str = "waiting"
    epoch: int = 0
    row: Row = field(default_factory=dict)
    """The trial's, whose figures the report shows too."""
    seconds_per_epoch: float | None = None
    epoch_began: float | None = None

    def running_epoch(self) -> tuple[float, float] | None:
        """Return which share of its unfinished epoch the trial last said was done, and in which
        seconds, if it did."""
        try:
            said = read_json(Path(self.job.checkpoint_folder) / PROGRESS_FILE)
            share, seconds = said["images"] / said["of"], said["seconds"]
            current = said["time"] >= self.epoch_began and said["epoch"] == self.epoch + 1
            sound = 0 <= share <= 1 and 0 <= seconds < math.inf
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError):
            return None
        return (share, seconds) if self.state == "running" and current and sound else None

    def progress(self) -> str:
        """Return ``2 + 40 % / 9``: epochs done, how far the running one is, and of how many."""
        said = self.running_epoch()
        part = f" + {100 * said[0]:.0f} %" if said else ""
        return f"{self.epoch}{part} / {self.epochs}"

    def seconds_of_an_epoch(self) -> float | None:
        """Return the seconds of the last epoch, or what the first promises so far, if anything."""
        if self.seconds_per_epoch is not None:
            return self.seconds_per_epoch
        said = self.running_epoch()
        return said[1] / said[0] if said and said[0] else None

    def seconds_left(self, seconds_per_work: float | None) -> float | None:
        """Return the seconds that the trial still needs, or None if nothing is known yet."""
        if self.state not in ("waiting", "running", "starting again"):
            return 0.0
        one = self.seconds_of_an_epoch()
        if one is None and seconds_per_work is not None:
            one = seconds_per_work * self.work_per_epoch
        if one is None:
            return None
        running = self.state == "running" and self.epoch_began is not None
        begun = time.time() - (self.epoch_began or 0.0) if running else 0.0
        return max(0.0, one * (self.epochs - self.epoch) - min(begun, one))


class Board:
    """Listens to the trials and shows them; one place for the table, the lines and time left."""

    def __init__(
        self,
        views: Sequence[TrialView],
        store: ResultStore,
        console: Console,
        side_by_side: int,
    ) -> None:
        self.views = {view.job.trial_id: view for view in views}
        self._store = store
        self._console = console
        self._side_by_side = side_by_side
        self._began = time.time()

    def live(self) -> AbstractContextManager[object]:
        """Return a context that shows the table while it lasts, if this is a terminal."""
        if not self._console.is_terminal:
            return nullcontext()
        return Live(
            get_renderable=self.table,
            console=self._console,
            refresh_per_second=2,
            # What Ray prints goes to its log, not over the table.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def hear(self, trial_id: str, message: Mapping[str, Any]) -> None:
        """Take in a message that has been recorded."""
        view = self.views[trial_id]
        view.row = self._store.trial(trial_id) or {}
        handlers = {"started": self._started, "epoch": self._epoch, "died": self._died}
        handlers.get(message["kind"], self._ended)(view, message)

    def _started(self, view: TrialView, message: Mapping[str, Any]) -> None:
        view.state, view.epoch, view.epoch_began = (
            "running",
            message["epoch"],
            time.time(),
        )
        verb = f"goes on after epoch {view.epoch}" if view.epoch else "started"
        self._line(f"{view.label}: {verb} on {message['facts']['device']}")
        self._remark(view, message)

    def _epoch(self, view: TrialView, message: Mapping[str, Any]) -> None:
        record = message["record"]
        view.epoch, view.epoch_began = record["epoch"], time.time()
        view.seconds_per_epoch = seconds_of(record)
        self._line(
            f"{view.label}: epoch {view.epoch}/{view.epochs}, train loss "
            f"{record['train_loss']:.3f}, {measured(record)}; "
            f"{selected(view.row)}, {speed(view.row)}, "
            f"left {duration(self._seconds_left_of(view))}, in all {duration(self.seconds_left())}"
        )

    def _died(self, view: TrialView, message: Mapping[str, Any]) -> None:
        view.state = "starting again"
        self.say(f"{view.label}: {message['reason']}; it starts again from its last checkpoint")

    def _ended(self, view: TrialView, message: Mapping[str, Any]) -> None:
        view.state = view.row["status"]
        reason = view.row.get("error_message") or view.row.get("reason")
        self._line(f"{view.label}: {view.state}{f' ({reason})' if reason else ''}")

    def _remark(self, view: TrialView, message: Mapping[str, Any]) -> None:
        """Say what there is to say of the checkpoint that a trial goes on from."""
        if message.get("remark"):
            self.say(f"{view.label}: {message['remark']}")

    def say(self, text: str) -> None:
        """Print a line that stays, above the table if there is one."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            self.say(text)

    def _seconds_per_work(self) -> float | None:
        """Return seconds per training multiply-add, over the trials measured so far."""
        epochs = [(view.seconds_of_an_epoch(), view.work_per_epoch) for view in self.views.values()]
        known = [(seconds, work) for seconds, work in epochs if seconds is not None]
        if not known:
            return None
        return sum(seconds for seconds, _ in known) / sum(work for _, work in known)

    def _seconds_left_of(self, view: TrialView) -> float | None:
        return view.seconds_left(self._seconds_per_work())

    def seconds_left(self) -> float | None:
        """Return roughly the seconds until all trials have ended."""
        left = map(self._seconds_left_of, self.views.values())
        return until_all_end([each for each in left if each != 0], self._side_by_side)

    def table(self) -> Table:
        """Return the table as it stands now."""
        table = Table(
            title=f"{self._elapsed()} so far, {duration(self.seconds_left())} left",
            title_justify="left",
            expand=False,
        )
        for column in ("trial", "state"):
            table.add_column(column, no_wrap=True)
        results = headings(view.row for view in self.views.values())
        for column in ("epoch", *results, "utilisation", "left"):
            table.add_column(column, justify="right", no_wrap=True)
        for view in self.views.values():
            table.add_row(*self._cells(view))
        return table

    def _elapsed(self) -> str:
        return duration(time.time() - self._began)

    def _cells(self, view: TrialView) -> list[str]:
        used = share(view.row.get("utilisation")) if view.row.get("epochs_done") else ""
        left = duration(self._seconds_left_of(view))
        return [view.label, view.state, view.progress(), *selected_cells(view.row), used, left]


SELECTED = {
    VALIDATION: ("best validation", "its epoch", "its test"),
    TEST: ("its validation", "its epoch", "best test"),
    LAST: ("validation", LAST, "its test"),
}
"""What a trial came to, everywhere by these names, by what chose its epoch."""
MIXED = ("validation", "selected epoch", "its test")
"""Where that differs among trials."""


def headings(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what stands above the figures of these trials' rows: their speed is over all epochs.

    Rows without an epoch yet, whose figures are empty, have no say.
    """
    kinds = {chosen_by(row) for row in rows if row.get("epochs_done")} or {VALIDATION}
    return *(SELECTED[kinds.pop()] if len(kinds) == 1 else MIXED), "images/s"


def selected_cells(row: Mapping[str, Any]) -> list[str]:
    """Return the figures of a trial's row under `headings`, empty where there is no epoch yet."""
    if not row.get("epochs_done"):
        return [""] * 4
    return [
        percent(row["validation_accuracy"]),
        "–" if row["best_epoch"] is None else str(row["best_epoch"]),
        percent(row["test_accuracy"]),
        f"{row['images_per_second']:.0f}",
    ]


def selected(row: Mapping[str, Any]) -> str:
    """Return the accuracies among them in words."""
    validation, epoch, test, _ = selected_cells(row)
    chosen = chosen_by(row)
    if chosen == LAST:
        return f"last epoch's test {test} (epoch {epoch})"
    if chosen == TEST:
        held_out = "" if row["validation_accuracy"] is None else f", its validation {validation}"
        return f"best test {test} (epoch {epoch}){held_out}"
    return f"best validation {validation} (epoch {epoch}), its test {test}"


def measured(record: Mapping[str, Any]) -> str:
    """Return the validation accuracy of an epoch, or that nothing was measured after it."""
    accuracy = percent(record["validation_accuracy"])
    return f"validation {accuracy}" if is_evaluated(record) else "not evaluated"


def speed(row: Mapping[str, Any]) -> str:
    """Return ``117 images/s, utilisation 57 %``; the latter where the device's rate is known."""
    used = row.get("utilisation")
    said = "" if used is None else f", utilisation {share(used)}"
    return f"{row['images_per_second']:.0f} images/s{said}"


def until_all_end(left: Sequence[float | None], side_by_side: int) -> float | None:
    """Return roughly when trials with so many seconds left have ended; None if some are unknown."""
    known = [seconds for seconds in left if seconds is not None]
    if len(known) < len(left):
        return None
    return max([0.0, *known, sum(known) / max(1, min(side_by_side, len(known)))])


def percent(value: float | None) -> str:
    """Return ``87.92 %``, or a dash for what was not measured."""
    return "–" if value is None else f"{value:.2f} %"


def share(value: float | None) -> str:
    """Return ``57 %`` of 0.57, or a dash for what was not measured."""
    return "–" if value is None else f"{value:.0%}".replace("%", " %")


def duration(seconds: float | None) -> str:
    """Return ``2 h 05 min``, ``3 min 07 s``, ``12 s``, or a question mark if unknown."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
