"""A search without Ray: its feed is driven here, one job at a time, and really trains.

What Ray Tune does between two processes is left out; `tests/test_tune.py` has that. In exchange a
search can be cut off after any message, as a kill would.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from torch import nn

from resray.results.store import read_table
from resray.run.asked import Tune
from resray.run.campaign import Campaign
from resray.run.resources import Machine, Request
from resray.run.run import put_right
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

    def asked(self, **settings: Any) -> Tune:
        """Return what the command asks for."""
        defaults = {"request": Request(gpus=0, workers=1), "options": Options(trusted=True)}
        wishes = {**defaults, **self.wishes}
        return Tune(study=str(self.file), settings=settings, out=self.folder, **wishes)

    def run(
        self, *, kill_after: int | None = None, late_after: int | None = None, **settings: Any
    ) -> Campaign:
        """Run the command until it is done, or until so many messages were taken in.

        It is killed then, or finds that a day has passed.
        """
        asked = self.asked(**settings)
        planner = SearchPlanner(asked)
        planner.results.mkdir(parents=True, exist_ok=True)
        put_right(planner.store, Console(quiet=True))
        search = Search(planner, planner.allocation(Machine(1, 0)), Console(quiet=True))
        search.begin()
        campaign = search.campaign(asked)
        engine = Engine(campaign, kill_after, late_after)
        try:
            engine.run()
        except Killed:
            pass
        finally:
            assert len(set(engine.started)) == len(engine.started) or self.has_legs(asked)
            self.started += engine.started
        campaign.stop_what_runs()
        return campaign

    def has_legs(self, asked: Tune) -> bool:
        """Return whether a trial may be handed out again: at each rung, or for the audit."""
        settings = asked.settings
        return settings.get("scheduler") == "halving" or settings.get("audit", 0) > 0

    def run_with_kills(self, *moments: int, **settings: Any) -> Campaign:
        """Run the command again and again, killed at these moments, then to its end."""
        for moment in moments:
            self.run(kill_after=moment, **settings)
        return self.run(**settings)

    def table(self, name: str) -> pd.DataFrame:
        """Return one of the result tables."""
        return read_table(self.folder / "results" / "small", name)


class Engine:
    """Takes jobs from a feed one after another."""

    def __init__(self, campaign: Campaign, kill_after: int | None, late_after: int | None) -> None:
        self._campaign = campaign
        self._left, self._late = kill_after, late_after
        self.started: list[str] = []

    def run(self) -> None:
        """Run until the feed is over or exhausted."""
        while not self._campaign.over:
            job = self._campaign.next_job()
            if job is None:
                assert self._campaign.exhausted, "one job at a time, so none is waited for"
                return
            self.started.append(job.trial_id)
            self._train(job)

    def _train(self, job: Job) -> None:
        try:
            run_trial(job, InlineContext(job, self))
        except Over:
            return
        except Stopped:
            self._campaign.ended(job.trial_id)
        except Exception as error:  # Whatever ends a trial's process.
            ending = {"error_class": type(error).__name__, "error_message": str(error)}
            self._campaign.failed(job.trial_id, ending)
        else:
            self._campaign.ended(job.trial_id)

    def hear(self, job: Job, message: Message) -> None:
        """Pass a message on; end the training if the feed, or the test, wants it."""
        if self._left == 0:
            raise Killed
        self._left = None if self._left is None else self._left - 1
        self._late = None if self._late is None else self._late - 1
        if self._late == 0:
            self._campaign.limits.began -= DAY
        if self._campaign.message(job.trial_id, message):
            raise Stopped
        if self._campaign.over:
            raise Over


class InlineContext(LocalContext):
    """Reports to the engine."""

    def __init__(self, job: Job, engine: Engine) -> None:
        super().__init__()
        self._job, self._engine = job, engine

    def report(self, message: Message) -> None:
        """Hand the message over, which may raise."""
        self._engine.hear(self._job, message)
