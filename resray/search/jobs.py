"""What may be trained: one trial, from where it stands to its end or to a rung."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from resray.search.points import Point
from resray.study.expand import PlannedTrial

if TYPE_CHECKING:
    # It imports torch.
    from resray.training.trial import Job

Row = dict[str, Any]


@dataclass(frozen=True)
class PlannedJob:
    """A trial of a command, and what running it takes."""

    trial: PlannedTrial
    job: "Job"
    """What the trial's process is given."""
    epochs: int
    """Where the job ends."""
    train_images: int
    multiply_adds: int
    """Of one image's forward pass."""
    role: str = "bench"
    """bench, search or confirmation."""
    point: Point | None = None
    """The point of a search that it trains."""
    rung: int | None = None
    """The rung at which it ends, the first is 1; None: it goes to the recipe's end."""
    full_epochs: int | None = None
    """Epochs of the point's recipe at its full length."""
    audited: bool = False
    """Whether it trains on a trial that was stopped."""

    @property
    def trial_id(self) -> str:
        """The trial's id."""
        return self.job.trial_id

    @property
    def work_per_epoch(self) -> float:
        """Training multiply-adds of one epoch; a backward pass counts as two forward passes."""
        return 3.0 * self.multiply_adds * self.train_images

    def search_columns(self, search: str) -> Row:
        """Return the columns of the trials table that only the trials of a search have."""
        if self.point is None:
            return {}
        searched = self.role == "search"
        return {
            "role": self.role,
            "search": search if searched else None,
            "space": self.point.space,
            "point": self.point.to_json(),
            "full_epochs": self.full_epochs,
            "audited": self.audited if searched else None,
            "multiply_adds": self.multiply_adds,
            "train_images": self.train_images,
            # A rung is the scheduler's wish, not the user's.
            "stop_after": None,
        }


@dataclass(frozen=True)
class Candidate:
    """A point of a search with the jobs that its training may take, in order: rung after rung."""

    point: Point
    trial: PlannedTrial
    jobs: tuple[PlannedJob, ...]

    @property
    def final(self) -> PlannedJob:
        """The job that ends with the full recipe's last epoch."""
        return self.jobs[-1]

    def audit(self) -> PlannedJob:
        """Return the job that trains the point to its end although it was stopped."""
        return replace(self.final, audited=True)
