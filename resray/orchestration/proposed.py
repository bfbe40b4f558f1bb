"""Contenders that a search method proposes one by one, learning from those before."""

from typing import Any

from resray.orchestration.proposals import TpeProposals
from resray.orchestration.resources import Allocation
from resray.orchestration.search_plan import Contender, SearchPlanner
from resray.results.store import ResultStore

Row = dict[str, Any]


class Proposed:
    """Turns proposed points into contenders, up to the number of samples.

    What earlier commands found in the store is told to the method first; ``contenders`` holds those
    of its points that were searched before, and grows.
    """

    def __init__(
        self,
        planner: SearchPlanner,
        allocation: Allocation,
        store: ResultStore,
        contenders: list[Contender],
    ) -> None:
        self._planner, self._allocation, self._store = planner, allocation, store
        self._contenders = contenders
        settings = planner.settings
        assert planner.study.search is not None
        self._method = TpeProposals(planner.study.search, settings, planner.spaces)
        self._keys: dict[str, str] = {}
        self._left = settings.samples - len(contenders)
        for contender in contenders:
            rows = [row for leg in contender.legs if (row := store.trial(leg.trial_id))]
            values = [v for row in rows if (v := row["validation_accuracy"]) is not None]
            if values:
                self._method.remember(contender.point, max(values))
            else:
                self._method.expect(contender.point)

    def next(self) -> Contender | None:
        """Return the contender of a new point; a point that was searched before counts as well."""
        if self._left <= 0:
            return None
        self._left -= 1
        key = str(self._left)
        point = self._method.propose(key)
        if point is None:
            return None
        contender = self._planner.proposed(point, self._allocation)
        self._keys.update({leg.trial_id: key for leg in contender.legs})
        self._contenders.append(contender)
        return contender

    def told(self, trial_id: str, row: Row) -> None:
        """Tell the method how a point it proposed has done so far."""
        if trial_id in self._keys:
            failed = row["status"] == "failed"
            self._method.tell(self._keys[trial_id], None if failed else row["validation_accuracy"])
