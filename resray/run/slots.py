"""How many trials may run side by side at this moment, while nodes join and leave."""

import time

from resray.run.cluster import alive_nodes, ranks_that_fit
from resray.run.resources import Allocation, Shares

LOOK_SECONDS = 2.0


class Slots:
    """The number of trials side by side: what was allocated or, of a cluster, what it has room for.

    The number stays where the user has fixed it (``--gpus``, ``--workers``), or where one trial at
    a time was asked for. What each trial gets never changes.
    """

    def __init__(self, allocation: Allocation, shares: Shares, address: str | None) -> None:
        self._allocation = allocation
        asked = shares.gpus if allocation.use_gpu else shares.workers
        alone = shares.exclusive and not allocation.use_gpu
        self._follows = address is not None and asked is None and not alone
        self._looked = -float("inf")
        self._room = allocation.side_by_side

    def available(self) -> int:
        """Return how many trials may run now.

        That is one where no node is left that has room for it: Ray Tune waits for that one, and
        looks at nothing else while it has none.
        """
        if self._follows and time.monotonic() - self._looked >= LOOK_SECONDS:
            self._room = max(1, trials_that_fit(self._allocation, alive_nodes()))
            self._looked = time.monotonic()
        return self._room


def trials_that_fit(allocation: Allocation, nodes: list[dict[str, float]]) -> int:
    """Return how many trials nodes with these resources have room for at once.

    The ranks of a trial may lie on several nodes.
    """
    cpus = allocation.cpus_per_trial // allocation.world_size
    gpus = allocation.gpus_per_trial / allocation.world_size
    return sum(ranks_that_fit(node, cpus, gpus) for node in nodes) // allocation.world_size
