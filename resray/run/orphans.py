"""Giving back what a Ray Train run holds once its trial was stopped or has died.

Ray Tune ends a stopped trial's process, and with it Ray Train's controller, which is then in no
state to remove the placement group of its ranks: Ray keeps the group, and its CPUs and GPUs, until
the whole job ends. Ray Train's own remedy, a detached process for every run, asks Ray's dashboard
and does nothing without one, not even end. Here the driver looks itself.
"""

import time
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, remove_placement_group

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
    orphaned = [group for group in groups if group.creator_actor_dead]
    for group in orphaned:
        identity = ray.PlacementGroupID(group.placement_group_id)
        remove_placement_group(PlacementGroup(identity))
    return len(groups) - len(orphaned)


def remove_all_groups(seconds: float = 10.0) -> None:
    """Remove the groups of runs that have ended, waiting so long for their controllers to end."""
    deadline = time.monotonic() + seconds
    while remove_orphaned_groups() and time.monotonic() < deadline:
        time.sleep(0.1)


def groups_of_actors() -> list[Any]:
    """Return this job's placement groups that an actor has created; Ray Tune's are the driver's."""
    # Ray's public table does not say who has created a group, nor whether that one is still alive.
    # Imported where it is used: these are Ray's own, and only trials of several ranks need them.
    from ray._private.state import state as ray_state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData  # type: ignore[attr-defined]

    rows = ray_state._connect_and_get_accessor().get_placement_group_table()
    groups = [PlacementGroupTableData.FromString(row) for row in rows]
    job = ray.get_runtime_context().get_job_id()
    return [
        group
        for group in groups
        if group.creator_job_id.hex() == job
        and not ray.ActorID(group.creator_actor_id).is_nil()
        and group.state != PlacementGroupTableData.REMOVED
    ]
