"""Made-up results of many trials, in the real schema and layout, for measuring the report.

    uv run python benchmarks/speed/many_results.py FOLDER [--trials 1000] [--seeds 10]

Configurations are recipes of five networks that differ in learning rate, weight decay, label
smoothing (one with phases), CutMix, batch size; each is trained with ``--seeds`` seeds. Accuracies
level off, losses fall, both wobble; in twenty trials one diverges, one is interrupted and one is
stopped. Every tenth configuration ran on another device, every seventh beside others; 64 workers
of four machines take the trials in turns. The same
arguments give the same files, but for their names.
"""

import argparse
import hashlib
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from resray.results.files import encoded
from resray.results.schema import table_schema
from resray.results.storage import LocalFolder, Storage
from resray.results.store import read_rows
from resray.results.summary import summarise
from resray.results.tables import TRIALS, Parts
from resray.study.load import study_text
from resray.study.phases import settings_in_force
from resray.study.recipe_spec import Recipe

Row = dict[str, Any]

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
STUDY = "depth-family"
TEST_IMAGES, TRAIN_IMAGES = 10_000, 45_000
WORKERS, MACHINES = 64, 4
TOGETHER = 500
"""Trials whose epochs are written as one part."""
NETWORKS = {
    "resnet18": (11_173_962, 556_651_520),
    "resnet34": (21_282_122, 1_161_000_000),
    "resnet50": (23_520_842, 1_304_000_000),
    "resnet101": (42_512_970, 2_520_000_000),
    "resnet152": (58_156_618, 3_736_000_000),
}
"""Parameters and multiply-adds."""
RATES = (0.1, 0.03, 0.3, 0.01, 0.05)
DECAYS = (5e-4, 1e-4, 1e-3, 0.0)
CUTMIX = (0.0, 0.2, 0.5, 1.0, 2.0)
BATCHES = (128, 64, 256, 32, 512, 96, 192, 48, 384, 1024)
SPEED = {"NVIDIA H200": 3e13, "NVIDIA A100-SXM4-80GB": 1.2e13}
"""Multiply-adds a second, forward and backward."""


@dataclass(frozen=True)
class Configuration:
    """One recipe, and how well and where it trains."""

    place: int
    recipe: Recipe
    top: float
    """The test accuracy that its seeds level off around, in percent."""

    @cached_property
    def text(self) -> str:
        return self.recipe.model_dump_json()

    @cached_property
    def settings(self) -> list[str]:
        """The settings in force in each epoch, as the tables hold them."""
        epochs = range(1, self.recipe.epochs + 1)
        return [json.dumps(settings_in_force(self.recipe, epoch)) for epoch in epochs]

    @property
    def device(self) -> str:
        return list(SPEED)[self.place % 10 == 9]

    @property
    def exclusive(self) -> bool:
        return self.place % 7 != 6


def configurations(epochs: int) -> Iterator[Configuration]:
    """Yield up to 10,000 different configurations; the first hundred differ in three settings."""
    smoothings: tuple[dict[str, Any], ...] = (
        {},
        {"label_smoothing": phases(epochs)} if epochs > 1 else {},
    )
    axes = product(BATCHES, CUTMIX, smoothings, DECAYS, RATES, NETWORKS)
    for place, (batch, cutmix, smoothing, decay, rate, network) in enumerate(axes):
        recipe = Recipe.model_validate(
            {
                "model": {"name": network, "zero_init_residual": True},
                "data": {"name": "cifar10"},
                "epochs": epochs,
                "batch_size": batch,
                "optimizer": {"name": "sgd", "lr": rate, "weight_decay": decay},
                "schedule": {"name": "cosine", "warmup_epochs": min(5, epochs - 1)},
                "mixing": {"cutmix_alpha": cutmix},
                "phases": smoothing,
            }
        )
        off = np.random.default_rng(place).normal(0, 0.4)
        top = 93 + 0.5 * list(NETWORKS).index(network) + off - 1.5 * abs(np.log10(rate / 0.1))
        yield Configuration(place, recipe, float(top))


def phases(epochs: int) -> dict[str, float]:
    """Return label smoothing that is halved halfway."""
    half = epochs // 2
    return {f"1-{half}": 0.1, f"{half + 1}-{epochs}": 0.05}


def columns_of(
    configuration: Configuration, done: int, noise: np.random.Generator
) -> dict[str, Any]:
    """Return the measured epoch columns of a training of ``done`` epochs."""
    recipe = configuration.recipe
    parameters, work = NETWORKS[recipe.model.name]
    epoch = np.arange(1, done + 1)
    way = 1 - np.exp(-4 * epoch / recipe.epochs)
    own = configuration.top + noise.normal(0, 0.15)
    test = 35 + (own - 35) * way + noise.normal(0, 2.5, done) * (1.02 - way)
    seconds = 3 * work * TRAIN_IMAGES / SPEED[configuration.device] * noise.uniform(0.97, 1.1, done)
    return {
        "epoch": epoch,
        "train_loss": 2.1 * (1 - way) + 0.02 + noise.exponential(0.01, done),
        "train_accuracy": np.round(30 + 69 * way + noise.normal(0, 0.3, done), 3),
        "validation_loss": 2.0 * (1 - way) + 0.25 + noise.exponential(0.03, done),
        "validation_accuracy": np.round(test + noise.normal(0.2, 0.25, done), 2),
        "test_loss": 2.0 * (1 - way) + 0.28 + noise.exponential(0.03, done),
        "test_accuracy": np.round(test, 2),
        "learning_rate": recipe.optimizer.lr * (1 + np.cos(np.pi * epoch / recipe.epochs)) / 2,
        "momentum": np.full(done, 0.9),
        "dropout": np.zeros(done),
        "label_smoothing": [json.loads(text)["label_smoothing"]
                            for text in configuration.settings[:done]],
        "mixup_alpha": np.zeros(done),
        "cutmix_alpha": np.full(done, recipe.mixing.cutmix_alpha),
        "settings": configuration.settings[:done],
        "gradient_norm_first_stage": (1.1 - way) * 1e7 / parameters * noise.uniform(0.8, 1.2, done),
        "gradient_norm_last_stage": (1.1 - way) * noise.uniform(0.4, 0.6, done),
        "images": np.full(done, TRAIN_IMAGES),
        "seconds_training": seconds,
        "seconds_evaluating": seconds * 0.12,
        "images_per_second": TRAIN_IMAGES / seconds,
        "peak_memory_bytes": np.full(done, 40 * parameters + 2**31),
        "energy_joules": seconds * 600,
        "attempt": np.ones(done, dtype=int),
    }  # fmt: skip


def fate_of(place: int, epochs: int) -> tuple[str, str | None, int]:
    """Return status, reason and epochs of the trial at a place: seventeen in twenty complete."""
    return {
        7: ("failed", "diverged", epochs // 10),
        13: ("stopped", "stop-after", epochs // 2),
        18: ("interrupted", None, epochs // 3),
    }.get(place % 20, ("completed", None, epochs))


@dataclass(frozen=True)
class MadeTrial:
    """One training: its rows in each table."""

    place: int
    seed: int
    configuration: Configuration
    worker: int
    started: datetime

    @cached_property
    def identity(self) -> Row:
        text = f"{self.configuration.text}{self.seed}"
        return {
            "trial_id": hashlib.sha256(text.encode()).hexdigest()[:16],
            "study": STUDY,
            "name": self.configuration.recipe.model.name,
            "seed": self.seed,
        }

    @cached_property
    def fate(self) -> tuple[str, str | None, int]:
        return fate_of(self.place, self.configuration.recipe.epochs)

    @cached_property
    def epochs(self) -> pa.Table:
        status, _, done = self.fate
        noise = np.random.default_rng((self.configuration.place, self.seed))
        columns = columns_of(self.configuration, done, noise)
        if status == "failed" and done:
            columns["train_loss"][-1] = np.nan
        took = np.cumsum(columns["seconds_training"] * 1.12)
        recorded = [self.started + timedelta(seconds=float(seconds)) for seconds in took]
        fixed = {key: [value] * done for key, value in self.identity.items()}
        schema = table_schema("epochs")
        untold = {name: [None] * done for name in schema.names}
        return pa.table({**untold, **fixed, **columns, "recorded": recorded}, schema=schema)

    @property
    def ended(self) -> datetime:
        recorded: list[datetime] = self.epochs["recorded"].to_pylist()
        return recorded[-1] if recorded else self.started

    @cached_property
    def trial(self) -> Row:
        recipe, rows = self.configuration.recipe, self.epochs.to_pylist()
        status, reason, done = self.fate
        parameters, work = NETWORKS[recipe.model.name]
        return {
            **self.identity,
            "variant": "standard",
            "role": "bench",
            "status": status,
            "reason": reason,
            "error_class": "DivergedError" if status == "failed" else None,
            "error_message": f"training loss is nan in epoch {done}"
            if status == "failed"
            else None,
            "attempts": 1,
            "recipe": self.configuration.text,
            "reductions": "[]",
            "model": recipe.model.name,
            "dataset": recipe.data.name,
            "data_source": "CIFAR-10 (Parquet folder, JPEG)",
            "dataset_checksum": "8188b294d296e2f0df6fc5a50a5c989967f176e7039ce8af4f50fa76177db9f5",
            "train_images": TRAIN_IMAGES,
            "validation_images": 5000,
            "test_images": TEST_IMAGES,
            "image_size": 32,
            "epochs": recipe.epochs,
            "stop_after": done if status == "stopped" else None,
            "batch_size": recipe.batch_size,
            "accumulation": 1,
            "loader": "device",
            "batch_per_rank": recipe.batch_size,
            "optimizer": recipe.optimizer.name,
            "learning_rate": recipe.optimizer.lr,
            "weight_decay": recipe.optimizer.weight_decay,
            "schedule": recipe.schedule.name,
            "precision": "bf16",
            "channels_last": True,
            "parameters": parameters,
            "multiply_adds": work,
            "world_size": 1,
            "host": f"node-{self.worker % MACHINES}",
            "device": self.configuration.device,
            "exclusive": self.configuration.exclusive,
            "python_version": "3.11.7",
            "torch_version": "2.13.0",
            "ray_version": "2.60.0",
            "resray_version": "0.1.0",
            "git_commit": "6625cf9ffb1f14c1ddd2528f0ef662dafc192d0a",
            "git_dirty": False,
            "started": self.started,
            "ended": self.ended,
            "seconds_starting": 4.0,
            "gpu_hours": sum(row["seconds_training"] * 1.12 for row in rows) / 3600,
            "updated": self.ended,
            **summarise(rows),
        }

    @property
    def events(self) -> list[Row]:
        place = {**self.identity, "attempt": 1, "host": self.trial["host"],
                 "pid": 4000 + self.worker}  # fmt: skip
        begins = {**place, "time": self.started, "event": "started", "epoch": 0}
        ends = {"time": self.ended, "event": self.trial["status"], "epoch": self.fate[2]}
        return [begins, {**place, **ends}]


def made_trials(trials: int, epochs: int, seeds: int) -> Iterator[MadeTrial]:
    """Yield trials, configuration by configuration; each starts when a worker is free."""
    if trials > 10_000 * seeds:
        raise SystemExit(f"--trials: at most {10_000 * seeds} with {seeds} seeds each")
    members = ((one, seed) for one in configurations(epochs) for seed in range(seeds))
    free = [(START, worker) for worker in range(WORKERS)]
    for place, (configuration, seed) in enumerate(islice(members, trials)):
        started, worker = free[0]
        one = MadeTrial(place, seed, configuration, worker, started)
        heapq.heapreplace(free, (one.ended, worker))
        yield one


def write_many(folder: Path, trials: int, epochs: int, seeds: int) -> Path:
    """Write so many trials as a command leaves them, and the study; return the folder.

    A folder that holds as many trials already is left as it is.
    """
    if not (folder / "trials").is_dir() or read_rows(folder, "trials").num_rows != trials:
        write_tables(LocalFolder(folder), made_trials(trials, epochs, seeds))
        (folder / "study.yaml").write_text(study_text(STUDY), encoding="utf-8")
    return folder


def write_tables(storage: Storage, trials: Iterator[MadeTrial]) -> None:
    """Write the tables, the epochs and events of some trials at a time."""
    parts, rows = Parts(storage), []
    while some := [*islice(trials, TOGETHER)]:
        rows += [one.trial for one in some]
        events = [event for one in some for event in one.events]
        parts.add("events", pa.Table.from_pylist(events, table_schema("events")))
        parts.add("epochs", pa.concat_tables([one.epochs for one in some]))
    parts.compact("events")
    parts.compact("epochs")
    storage.put(TRIALS, encoded(pa.Table.from_pylist(rows, table_schema("trials"))))


def main() -> None:
    """Parse the command line, write, say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args()
    print(write_many(asked.folder, asked.trials, asked.epochs, asked.seeds))


if __name__ == "__main__":
    main()
