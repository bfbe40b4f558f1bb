"""Results of a small search on disk, with a winner, as `resray tune` leaves them."""

import json
from pathlib import Path
from typing import Any

from resray.data.sources import open_dataset
from resray.results.store import ResultStore
from resray.study.recipe_spec import Recipe
from tests.report_builder import trial, write_results

SEARCH = '{"grace":1,"reduction_factor":3,"rung_schedule":"full","scheduler":"asha"}'
STUDY = """
name: rates
title: Two rates
question: Which rate is the better one?
recipe:
  data: {name: embedded, images: 200, classes: 4, image_size: 8, validation_images: 40}
  epochs: 4
  augmentation: {crop_padding: 0, cutout: {probability: 0.5, size: 2}}
trials:
  - {name: narrow, recipe: {model: {name: resnet, blocks: [1], channels: [8]}}}
variants:
  smooth: {description: smoothed, recipe: {label_smoothing: 0.1}}
search:
  spaces:
    rates:
      axes:
        trial: {grid: [narrow]}
        optimizer.lr: {grid: [0.05, 0.2]}
"""
WINNING: dict[str, Any] = {
    "model": {"name": "resnet", "blocks": [1], "channels": [8]},
    "data": {"name": "embedded", "images": 200, "classes": 4, "image_size": 8,
             "validation_images": 40},
    "epochs": 4,
    "optimizer": {"lr": 0.2},
    "augmentation": {"crop_padding": 0, "cutout": {"probability": 0.5, "size": 2}},
}  # fmt: skip


def searched(name: str, accuracy: float | None, **changes: Any) -> dict[str, Any]:
    """Return the row of a search trial that was trained in full, with ``changes``."""
    made = {
        "trial_id": name,
        "role": "search",
        "space": "all",
        "point": json.dumps({"optimizer.lr": name}),
        "rung": 3,
        "full_epochs": 20,
        "audited": None,
        "reason": None,
        "validation_accuracy": accuracy,
        "test_accuracy": None,
        "test_accuracy_best": None,
        "test_accuracy_last": None,
    }
    return trial("resnet18") | {"name": name} | made | changes


def confirmed(won: dict[str, Any], seed: int, **changes: Any) -> dict[str, Any]:
    made = {"trial_id": f"confirmation-{seed}", "role": "confirmation", "seed": seed}
    return won | {"test_accuracy": 90.0 + seed, "rung": None, "full_epochs": None} | made | changes


def results_of_a_search(
    folder: Path, *more: dict[str, Any], confirmations: int = 3, **columns: Any
) -> None:
    """Write the results of a search with a winner, as `resray tune` leaves them.

    All of its trials have ``columns``.
    """
    recipe = Recipe.model_validate(WINNING).model_dump_json()
    point = json.dumps({"trial": "narrow", "optimizer.lr": 0.2})
    same = {
        "study": "rates",
        "recipe": recipe,
        "point": point,
        "space": "rates",
        "epochs": 4,
        "search": SEARCH,
        "dataset_checksum": open_dataset(Recipe.model_validate(WINNING).data).checksum,
        **columns,
    }
    won = searched("narrow-0.2", 61.5, epochs_done=4, full_epochs=4, **same)
    worse = same | {"point": json.dumps({"trial": "narrow", "optimizer.lr": 0.05})}
    stopped = {"status": "stopped", "epochs_done": 2, "full_epochs": 4}
    rows = [won, searched("narrow-0.05", 40.0, **stopped, **worse)]
    rows += [confirmed(won, seed) for seed in range(1, confirmations + 1)]
    write_results(folder, [*rows, *more], epochs=[])
    decision = {"rung": 1, "epoch": 2, "value": 40.0, "cutoff": 61.5, "arrived": 2, "stopped": True}
    store = ResultStore(folder)
    store.put_decision({"trial_id": "narrow-0.05", "search": SEARCH, **decision})
    store.flush()
    (folder / "study.yaml").write_text(STUDY)
