"""Tiny trainings for the tests of the training room."""

from pathlib import Path
from typing import Any

import torch

from resray.data.sources import open_dataset
from resray.data.splits import Splits, prepare
from resray.study.recipe_spec import Recipe
from resray.study.spec import CheckpointPolicy
from resray.training.checkpoints import CheckpointFolder
from resray.training.context import LocalContext
from resray.training.fit import Record, Trainer, fit
from resray.training.trial import Job, run_trial

CLOCKS = (
    "seconds_training",
    "seconds_evaluating",
    "seconds_saving",
    "seconds_compiling",
    "images_per_second",
    "recorded",
)

TINY = {"name": "resnet", "blocks": (1, 1), "channels": (8, 16)}
"""A network with two blocks, for what does not depend on the network."""

DATA = {
    "name": "embedded",
    "classes": 4,
    "images": 120,
    "image_size": 8,
    "validation_images": 40,
}


def tiny_recipe(**changes: Any) -> Recipe:
    """A recipe of three epochs with three batches each, which take a fraction of a second."""
    fields: dict[str, Any] = {
        "model": TINY,
        "data": DATA,
        "epochs": 3,
        "batch_size": 32,
        "optimizer": {"lr": 0.02},
        "precision": "fp32",
    }
    return Recipe.model_validate({**fields, **changes})


def splits_of(recipe: Recipe) -> Splits:
    """The splits of embedded images."""
    return prepare(open_dataset(recipe.data), recipe.data)


def trainer_of(
    recipe: Recipe, folder: Path | None = None, seed: int = 0, policy: Any = None
) -> Trainer:
    """A trainer on the CPU, with checkpoints if a folder is given."""
    keeps = CheckpointPolicy.model_validate(policy or {})
    checkpoints = CheckpointFolder(folder, keeps) if folder else None
    return Trainer(recipe, splits_of(recipe), LocalContext(), seed=seed, checkpoints=checkpoints)


def train(recipe: Recipe, **options: Any) -> tuple[Trainer, list[Record]]:
    """Train to the end; return the trainer and its records."""
    trainer = trainer_of(recipe, **options)
    return trainer, list(fit(trainer))


def without_clocks(records: list[Record]) -> list[Record]:
    """What of the records must be equal however fast the machine is."""
    hidden = (*CLOCKS, "peak_memory_bytes")
    return [{key: row[key] for key in row if key not in hidden} for row in records]


def job_of(recipe: Recipe, folder: Path, **changes: Any) -> Job:
    """The job of a trial with this recipe."""
    fields = {
        "trial_id": "0123456789abcdef",
        "name": "resnet18",
        "recipe": recipe.model_dump(mode="json"),
        "seed": 0,
        "stop_after": None,
        "checkpoint_folder": str(folder),
        "data_dir": None,
        "dataset_checksum": open_dataset(recipe.data).checksum,
        "world_size": 1,
        "threads": torch.get_num_threads(),
        "use_gpu": False,
    }
    return Job(**{**fields, **changes})


def messages_of(job: Job) -> list[Any]:
    """Run the trial; what it told."""
    context = LocalContext()
    run_trial(job, context)
    return list(context.messages)
