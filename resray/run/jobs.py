"""The jobs of one command: handing them out, and recording what becomes of them. No Ray here."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from resray.errors import ResrayError, StorageError
from resray.run.board import Board
from resray.run.deaths import Death
from resray.run.recorder import Recorder
from resray.search.jobs import PlannedJob
from resray.training.attempts import keep_traceback

Message = Mapping[str, Any]
Row = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class Source(Protocol):
    """Where a command's jobs come from: the trials of a bench, or a search."""

    def next_jobs(self) -> list[PlannedJob]:
        """Return what to run now that all before has ended; nothing when all is done.

        Depends on nothing but the stored rows and decisions.
        """

    def propose(self) -> PlannedJob | None:
        """Return a job more while others run, None if there is none."""

    def after_message(self, job: PlannedJob, message: Message) -> str | None:
        """Take in a recorded message; return why the trial is to be stopped, if it is."""

    def ended(self, job: PlannedJob) -> None:
        """Take in that a job has ended; its trial's row says how."""

    def check(self) -> str | None:
        """Return what has ended the command before its time, if anything has."""


def keeping_refusal(
    method: Callable[Concatenate["Jobs", P], T],
) -> Callable[Concatenate["Jobs", P], T | None]:
    """Let an error that resray explains end the command in good order, not within Ray's code."""

    @wraps(method)
    def guarded(jobs: "Jobs", *arguments: P.args, **options: P.kwargs) -> T | None:
        try:
            return method(jobs, *arguments, **options)
        except ResrayError as error:
            jobs.refusal = jobs.refusal or error
            return None

    return guarded


class Jobs:
    """Hands out a source's jobs, records what their trials say and tells the board.

    A job whose process died is handed out again, but no more often than ``max_failures``.
    """

    def __init__(
        self, source: Source, recorder: Recorder, board: Board, *, max_failures: int
    ) -> None:
        self.refusal: ResrayError | None = None
        """What was raised while it took something in: a full disk, a scheduler that pauses."""
        self.exhausted = False
        """Whether no job will ever come again."""
        self._source = source
        self._recorder = recorder
        self._board = board
        self._max_failures = max_failures
        self._queue: deque[PlannedJob] = deque()
        self.active: dict[str, PlannedJob] = {}
        """The jobs that were handed out and have not ended, by their trials' ids."""
        self._deaths: Counter[str] = Counter()
        self._begun: set[tuple[str, int | None, int]] = set()
        """Which trials were to go on to which rung, after which epoch."""

    @property
    def over(self) -> bool:
        """Whether the trials that run are to be stopped, and nothing else is to start."""
        return self.refusal is not None or self._source.check() is not None

    @keeping_refusal
    def next(self) -> PlannedJob | None:
        """Return the next job, None where none can start now."""
        while not self._queue:
            proposed = self._source.propose()
            if proposed is not None:
                self._queue.append(proposed)
            elif self.active:
                return None
            elif not self._refill():
                self.exhausted = True
                return None
        job = self._queue.popleft()
        self.active[job.trial_id] = job
        return job

    def _refill(self) -> bool:
        """Put what comes next into the queue; return whether there is anything."""
        jobs = self._source.next_jobs()
        for job in jobs:
            start = job.trial_id, job.rung, self._recorder.row(job.trial_id)["epochs_done"]
            if start in self._begun:
                # It would begin again for ever.
                error = f"ended after epoch {start[2]} without getting any further"
                self._fail(job, {"error_class": "NoProgress", "error_message": error})
            else:
                self._begun.add(start)
                self._queue.append(job)
        return bool(jobs)

    @keeping_refusal
    def message(self, trial_id: str, message: Message) -> bool:
        """Record a message of a trial; return whether it is to be stopped at this point."""
        job = self.active[trial_id]
        if message.get("error_class") == StorageError.__name__:
            self.refusal = StorageError(message["error_message"])
        if job.rung is not None and message.get("status") == "stopped":
            # It has come to its rung, and waits there for what is decided.
            message = {**message, "kind": "paused"}
            self._recorder.paused(trial_id, f"waits at rung {job.rung}")
        else:
            self._recorder.message(trial_id, message)
        reason = self._source.after_message(job, message)
        self._board.hear(trial_id, message)
        if reason is not None:
            self._stop(trial_id, reason)
        return reason is not None

    def _stop(self, trial_id: str, reason: str) -> None:
        self._recorder.stopped(trial_id, reason)
        self._board.hear(trial_id, {"kind": "stopped", "reason": reason})

    @keeping_refusal
    def died(self, trial_id: str, death: Death) -> None:
        """Take in that a trial's process ended before its job: it starts again, or has failed."""
        job = self.active[trial_id]
        self._deaths[trial_id] += death.counts
        if self._deaths[trial_id] > self._max_failures:
            self._fail(job, error_of(job, death))
            self.ended(trial_id)
            return
        del self.active[trial_id]
        self._queue.appendleft(job)
        kind = "died" if death.counts else "preempted"
        self._recorder.died(trial_id, death.reason, kind)
        self._board.hear(trial_id, {"kind": kind, "reason": death.reason})

    def _fail(self, job: PlannedJob, error: Message) -> None:
        self._recorder.failed(job.trial_id, error)
        message = {"kind": "finished"}
        self._source.after_message(job, message)
        self._board.hear(job.trial_id, message)

    @keeping_refusal
    def ended(self, trial_id: str) -> None:
        """Take in that a job has ended: its last message has said how, or it was stopped."""
        job = self.active.pop(trial_id)
        self._source.ended(job)
        if job.rung is None:
            self._recorder.store.release(trial_id)

    @keeping_refusal
    def tick(self) -> None:
        """Store what waits for it, if it is time."""
        self._recorder.store.flush_if_due()

    def stop_what_runs(self) -> None:
        """Record that a limit has stopped the trials that were running when it was reached."""
        reached = self._source.check()
        for trial_id in self.active:
            if reached is not None and self._recorder.row(trial_id)["status"] == "running":
                self._stop(trial_id, reached)


def error_of(job: PlannedJob, death: Death) -> Row:
    """Return the columns of a trial's row that tell of its process's last death."""
    text, folder = death.traceback, job.job.checkpoint_folder
    return {
        "error_class": death.error_class,
        "error_message": death.message,
        "traceback": text and keep_traceback(text, folder),
    }
