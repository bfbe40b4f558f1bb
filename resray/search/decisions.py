"""What was decided in one search: who goes on, who is stopped, with totals that are kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """Whether a trial goes on, and what that was decided on."""

    rung: int | None
    """1 is the first; None where the scheduler tells none."""
    epoch: int
    value: float | None
    """Highest validation accuracy up to ``epoch``, in percent; None: diverged or failed."""
    cutoff: float | None
    """Below it a trial is stopped; None: nothing to compare with, or the scheduler tells none."""
    arrived: int
    """Trials compared, this one included."""
    stopped: bool

    def reason(self, scheduler: str) -> str:
        """Return why it stopped its trial, as the trials table and the progress say it."""
        rung = "" if self.rung is None else f"rung {self.rung} "
        where = f"{scheduler}: {rung}after epoch {self.epoch}"
        if self.value is None:
            return f"{where}, diverged or failed"
        if self.cutoff is None:
            return f"{where}, with {self.value:.2f} %"
        side = "below" if self.value < self.cutoff else "no more than"
        return f"{where}, {self.value:.2f} % is {side} {self.cutoff:.2f} %"
