"""What a board knows of one trial, and of the search that the trials are part of."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resray.files import read_json
from resray.results.folders import PROGRESS_FILE
from resray.search.budget import Budget, Spending
from resray.search.decisions import Decisions
from resray.study.search_spec import SearchSettings
from resray.training.trial import Job

Row = dict[str, Any]
Point = tuple[str, str]
"""A space and the values of its axes."""
Rank = tuple[int, int, float, str]
"""A trial's place in a search, see `resray.search.best.rank`; it ends with the trial's id."""


@dataclass
class SearchView:
    """What is shown of a search beside its trials."""

    decisions: Decisions
    settings: SearchSettings
    budget: Budget
    spending: Spending
    """GPU-hours of all of the search's trials in the results; it follows those on the board."""
    points: int | None
    """How many points there will be, None if that is not known beforehand."""


@dataclass(eq=False)
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
    role: str = "bench"
    """bench, search, confirmation or audit."""
    search_epochs: int = 0
    """Epochs that count as the search's compute: of an audit those before its stop."""
    decisions: int = 0
    """How many decisions on it have been heard of, the latest after epoch ``judged``."""
    judged: int = 0
    rank: Rank | None = None
    """Its place among those of the search that may win, None if it is none of them."""

    @property
    def full_epochs(self) -> int:
        """Epochs of the point's recipe at its full length; outside of a search, of the trial."""
        return int(self.row.get("full_epochs") or self.epochs)

    @property
    def point(self) -> Point:
        """What it shares with the other rungs of its point."""
        return self.row["space"], self.row["point"]

    def running_epoch(self) -> tuple[float, float] | None:
        """Return which share of its unfinished epoch the trial last said was done, and in which
        seconds, if it did."""
        if self.state != "running":
            return None
        try:
            said = read_json(Path(self.job.checkpoint_folder) / PROGRESS_FILE)
            share, seconds = said["images"] / said["of"], said["seconds"]
            current = said["time"] >= self.epoch_began and said["epoch"] == self.epoch + 1
            sound = 0 <= share <= 1 and 0 <= seconds < math.inf
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError):
            return None
        return (share, seconds) if current and sound else None

    def progress(self) -> str:
        """Return ``2.40 / 9``: epochs done, with how far the running one is, and of how many."""
        said = self.running_epoch()
        part = f".{min(int(100 * said[0]), 99):02d}" if said else ""
        return f"{self.epoch}{part} / {self.epochs}"

    def seconds_of_an_epoch(self) -> float | None:
        """Return the seconds of the last epoch, or what the first promises so far, if anything."""
        if self.seconds_per_epoch is not None:
            return self.seconds_per_epoch
        said = self.running_epoch()
        return said[1] / said[0] if said and said[0] else None
