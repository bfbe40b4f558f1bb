"""How fast is resray's `fit()` beside other training loops, on this device?

    uv run --group speed python benchmarks/speed/training_step.py --data-dir DIR
    uv run python benchmarks/speed/training_step.py --embedded --models resnet18 --peers bare

Loader, metrics, gradient norms and records are in resray's time. Its epochs and those of each peer
take turns in one process, after one of each to warm up; a pair is an epoch of resray and the
peer's that follows. The peers (`peers.py`):

    eager        resray with the eager step, where ``--step`` asks for another
    bare         a loop over batches that lie ready, same network, precision, layout and optimizer
    plain        PyTorch's tutorial: float32, DataLoader with 2 workers, torchvision's transforms
    plain-tuned  the same in resray's precision and layout
    timm         timm's train.py with its settings, on images of this size
    lightning    Lightning's Trainer at its defaults

A table of the medians is printed; ``--output`` writes every pair as Parquet. ``--at-least 0.85``
ends with 1 where a median ratio is lower.
"""

import argparse
import datetime
import importlib.metadata
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from peers import PEERS, Epoch, Setting, bare, resray

from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.study.recipe_spec import Recipe
from resray.training.device import device_name, own_device

IMAGES = {"cpu": {"resnet18": 1280, "resnet50": 384, "wrn-28-10": 256}, "cuda": {}}
"""Images of an epoch where nothing else is asked for: some seconds of training."""
IMAGES_OF_OTHERS = {"cpu": 256, "cuda": 44_928}
VERSIONS = ("torch", "torchvision", "timm", "lightning")

Row = dict[str, Any]


def recipe_of(model: str, asked: argparse.Namespace, device: torch.device) -> Recipe:
    """Return the recipe that resray trains: its default one, and hardly any evaluation."""
    default = IMAGES[device.type].get(model, IMAGES_OF_OTHERS[device.type])
    images = asked.images or default
    data: Row = {"name": "cifar10"}
    if asked.embedded:
        data = {"name": "embedded", "images": images + 100, "validation_images": 100}
    return Recipe.model_validate(
        {
            "model": model,
            "data": {**data, "limit_train": images, "limit_eval": 10},
            "epochs": asked.pairs + 1,
            "batch_size": asked.batch_size,
            "step": asked.step,
        }
    )


def pairs_of(model: str, asked: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each pair: what resray's epoch and then a peer's made of a network."""
    device = own_device()
    torch.backends.cudnn.benchmark = True
    recipe = recipe_of(model, asked, device)
    splits = prepare(open_dataset(recipe.data, asked.data_dir), recipe.data)
    own, trainer = resray(Setting(recipe, splits, device, "", False))
    setting = Setting(recipe, splits, device, trainer.precision, trainer.parts.channels_last)
    peers: dict[str, Epoch] = {
        name: bare(setting, trainer) if name == "bare" else PEERS[name](setting)
        for name in asked.peers
    }
    trainer.prepare()
    if trainer.remark:
        raise SystemExit(trainer.remark)
    constant = {
        "network": model,
        "step": trainer.step,
        "seconds_compiling": trainer.seconds_compiling,
        "precision": trainer.precision,
        "images": len(splits.train),
        "batch_size": recipe.batch_size,
        "device": device_name(device, torch.get_num_threads()),
        "date": datetime.datetime.now(datetime.UTC),
        **{name: version(name) for name in VERSIONS},
    }
    for pair in range(asked.pairs + 1):
        ours = own()
        for name, epoch in peers.items():
            theirs = epoch()
            if pair:  # the first one warms up
                yield {**constant, "peer": name, "pair": pair, "resray": ours, "speed": theirs}


def version(name: str) -> str | None:
    """Return the version of an installed package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def summary(rows: list[Row]) -> pd.DataFrame:
    """Return the medians by network and peer."""
    frame = pd.DataFrame(rows)
    frame["ratio"] = frame["resray"] / frame["speed"]
    groups = frame.groupby(["network", "peer"], sort=False)
    return groups.agg(
        precision=("precision", "first"),
        resray=("resray", "median"),
        peer_speed=("speed", "median"),
        ratio=("ratio", "median"),
        lowest=("ratio", "min"),
        highest=("ratio", "max"),
        n=("ratio", "size"),
        seconds_compiling=("seconds_compiling", "first"),
    ).reset_index()


def parse() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--data-dir", type=Path)
    data.add_argument("--embedded", action="store_true", help="images that resray draws itself")
    peers = ["bare", *PEERS]
    default = [name for name in peers if name != "eager"]
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet50", "wrn-28-10"])
    parser.add_argument("--peers", nargs="+", default=default, choices=peers, metavar="PEER")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--images", type=int, help="of an epoch; else some seconds' worth")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--step", default="auto", help="the recipe's: auto, eager, ...")
    parser.add_argument("--output", type=Path, help="a Parquet file with every pair")
    parser.add_argument("--at-least", type=float, default=0.0, help="lowest median ratio")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write, and end with 1 where resray is too slow."""
    asked, rows = parse(), []
    for model in asked.models:
        for row in pairs_of(model, asked):
            rows.append(row)
            print(
                f"{model}: resray {row['resray']:.1f} images/s, {row['peer']} {row['speed']:.1f}, "
                f"ratio {row['resray'] / row['speed']:.3f}",
                flush=True,
            )
            if asked.output:
                pd.DataFrame(rows).to_parquet(asked.output)
    table = summary(rows)
    print(f"{rows[0]['device']}, torch {torch.__version__}, medians:")
    print(table.to_string(index=False, float_format="{:.3f}".format))
    slow = table[table["ratio"] < asked.at_least]
    for line in slow.itertuples():
        ratios = sorted(
            row["resray"] / row["speed"]
            for row in rows
            if (row["network"], row["peer"]) == (line.network, line.peer)
        )
        each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        raise SystemExit(
            f"{line.network}: fit() makes {statistics.median(ratios):.3f} of the images/s of "
            f"{line.peer}, under {asked.at_least} (ratios {each})"
        )


if __name__ == "__main__":
    main()
