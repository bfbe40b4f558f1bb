"""Giving back what a Ray Train run holds once its trial was stopped or has died.

Ray Tune ends a stopped trial's process, and with it Ray Train's controller, which is then in no
state to remove the placement group of its ranks: Ray keeps the group, and its CPUs and GPUs, until
the whole job ends. Ray Train's own remedy, a detached process for every run, asks Ray's dashboard
and does nothing without one, not even end. Here the driver looks itself.
"""

import time

from ray.util.placement_group import PlacementGroup, remove_placement_group

from resray.run.ray_private import groups_of_actors

LOOK_SECONDS = 1.0


class OrphanWatch:
    """Removes, from time to time, the placement groups whose controllers are gone."""

    def __init__(self) -> None:
        self._looked = time.monotonic()

    def look(self) -> None:
        """Remove what there is to remove, unless that was done a moment ago."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            remove_orphaned_groups()
            self._looked = time.monotonic()


def remove_orphaned_groups() -> int:
    """Remove the groups of controllers that are gone; return how many controllers still have one.

    Removing a group under a living controller would only make it ask for another. The group of a
    trial that was stopped at this moment is therefore left for a later call.
    """
    groups = groups_of_actors()
    orphaned = [group for group in groups if group.creator_is_dead]
    for group in orphaned:
        remove_placement_group(PlacementGroup(group.identity))
    return len(groups) - len(orphaned)


def remove_all_groups(seconds: float = 10.0) -> None:
    """Remove the groups of runs that have ended, waiting so long for their controllers to end."""
    deadline = time.monotonic() + seconds
    while remove_orphaned_groups() and time.monotonic() < deadline:
        time.sleep(0.1)
