"""What networks get right of the test images, from the stored predictions: how far an accuracy
depends on the images, how alike networks answer."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resray.analysis.contrasts import ImageShares
from resray.analysis.statistics import t_quantile
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
    known = [answers[row["trial_id"]] for row in rows if is_known(row, answers)]
    if not rows or len(known) < len(rows) or len({each.test_set for each in known}) > 1:
        return None
    return Networks(known[0].test_set, np.stack([each.right for each in known]))


def shares_of(
    rows: Sequence[Mapping[str, Any]], answers: Mapping[str, Answers]
) -> ImageShares | None:
    """Return the shares by image of what `networks_of` returns."""
    networks = networks_of(rows, answers)
    return ImageShares.of(networks.test_set, networks.right) if networks else None


def is_known(row: Mapping[str, Any], answers: Mapping[str, Answers]) -> bool:
    """Whether it is stored what a trial's network got right, by the epoch of its test accuracy."""
    own, accuracy = answers.get(row["trial_id"]), row["test_accuracy"]
    if own is None or accuracy is None or own.epoch != row["best_epoch"]:
        return False
    return math.isclose(accuracy, 100 * float(own.right.mean()), abs_tol=1e-6)


def half_interval(
    rows: Sequence[Mapping[str, Any]], answers: Mapping[str, Answers]
) -> float | None:
    """Return half of the 95 % interval, in points, of the mean test accuracy of some trials, were
    the same networks tested on other images.

    By Student's t from the variance over images of the share of the networks that are right; where
    that is not stored for each network, from the binomial variance of the mean accuracy, which is
    the same for one network and larger for several. None without accuracy or number of images, and
    where all images have one share, from which no variance can be told.
    """
    if shares := shares_of(rows, answers):
        variance, images = shares.variance, len(shares.share)
    else:
        known = [row for row in rows if row["test_accuracy"] is not None and row["test_images"]]
        images = min((row["test_images"] for row in known), default=0)
        accuracy = float(np.mean([row["test_accuracy"] for row in known])) if known else 0.0
        variance = accuracy * (100 - accuracy) / (images - 1) if images > 1 else 0.0
    return t_quantile(images - 1) * math.sqrt(variance) if variance > 0 else None


class Agreement(NamedTuple):
    """How alike pairs of networks answer, each a mean over the pairs."""

    share: float
    """Images, in percent, that both networks of a pair get right or both get wrong, as whatever
    class."""
    consistency: float
    """Cohen's kappa of right and wrong: 0 where the networks are right together as often as their
    accuracies alone let expect, 1 where always. NaN where a pair is right, or wrong, everywhere.
    Geirhos, Meding & Wichmann, "Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and
    humans by measuring error consistency" (2020)."""


def agreement(first: np.ndarray, second: np.ndarray) -> Agreement:
    """Return that of each network of one configuration with each of another; ``first`` and
    ``second`` are (networks, images) of bool, of the same images."""
    return _mean(*_pairs(first, second))


def agreement_within(right: np.ndarray) -> Agreement | None:
    """Return that of all pairs of one configuration's networks; None of a single network."""
    among = np.triu_indices(len(right), 1)
    share, expected = (each[among] for each in _pairs(right, right))
    return _mean(share, expected) if len(share) else None


def _pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of equal answers of each pair, and that expected by the accuracies."""
    # Of 1 and -1, the product is 1 where the answers are equal: one matrix product for all pairs.
    signs = [np.where(right, 1, -1).astype(np.float32) for right in (first, second)]
    share = (1 + (signs[0] @ signs[1].T).astype(float) / first.shape[1]) / 2
    one, other = first.mean(axis=1)[:, None], second.mean(axis=1)[None]
    return share, one * other + (1 - one) * (1 - other)


def _mean(share: np.ndarray, expected: np.ndarray) -> Agreement:
    with np.errstate(invalid="ignore"):
        consistency = (share - expected) / (1 - expected)
    return Agreement(100 * float(share.mean()), float(consistency.mean()))


def misses(configurations: Iterable[np.ndarray]) -> np.ndarray:
    """Return how many networks miss each image, (images,), of all configurations."""
    return np.sum([(~right).sum(axis=0) for right in configurations], axis=0)
