"""What share of an epoch a trial waits for its checkpoints: written within it, or beside it.

    python benchmarks/speed/checkpointing.py [--model resnet152] [--turns N] [--results FILE]

In turns, in one process: every epoch's checkpoint written before training goes on (as resray did
until version 5 of its schema), by a thread after each epoch, and by a thread at most every 20
seconds. Each training has as many epochs as ``--epochs``, of ``--images`` images; its last
checkpoint, which is always waited for, is told apart. Each epoch is reported to the driver's
recorder, in this process: the trial waits while that writes its tables. The results go to a Parquet
file.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from resray.data.sources import open_dataset
from resray.data.splits import Splits, prepare
from resray.errors import InputError
from resray.results.store import ResultStore
from resray.run.recorder import Recorder, planned_row
from resray.study.expand import PlannedTrial
from resray.study.recipe_spec import Recipe
from resray.training.checkpoints import CheckpointFolder
from resray.training.context import LocalContext
from resray.training.fit import Trainer, fit
from resray.training.trial import Job, epoch_message

WAYS = {"within": 0.0, "thread, each epoch": 0.0, "thread, 20 s": 20.0}
"""Each way's seconds from one checkpoint to the next."""


class Waiting(Trainer):
    """Goes on only when the checkpoint is written, as it was."""

    def save(self, *, is_end: bool) -> None:
        """Write the checkpoint and wait for it."""
        super().save(is_end=True)


def recipe_of(model: str, epochs: int, images: int, size: int) -> Recipe:
    """Return a training on embedded images that evaluates little."""
    data = {"name": "embedded", "images": images + 40, "validation_images": 40, "image_size": size}
    fields = {"model": model, "data": data, "epochs": epochs, "batch_size": 64}
    return Recipe.model_validate(fields)


def epochs_of(way: str, recipe: Recipe, splits: Splits, folder: Path) -> Iterator[dict[str, Any]]:
    """Train in one way; yield each epoch's seconds and how many of them were waited."""
    kind = Waiting if way == "within" else Trainer
    checkpoints = CheckpointFolder(folder, seconds=WAYS[way])
    trainer = kind(recipe, splits, LocalContext(), seed=0, checkpoints=checkpoints)
    recorder = recorder_of(recipe, folder)
    began = time.perf_counter()
    for record in fit(trainer):
        reported = time.perf_counter()
        recorder.message("trial", epoch_message(record, trainer.saved))
        now = time.perf_counter()
        yield {
            "seconds_reporting": now - reported,
            "way": way,
            "epoch": record["epoch"],
            "is_last": record["epoch"] == recipe.epochs,
            "seconds": now - began,
            "seconds_training": record["seconds_training"],
            "seconds_saving": record["seconds_saving"],
        }
        began = now


def recorder_of(recipe: Recipe, folder: Path) -> Recorder:
    """Return the driver's recorder of one trial."""
    settings = recipe.model_dump(mode="json")
    job = Job(
        trial_id="trial",
        name="trial",
        recipe=settings,
        seed=0,
        stop_after=None,
        checkpoint_folder=str(folder),
        data_dir=None,
        dataset_checksum="",
        world_size=1,
        threads=torch.get_num_threads(),
        use_gpu=False,
    )
    recorder = Recorder(ResultStore(folder / "results"))
    trial = PlannedTrial("study", "trial", "standard", 0, recipe, None, ())
    recorder.plan(planned_row(trial, job, {}))
    return recorder


def turns(recipe: Recipe, count: int) -> Iterator[dict[str, Any]]:
    """Yield the epochs of all ways, in turns, after one that warms up."""
    splits = prepare(open_dataset(recipe.data), recipe.data)
    next(fit(Trainer(recipe, splits, LocalContext(), seed=0)))
    for turn in range(1, count + 1):
        for way in WAYS:
            folder = Path(tempfile.mkdtemp(prefix="checkpointing-"))
            try:
                for epoch in epochs_of(way, recipe, splits, folder):
                    yield {"turn": turn, **epoch}
            finally:
                shutil.rmtree(folder)


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the median share of each way, of the epochs before the last and of the last ones."""
    print(f"{'way':20s} {'epochs':>6s} {'n':>3s} {'seconds':>8s} {'training':>8s} {'saving':>7s}"
          f" {'reporting':>9s} {'both':>7s}")  # fmt: skip
    for way in WAYS:
        for is_last in (False, True):
            mine = [row for row in rows if row["way"] == way and row["is_last"] == is_last]
            shares = [100 * (row["seconds_saving"] + row["seconds_reporting"]) / row["seconds"]
                      for row in mine]  # fmt: skip
            seconds, training, saving, reporting = (
                statistics.median(row[name] for row in mine)
                for name in ("seconds", "seconds_training", "seconds_saving", "seconds_reporting")
            )
            print(f"{way:20s} {'last' if is_last else 'others':>6s} {len(mine):3d} {seconds:8.2f} "
                  f"{training:8.2f} {saving:7.3f} {reporting:9.4f} "
                  f"{statistics.median(shares):5.2f} %")  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet152")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--results", type=Path)
    asked = parser.parse_args()
    if min(asked.epochs - 1, asked.turns, asked.images, asked.threads) < 1:
        raise InputError("--epochs must be 2 or more, and the other numbers 1 or more")
    torch.set_num_threads(asked.threads)
    recipe = recipe_of(asked.model, asked.epochs, asked.images, asked.image_size)
    conditions = {"model": asked.model, "images": asked.images, "threads": asked.threads}
    rows = [{**conditions, **row} for row in turns(recipe, asked.turns)]
    print_table(rows)
    if asked.results is not None:
        pd.DataFrame(rows).to_parquet(asked.results)


if __name__ == "__main__":
    main()
