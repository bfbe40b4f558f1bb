"""Synthetic results on disk, in the real schema, for the tests of the report."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resray.analysis.results import Analysis
from resray.results.schema import table_schema
from resray.study.reduction import migrated

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
SIZES = {
    "resnet18": (11_173_962, 556_651_520),
    "resnet34": (21_282_122, 1_161_000_000),
    "resnet50": (23_520_842, 1_304_000_000),
    "resnet101": (42_512_970, 2_520_000_000),
    "resnet152": (58_156_618, 3_736_000_000),
}
RECIPE: dict[str, Any] = {
    "data": {"name": "cifar10", "validation_images": 5000, "limit_train": None},
    "batch_size": 128,
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    "schedule": {"name": "cosine", "warmup_epochs": 0, "milestones": []},
    "precision": "auto",
}


def trial(
    name: str = "resnet18", seed: int = 0, epochs: int = 20, **changes: Any
) -> dict[str, Any]:
    """Return the row of a completed trial, with ``changes`` to its columns."""
    parameters, multiply_adds = SIZES.get(name, (1_000_000, 40_000_000))
    training = epochs * multiply_adds / 3e7
    top = 88 + 6 * (1 - math.exp(-epochs / 20)) + (parameters / 4e7) + 0.2 * math.sin(7 * seed)
    row = {
        "trial_id": f"{name}-{seed}-{epochs}".replace("/", "_"),
        "study": "depth-family",
        "name": name,
        "variant": "standard",
        "seed": seed,
        "status": "completed",
        "attempts": 1,
        "recipe": json.dumps(
            {**RECIPE, "model": {"name": name, "stem": "cifar"}, "epochs": epochs}
        ),
        "reductions": "[]",
        "model": name,
        "dataset": "cifar10",
        "data_source": "torchvision files",
        "dataset_checksum": "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0",
        "train_images": 45000,
        "validation_images": 5000,
        "test_images": 10000,
        "image_size": 32,
        "epochs": epochs,
        "epochs_done": epochs,
        "batch_size": 128,
        "batch_per_rank": 128,
        "precision": "bf16",
        "channels_last": True,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "world_size": 1,
        "host": "node-1",
        "device": "NVIDIA H200",
        "exclusive": True,
        "python_version": "3.11.9",
        "torch_version": "2.13.0",
        "ray_version": "2.60.0",
        "resray_version": "0.1.0",
        "git_commit": "ed9ed45aa0c7e1f5b0a1d2c3e4f5a6b7c8d9e0f1",
        "git_dirty": False,
        "started": START,
        "ended": START + timedelta(seconds=training * 1.2),
        "seconds_training": training,
        "seconds_evaluating": training * 0.12,
        "seconds_starting": 4.0,
        "images_per_second": 45000 * 3e7 / multiply_adds,
        "matrix_rate": 2e13,
        "utilisation": 6 * 45000 * 3e7 / 2e13,
        "best_epoch": epochs,
        "validation_accuracy": top + 0.3,
        "test_accuracy": top,
        "test_accuracy_best": top + 0.15,
        "test_accuracy_last": top - 0.05,
        "updated": START,
    }
    assert not set(changes) - set(table_schema("trials").names)
    return row | changes


def epochs_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return plausible epochs for a trial: falling losses, accuracies that level off."""
    return [epoch_row(row, epoch) for epoch in range(1, (row["epochs_done"] or 0) + 1)]


def epoch_row(row: dict[str, Any], epoch: int) -> dict[str, Any]:
    progress = 1 - math.exp(-4 * epoch / (row["epochs"] or 1))
    wobble = 2.5 * math.sin(3.1 * epoch + row["seed"]) * (1 - progress)
    top = row["test_accuracy"] or 60.0
    test = 35 + (top - 35) * progress + wobble
    seconds = (row["seconds_training"] or 10.0) / max(row["epochs_done"], 1)
    return {
        **{key: row[key] for key in ("trial_id", "study", "name", "seed")},
        "epoch": epoch,
        "train_loss": 2.1 * (1 - progress) + 0.02,
        "train_accuracy": 30 + 69 * progress,
        "validation_loss": 2.0 * (1 - progress) + 0.25,
        "validation_accuracy": test + 0.4 + 0.3 * wobble,
        "test_loss": 2.0 * (1 - progress) + 0.28,
        "test_accuracy": test,
        "learning_rate": 0.1 * (1 - progress),
        "gradient_norm_first_stage": 0.9 * (1.1 - progress) * 1e7 / (row["parameters"] or 1e7),
        "gradient_norm_last_stage": 0.5 * (1.1 - progress),
        "images": 45000,
        "seconds_training": seconds,
        "seconds_evaluating": seconds * 0.12,
        "images_per_second": 45000 / seconds,
        "peak_memory_bytes": 3 * 2**30,
        "attempt": 1,
        "recorded": START + timedelta(minutes=epoch),
    }


def evaluation(row: dict[str, Any], kind: str, value: float, **changes: Any) -> dict[str, Any]:
    """Return a row of a trial's evaluations: an accuracy of its best checkpoint."""
    made = {
        **{key: row[key] for key in ("trial_id", "study", "name", "seed", "device")},
        "checkpoint": f"best.pt@{row['best_epoch']}",
        "epoch": row["best_epoch"],
        "kind": kind,
        "metric": "accuracy",
        "value": value,
        "images": row["test_images"],
        "evaluated": START,
    }
    return made | changes


def write_results(
    folder: Path,
    trials: list[dict[str, Any]],
    *,
    epochs: list[dict[str, Any]] | None = None,
    events: list[dict[str, Any]] | None = None,
    evaluations: list[dict[str, Any]] | None = None,
    predictions: list[dict[str, Any]] | None = None,
    study: Path | None = None,
) -> Path:
    """Write a results folder: one file per trial, epochs made up unless they are given.

    Reductions are given in words.
    """
    trials = [row | {"reductions": migrated(row.get("reductions"))} for row in trials]
    made = epochs if epochs is not None else [e for row in trials for e in epochs_of(row)]
    tables = {"trials": trials, "epochs": made, "events": events or []}
    if evaluations is not None:
        tables["evaluations"] = evaluations
    if predictions is not None:
        tables["predictions"] = predictions
    for table, rows in tables.items():
        (folder / table).mkdir(parents=True, exist_ok=True)
        for number, trial_id in enumerate(dict.fromkeys(row["trial_id"] for row in rows)):
            own = [row for row in rows if row["trial_id"] == trial_id]
            content = pa.Table.from_pylist(own, schema=table_schema(table))
            pq.write_table(content, folder / table / f"{number}.parquet")
    if study is not None:
        (folder / "study.yaml").write_bytes(study.read_bytes())
    return folder


def changed(results: Analysis, **parts: object) -> Analysis:
    """Return results of which these parts are others than the tables say."""
    made = replace(results)
    made.__dict__.update(parts)
    return made
