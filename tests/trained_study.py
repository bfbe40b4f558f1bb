"""A small study with results and checkpoints on disk, trained once for the tests that use them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.results.store import ResultStore
from resray.results.summary import summarise
from resray.study.recipe_spec import Recipe
from resray.study.recipes import trial_id
from resray.training.context import LocalContext
from resray.training.trial import Job, run_trial

TRIALS = (("narrow", 0), ("narrow", 1), ("wide", 0))


def tiny_recipe(channels: int = 8, **changes: Any) -> Recipe:
    """A recipe that takes a second and is right in about half of the cases."""
    model = {"name": "resnet", "blocks": [1], "channels": [channels]}
    data = {"name": "embedded", "images": 320, "classes": 4, "image_size": 16}
    fields: dict[str, Any] = {
        "model": model,
        "data": {**data, "validation_images": 20},
        "epochs": 1,
        "batch_size": 10,
        "optimizer": {"lr": 0.05},
        "schedule": {"name": "constant"},
        "augmentation": {"crop_padding": 0},
        "precision": "fp32",
    }
    return Recipe.model_validate({**fields, **changes})


def train_study(folder: Path) -> Path:
    """Train `TRIALS` and return the study's results folder."""
    torch.set_num_threads(1)
    for name, seed in TRIALS:
        train_trial(folder, name, tiny_recipe({"narrow": 8, "wide": 12}[name]), seed)
    return folder


def train_trial(folder: Path, name: str, recipe: Recipe, seed: int) -> str:
    """Train a trial, write its row and checkpoints, and return its id."""
    checksum = open_dataset(recipe.data).checksum
    identity = trial_id(recipe, seed, dataset_checksum=checksum, world_size=1)
    job = Job(
        trial_id=identity,
        name=name,
        recipe=recipe.model_dump(mode="json"),
        seed=seed,
        stop_after=None,
        checkpoint_folder=str(folder / "checkpoints" / identity),
        data_dir=None,
        dataset_checksum=checksum,
        world_size=1,
        threads=1,
        use_gpu=False,
    )
    context = LocalContext()
    run_trial(job, context)
    assert context.messages[-1]["status"] == "completed"
    fixed = {"study": "tiny", "name": name, "seed": seed, "trial_id": identity}
    test = len(prepare(open_dataset(recipe.data), recipe.data).test)
    row = {**fixed, "dataset_checksum": checksum, "test_images": test, "status": "completed"}
    store = ResultStore(folder)
    records = [message["record"] for message in context.messages if message["kind"] == "epoch"]
    store.put_trial({**row, **summarise(records), "recipe": recipe.model_dump_json()})
    times = [datetime.fromisoformat(record["recorded"]) for record in records]
    store.put_epochs(identity, [{**fixed, **record, "recorded": time}
                                for record, time in zip(records, times, strict=True)])  # fmt: skip
    store.flush()
    return identity
