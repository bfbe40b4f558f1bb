"""The one engine: Ray Tune runs the jobs of a feed, for `bench` and for `tune`."""

import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import ray
import ray.tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from resray.files import storage_errors
from resray.run.deaths import death_of
from resray.run.feed import Feed, UntilRefused
from resray.run.orphans import OrphanWatch, remove_all_groups
from resray.run.preemption import noticing
from resray.run.resources import Allocation
from resray.run.signals import handlers_held, interrupted
from resray.run.slots import Slots
from resray.run.stalls import StallWatch
from resray.run.trainable import train_alone, train_together
from resray.training.attempts import keep_traceback


class Unsaved:
    """Leaves nothing to Ray Tune's pickles for a later restore, which resray never asks for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class JobSource(Unsaved, Searcher):
    """Gives Ray Tune the feed's jobs, each as one of its trials."""

    def __init__(self, feed: Feed, slots: Slots) -> None:
        # Ray Tune wants to know a metric, though it compares nothing here.
        super().__init__(metric="epoch", mode="max")
        self._feed = feed
        self._slots = slots
        self._active: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """Return the next job, None if there is none now, or that there will be none."""
        if self._feed.over or self._feed.exhausted:
            return self.FINISHED
        if len(self._active) >= self._slots.available():
            return None
        job = self._feed.next_job()
        if job is None:
            return self.FINISHED if self._feed.over or self._feed.exhausted else None
        self._active.add(trial_id)
        return {"job": job.to_dict()}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """One more may start; the callback tells the feed."""
        self._active.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the results store is the truth about what is done."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept."""


class Ear(Unsaved, ray.tune.Stopper, ray.tune.Callback):
    """Tells the feed what Ray Tune hears of its trials, and Ray Tune which of them to stop.

    As a Stopper it hears each result first, before Ray Tune goes on with the trial: the trial's
    process waits in its report meanwhile, so a stopped one has not begun another epoch.
    """

    def __init__(
        self, feed: Feed, orphans: OrphanWatch | None, max_failures: int, stalls: StallWatch
    ) -> None:
        self._feed = feed
        self._orphans = orphans
        self._max_failures = max_failures
        self._stalls = stalls
        self._deaths: Counter[str] = Counter()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Pass a message on."""
        if result.get("done"):
            return False  # Ray Tune repeats the last result when a process has ended
        identity = str(result["config"]["job"]["trial_id"])
        return self._feed.message(identity, result)

    def stop_all(self) -> bool:
        """Return whether everything is to end now."""
        return self._feed.over

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial's process died, or raised what may pass: the feed hands its job out again.

        Ray Tune's own attempts are none: it fails at once where a process dies between two trials.
        """
        identity, death = job_id(trial), self._stalls.death_of(trial) or death_of(trial)
        self._deaths[identity] += death.counts
        if death.counts and self._deaths[identity] > self._max_failures:
            folder, text = trial.config["job"]["checkpoint_folder"], death.traceback
            error = {
                "error_class": death.error_class,
                "error_message": death.message,
                "traceback": text and keep_traceback(text, folder),
            }
            self._feed.failed(identity, error)
        else:
            self._feed.died(identity, death.reason, "died" if death.counts else "preempted")

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A trial's process ended, or Ray Tune stopped it."""
        self._feed.ended(job_id(trial))

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Ray Tune has looked around once."""
        if interrupted():
            # Ray Tune takes this for a wish to end in good order.
            signal.raise_signal(signal.SIGUSR1)
        self._stalls.look(trials)
        if self._orphans is not None:
            self._orphans.look()


def job_id(trial: Trial) -> str:
    """Return resray's id of one of Ray Tune's trials."""
    return str(trial.config["job"]["trial_id"])


def run_jobs(
    feed: Feed,
    allocation: Allocation,
    slots: Slots,
    *,
    storage: Path,
    max_failures: int,
    stall_timeout: float | None = None,
) -> None:
    """Run the feed's jobs, as many side by side as ``slots`` says, each as ``allocation`` says.

    Returns when all have ended, when the feed is over, or when the user has interrupted; raises
    StorageError when a disk refuses. Ray must be connected. Ray keeps its own state in ``storage``,
    which is removed before and after: resray never goes on from it.
    """
    shutil.rmtree(storage, ignore_errors=True)
    guarded = UntilRefused(feed)
    try:
        with storage_errors(storage):
            storage.mkdir(parents=True)
            with handlers_held():
                stalls = StallWatch(stall_timeout)
                tuner(guarded, allocation, slots, str(storage), max_failures, stalls).fit()
        if guarded.refusal is not None:
            raise guarded.refusal
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        # Where Ray is gone, so are the groups.
        if allocation.world_size > 1 and ray.is_initialized():
            remove_all_groups()


def tuner(
    feed: Feed,
    allocation: Allocation,
    slots: Slots,
    storage: str,
    max_failures: int,
    stalls: StallWatch,
) -> ray.tune.Tuner:
    """Return the Tuner that runs what ``feed`` hands out."""
    # Trials of one rank have no placement groups of their own.
    orphans = OrphanWatch() if allocation.world_size > 1 else None
    ear = Ear(feed, orphans, max_failures, stalls)
    return ray.tune.Tuner(
        trainable(allocation),
        param_space={"ray_storage": storage, "cores": allocation.threads},
        tune_config=ray.tune.TuneConfig(
            search_alg=JobSource(feed, slots),
            num_samples=-1,
            # A stopped trial's Ray Train run ends with its process only.
            reuse_actors=allocation.world_size == 1,
        ),
        run_config=ray.tune.RunConfig(
            name="trials",
            storage_path=storage,
            verbose=0,
            stop=ear,
            callbacks=[ear],
        ),
    )


def trainable(allocation: Allocation) -> Any:
    """Return Ray Tune's trainable with what one trial takes of the cluster.

    A trial of several ranks only waits for its Ray Train run, which takes the cores and GPUs; Ray
    demands that it takes something, and a megabyte of memory is there in any case.
    """
    if allocation.world_size > 1:
        waiting = ray.tune.PlacementGroupFactory([{"memory": 2**20}])
        return noticing(ray.tune.with_resources(train_together, waiting))
    taken = {"cpu": allocation.cpus_per_trial, "gpu": allocation.gpus_per_trial}
    return noticing(ray.tune.with_resources(train_alone, taken))
