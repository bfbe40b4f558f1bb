"""From a study and the user's wishes to the trials that still have to run."""

import re
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from resray.data.loader import require_shares, smallest_share
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.errors import InputError
from resray.models.build import build_model
from resray.models.count import can_forward, count_multiply_adds
from resray.models.own_code import code_hash
from resray.results.rows import is_of_code
from resray.results.store import ResultStore
from resray.run.request import Request
from resray.run.resources import Allocation, Machine, allocate
from resray.run.views import TrialView
from resray.search.jobs import PlannedJob
from resray.study.data_spec import Data, Folder
from resray.study.expand import PlannedTrial
from resray.study.local_files import images_at
from resray.study.recipe_spec import Recipe
from resray.study.recipes import trial_id
from resray.study.spec import Study
from resray.training.step_choice import check_step, choose_step
from resray.training.trial import Job

Row = dict[str, Any]

LEAST_PER_RANK = 32
"""Images of a global batch that each GPU gets by default."""


@dataclass(frozen=True)
class Size:
    """How much there is to train on, and what one image's forward pass costs."""

    train_images: int
    multiply_adds: int
    takes_one_image: bool
    """Whether the network trains on a single image: BatchNorm over one value has no spread."""
    takes_channels_last: bool


def results_folder(out: Path, study_name: str) -> Path:
    """Return the folder that holds the study's results."""
    return out / "results" / study_name


def checkpoint_folder(results: Path, identity: str) -> Path:
    """Return where a trial of the study at ``results`` keeps its checkpoints."""
    return results.absolute() / "checkpoints" / identity


class Resolver:
    """Resolves trials of one study against data and results, opening each dataset once."""

    def __init__(
        self, study: Study, store: ResultStore, request: Request, *, download: bool = True
    ) -> None:
        self.study = study
        self.store = store
        self._given_data = request.data_dir
        self._checkpoint_seconds = request.checkpoint_seconds
        self.dataset = cache(
            lambda spec: open_dataset(spec, self.data_dir(spec), download=download)
        )
        self._sizes: dict[str, Size] = {}
        self._own_code = cache(code_hash)

    def identify(
        self,
        trial: PlannedTrial,
        world_size: int,
        *,
        tested: bool = True,
        rung_of: int | None = None,
    ) -> str:
        """Return the trial's id.

        What an older resray has completed with one's own code, which it did not record, counts; so
        does what ``--force`` has trained in its place, until the code changes.
        """
        name = partial(
            trial_id,
            trial.recipe,
            trial.seed,
            dataset_checksum=self.dataset(trial.recipe.data).checksum,
            world_size=world_size,
            tested=tested,
            rung_of=rung_of,
        )
        own_code = self._own_code(trial.recipe.model.name)
        older = self.store.trial(name()) if own_code else None
        return name() if older and is_of_code(older, own_code) else name(own_code=own_code)

    def most_ranks(self, trial: PlannedTrial) -> int:
        """Return how many ranks a trial's batches are large enough for, the last one included."""
        recipe, images = trial.recipe, self._size(trial.recipe).train_images
        last = smallest_share(images, recipe.batch_size, 2, drop_last=recipe.loader.drop_last)
        return min(recipe.batch_size // LEAST_PER_RANK, last)

    def job(
        self,
        trial: PlannedTrial,
        allocation: Allocation,
        *,
        tested: bool = True,
        identity: str | None = None,
        anew: bool = False,
        rungs: tuple[int, ...] = (),
    ) -> PlannedJob:
        """Return what running the trial takes; ``identity`` saves computing it again.

        A trial that was begun keeps its threads and the form of its step, unless it is trained
        ``anew``: others add up to other numbers. Raises InputError if it cannot be trained so.
        """
        recipe = trial.recipe
        size, dataset = self._size(recipe), self.dataset(recipe.data)
        data_dir = self.data_dir(recipe.data)
        self._check(trial, size, allocation)
        trial = replace(trial, reductions=(*trial.reductions, *dataset.reductions))
        identity = identity or self.identify(trial, allocation.world_size, tested=tested)
        row = None if anew else self.store.trial(identity)
        job = Job(
            trial_id=identity,
            name=trial.name,
            recipe=recipe.model_dump(mode="json"),
            seed=trial.seed,
            stop_after=trial.stop_after,
            checkpoint_folder=str(checkpoint_folder(self.store.folder, identity)),
            data_dir=str(data_dir.resolve()) if data_dir else None,
            dataset_checksum=dataset.checksum,
            world_size=allocation.world_size,
            threads=begun_threads(row) or threads_of(recipe, allocation),
            use_gpu=allocation.use_gpu,
            study=self.study.name,
            checkpoints=self.study.checkpoints.model_dump(mode="json"),
            evaluate_test=tested,
            rungs=rungs,
            multiply_adds=size.multiply_adds,
            own_code=self._own_code(recipe.model.name),
            memory_share=allocation.memory_share,
            step=begun_step(row)
            or choose_step(
                recipe,
                use_gpu=allocation.use_gpu,
                world_size=allocation.world_size,
                images=size.train_images,
            ),
            checkpoint_seconds=self._checkpoint_seconds,
        )
        return PlannedJob(
            trial=trial,
            job=job,
            epochs=min(recipe.epochs, trial.stop_after or recipe.epochs),
            train_images=size.train_images,
            multiply_adds=size.multiply_adds,
        )

    def _check(self, trial: PlannedTrial, size: Size, allocation: Allocation) -> None:
        """Raise InputError, with the trial's name, for what every attempt would fail by."""
        recipe, world_size = trial.recipe, allocation.world_size
        try:
            check_step(recipe, "cuda" if allocation.use_gpu else "cpu", world_size)
            shares = partial(
                require_shares, size.train_images, recipe.batch_size, world_size,
                drop_last=recipe.loader.drop_last,
            )  # fmt: skip
            shares()
            if recipe.channels_last is True and not size.takes_channels_last:
                raise InputError("channels_last: true: the network cannot run so; use auto")
            if not size.takes_one_image:
                shares(at_least=2)
        except InputError as error:
            raise InputError(f"{trial.name}: {error}") from error

    def _size(self, recipe: Recipe) -> Size:
        """Return what a recipe's epoch is made of, reckoned once for each model and data.

        Splits that are drawn by the trial's seed are of one size whatever the seed.
        """
        key = recipe.model.model_dump_json() + recipe.data.model_dump_json()
        if key not in self._sizes:
            splits = prepare(self.dataset(recipe.data), recipe.data)
            with torch.device("meta"):
                network = build_model(recipe.model, len(splits.class_names))
            side = splits.image_size
            self._sizes[key] = Size(
                len(splits.train),
                count_multiply_adds(network, side, len(splits.class_names)),
                takes_one_image=can_forward(network, side, images=1),
                takes_channels_last=can_forward(network, side, layout=torch.channels_last),
            )
        return self._sizes[key]

    def data_dir(self, spec: Data) -> Path | None:
        """Return where images are: ``--data-dir``, or where the study file says, if either does."""
        if isinstance(spec, Folder) and spec.folder and self._given_data is None:
            return images_at(spec.folder, self.study.folder)
        return None if spec.name == "embedded" else self._given_data


class Planner:
    """Says which trials of a bench still have to run, and what each will get."""

    def __init__(self, request: Request, *, download: bool = True) -> None:
        self.request = request
        self.study = request.loaded
        self.trials = request.trials
        self.results = results_folder(request.out, self.study.name)
        self.store = ResultStore(self.results)
        self.shares = replace(request.shares, exclusive=self.study.exclusive)
        self._resolver = Resolver(self.study, self.store, request, download=download)
        self.dataset = self._resolver.dataset

    def allocation(self, machine: Machine) -> Allocation:
        """Return what each trial gets.

        Also the last trial that is missing gets no more than its share of all that were asked for:
        with other threads its numbers would be others.
        """
        most = min(map(self._resolver.most_ranks, self.trials))
        return allocate(replace(self.shares, most_ranks=most), machine, len(self.trials))

    def jobs(self, allocation: Allocation) -> list[PlannedJob]:
        """Return every trial asked for, longest first."""
        anew = self.request.force
        jobs = [self._resolver.job(trial, allocation, anew=anew) for trial in self.trials]
        return sorted(jobs, key=self.work_left, reverse=True)

    def jobs_to_measure(self, allocation: Allocation) -> list[Job]:
        """Return what the trials that are missing are given, to measure their memory."""
        jobs = self.jobs(allocation)
        return [each.job for each in jobs if self.is_todo(each.trial, each.trial_id)]

    def is_todo(self, trial: PlannedTrial, identity: str) -> bool:
        """Return whether this call runs the trial."""
        return self.request.force or is_missing(trial, self.store.trial(identity))

    def work_left(self, planned: PlannedJob) -> float:
        """Return the training multiply-adds that this call still does for a trial."""
        row = self.store.trial(planned.trial_id) or {"epochs_done": 0}
        done = 0 if self.request.force else row["epochs_done"]
        return (planned.epochs - done) * planned.work_per_epoch


def threads_of(recipe: Recipe, allocation: Allocation) -> int:
    """Return the CPU threads of each rank: one if its numbers must not depend on how many trials
    share the cores."""
    alone = recipe.deterministic and not allocation.use_gpu
    return 1 if alone else allocation.threads


def begun_threads(row: Row | None) -> int | None:
    """Return the CPU threads that a trial was begun with; older rows have them in the device."""
    if row is None or not row["attempts"]:
        return None
    named = re.search(r"\((\d+) threads?\)$", row.get("device") or "")
    return row.get("threads") or (int(named[1]) if named else None)


def begun_step(row: Row | None) -> str | None:
    """Return the form of the step that a trial was begun with; older ones knew eager alone."""
    return None if row is None or not row["attempts"] else row.get("step") or "eager"


def is_missing(trial: PlannedTrial, row: Row | None) -> bool:
    """Return whether a trial still has to run, given its row in the results.

    A diverged trial would only diverge again; one that was stopped at an epoch goes on if this call
    wants more.
    """
    if row is None:
        return True
    if row["status"] == "stopped":
        return trial.stop_after is None or row["epochs_done"] < trial.stop_after
    diverged = row["status"] == "failed" and row["reason"] == "diverged"
    return row["status"] != "completed" and not diverged


def trial_view(planned: PlannedJob, store: ResultStore) -> TrialView:
    """Return what the board shows of a trial before it starts."""
    row = store.trial(planned.trial_id) or {}
    searched = planned.role == "search"
    name = planned.point.name if planned.point else planned.trial.name
    return TrialView(
        job=planned.job,
        label=name if searched else f"{name} (seed {planned.trial.seed})",
        epochs=planned.trial.recipe.epochs if planned.point else planned.epochs,
        work_per_epoch=planned.work_per_epoch,
        epoch=row.get("epochs_done") or 0,
        row=row,
    )
