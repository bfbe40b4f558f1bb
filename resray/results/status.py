"""How far a study is, from what lies in its results folder: read beside a running command."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resray.files import read_json
from resray.results.folders import CHECKPOINTS, PROGRESS_FILE
from resray.results.lock import is_held
from resray.results.rows import ENDED
from resray.results.store import read_rows
from resray.results.summary import seconds_of

Row = Mapping[str, Any]

ORDER = ("running", "killed", "failed", "interrupted", "pending", "stopped", "completed")
"""States in the order in which they are shown; killed is what runs in a dead command."""


@dataclass(frozen=True)
class TrialStatus:
    """A trial as it stands."""

    row: Row
    state: str
    epochs: int
    """Epochs to train."""
    done: float
    """Epochs done, the running one's share included."""
    seconds: float | None
    """Of an epoch: the mean of its own, else of the model's, else of all; None before the first."""

    @property
    def seconds_left(self) -> float | None:
        """Roughly what is left to train; of a search's trial at most, as it may be stopped."""
        if self.state in ENDED:
            return 0.0
        return None if self.seconds is None else max(self.epochs - self.done, 0) * self.seconds


@dataclass(frozen=True)
class Status:
    """How far a study is."""

    is_running: bool
    """Whether a command writes to the folder."""
    trials: Sequence[TrialStatus]

    @property
    def seconds_left(self) -> float | None:
        """Roughly until all have ended, with as many side by side as run now (else one)."""
        left = [each.seconds_left for each in self.trials]
        known = [seconds for seconds in left if seconds is not None]
        side_by_side = max(sum(each.state == "running" for each in self.trials), 1)
        return None if len(known) < len(left) else max(*known, sum(known) / side_by_side, 0.0)


def read_status(folder: Path) -> Status:
    """Return how far the study in a results folder is; nothing is locked for long, or written.

    Raises InputError if it holds no results, or damaged ones.
    """
    # Asked before the table is read: a command that ends meanwhile has not died.
    is_running = is_held(folder)
    rows = sorted(
        read_rows(folder, "trials").to_pylist(), key=lambda row: (row["name"], row["seed"])
    )
    trials = [trial_status(row, rows, folder, is_running) for row in rows]
    return Status(is_running, sorted(trials, key=lambda each: ORDER.index(each.state)))


def trial_status(row: Row, rows: Sequence[Row], folder: Path, is_running: bool) -> TrialStatus:
    """Return how far a trial is."""
    epochs, done = row["epochs"] or 0, row["epochs_done"] or 0
    running = row["status"] == "running"
    alike = [each for each in rows if each["model"] == row["model"]]
    means = (seconds_per_epoch(each) for each in ([row], alike, rows))
    return TrialStatus(
        row,
        "killed" if running and not is_running else row["status"],
        min(epochs, row["stop_after"] or epochs),
        max(done, trained(folder / CHECKPOINTS / row["trial_id"])) if running else done,
        next((mean for mean in means if mean is not None), None),
    )


def seconds_per_epoch(rows: Iterable[Row]) -> float | None:
    """Return the mean seconds of the epochs of some trials, None without any."""
    begun = [row for row in rows if row["epochs_done"]]
    epochs = sum(row["epochs_done"] for row in begun)
    return sum(map(seconds_of, begun)) / epochs if epochs else None


def trained(checkpoints: Path) -> float:
    """Return the epochs that a training last said it had done, which its row tells later."""
    try:
        said = read_json(checkpoints / PROGRESS_FILE)
        return float(said["epoch"] - 1 + min(said["images"] / said["of"], 1))
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError):
        return 0.0
