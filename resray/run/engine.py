"""The one engine: Ray Tune runs the jobs of a command, for `bench` and for `tune`.

Ray Tune asks `JobSearcher` for trials, lets `MessageScheduler` hear each of their messages before
they go on, and looks around in between (`Ticks`). All three only pass on to `Jobs`.
"""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import ray
import ray.tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from resray.files import storage_errors
from resray.run.deaths import death_of
from resray.run.jobs import Jobs
from resray.run.orphans import OrphanWatch, remove_all_groups
from resray.run.preemption import notice_sigterm
from resray.run.ray_private import trainable_of
from resray.run.resources import Allocation
from resray.run.signals import handlers_held, interrupted
from resray.run.slots import Slots
from resray.run.stalls import StallWatch
from resray.run.worker import MESSAGE, train_alone, train_together


class Unsaved:
    """Leaves nothing to Ray Tune's pickles for a later restore, which resray never asks for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class JobSearcher(Unsaved, Searcher):
    """Gives Ray Tune the next job, as one of its trials, where there is a slot for it."""

    def __init__(self, jobs: Jobs, slots: Slots) -> None:
        # Ray Tune wants to know a metric, though it compares nothing here.
        super().__init__(metric="training_iteration", mode="max")
        self._jobs = jobs
        self._slots = slots

    def suggest(self, trial_id: str) -> Any:
        """Return the next job, None if there is none now, or that there will be none."""
        if self._jobs.over:
            return self.FINISHED
        if len(self._jobs.active) >= self._slots.available():
            return None
        job = self._jobs.next()
        if job is not None:
            return {"job": job.job.to_dict()}
        return self.FINISHED if self._jobs.exhausted or self._jobs.over else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The scheduler hears of it."""

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the results store is the truth about what is done."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept."""


class MessageScheduler(Unsaved, FIFOScheduler):
    """Passes on what Ray Tune hears of its trials, and tells it which of them to stop.

    A trial's process waits in its report until it is answered here, so a stopped one has not begun
    another epoch. The scheduler that decides is asked within (`resray.run.schedulers`).
    """

    def __init__(self, jobs: Jobs, stalls: StallWatch) -> None:
        super().__init__()
        self._jobs = jobs
        self._stalls = stalls

    def on_trial_result(self, controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Pass a message on."""
        if result.get("done"):
            # Ray Tune repeats the last result when a process has ended.
            return str(TrialScheduler.CONTINUE)
        stop = self._jobs.message(id_of(trial), json.loads(result[MESSAGE]))
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_error(self, controller: Any, trial: Trial) -> None:
        """A trial's process died, or raised what may pass: its job may be handed out again.

        Ray Tune's own attempts are none: it fails at once where a process dies between two trials.
        """
        self._jobs.died(id_of(trial), self._stalls.death_of(trial) or death_of(trial))

    def on_trial_complete(self, controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """A trial's process ended, or Ray Tune stopped it."""
        self._jobs.ended(id_of(trial))


class Ticks(Unsaved, ray.tune.Callback, ray.tune.Stopper):
    """What is looked after between two messages, whoever sends one."""

    def __init__(self, jobs: Jobs, stalls: StallWatch, orphans: OrphanWatch | None) -> None:
        self._jobs = jobs
        self._stalls = stalls
        self._orphans = orphans

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial: the scheduler does."""
        return False

    def stop_all(self) -> bool:
        """Return whether everything is to end now."""
        return self._jobs.over

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Ray Tune has looked around once."""
        if interrupted():
            # Ray Tune takes this for a wish to end in good order.
            signal.raise_signal(signal.SIGUSR1)
        self._jobs.tick()
        self._stalls.look(trials)
        if self._orphans is not None:
            self._orphans.look()


def id_of(trial: Trial) -> str:
    """Return resray's id of one of Ray Tune's trials."""
    return str(trial.config["job"]["trial_id"])


def run_jobs(
    jobs: Jobs,
    allocation: Allocation,
    slots: Slots,
    *,
    storage: Path,
    stall_timeout: float | None,
) -> None:
    """Run jobs, as many side by side as there are slots, each with what ``allocation`` says.

    Returns when all have ended, when something has ended the command, or when the user has
    interrupted; raises what was refused meanwhile, such as StorageError by a disk. Ray must be
    connected. Ray keeps its own state in ``storage``, which is removed before and after: resray
    never goes on from it.
    """
    shutil.rmtree(storage, ignore_errors=True)
    # Trials of one rank have no placement groups of their own.
    orphans = OrphanWatch() if allocation.world_size > 1 else None
    stalls = StallWatch(stall_timeout)
    ticks = Ticks(jobs, stalls, orphans)
    scheduler = MessageScheduler(jobs, stalls)
    try:
        with storage_errors(storage):
            storage.mkdir(parents=True)
            with handlers_held():
                searcher = JobSearcher(jobs, slots)
                tuner(searcher, scheduler, ticks, allocation, str(storage)).fit()
        if jobs.refusal is not None:
            raise jobs.refusal
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        # Where Ray is gone, so are the groups.
        if orphans is not None and ray.is_initialized():
            remove_all_groups()


def tuner(
    searcher: JobSearcher,
    scheduler: MessageScheduler,
    ticks: Ticks,
    allocation: Allocation,
    storage: str,
) -> ray.tune.Tuner:
    """Return the Tuner that runs the jobs."""
    return ray.tune.Tuner(
        trainable(allocation),
        param_space={"ray_storage": storage, "cores": allocation.threads},
        tune_config=ray.tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            # A stopped trial's Ray Train run ends with its process only.
            reuse_actors=allocation.world_size == 1,
        ),
        run_config=ray.tune.RunConfig(
            name="trials",
            storage_path=storage,
            verbose=0,
            stop=ticks,
            callbacks=[ticks],
        ),
    )


def trainable(allocation: Allocation) -> Any:
    """Return Ray Tune's trainable with what one trial takes of the cluster.

    A trial of several ranks only waits for its Ray Train run, which takes the cores and GPUs; Ray
    demands that it takes something, and a megabyte of memory is there in any case.
    """
    if allocation.world_size > 1:
        waiting = ray.tune.PlacementGroupFactory([{"memory": 2**20}])
        return trainable_of(ray.tune.with_resources(train_together, waiting), notice_sigterm)
    taken = {"cpu": allocation.cpus_per_trial, "gpu": allocation.gpus_per_trial}
    return trainable_of(ray.tune.with_resources(train_alone, taken), notice_sigterm)
