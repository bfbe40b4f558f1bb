"""Parts of Ray that have no public name. Nothing else in resray touches such a part.

Each function says why nothing public does, and each has a test that fails when Ray changes what it
leans on (tests/test_ray_private.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.state import state as ray_state
from ray.core.generated.gcs_pb2 import PlacementGroupTableData  # type: ignore[attr-defined]
from ray.job_config import JobConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial
from ray.tune.trainable import wrap_function

Prepare = Callable[[], None]
"""Called in the main thread of a process that trains, before it does."""


def withhold_secrets() -> None:
    """Keep Ray Tune from passing this process's AWS keys on to the processes of its trials.

    Ray writes what it passes on to a log; nodes have such keys themselves. Ray Tune has no setting
    for it, and this process may need the keys itself while trials run.
    """
    secrets = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}
    class_cache.ENV_VARS_TO_PROPAGATE -= secrets


def job_without_folders() -> JobConfig:
    """Return a job whose workers do not import from the working folder and the script's first.

    Ray's public way to leave these out is a working folder for the workers, which Ray would upload
    and change into: users' relative paths would no longer be valid there.
    """
    job: Any = JobConfig()
    job._runtime_env_has_working_dir = lambda: True
    return job


def shut_down(before_processes_end: Prepare) -> None:
    """Disconnect from Ray, and call ``before_processes_end`` before the processes that it started.

    `ray.shutdown` does both in one call and offers nothing in between, and ending the processes
    takes a second.
    """
    node: Any = ray._private.worker._global_node
    end_processes = node.kill_all_processes

    def prepare_and_end(**how: Any) -> None:
        before_processes_end()
        end_processes(**how)

    node.kill_all_processes = prepare_and_end
    ray.shutdown()


@dataclass(frozen=True)
class ActorsGroup:
    """A placement group that an actor has created."""

    identity: ray.PlacementGroupID
    creator_is_dead: bool


def groups_of_actors() -> list[ActorsGroup]:
    """Return this job's placement groups that actors have created and that are not removed.

    `ray.util.placement_group_table` does not say who has created a group, nor whether that one is
    still alive; `ray.util.state` does, by asking the dashboard, which does not run.
    """
    rows = ray_state._connect_and_get_accessor().get_placement_group_table()
    groups = [PlacementGroupTableData.FromString(row) for row in rows]
    job = ray.get_runtime_context().get_job_id()
    return [
        ActorsGroup(ray.PlacementGroupID(group.placement_group_id), group.creator_actor_dead)
        for group in groups
        if group.creator_job_id.hex() == job
        and not ray.ActorID(group.creator_actor_id).is_nil()
        and group.state != PlacementGroupTableData.REMOVED
    ]


def actor_of(trial: Trial) -> Any:
    """Return the actor in which one of Ray Tune's trials trains, None if it has none.

    Ray Tune lets nobody end the process of a trial that reports nothing.
    """
    return trial.temporary_state.ray_actor


def trainable_of(function: Callable[[dict[str, Any]], None], prepare: Prepare) -> Any:
    """Return Ray Tune's trainable of a function, whose processes call ``prepare`` at their start.

    Ray Tune runs the function in a thread, and Ray's hook for new workers
    (``worker_process_setup_hook``) comes before Ray sets its own signal handlers.
    """

    # By the name of Ray Tune's own class, which its processes bear.
    class ImplicitFunc(wrap_function(function)):  # type: ignore[misc]  # a class made at run time
        def setup(self, config: dict[str, Any]) -> None:
            prepare()
            super().setup(config)

    return ImplicitFunc


class _PreparedBackend(TorchConfig().backend_cls):  # type: ignore[misc]  # it has no public name
    """Sets up the ranks' process group as Ray Train does, then prepares the ranks."""

    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        super().on_training_start(worker_group, backend_config)
        # In the main thread of each rank; its training runs in another.
        worker_group.execute(backend_config.prepare)


@dataclass
class PreparedRanks(TorchConfig):
    """Ray Train's configuration of torch.distributed, for ranks that call ``prepare`` before.

    Ray Train runs the training function in a thread too, and its user callbacks in the controller.
    """

    prepare: Prepare = lambda: None

    @property
    def backend_cls(self) -> Any:
        """The class that sets the ranks up."""
        return _PreparedBackend


class DataParallelRun(TorchTrainer):
    """A Ray Train run without Ray Train's cleaner, which no setting turns off.

    The cleaner is a process for each run, that outlives a stopped trial for good where Ray's
    dashboard is off. `resray.run.orphans` does its work.
    """

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()  # type: ignore[misc]  # chosen at import
        return [
            each for each in callbacks if type(each).__name__ != "PlacementGroupCleanerCallback"
        ]
