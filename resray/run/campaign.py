"""A search as a feed: its stages one after another, until they are done or something ends them."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from resray.run.course import Course
from resray.run.feed import Listener, Message
from resray.run.recorder import Recorder
from resray.run.search_plan import Contender, Leg
from resray.search.budget import Budget, Spending
from resray.search.failures import FailureWatch
from resray.search.referee import Referee
from resray.training.trial import Job

Row = dict[str, Any]
Stage = Callable[[], list[Leg]]
"""Returns what to run, once everything before it has ended."""
STARTS = 2
"""How often a leg begins at one epoch: one that comes back from there again would for ever."""


class Proposals(Protocol):
    """Where contenders come from that are not known at the start."""

    def next(self) -> Contender | None:
        """Return a new contender, or None when all have been proposed."""

    def told(self, trial_id: str) -> None:
        """Hear that a training of a contender has ended, and that it is decided what follows."""


class NoProposals:
    """All contenders are known from the start."""

    def next(self) -> Contender | None:
        """Nobody else comes."""
        return None

    def told(self, trial_id: str) -> None:
        """Nothing is learnt from it."""


class Limits:
    """What ends a search before its time: budget, failures of one kind, ``--fail-fast``.

    ``began`` is when the command began, by `time.monotonic`.
    """

    def __init__(
        self, budget: Budget, spending: Spending, *, fail_fast: bool, began: float
    ) -> None:
        self.began = began
        self._budget = budget
        self._spending = spending
        self._watch = FailureWatch()
        self._fail_fast = fail_fast
        self._failed: str | None = None
        self.reached: str | None = None
        """What has ended the search, in words."""

    def hear(self, trial_id: str, message: Message, row: Row) -> None:
        """Take in a message that has been recorded, and the trial's row since then."""
        self._spending.take_in(row)
        self._watch.hear(trial_id, message, row)
        if self._fail_fast and row["status"] == "failed" and row["reason"] != "diverged":
            self._failed = f"--fail-fast: {row['name']} failed ({row['error_class']})"

    def check(self) -> bool:
        """Return whether something has ended the search."""
        if self.reached is None:
            elapsed = time.monotonic() - self.began
            spent = self._budget.exhausted(elapsed, self._spending.gpu_hours)
            self.reached = self._failed or self._watch.verdict() or spent
        return self.reached is not None


class Campaign:
    """Hands out the legs of each stage, records what comes of them and asks the referee.

    The first stage is the search itself; ``proposals`` belong to it.
    """

    def __init__(
        self,
        course: Course,
        stages: Iterable[Stage],
        referee: Referee,
        recorder: Recorder,
        limits: Limits,
        *,
        plan: Callable[[Leg], None],
        listener: Listener,
        proposals: Proposals,
    ) -> None:
        self._course = course
        self._stages = deque(stages)
        self._begun = False
        self._referee = referee
        self._recorder = recorder
        self.limits = limits
        self._plan = plan
        self._listener = listener
        self._proposals = proposals
        self._queue: deque[Leg] = deque()
        self._active: dict[str, Leg] = {}
        self._waiting: dict[str, int] = {}
        """The rung of each trial that has come to one and is not yet decided on."""
        self._starts: Counter[tuple[str, int | None, int]] = Counter()
        """How often each leg was handed out after each epoch."""

    @property
    def over(self) -> bool:
        """Whether a budget or failures have ended the search."""
        return self.limits.check()

    @property
    def exhausted(self) -> bool:
        """Whether every stage is done."""
        return self._begun and not (self._queue or self._active or self._stages)

    def next_job(self) -> Job | None:
        """Return the next leg's job; a stage begins when nothing of the one before it is left."""
        while True:
            self._refill()
            if not self._queue:
                return None
            leg = self._queue.popleft()
            self._active[leg.trial_id] = leg
            done = self._row(leg.trial_id)["epochs_done"]
            self._starts[leg.trial_id, leg.rung, done] += 1
            if self._starts[leg.trial_id, leg.rung, done] <= STARTS:
                return leg.work.job
            message = f"ended {STARTS} times after epoch {done} without getting any further"
            self.failed(leg.trial_id, {"error_class": "NoProgress", "error_message": message})

    def _refill(self) -> None:
        if not self._begun:
            # What an earlier command began goes on before anything new is proposed.
            self._begun = True
            self._enqueue(self._course.start())
        while not self._queue:
            contender = self._proposals.next()
            if contender is not None:
                self._enqueue(self._course.add(contender))
            elif self._stages and not self._active:
                self._enqueue(self._stages.popleft()())
            else:
                return

    def _enqueue(self, legs: list[Leg]) -> None:
        for leg in legs:
            self._plan(leg)
        self._queue.extend(legs)

    def message(self, trial_id: str, message: Message) -> bool:
        """Record a message; return whether the referee stops the trial."""
        leg = self._active[trial_id]
        if leg.rung is not None and message.get("status") == "stopped":
            # It has come to its rung, and waits there for what is decided.
            self._recorder.paused(trial_id, f"waits at rung {leg.rung}")
            message = {**message, "kind": "paused"}
        else:
            self._recorder.message(trial_id, message)
        reason = self._reason_to_stop(leg, message)
        self._tell(trial_id, message)
        if reason is not None:
            self._stop(trial_id, reason)
        return reason is not None

    def _reason_to_stop(self, leg: Leg, message: Message) -> str | None:
        if leg.role != "search" or message["kind"] not in ("started", "epoch"):
            return None
        decision = self._referee.after_epoch(leg.trial_id)
        stopped = decision is not None and decision.stopped
        return self._referee.reason(decision) if decision and stopped else None

    def _stop(self, trial_id: str, reason: str) -> None:
        self._recorder.stopped(trial_id, reason)
        self._tell(trial_id, {"kind": "stopped", "reason": reason})

    def _tell(self, trial_id: str, message: Message) -> None:
        self._listener(trial_id, message)
        self.limits.hear(trial_id, message, self._row(trial_id))

    def died(self, trial_id: str, reason: str, event: str = "died") -> None:
        """Record that the trial starts again."""
        leg = self._active.pop(trial_id)
        self._queue.appendleft(leg)
        # Deaths have a limit of their own.
        self._starts[trial_id, leg.rung, self._row(trial_id)["epochs_done"]] -= 1
        self._recorder.died(trial_id, reason, event)
        self._tell(trial_id, {"kind": "died", "reason": reason})

    def failed(self, trial_id: str, error: Message) -> None:
        """Record that the trial has failed, and go on without it."""
        self._recorder.failed(trial_id, error)
        self._tell(trial_id, {"kind": "finished"})
        self.ended(trial_id)

    def ended(self, trial_id: str) -> None:
        """Go on after a leg's end: with the next rung, or with what others wait for."""
        leg = self._active.pop(trial_id)
        row = self._row(trial_id)
        if leg.role != "search" or leg.audited:
            return
        if row["status"] == "failed" and row["reason"] == "diverged":
            self._referee.lost(trial_id)
        if leg.rung is not None:
            self._waiting[trial_id] = leg.rung
        if self.over:
            # What failed may be mended: nothing is decided on it now.
            return
        following = self._course.after(leg)
        for each in reversed(following):
            self._plan(each)
            self._queue.appendleft(each)
        self._tell_what_was_decided()
        self._proposals.told(trial_id)

    def _tell_what_was_decided(self) -> None:
        """Tell of the trials that waited at a rung and have been decided on since."""
        for trial_id, rung in list(self._waiting.items()):
            if any(made.rung == rung for made in self._referee.decisions(trial_id)):
                del self._waiting[trial_id]
                kind = "stopped" if self._referee.is_stopped(trial_id) else "judged"
                self._tell(trial_id, {"kind": kind})

    def stop_what_runs(self) -> None:
        """Record that a limit has stopped the trials that were running when it was reached."""
        for trial_id in self._active:
            if self.limits.reached is not None and self._row(trial_id)["status"] == "running":
                self._stop(trial_id, self.limits.reached)

    def _row(self, trial_id: str) -> Row:
        row = self._recorder.store.trial(trial_id)
        assert row is not None, f"trial {trial_id} was never planned"
        return row
