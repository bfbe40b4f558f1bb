"""A search without Ray: its jobs are driven here, one at a time, and really train.

What Ray Tune does between two processes is left out; `tests/test_tune.py` has that. In exchange a
search can be cut off after any message, as a kill would.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from torch import nn

from resray.results.store import read_table
from resray.run.bench import Bench
from resray.run.deaths import Death
from resray.run.jobs import Jobs
from resray.run.recovery import put_right
from resray.run.request import Request, SearchOptions
from resray.run.resources import Machine, Shares
from resray.run.search import Search
from resray.run.search_plan import SearchPlanner
from resray.study.expand import Options
from resray.training.context import LocalContext, Message
from resray.training.trial import Job, run_trial

STUDY = """
name: small
title: A small search
question: Which learning rate?
recipe:
  model: {{name: resnet, blocks: [1], channels: [8]}}
  data: {{name: embedded, classes: 4, images: 96, image_size: 8, validation_images: 32}}
  epochs: 9
  batch_size: 16
  optimizer: {{lr: 0.02}}
  precision: fp32
trials:
  - name: base
search:
  spaces:
    rates:
      axes: {axes}
  confirm: 2
"""

NETWORK = "{name: resnet, blocks: [1], channels: [8]}"
RATES = "{optimizer.lr: {grid: [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001, 0.0001]}}"


class Refusing(nn.Module):
    """A network that can be counted and that no device can train."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(3, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits, of images that only have a shape."""
        if images.device.type != "meta":
            raise RuntimeError(f"no kernel for batch {len(images)} at 0x{id(images):x}")
        logits: torch.Tensor = self.head(images.mean((2, 3)))
        return logits


class Stopped(BaseException):
    """Ends a training from within its report, as Ray Tune does."""


class Over(BaseException):
    """Ends all trainings without a word, as Ray Tune does when a search is over."""


DAY = 86400.0


class Killed(BaseException):
    """Ends everything at once."""


class InlineSearch:
    """The search of one folder; each `run` is one command."""

    def __init__(self, folder: Path, axes: str = RATES, **wishes: Any) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.file = folder / "small.yaml"
        self.write(axes)
        self.wishes = wishes
        self.started: list[str] = []
        """The trials whose jobs were handed out, over all commands."""

    def write(self, axes: str) -> None:
        """Write the study with these axes."""
        self.file.write_text(STUDY.format(axes=axes))

    def request(self, **settings: Any) -> Request:
        """Return what the command asks for."""
        wishes = {"options": Options(trusted=True), **self.wishes}
        asked = {key: wishes.pop(key) for key in ("budget", "fail_fast") if key in wishes}
        return Request(
            study=str(self.file),
            shares=Shares(gpus=0, workers=1),
            out=self.folder,
            search=SearchOptions(settings=settings, **asked),
            **wishes,
        )

    def run(
        self,
        *,
        kill_after: int | None = None,
        flushed: bool = True,
        late_after: int | None = None,
        **settings: Any,
    ) -> "Ran":
        """Run the command until it is done, or until so many messages were taken in.

        It is killed then, just after it has written what it knows if ``flushed``, or finds that a
        day has passed.
        """
        request = self.request(**settings)
        planner = SearchPlanner(request)
        planner.results.mkdir(parents=True, exist_ok=True)
        put_right(planner.store, Console(quiet=True))
        search = Search(planner, planner.allocation(Machine(1, 0)), Console(quiet=True))
        search.begin()
        jobs = Jobs(search, search.recorder, search.board, max_failures=0)
        engine = Engine(search, jobs, kill_after, late_after)
        try:
            engine.run()
        except Killed:
            if flushed:
                planner.store.flush()
            return Ran(search, jobs)
        finally:
            self.started += engine.started
        assert len(set(engine.started)) == len(engine.started) or self.repeats(settings)
        jobs.stop_what_runs()
        planner.store.compact()
        return Ran(search, jobs)

    def repeats(self, settings: dict[str, Any]) -> bool:
        """Return whether a trial may be handed out again: at each rung, or for the audit."""
        return settings.get("scheduler") == "halving" or settings.get("audit", 0) > 0

    def run_with_kills(self, *moments: int, **settings: Any) -> "Ran":
        """Run the command again and again, killed at these moments, then to its end."""
        for index, moment in enumerate(moments):
            self.run(kill_after=moment, flushed=index % 2 == 0, **settings)
        return self.run(**settings)

    def table(self, name: str) -> pd.DataFrame:
        """Return one of the result tables."""
        return read_table(self.folder / "results" / "small", name)


@dataclass(frozen=True)
class Ran:
    """What a command has come to."""

    search: Search
    jobs: Jobs

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to do."""
        return self.jobs.exhausted

    @property
    def reached(self) -> str | None:
        """What has ended it before its time."""
        return self.search.check()


class Engine:
    """Takes jobs one after another."""

    def __init__(
        self, source: Search | Bench, jobs: Jobs, kill_after: int | None, late_after: int | None
    ) -> None:
        self._source, self._jobs = source, jobs
        self._left, self._late = kill_after, late_after
        self.started: list[str] = []

    def run(self) -> None:
        """Run until all is done, or something has ended it."""
        while not self._jobs.over:
            planned = self._jobs.next()
            if planned is None:
                assert self._jobs.exhausted or self._jobs.over, "one at a time: none is waited for"
                return
            self.started.append(planned.trial_id)
            self._train(planned.job)

    def _train(self, job: Job) -> None:
        try:
            run_trial(job, InlineContext(job, self))
        except Over:
            return
        except Stopped:
            self._jobs.ended(job.trial_id)
        except Exception as error:  # Whatever ends a trial's process.
            self._jobs.died(job.trial_id, Death(type(error).__name__, str(error)))
        else:
            self._jobs.ended(job.trial_id)

    def hear(self, job: Job, message: Message) -> None:
        """Pass a message on; end the training if the search, or the test, wants it."""
        if self._left == 0:
            raise Killed
        self._left = None if self._left is None else self._left - 1
        self._late = None if self._late is None else self._late - 1
        if self._late == 0 and isinstance(self._source, Search):
            self._source.limits.began -= DAY
        stopped = self._jobs.message(job.trial_id, message)
        self._jobs.tick()
        if stopped:
            raise Stopped
        if self._jobs.over:
            raise Over


class InlineContext(LocalContext):
    """Reports to the engine."""

    def __init__(self, job: Job, engine: Engine) -> None:
        super().__init__()
        self._job, self._engine = job, engine

    def report(self, message: Message) -> None:
        """Hand the message over, which may raise."""
        self._engine.hear(self._job, message)
