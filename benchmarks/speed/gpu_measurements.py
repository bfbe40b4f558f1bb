"""The measurements of `gpu.py`: each gives rows as they are measured."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from airbench_loader import airbench_epoch
from peers import PEERS, Setting, bare, resray

from resray.data.dataset import Dataset
from resray.data.opened import LAST
from resray.data.splits import Splits
from resray.models.build import build_model
from resray.models.count import count_multiply_adds
from resray.study.expand import Options, expand
from resray.study.load import load_study
from resray.study.recipe_spec import Recipe
from resray.training.context import LocalContext
from resray.training.device import own_device, wait_for
from resray.training.fit import Trainer, fit
from resray.training.matrix_rate import matrix_rate as measured_rate
from resray.training.matrix_rate import measure
from resray.training.step_features import precisions

Row = dict[str, Any]

TINY_MODEL = {"name": "resnet", "blocks": [1, 1], "channels": [8, 16]}
TINY_DATA = {"name": "embedded", "classes": 4, "images": 120, "image_size": 8,
             "validation_images": 40}  # fmt: skip
HELD_OUT = {"data.validation_images": 1000}
"""Of CIFAR-100's images, of which only a part is carried."""
SPEED_IMAGES, SPEED_EPOCHS = 12_800, 5
"""An epoch has 100 steps."""
PACKED = (1, 2, 4, 8)


@dataclass(frozen=True)
class Setup:
    """Where measurements run, and on what."""

    device: torch.device
    data_dir: Path | None
    tiny: bool

    def recipe(self, fields: Row) -> Recipe:
        """Return a recipe; of a toy if everything is to be tiny."""
        if self.tiny:
            fields = {**fields, "model": TINY_MODEL, "data": TINY_DATA, "batch_size": 16}
            fields = {**fields, "epochs": 2, "schedule": {"name": "constant"}}
        return Recipe.model_validate(fields)

    def images(self, recipe: Recipe) -> tuple[Dataset, Splits]:
        """Return a recipe's images, which stay opened for the next measurement."""
        return LAST.get(recipe.data, self.data_dir, checksum="", trial_seed=0)

    def trainer(self, recipe: Recipe, splits: Splits | None = None) -> Trainer:
        """Return a recipe's trainer on the device, with seed 0."""
        return Trainer(recipe, splits or self.images(recipe)[1], LocalContext(self.device), seed=0)


@dataclass(frozen=True)
class Measurement:
    """One measurement: what gives its rows, the file they go to, and how long it may take."""

    name: str
    kind: str
    seconds: float
    rows: Callable[[Setup], Iterator[Row]]


def matrix_rate(setup: Setup) -> Iterator[Row]:
    """Yield the device's matrix rate in each precision that it computes in hardware."""
    for precision in precisions(setup.device):
        yield asdict(measure(setup.device, precision, torch.get_num_threads()))


def training(study: str, trial: str, changes: Row, setup: Setup) -> Iterator[Row]:
    """Yield each epoch of a study's trial, rescaled to 30 epochs, as resray records it."""
    overrides = tuple(f"{key}={value}" for key, value in changes.items())
    options = Options(select=(trial,), epochs=30, seeds=(0,), overrides=overrides)
    planned = expand(load_study(study), options)[0]
    recipe = setup.recipe(planned.recipe.model_dump(mode="json"))
    opened = time.perf_counter()
    dataset, splits = setup.images(recipe)
    seconds_opening = time.perf_counter() - opened
    trainer = setup.trainer(recipe, splits)
    started = time.perf_counter()
    multiply_adds = count_multiply_adds(trainer.network, splits.image_size)
    for record in fit(trainer):
        yield {
            "study": study,
            "trial": trial,
            "train_images": len(splits.train),
            "test_images": len(splits.test),
            "data": dataset.source,
            "step": trainer.step,
            "precision": trainer.precision,
            "multiply_adds": multiply_adds,
            "epochs": recipe.epochs,
            "seconds_opening": seconds_opening,
            "seconds_since_start": time.perf_counter() - started,
            **record,
        }


def speed(model: str, step: str, setup: Setup) -> Iterator[Row]:
    """Yield the images per second of training a network by a form of the step, after a warm-up."""
    recipe = setup.recipe(speed_recipe(model, step, SPEED_EPOCHS + 1))
    trainer = setup.trainer(recipe)
    began = time.perf_counter()
    records = list(fit(trainer))
    speeds = [record["images_per_second"] for record in records[1:]]
    splits = trainer.splits
    network = build_model(recipe.model, len(splits.class_names))
    multiply_adds = count_multiply_adds(network, splits.image_size)
    rate = measured_rate(setup.device, trainer.precision, torch.get_num_threads())
    middle = statistics.median(speeds)
    yield {
        "network": model,
        "asked": step,
        "step": trainer.step,
        "remark": trainer.remark,
        "precision": trainer.precision,
        "batch_size": recipe.batch_size,
        "images": len(splits.train),
        "images_per_second": middle,
        "lowest": min(speeds),
        "highest": max(speeds),
        "n": len(speeds),
        "multiply_adds": multiply_adds,
        "flops": rate,
        "utilisation": rate and 6 * multiply_adds * middle / rate,
        "peak_memory_bytes": records[-1]["peak_memory_bytes"],
        "seconds_compiling": sum(record["seconds_compiling"] for record in records),
        "seconds": time.perf_counter() - began,
    }


def speed_recipe(model: str, step: str, epochs: int) -> Row:
    """Return the recipe of a measurement of speed: generated images, hardly any evaluation."""
    images = SPEED_IMAGES + 100
    data = {"name": "embedded", "images": images, "validation_images": 100, "limit_eval": 100}
    return {"model": model, "data": data, "epochs": epochs, "step": step}


def against_peers(model: str, peers: tuple[str, ...], pairs: int, setup: Setup) -> Iterator[Row]:
    """Yield pairs of epochs: resray's `fit()` and then another training loop, in turns."""
    recipe = setup.recipe(speed_recipe(model, "auto", pairs + 1))
    _, splits = setup.images(recipe)
    own, trainer = resray(Setting(recipe, splits, setup.device, "", False))
    setting = Setting(recipe, splits, setup.device, trainer.precision, trainer.parts.channels_last)
    epochs = {
        name: bare(setting, trainer) if name == "bare" else PEERS[name](setting) for name in peers
    }
    for pair in range(recipe.epochs):
        ours = own()
        for name, epoch in epochs.items():
            theirs = epoch()
            if pair:  # the first one warms up
                yield {"network": model, "peer": name, "pair": pair, "resray": ours,
                       "speed": theirs, "ratio": ours / theirs}  # fmt: skip


def loaders(setup: Setup) -> Iterator[Row]:
    """Yield how fast resray's loader gives batches, and one in airbench's style, in turns."""
    recipe = setup.recipe(speed_recipe("resnet18", "eager", 2))
    trainer = setup.trainer(recipe)
    loader, images = trainer.train_loader, trainer.splits.train

    def ours(epoch: int) -> None:
        for inputs in loader.epoch(epoch):
            loader.prepare(*inputs)

    pixels, labels = images.images.to(setup.device), images.labels.to(setup.device)
    scale = trainer.splits.mean, trainer.splits.std
    theirs = partial(airbench_epoch, pixels, labels, *scale, recipe.batch_size)
    for pair in range(6):
        speeds = {}
        for name, epoch in (("resray", ours), ("airbench", lambda number: list(theirs(number)))):
            wait_for(setup.device)
            started = time.perf_counter()
            epoch(pair + 1)
            wait_for(setup.device)
            speeds[name] = len(labels) / (time.perf_counter() - started)
        if pair:  # the first one warms up
            yield {"pair": pair, **speeds, "ratio": speeds["resray"] / speeds["airbench"]}


def packing(setup: Setup) -> Iterator[Row]:
    """Yield the images per second of 1, 2, 4 and 8 resnet18 trials that share the device.

    Eight processes start once; in each round so many of them train the same epochs at a time.
    """
    most = PACKED[1] if setup.tiny else PACKED[-1]
    context = get_context("spawn")
    gate, found = context.Barrier(most + 1), context.Queue()
    processes = [
        context.Process(target=packed_trials, args=(index, setup, gate, found), daemon=True)
        for index in range(most)
    ]
    for process in processes:
        process.start()
    try:
        for together in (count for count in PACKED if count <= most):
            gate.wait(timeout=120)
            speeds = [found.get(timeout=120) for _ in range(together)]
            yield {"trials": together, "images_per_second": sum(speeds), "slowest": min(speeds),
                   "fastest": max(speeds)}  # fmt: skip
    finally:
        for process in processes:
            process.kill()


def packed_trials(index: int, setup: Setup, gate: Any, found: Any) -> None:
    """Train in each round in which so many trials take part, and tell the images per second."""
    setup = Setup(own_device(), setup.data_dir, setup.tiny)
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    recipe = setup.recipe(speed_recipe("resnet18", "auto", 1 + 3 * len(PACKED)))
    recipe = recipe.model_copy(update={"epochs": 1 + 3 * len(PACKED)})
    records = fit(setup.trainer(recipe))
    next(records)
    for together in PACKED:
        gate.wait(timeout=240)
        if index < together:
            of_round = list(islice(records, 3))
            seconds = sum(record["seconds_training"] for record in of_round)
            found.put(sum(record["images"] for record in of_round) / seconds)


def as_run(trial: str, limit: int | None, setup: Setup) -> Iterator[Row]:
    """Yield the epochs of a trial of resnet10-speed as its author ran it, or of some images."""
    study = load_study("resnet10-speed")
    planned = expand(study, Options(select=(trial,), variant="as-run", limit_train=limit))[0]
    recipe = setup.recipe(planned.recipe.model_dump(mode="json"))
    trainer = setup.trainer(recipe)
    for record in fit(trainer):
        yield {"trial": trial, "train_images": len(trainer.splits.train), **record}


def speeds_of(*forms: str, models: tuple[str, ...], seconds: float = 30) -> list[Measurement]:
    """Return measurements of speed for each network and form."""
    return [
        Measurement(f"{model}-{form}", "speed", seconds, partial(speed, model, form))
        for model in models
        for form in forms
    ]


MEASUREMENTS: dict[int, list[Measurement]] = {
    1: [
        Measurement("matrix-rate", "rate", 20, matrix_rate),
        Measurement(
            "resnet18-cifar10",
            "training-resnet18",
            130,
            partial(training, "depth-family", "resnet18", {}),
        ),
        Measurement(
            "resnet40-b-cifar10",
            "training-resnet40-b",
            130,
            partial(training, "basicblock-depth", "resnet40-b", {}),
        ),
        *speeds_of("captured", "eager", models=("resnet18", "resnet50")),
        Measurement(
            "resnet18-peers",
            "peers",
            60,
            partial(
                against_peers, "resnet18", ("bare", "plain", "plain-tuned", "timm", "lightning"), 3
            ),
        ),
    ],
    2: [
        Measurement(
            "wrn-28-10-cifar100",
            "training-wrn",
            170,
            partial(training, "wrn-cifar100", "paper", HELD_OUT),
        ),
        *speeds_of("captured", "eager", models=("wrn-28-10",)),
        *speeds_of("captured", models=("resnet34", "resnet101", "resnet152")),
        *speeds_of("captured", models=("resnet10-b", "resnet40-b")),
        Measurement("packing", "packing", 90, packing),
        Measurement("loaders", "loaders", 15, loaders),
        Measurement("full-as-run", "pair", 40, partial(as_run, "full-as-run", None)),
        Measurement("plain-as-run", "pair", 40, partial(as_run, "plain-as-run", 5000)),
        # Compiling takes longest, so it comes last.
        *speeds_of("compiled", models=("resnet18", "resnet50", "wrn-28-10"), seconds=60),
    ],
}
"""By part, in order."""
