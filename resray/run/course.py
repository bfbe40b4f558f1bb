"""Which legs of a search's contenders run, and which follow when one has ended.

Everything is read from the results store, so a course that is begun again after a kill goes on
where it was.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise

from resray.results.store import ResultStore
from resray.run.recorder import Recorder
from resray.run.search_plan import Contender, Leg
from resray.search.referee import Referee


class Course(ABC):
    """One scheduler's way through the legs."""

    def __init__(
        self, contenders: Sequence[Contender], referee: Referee, recorder: Recorder
    ) -> None:
        self._contenders = contenders
        self._referee = referee
        self._recorder = recorder

    @abstractmethod
    def start(self) -> list[Leg]:
        """Return the legs to run, in their order, by what the store says."""

    @abstractmethod
    def add(self, contender: Contender) -> list[Leg]:
        """Take in a contender that was proposed later; return its leg to run, if any."""

    @abstractmethod
    def after(self, leg: Leg) -> list[Leg]:
        """Return the legs that follow now that ``leg`` has ended."""


class InFlight(Course):
    """Each contender has one leg; the referee may stop it at any epoch (asha, median, none)."""

    def start(self) -> list[Leg]:
        """Return what has not ended: first what was begun, then the rest in its order."""
        open_legs = [leg for each in self._contenders for leg in self.add(each)]
        return begun_first(self._referee.store, open_legs)

    def add(self, contender: Contender) -> list[Leg]:
        """Return the contender's leg unless it has ended."""
        leg = contender.final
        if not self._referee.is_stopped(leg.trial_id):
            return [] if has_ended(self._referee.store, leg) else [leg]
        if not is_audited(self._referee.store, leg):
            # A kill may have come between the decision and the row.
            end_stopped(self._recorder, self._referee, leg)
        return []

    def after(self, leg: Leg) -> list[Leg]:
        """Nothing follows."""
        return []


class Promotions(Course):
    """Each rung is a training of its own; who may go on begins the next (asha, rescaled)."""

    def __init__(
        self, contenders: Sequence[Contender], referee: Referee, recorder: Recorder
    ) -> None:
        super().__init__(contenders, referee, recorder)
        self._next: dict[str, Leg] = {}

    def start(self) -> list[Leg]:
        """Return each contender's next leg, those of higher rungs first."""
        open_legs = [leg for each in self._contenders for leg in self.add(each)]
        return sorted(open_legs, key=lambda leg: -leg.work.epochs)

    def add(self, contender: Contender) -> list[Leg]:
        """Return the contender's first leg that has not ended, if it may go on to it."""
        for leg, following in pairwise(contender.legs):
            self._next[leg.trial_id] = following
        first = contender.legs[0]
        return self.after(first) if has_ended(self._referee.store, first) else [first]

    def after(self, leg: Leg) -> list[Leg]:
        """Return the next rung's leg if the referee lets the contender go on."""
        if leg.rung is None or not has_ended(self._referee.store, leg):
            return []
        if failed_by_error(self._referee.store, leg):
            # Another command may try it again, so nothing is decided.
            return []
        if self._referee.arrive(leg.trial_id, leg.rung).stopped:
            end_stopped(self._recorder, self._referee, leg)
            return []
        following = self._next[leg.trial_id]
        return self.after(following) if has_ended(self._referee.store, following) else [following]


class Halving(Course):
    """All come to a rung before any goes on (synchronous successive halving).

    What follows depends on nothing but the values at the rung, so neither on the order in which
    trials arrive nor on how many run side by side.
    """

    def __init__(
        self, contenders: Sequence[Contender], referee: Referee, recorder: Recorder
    ) -> None:
        super().__init__(contenders, referee, recorder)
        self._out: set[str] = set()

    def start(self) -> list[Leg]:
        """Close each rung that is complete; return what is missing of the first that is not."""
        left = list(self._contenders)
        for rung in range(1, max((len(each.legs) for each in left), default=1)):
            legs = [each.legs[rung - 1] for each in left if len(each.legs) > rung]
            missing = [leg for leg in legs if not self._has_come(leg)]
            if missing:
                return self._hand_out(missing)
            kept = self._close(rung, legs)
            left = [each for each in left if len(each.legs) <= rung or each.legs[rung - 1] in kept]
        finals = [each.final for each in left]
        return self._hand_out([leg for leg in finals if not has_ended(self._referee.store, leg)])

    def add(self, contender: Contender) -> list[Leg]:
        """No contender comes later: `refuse_contradictions` sees to that."""
        raise AssertionError("halving knows its contenders from the start")

    def after(self, leg: Leg) -> list[Leg]:
        """Return what follows once all that were handed out have ended."""
        self._out.discard(leg.trial_id)
        return [] if self._out else self.start()

    def _close(self, rung: int, legs: Sequence[Leg]) -> list[Leg]:
        """Return the legs whose contenders go on; the others are stopped."""
        kept = self._referee.close_rung(rung, [leg.trial_id for leg in legs]) if legs else set()
        for leg in legs:
            if leg.trial_id not in kept:
                end_stopped(self._recorder, self._referee, leg)
        return [leg for leg in legs if leg.trial_id in kept]

    def _hand_out(self, legs: list[Leg]) -> list[Leg]:
        self._out = {leg.trial_id for leg in legs}
        return begun_first(self._referee.store, legs)

    def _has_come(self, leg: Leg) -> bool:
        """Whether a leg has come to its rung, or has failed on the way there."""
        store, rung_epochs = self._referee.store, leg.work.job.stop_after
        row = store.trial(leg.trial_id) or {"epochs_done": 0}
        # A rung's own training has an end of its own.
        is_there = rung_epochs is not None and row["epochs_done"] >= rung_epochs
        return is_there or has_ended(store, leg)


def is_over(contender: Contender, referee: Referee) -> bool:
    """Whether nothing of a contender is left to train: it was stopped, has failed, or is done."""
    store, legs = referee.store, contender.legs
    rows = [row for leg in legs if (row := store.trial(leg.trial_id)) is not None]
    stopped = any(referee.is_stopped(leg.trial_id) for leg in legs)
    failed = any(row["status"] == "failed" for row in rows)
    return stopped or failed or has_ended(store, contender.final)


def has_ended(store: ResultStore, leg: Leg) -> bool:
    """Whether a leg's training has come to its recipe's end, or has failed for good."""
    row = store.trial(leg.trial_id)
    return row is not None and row["status"] in ("completed", "failed")


def failed_by_error(store: ResultStore, leg: Leg) -> bool:
    """Whether a leg failed for another reason than a loss that was no longer finite."""
    row = store.trial(leg.trial_id) or {}
    return row.get("status") == "failed" and row["reason"] != "diverged"


def is_audited(store: ResultStore, leg: Leg) -> bool:
    """Whether a leg goes on, or went on, although it was stopped."""
    return bool((store.trial(leg.trial_id) or {}).get("audited"))


def begun_first(store: ResultStore, legs: Iterable[Leg]) -> list[Leg]:
    """Return the legs in their order, but first those that an earlier command has begun."""
    return sorted(legs, key=lambda leg: not (store.trial(leg.trial_id) or {}).get("attempts"))


def end_stopped(recorder: Recorder, referee: Referee, leg: Leg) -> None:
    """Say in the row of a trial that waited for a decision that it does not go on, and why."""
    stops = [decision for decision in referee.decisions(leg.trial_id) if decision.stopped]
    reason = referee.reason(stops[-1])
    status = recorder.status(leg.trial_id)
    if status == "completed":
        # A rung's own training came to its end; its contender does not go on.
        recorder.store.put_trial({"trial_id": leg.trial_id, "reason": reason})
    elif status not in ("failed", "stopped"):
        recorder.stopped(leg.trial_id, reason)
