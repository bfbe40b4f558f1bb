"""Does compiling the training step pay on this device, and from which length of a run on?

    uv run python benchmarks/speed/compiled_step.py --data-dir DIR [--models resnet18 ...]

Epochs of the same recipe with the eager and the compiled step take turns in one process, after one
of each to warm up. Seconds of compiling are those of training and evaluation, without torch's
caches on disk. The figures of a CPU are what `resray.training.step_choice` chooses by.
"""

import argparse
import datetime
import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from training_step import IMAGES, IMAGES_OF_OTHERS

from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.study.recipe_spec import Recipe
from resray.training.context import LocalContext
from resray.training.device import device_name, own_device
from resray.training.fit import Trainer, fit

Row = dict[str, Any]


def measured(model: str, asked: argparse.Namespace) -> list[Row]:
    """Return a row for each pair of epochs of a network."""
    device = own_device()
    images = asked.images or IMAGES[device.type].get(model, IMAGES_OF_OTHERS[device.type])
    recipe = Recipe.model_validate(
        {
            "model": model,
            "data": {"name": "cifar10", "limit_train": images, "limit_eval": 1000},
            "epochs": asked.pairs + 1,
            "evaluate_every": asked.pairs + 1,
            "batch_size": asked.batch_size,
            "precision": asked.precision,
        }
    )
    splits = prepare(open_dataset(recipe.data, asked.data_dir), recipe.data)
    trainers = {
        step: Trainer(recipe, splits, LocalContext(device), seed=0, step=step)
        for step in ("eager", "compiled")
    }
    for trainer in trainers.values():
        trainer.prepare()
    if trainers["compiled"].remark:
        raise SystemExit(trainers["compiled"].remark)
    seconds = trainers["compiled"].seconds_compiling
    epochs = {step: fit(trainer) for step, trainer in trainers.items()}
    constant = {
        "network": model,
        "precision": trainers["eager"].precision,
        "images": images,
        "seconds_compiling": seconds,
        "device": device_name(device, torch.get_num_threads()),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC),
    }
    rows = []
    for pair in range(asked.pairs + 1):
        speeds = {step: next(each)["images_per_second"] for step, each in epochs.items()}
        if pair:  # the first one warms up
            rows.append({**constant, "pair": pair, **speeds})
            print(f"{model}: {speeds}, compiling {seconds:.0f} s", flush=True)
    return rows


def main() -> None:
    """Measure, print the medians, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50", "wrn-28-10"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--images", type=int, help="of an epoch; else some seconds' worth")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, help="a Parquet file with every pair")
    asked = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        for model in asked.models:
            rows += measured(model, asked)
            if asked.output:
                pd.DataFrame(rows).to_parquet(asked.output)
    frame = pd.DataFrame(rows)
    frame["gain"] = frame["compiled"] / frame["eager"]
    table = frame.groupby("network", sort=False).agg(
        precision=("precision", "first"),
        eager=("eager", "median"),
        compiled=("compiled", "median"),
        gain=("gain", "median"),
        lowest=("gain", "min"),
        highest=("gain", "max"),
        n=("gain", "size"),
        seconds_compiling=("seconds_compiling", "first"),
    )
    print(f"{rows[0]['device']}, torch {torch.__version__}, medians of images/s:")
    print(table.to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
