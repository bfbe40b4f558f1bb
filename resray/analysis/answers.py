"""What networks get right of the test images, from the stored predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np

from resray.analysis.contrasts import ImageShares
from resray.results.predictions import read_predictions


@dataclass(frozen=True)
class Answers:
    """What one network got right."""

    test_set: str
    """Equal for the same images in the same order."""
    epoch: int
    """Of the checkpoint that predicted."""
    right: np.ndarray
    """(images,) of bool."""


@dataclass(frozen=True)
class Networks:
    """What the networks of one configuration got right of the same images."""

    test_set: str
    right: np.ndarray
    """(networks, images) of bool."""


def read_answers(folder: Path) -> dict[str, Answers]:
    """Return those of each trial of a results folder that has any. Raises InputError as
    `read_predictions` does."""
    if not (folder / "predictions").is_dir():
        return {}
    rows = read_predictions(folder).to_dict("records")
    return {
        row["trial_id"]: Answers(
            row["test_checksum"], row["epoch"], row["predicted"] == row["labels"]
        )
        for row in rows
        if row["kind"] == "test"
    }


def networks_of(
    rows: Sequence[Mapping[str, Any]], answers: Mapping[str, Answers]
) -> Networks | None:
    """Return what the networks of some trials got right of the same images; None unless that is
    known of each, by the epoch whose test accuracy its row has."""
    found = [answers.get(row["trial_id"]) for row in rows]
    known = [each for each, row in zip(found, rows, strict=True) if each and is_of(each, row)]
    if not rows or len(known) < len(rows) or len({each.test_set for each in known}) > 1:
        return None
    return Networks(known[0].test_set, np.stack([each.right for each in known]))


def shares_of(
    rows: Sequence[Mapping[str, Any]], answers: Mapping[str, Answers]
) -> ImageShares | None:
    """Return the shares by image of what `networks_of` returns."""
    networks = networks_of(rows, answers)
    return ImageShares.of(networks.test_set, networks.right) if networks else None


def is_of(answers: Answers, row: Mapping[str, Any]) -> bool:
    """Whether answers are those behind a trial's test accuracy."""
    accuracy, mean = row["test_accuracy"], 100 * float(answers.right.mean())
    known = accuracy is not None and answers.epoch == row["best_epoch"]
    return known and isclose(accuracy, mean, abs_tol=1e-6)
