"""The one engine: Ray Tune runs a list of jobs, the recorder writes down what they say."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
import ray.tune
from ray.tune.experiment import Trial
from ray.util.placement_group import (
    PlacementGroup,
    placement_group_table,
    remove_placement_group,
)

from resray.orchestration.cluster import first_line
from resray.orchestration.recorder import Recorder
from resray.orchestration.resources import Allocation
from resray.orchestration.signals import terminate_like_interrupt
from resray.orchestration.trainable import train_alone, train_together
from resray.training.trial import Job

Listener = Callable[[str, Mapping[str, Any]], None]
"""Called with a trial's id and each of its messages, after they are recorded."""


class Messages(ray.tune.Callback):
    """Hands what Ray Tune hears of its trials to the recorder and the listener."""

    def __init__(self, recorder: Recorder, listener: Listener) -> None:
        self._recorder = recorder
        self._listener = listener
        self._groups: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave nothing to Ray Tune's pickle for a later restore, which resray never asks for."""
        return {}

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Record a message, or keep the placement group that a Ray Train run works in."""
        trial_id = job_id(trial)
        if result["kind"] == "group":
            self._groups[trial_id] = result["placement_group"]
            return
        self._recorder.message(trial_id, result)
        self._listener(trial_id, result)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial's process died; Ray Tune starts it again."""
        trial_id = job_id(trial)
        self._free(trial_id)
        self._recorder.died(trial_id, error_text(trial)[1])
        self._listener(trial_id, {"kind": "died"})

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial's process died too often."""
        trial_id = job_id(trial)
        self._free(trial_id)
        self._recorder.failed(trial_id, *error_text(trial))
        self._listener(trial_id, {"kind": "finished"})

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial's process ended; its last message has said how."""
        self._free(job_id(trial))

    def _free(self, trial_id: str) -> None:
        """Give back what a Ray Train run holds if its end did not: a dead trial cannot."""
        group = self._groups.pop(trial_id, None)
        if group is None:
            return
        if placement_group_table().get(group, {}).get("state") not in (None, "REMOVED"):
            remove_placement_group(PlacementGroup(ray.PlacementGroupID.from_hex(group)))


def job_id(trial: Trial) -> str:
    """Return resray's id of one of Ray Tune's trials."""
    return str(trial.config["job"]["trial_id"])


def error_text(trial: Trial) -> tuple[str, str]:
    """Return class and message of what ended a trial's process."""
    error = trial.get_pickled_error() or trial.get_error()
    cause = getattr(error, "cause", None) or error
    if cause is None:
        return "WorkerDied", "the trial's process ended without a word"
    return type(cause).__name__, first_line(cause)


def run_jobs(
    jobs: Sequence[Job],
    allocation: Allocation,
    recorder: Recorder,
    listener: Listener,
    *,
    storage: Path,
    max_failures: int,
) -> None:
    """Run ``jobs`` in their order, as many side by side as ``allocation`` says.

    Returns when all have ended or the user has interrupted; trials cut off are then recorded as
    ``interrupted``. Ray must be connected. Ray keeps its own state in ``storage``, which is removed
    before and after: resray never goes on from it.
    """
    shutil.rmtree(storage, ignore_errors=True)
    storage.mkdir(parents=True)
    messages = Messages(recorder, listener)
    try:
        with terminate_like_interrupt():
            tuner(jobs, allocation, messages, str(storage), max_failures).fit()
    finally:
        for job in jobs:
            recorder.interrupted(job.trial_id, "the command was stopped")
        shutil.rmtree(storage, ignore_errors=True)


def tuner(
    jobs: Sequence[Job],
    allocation: Allocation,
    messages: Messages,
    storage: str,
    max_failures: int,
) -> ray.tune.Tuner:
    """Return the Tuner that runs ``jobs`` as a list: Ray Tune keeps a grid's order."""
    return ray.tune.Tuner(
        trainable(allocation),
        param_space={
            "job": ray.tune.grid_search([job.to_dict() for job in jobs]),
            "max_failures": max_failures,
            "ray_storage": storage,
        },
        tune_config=ray.tune.TuneConfig(
            max_concurrent_trials=allocation.side_by_side, reuse_actors=True
        ),
        run_config=ray.tune.RunConfig(
            name="trials",
            storage_path=storage,
            verbose=0,
            failure_config=ray.tune.FailureConfig(max_failures=max_failures),
            callbacks=[messages],
        ),
    )


def trainable(allocation: Allocation) -> Any:
    """Return Ray Tune's trainable with what one trial takes of the cluster.

    A trial of several ranks only waits for its Ray Train run, which takes the cores and GPUs; Ray
    demands that it takes something, and a megabyte of memory is there in any case.
    """
    if allocation.world_size > 1:
        waiting = ray.tune.PlacementGroupFactory([{"memory": 2**20}])
        return ray.tune.with_resources(train_together, waiting)
    return ray.tune.with_resources(
        train_alone,
        {"cpu": allocation.cpus_per_trial, "gpu": allocation.gpus_per_trial},
    )
