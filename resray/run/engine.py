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
from resray.run.feed import Feed, UntilRefused
from resray.run.orphans import OrphanWatch, remove_all_groups
from resray.run.process_errors import EXPLAINED, process_error
from resray.run.resources import Allocation
from resray.run.signals import handlers_held, interrupted
from resray.run.trainable import train_alone, train_together
from resray.training.attempts import keep_traceback


class Unsaved:
    """Leaves nothing to Ray Tune's pickles for a later restore, which resray never asks for."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class JobSource(Unsaved, Searcher):
    """Gives Ray Tune the feed's jobs, each as one of its trials."""

    def __init__(self, feed: Feed) -> None:
        # Ray Tune wants to know a metric, though it compares nothing here.
        super().__init__(metric="epoch", mode="max")
        self._feed = feed

    def suggest(self, trial_id: str) -> Any:
        """Return the next job, None if there is none now, or that there will be none."""
        job = None if self._feed.over else self._feed.next_job()
        if job is not None:
            return {"job": job.to_dict()}
        return self.FINISHED if self._feed.over or self._feed.exhausted else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The callback tells the feed."""

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the results store is the truth about what is done."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept."""


class Ear(Unsaved, ray.tune.Stopper, ray.tune.Callback):
    """Tells the feed what Ray Tune hears of its trials, and Ray Tune which of them to stop.

    As a Stopper it hears each result first, before Ray Tune goes on with the trial: the trial's
    process waits in its report meanwhile, so a stopped one has not begun another epoch.
    """

    def __init__(self, feed: Feed, orphans: OrphanWatch | None, max_failures: int) -> None:
        self._feed = feed
        self._orphans = orphans
        self._max_failures = max_failures
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
        identity, (error_class, message, text) = job_id(trial), process_error(trial)
        self._deaths[identity] += 1
        if self._deaths[identity] > self._max_failures:
            file = text and keep_traceback(text, trial.config["job"]["checkpoint_folder"])
            error = {"error_class": error_class, "error_message": message, "traceback": file}
            self._feed.failed(identity, error)
        elif error_class in EXPLAINED:
            self._feed.died(identity, message)
        else:
            self._feed.died(identity, f"{error_class}: {message}")

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
        if self._orphans is not None:
            self._orphans.look()


def job_id(trial: Trial) -> str:
    """Return resray's id of one of Ray Tune's trials."""
    return str(trial.config["job"]["trial_id"])


def run_jobs(feed: Feed, allocation: Allocation, *, storage: Path, max_failures: int) -> None:
    """Run the feed's jobs, as many side by side as ``allocation`` says.

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
                tuner(guarded, allocation, str(storage), max_failures).fit()
        if guarded.refusal is not None:
            raise guarded.refusal
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        # Where Ray is gone, so are the groups.
        if allocation.world_size > 1 and ray.is_initialized():
            remove_all_groups()


def tuner(feed: Feed, allocation: Allocation, storage: str, max_failures: int) -> ray.tune.Tuner:
    """Return the Tuner that runs what ``feed`` hands out."""
    # Trials of one rank have no placement groups of their own.
    orphans = OrphanWatch() if allocation.world_size > 1 else None
    ear = Ear(feed, orphans, max_failures)
    return ray.tune.Tuner(
        trainable(allocation),
        param_space={"ray_storage": storage, "cores": allocation.threads},
        tune_config=ray.tune.TuneConfig(
            search_alg=JobSource(feed),
            num_samples=-1,
            max_concurrent_trials=allocation.side_by_side,
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
        return ray.tune.with_resources(train_together, waiting)
    return ray.tune.with_resources(
        train_alone,
        {"cpu": allocation.cpus_per_trial, "gpu": allocation.gpus_per_trial},
    )
