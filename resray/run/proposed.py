"""Contenders that a search method proposes one by one, learning from those before."""

from resray.run.course import is_over
from resray.run.proposals import TpeProposals
from resray.run.resources import Allocation
from resray.run.search_plan import Contender, SearchPlanner
from resray.search.points import REPEATS
from resray.search.referee import Referee


class Proposed:
    """Turns proposed points into contenders, up to the number of samples.

    ``contenders`` holds the points of earlier commands, and grows. The method knows them: it never
    proposes one of them again, and learns from those that have ended. A point with the recipe of an
    earlier one is no contender; the method learns of it what it learns of that one.
    """

    def __init__(
        self,
        planner: SearchPlanner,
        allocation: Allocation,
        referee: Referee,
        contenders: list[Contender],
    ) -> None:
        self._planner, self._allocation = planner, allocation
        self._referee, self._contenders = referee, contenders
        assert planner.study.search is not None
        self._method = TpeProposals(planner.study.search, planner.settings, planner.spaces)
        self._by_trial: dict[str, tuple[list[str], Contender]] = {}
        self._left = planner.settings.samples - len(contenders)
        self._asked = 0
        for contender in contenders:
            key = f"before {contender.final.trial_id}"
            self._method.expect(key, contender.point)
            self._follow(key, contender)

    def next(self) -> Contender | None:
        """Return the contender of a new point, None if all have been proposed."""
        while self._left > 0:
            key = str(self._asked)
            self._asked += 1
            # After so many there seem to be no more different recipes.
            most = self._planner.settings.samples + REPEATS
            point = self._method.propose(key) if self._asked <= most else None
            if point is None:
                self._left = 0
                return None
            contender = self._planner.proposed(point, self._allocation)
            if self._follow(key, contender):
                self._left -= 1
                self._contenders.append(contender)
                return contender
        return None

    def told(self, trial_id: str) -> None:
        """Tell the method how good a point is, if nothing of it is left to train."""
        keys, contender = self._by_trial[trial_id]
        if is_over(contender, self._referee):
            for key in keys:
                self._method.tell(key, self._value(contender))

    def _follow(self, key: str, contender: Contender) -> bool:
        """Tell of a point's training when it is over; return whether it is a new training."""
        final = contender.final.trial_id
        is_new = final not in self._by_trial
        if is_new:
            followed = [key], contender
            self._by_trial.update({leg.trial_id: followed for leg in contender.legs})
        else:
            self._by_trial[final][0].append(key)
        if is_over(contender, self._referee):
            self._method.tell(key, self._value(contender))
        return is_new

    def _value(self, contender: Contender) -> float | None:
        """Return the accuracy at the last of the legs; None if training it failed."""
        rows = (self._referee.store.trial(leg.trial_id) for leg in contender.legs)
        *_, last = (row for row in rows if row is not None)
        return None if last["status"] == "failed" else last["validation_accuracy"]
