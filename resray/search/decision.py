"""One decision of a scheduler, as the decisions table holds it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """Whether a trial goes on, and what that was decided on."""

    rung: int | None
    """1 is the first; None where the scheduler decides after every epoch."""
    epoch: int
    value: float | None
    """Highest validation accuracy up to ``epoch``, in percent; None: diverged or failed."""
    cutoff: float | None
    """Below it a trial is stopped; None where there was nothing to compare with."""
    arrived: int
    """Trials compared, this one included."""
    stopped: bool
