"""What was decided on the trials of a search: who went on at each rung, and who was stopped."""

from collections import Counter
from dataclasses import dataclass

from resray.search.rules import Decision
from resray.study.search_spec import SearchSettings

Look = tuple[int | None, int]
"""A moment at which trials are judged: the rung's number (None without rungs) and its epoch."""


@dataclass(frozen=True)
class RungState:
    """What has been decided at one rung so far. Trials that failed on the way count as stopped."""

    rung: int | None
    """1 is the first; None without rungs, where each epoch has a state of its own."""
    epoch: int
    arrived: int
    went_on: int
    stopped: int
    cutoff: float | None
    """The latest, in percent; None while there was nothing to compare with."""


class Decisions:
    """Takes decisions in as they are made, and keeps the totals of each rung.

    With rungs their epochs follow from ``settings``: a trial that failed on its way to one was
    decided on earlier.
    """

    def __init__(self, settings: SearchSettings) -> None:
        self.count = 0
        """How many were taken in so far."""
        self._settings = settings
        self._by_trial: dict[str, dict[Look, Decision]] = {}
        self._by_look: dict[Look, dict[str, Decision]] = {}
        self._stopped: Counter[Look] = Counter()
        self._cutoffs: dict[Look, float] = {}

    def add(self, trial_id: str, decision: Decision) -> None:
        """Take in a decision; one on the same trial at the same rung or epoch gives way to it."""
        look = self._look(decision)
        made = self._by_look.setdefault(look, {})
        before = made.get(trial_id)
        self._stopped[look] += decision.stopped - (before is not None and before.stopped)
        if decision.cutoff is not None:
            self._cutoffs[look] = decision.cutoff
        made[trial_id] = self._by_trial.setdefault(trial_id, {})[look] = decision
        self.count += 1

    def of(self, trial_id: str) -> list[Decision]:
        """Return what was decided on a trial, oldest first."""
        return list(self._by_trial.get(trial_id, {}).values())

    def is_stopped(self, trial_id: str) -> bool:
        """Whether it was decided that the trial does not go on; an audited one goes on anyway."""
        return self.stopped_after(trial_id) is not None

    def stopped_after(self, trial_id: str) -> int | None:
        """Return the epoch after which a trial was stopped, None if it was not."""
        made = self._by_trial.get(trial_id)
        latest = next(reversed(made.values())) if made else None
        return latest.epoch if latest is not None and latest.stopped else None

    def rung_of(self, trial_id: str) -> int | None:
        """Return the highest rung at which an accuracy of a trial was judged, None if none was."""
        judged = (each.rung for each in self.of(trial_id) if each.value is not None)
        return max((rung for rung in judged if rung is not None), default=None)

    def at(self, rung: int) -> dict[str, Decision]:
        """Return what was decided at a rung, by trial id."""
        return dict(self._by_look.get((rung, self._epoch_of(rung)), {}))

    def states(self) -> list[RungState]:
        """Return the state of each rung that has decisions, in order of epoch."""
        return [self._state(look) for look in sorted(self._by_look, key=lambda look: look[1])]

    def _state(self, look: Look) -> RungState:
        arrived, stopped = len(self._by_look[look]), self._stopped[look]
        cutoff = self._cutoffs.get(look)
        return RungState(*look, arrived, arrived - stopped, stopped, cutoff)

    def _look(self, decision: Decision) -> Look:
        rung = decision.rung
        return rung, decision.epoch if rung is None else self._epoch_of(rung)

    def _epoch_of(self, rung: int) -> int:
        return int(self._settings.grace * self._settings.reduction_factor ** (rung - 1))
