"""From a study and the user's wishes to the trials that still have to run."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.data.dataset import Dataset
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.models.build import build_model
from resray.models.count import count_multiply_adds
from resray.orchestration.resources import Allocation, Machine, Request, allocate
from resray.results.store import ResultStore
from resray.study.expand import Options, PlannedTrial, all_reductions, expand
from resray.study.load import load_study
from resray.study.recipe_spec import Data, Recipe
from resray.study.recipes import trial_id
from resray.study.spec import Study
from resray.training.trial import Job

Row = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What `resray bench` was asked to do."""

    study: str
    """A shipped study's name, or the path of a study file."""
    options: Options = field(default_factory=Options)
    request: Request = field(default_factory=Request)
    data_dir: Path | None = None
    out: Path = Path()
    """The folder that receives results/<study>/ and reports/<study>.html."""
    address: str | None = None
    max_failures: int = 3
    force: bool = False


@dataclass(frozen=True)
class Size:
    """How much there is to train on, and what one image's forward pass costs."""

    train_images: int
    multiply_adds: int


@dataclass(frozen=True)
class Work:
    """One trial that the user asked for, and what running it takes."""

    trial: PlannedTrial
    job: Job
    epochs: int
    """Where this call ends the trial."""
    train_images: int
    multiply_adds: int
    """Of one image's forward pass."""

    @property
    def work_per_epoch(self) -> float:
        """Training multiply-adds of one epoch; a backward pass counts as two forward passes."""
        return 3.0 * self.multiply_adds * self.train_images


def results_folder(out: Path, study_name: str) -> Path:
    """Return the folder that holds the study's results."""
    return out / "results" / study_name


def checkpoint_folder(results: Path, identity: str) -> Path:
    """Return where a trial of the study at ``results`` keeps its checkpoints."""
    return results.resolve() / "checkpoints" / identity


class Resolver:
    """Resolves trials of one study against the data, opening each dataset once."""

    def __init__(
        self, study: Study, results: Path, data_dir: Path | None, *, download: bool = True
    ) -> None:
        self.study = study
        self.results = results
        self._given_data = data_dir
        self._download = download
        self._datasets: dict[str, Dataset] = {}
        self._sizes: dict[str, Size] = {}

    def identify(
        self,
        trial: PlannedTrial,
        world_size: int,
        *,
        tested: bool = True,
        rung_of: int | None = None,
    ) -> str:
        """Return the trial's id."""
        return trial_id(
            trial.recipe,
            trial.seed,
            dataset_checksum=self._dataset(trial.recipe.data).checksum,
            world_size=world_size,
            tested=tested,
            rung_of=rung_of,
        )

    def work(
        self,
        trial: PlannedTrial,
        allocation: Allocation,
        *,
        tested: bool = True,
        identity: str | None = None,
    ) -> Work:
        """Return what running the trial takes; ``identity`` saves computing it again."""
        recipe = trial.recipe
        size, dataset = self._size(recipe), self._dataset(recipe.data)
        trial = replace(trial, reductions=(*trial.reductions, *dataset.reductions))
        identity = identity or self.identify(trial, allocation.world_size, tested=tested)
        job = Job(
            trial_id=identity,
            name=trial.name,
            recipe=recipe.model_dump(mode="json"),
            seed=trial.seed,
            stop_after=trial.stop_after,
            checkpoint_folder=str(checkpoint_folder(self.results, identity)),
            data_dir=self._data_dir(recipe.data),
            dataset_checksum=dataset.checksum,
            world_size=allocation.world_size,
            threads=allocation.threads,
            use_gpu=allocation.use_gpu,
            study=self.study.name,
            checkpoints=self.study.checkpoints.model_dump(mode="json"),
            evaluate_test=tested,
            multiply_adds=size.multiply_adds,
        )
        return Work(
            trial=trial,
            job=job,
            epochs=min(recipe.epochs, trial.stop_after or recipe.epochs),
            train_images=size.train_images,
            multiply_adds=size.multiply_adds,
        )

    def _dataset(self, spec: Data) -> Dataset:
        key = spec.model_dump_json()
        if key not in self._datasets:
            data_dir = None if spec.name == "embedded" else self._given_data
            self._datasets[key] = open_dataset(spec, data_dir, download=self._download)
        return self._datasets[key]

    def _size(self, recipe: Recipe) -> Size:
        """Return what a recipe's epoch is made of, reckoned once for each model and data."""
        key = recipe.model.model_dump_json() + recipe.data.model_dump_json()
        if key not in self._sizes:
            splits = prepare(self._dataset(recipe.data), recipe.data)
            with torch.device("meta"):
                network = build_model(recipe.model, len(splits.class_names))
            multiply_adds = count_multiply_adds(network, splits.image_size, len(splits.class_names))
            self._sizes[key] = Size(len(splits.train), multiply_adds)
        return self._sizes[key]

    def _data_dir(self, spec: Data) -> str | None:
        if spec.name == "embedded" or self._given_data is None:
            return None
        return str(self._given_data.resolve())


class Planner:
    """Says which trials of a bench still have to run, and what each will get."""

    def __init__(self, bench: Bench, *, download: bool = True) -> None:
        self.bench = bench
        self.study = load_study(bench.study)
        self.trials = expand(self.study, bench.options)
        self.results = results_folder(bench.out, self.study.name)
        self.store = ResultStore(self.results)
        self.request = replace(bench.request, exclusive=self.study.exclusive)
        self._resolver = Resolver(self.study, self.results, bench.data_dir, download=download)

    def plan(self, machine: Machine) -> tuple[list[Work], Allocation]:
        """Return every trial asked for, longest first, and what each will get."""
        world_size = allocate(self.request, machine, len(self.trials)).world_size
        identified = [(trial, self._resolver.identify(trial, world_size)) for trial in self.trials]
        missing = sum(self.is_todo(trial, identity) for trial, identity in identified)
        allocation = allocate(self.request, machine, max(1, missing))
        work = [
            self._resolver.work(trial, allocation, identity=identity)
            for trial, identity in identified
        ]
        return sorted(work, key=self._work_left, reverse=True), allocation

    def is_todo(self, trial: PlannedTrial, identity: str) -> bool:
        """Return whether this call runs the trial."""
        return self.bench.force or is_missing(trial, self.store.trial(identity))

    def _work_left(self, item: Work) -> float:
        row = self.store.trial(item.job.trial_id) or {"epochs_done": 0}
        done = 0 if self.bench.force else row["epochs_done"]
        return (item.epochs - done) * item.work_per_epoch


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


def describe_plan(bench: Bench, machine: Machine, console: Console) -> None:
    """Print what `run_bench` would do; nothing is downloaded, started or written."""
    planner = Planner(bench, download=False)
    work, allocation = planner.plan(machine)
    table = Table("trial", "seed", "epochs", "training images x epochs", "id", "")
    todo = [planner.is_todo(item.trial, item.job.trial_id) for item in work]
    for item, is_todo in zip(work, todo, strict=True):
        images = item.train_images * item.epochs
        table.add_row(
            item.trial.name,
            str(item.trial.seed),
            str(item.epochs),
            f"{images:,}",
            item.job.trial_id,
            "to run" if is_todo else "ended before",
        )
    console.print(table)
    if reduced := all_reductions([*planner.trials, *(item.trial for item in work)]):
        console.print(Text(f"Reduced: {'; '.join(reduced)}", style="yellow"))
    console.print(f"{sum(todo)} of {len(work)} trials to run, {allocation}.", highlight=False)
