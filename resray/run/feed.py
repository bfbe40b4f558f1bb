"""Where the engine's jobs come from, and who is told what became of them."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from resray.errors import StorageError
from resray.run.recorder import Recorder
from resray.training.trial import Job

Message = Mapping[str, Any]
Listener = Callable[[str, Message], None]
"""Called with a trial's id and each of its messages, after they are recorded."""


class Feed(Protocol):
    """Hands out jobs one by one and hears of them, on the driver.

    The engine asks for a job whenever there is room for one. A feed may hand out a trial's job
    again once its last one has ended.
    """

    def next_job(self) -> Job | None:
        """Return the next job, or None where none can start now."""

    @property
    def exhausted(self) -> bool:
        """Whether `next_job` will never return a job again."""

    @property
    def over(self) -> bool:
        """Whether the trials that run are to be stopped, and nothing else is to start."""

    def message(self, trial_id: str, message: Message) -> bool:
        """Take in a message of a trial; return whether the trial is to be stopped at this point."""

    def died(self, trial_id: str, reason: str, event: str = "died") -> None:
        """A trial's process died, or raised what may pass; its job is to be handed out again.

        The ``event`` is preempted where the cluster has taken it away.
        """

    def failed(self, trial_id: str, error: Message) -> None:
        """A trial's process died too often, of the ``error`` in these columns of its row."""

    def ended(self, trial_id: str) -> None:
        """A trial's job has ended: its last message has said how, or it was stopped."""


class UntilRefused:
    """A feed that is over when a disk refuses what it, or one of its trials, writes."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.refusal: StorageError | None = None

    @property
    def exhausted(self) -> bool:
        """Whether the feed is."""
        return self._feed.exhausted

    @property
    def over(self) -> bool:
        """Whether the feed is, or a disk has refused."""
        return self.refusal is not None or self._feed.over

    def message(self, trial_id: str, message: Message) -> bool:
        """Pass a message on, which may tell that a disk has refused."""
        if message.get("error_class") == StorageError.__name__:
            self.refusal = StorageError(message["error_message"])
        return bool(self._tried(self._feed.message, trial_id, message))

    def __getattr__(self, name: str) -> Any:
        """Return another of the feed's methods, of which what a disk refuses is kept too."""
        return partial(self._tried, getattr(self._feed, name))

    def _tried(self, method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except StorageError as error:
            self.refusal = self.refusal or error


class FixedList:
    """The feed of a bench: a list of jobs in their order, each run to its end."""

    def __init__(self, jobs: Iterable[Job], recorder: Recorder, listener: Listener) -> None:
        self._jobs = deque(jobs)
        self._active: dict[str, Job] = {}
        self._recorder = recorder
        self._listener = listener

    over = False

    def next_job(self) -> Job | None:
        """Return the next of the list."""
        if not self._jobs:
            return None
        job = self._jobs.popleft()
        self._active[job.trial_id] = job
        return job

    @property
    def exhausted(self) -> bool:
        """Whether all jobs have ended: one that runs may have to be handed out again."""
        return not (self._jobs or self._active)

    def message(self, trial_id: str, message: Message) -> bool:
        """Record the message; no trial is ever stopped."""
        self._recorder.message(trial_id, message)
        self._listener(trial_id, message)
        return False

    def died(self, trial_id: str, reason: str, event: str = "died") -> None:
        """Record that the trial starts again."""
        self._jobs.appendleft(self._active.pop(trial_id))
        self._recorder.died(trial_id, reason, event)
        self._listener(trial_id, {"kind": "died", "reason": reason})

    def failed(self, trial_id: str, error: Message) -> None:
        """Record that the trial has failed."""
        self._recorder.failed(trial_id, error)
        self._listener(trial_id, {"kind": "finished"})
        self.ended(trial_id)

    def ended(self, trial_id: str) -> None:
        """The trial's last message has said everything."""
        self._active.pop(trial_id)
