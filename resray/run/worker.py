"""What Ray runs: one trial in its own process, or as a Ray Train run of several ranks."""

import json
import math
import os
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import ray.train
import ray.train.torch
import ray.tune
import torch
from ray.util.queue import Empty, Queue

from resray.errors import ResrayError
from resray.results.folders import PROGRESS_FILE
from resray.run.deaths import leaving
from resray.run.preemption import NOTE, notice_sigterm, told_to_end, training
from resray.run.ray_private import DataParallelRun, PreparedRanks
from resray.training.context import Message, Preempted
from resray.training.device import pick_device
from resray.training.trial import Job, failure, run_trial

Config = dict[str, Any]

MESSAGE = "message"
"""Key of a message, as JSON, in what Ray is told: it flattens whatever is nested."""
SIGN_SECONDS = 2.0
"""How often a training shows that it goes on, at most."""
TOLD = "it was told to end (SIGTERM)"
QUEUE_SECONDS = 0.2
"""How often a trial of several ranks looks whether they have ended."""
RANK_SECONDS = 180
"""How long ranks wait for one of them before all end; a dead one is noticed much earlier."""


def write_progress(folder: Path, epoch: int, images: int, of: int, seconds: float) -> None:
    """Leave word of a running epoch for the driver's table, past Ray: it costs no step a wait."""
    temporary = folder / f".{PROGRESS_FILE}.{os.getpid()}"
    facts = {
        "epoch": epoch,
        "images": images,
        "of": of,
        "seconds": seconds,
        "time": time.time(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(facts))
        temporary.replace(folder / PROGRESS_FILE)
    except OSError:
        # A full disk may cost the table a line, but no trial its life.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


class RayContext:
    """What the contexts of one rank and of several share: signs of life, and the process's end."""

    rank = 0
    world_size = 1

    def __init__(self, job: Job) -> None:
        self._folder = Path(job.checkpoint_folder)
        self._seen_at = -math.inf
        self.check_in()

    def progress(self, epoch: int, images: int, of: int, seconds: float) -> None:
        """Say how far the running epoch is, from rank 0."""
        if self.rank == 0:
            write_progress(self._folder, epoch, images, of, seconds)

    def check_in(self) -> None:
        """Leave a sign of life now and then, from rank 0, for the driver (`resray.run.stalls`).

        Raises Preempted if this process, or another rank's, was told to end.
        """
        if self.rank > 0:
            return
        if told_to_end():
            raise Preempted(TOLD)
        clock = time.monotonic()
        if clock - self._seen_at < SIGN_SECONDS:
            return
        self._seen_at = clock
        if self.world_size > 1 and note_of(self._folder).exists():
            raise Preempted(TOLD)
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / PROGRESS_FILE).touch()


class TuneContext(RayContext):
    """A trial of one rank: it trains in the trial's own process and tells Ray Tune."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.device = pick_device(job.use_gpu)

    def report(self, message: Message) -> None:
        """Send a message to the driver through Ray Tune."""
        ray.tune.report({MESSAGE: json.dumps(message)})


class TrainContext(RayContext):
    """One rank of a Ray Train run; rank 0's messages reach the driver."""

    def __init__(self, job: Job) -> None:
        context = ray.train.get_context()
        self.rank = context.get_world_rank()
        self.world_size = context.get_world_size()
        super().__init__(job)
        self.device: torch.device = (
            ray.train.torch.get_device() if job.use_gpu else torch.device("cpu")
        )

    def report(self, message: Message) -> None:
        """Send a message; every rank calls this, Ray Train passes on rank 0's."""
        ray.train.report({MESSAGE: json.dumps(message)})


def note_of(folder: Path) -> Path:
    """Return the file by which the processes of a trial tell its rank 0 to end."""
    return folder / NOTE


def train_alone(config: Config) -> None:
    """Ray Tune's trainable for a trial of one rank."""
    job = Job(**config["job"])
    with training():
        run_trial(job, TuneContext(job))


def train_rank(config: Config) -> None:
    """Ray Train's training function: one of several ranks, the process group is up."""
    job = Job(**config["job"])
    with training(note_of(Path(job.checkpoint_folder))):
        run_trial(job, TrainContext(job))


class MessageQueue(ray.train.UserCallback):
    """Brings rank 0's messages from Ray Train's controller to the trial's process, one at a time.

    Ray's own `TuneReportCallback` does so too, but nobody can ask it whether a message still waits
    when the ranks have ended, and a trial that ends too early would wait for it for ever.
    """

    def __init__(self) -> None:
        self._queue = Queue(1, actor_options={"num_cpus": 0})

    def after_report(self, run_context: Any, metrics: list[Any], checkpoint: Any) -> None:
        """Put a message into the queue, in the controller; wait while it is full."""
        self._queue.put(metrics[0])

    def pass_on(self, run: Future[Any]) -> None:
        """Tell Ray Tune each message, in the trial's process, until a run and they have ended."""
        while not (run.done() and self._queue.empty()):
            with suppress(Empty):
                ray.tune.report(self._queue.get(timeout=QUEUE_SECONDS))


def train_together(config: Config) -> None:
    """Ray Tune's trainable for a trial of several ranks: a Ray Train run inside the trial.

    When one rank dies or raises, all end. The driver starts the trial again, if that can help: Ray
    Train's own attempts would come on top.
    """
    job = Job(**config["job"])
    messages = MessageQueue()
    trainer = DataParallelRun(
        train_rank,
        train_loop_config={"job": config["job"]},
        torch_config=PreparedRanks(
            backend="nccl" if job.use_gpu else "gloo",
            timeout_s=RANK_SECONDS,
            prepare=notice_sigterm,
        ),
        scaling_config=ray.train.ScalingConfig(
            num_workers=job.world_size,
            use_gpu=job.use_gpu,
            # Not the job's threads: it may have been begun where there were more cores.
            resources_per_worker={"CPU": config["cores"], **({"GPU": 1} if job.use_gpu else {})},
        ),
        run_config=ray.train.RunConfig(
            # A name of its own for each attempt: resray's checkpoints carry the state, not Ray's.
            name=f"{job.trial_id}-{time.time_ns()}",
            storage_path=config["ray_storage"],
            failure_config=ray.train.FailureConfig(max_failures=0),
            callbacks=[messages],  # type: ignore[list-item]  # Ray's own mismatch
        ),
    )
    note = note_of(Path(job.checkpoint_folder))
    note.unlink(missing_ok=True)
    try:
        with training(note):
            run = begun(trainer)
            messages.pass_on(run)
            run.result()
    except ray.train.TrainingFailedError as error:
        cause = cause_of(error)
        if not isinstance(cause, ResrayError):
            raise cause from error
        ending = {"kind": "finished", "epoch": 0, **failure(cause)}
        ray.tune.report({MESSAGE: json.dumps(ending)})


def begun(trainer: DataParallelRun) -> Future[Any]:
    """Return what will hold the outcome of a Ray Train run, which begins now.

    The thread does not keep the process of a stopped trial alive.
    """
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(trainer.fit())
        except Exception as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    return outcome


def cause_of(error: ray.train.TrainingFailedError) -> Exception:
    """Return why the ranks failed: what one of them explains, or that one was taken away, rather
    than that others noticed."""
    failures: list[Exception] = list(getattr(error, "worker_failures", {}).values())
    explained = [each for each in failures if isinstance(each, ResrayError | Preempted)]
    taken = [each for each in failures if leaving(str(each))]
    return next(iter([*explained, *taken, *failures]), error)
