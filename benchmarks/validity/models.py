"""What the simulated studies measure: accuracies of seeds, and answers of seeds to test images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats
from scipy.special import ndtri, owens_t

Drawn = Callable[[np.random.Generator, tuple[int, int, int]], np.ndarray]
"""Returns errors of (studies, configurations, seeds)."""

SKEWED = 4
"""Degrees of freedom of the chi-squared errors: their skewness is 1.4."""
WIDE = 3.0
"""Times the spread of the others."""
STEP = 0.4
"""Of rounded values, in spreads: what one image weighs where some hundred test images are right
or wrong and accuracies are near 90 %."""


def normal(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    return rng.normal(size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Return errors with mean 0 and spread 1 whose long tail are bad seeds."""
    return (SKEWED - rng.chisquare(SKEWED, size=shape)) / np.sqrt(2 * SKEWED)


def unequal(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Return normal errors, those of the first configuration with `WIDE` times the spread."""
    errors = rng.normal(size=shape)
    errors[:, 0] *= WIDE
    return errors


def rounded(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Return normal errors rounded to steps, as accuracies on few test images are."""
    return STEP * np.round(rng.normal(size=shape) / STEP)


def correlated(
    rng: np.random.Generator, shape: tuple[int, int, int], correlation: float
) -> np.ndarray:
    """Return normal errors that a seed shares among configurations in part."""
    studies, _, seeds = shape
    common = rng.normal(size=(studies, 1, seeds))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=shape)


IMAGES = 10_000
ACCURACY = 93.0
DISAGREE = 5.5
"""Of the images, in percent, two seeds of one recipe disagree on so many."""
INTERACTION = 0.12
"""By so many points (standard deviation) two equal recipes differ on these very images, however
many seeds they have."""


@dataclass(frozen=True)
class SeedsAndImages:
    """Networks that get an image right where a normal score of variance 1 exceeds a threshold.

    The score is the sum of independent parts: the image's, what only this recipe finds in the
    image, the run's (which moves all of its images) and what is left; each field is a part's share.
    """

    image: float
    recipe: float
    run: float

    @classmethod
    def calibrated(cls, run_sd: float) -> "SeedsAndImages":
        """Return the shares that give `ACCURACY`, `DISAGREE` and `INTERACTION`, and runs a spread
        of ``run_sd`` points beside that of the images.

        Two networks whose scores correlate by r disagree on 4 T(z, sqrt((1 - r) / (1 + r))) of the
        images, z the threshold and T Owen's function ("Tables for Computing Bivariate Normal
        Probabilities", 1956).
        """
        threshold = ndtri(ACCURACY / 100)

        def disagree(correlation: float) -> float:
            return float(400 * owens_t(threshold, np.sqrt((1 - correlation) / (1 + correlation))))

        within = optimize.brentq(lambda r: disagree(r) - DISAGREE, 0, 1 - 1e-9)
        # With seeds without number, each of the two recipes adds to the variance of the difference
        # by image half of what two networks of different recipes disagree on beyond those of one.
        beyond = INTERACTION**2 * IMAGES / 100
        between = optimize.brentq(lambda r: disagree(r) - DISAGREE - beyond, 0, within)
        run = (run_sd / 100 / stats.norm.pdf(threshold)) ** 2
        return cls(between, within - between, run)

    def scores(self, rng: np.random.Generator, recipes: int, seeds: int) -> np.ndarray:
        """Return the scores of networks of equal recipes, (recipes, seeds, images)."""
        left = np.sqrt(1 - self.image - self.recipe - self.run)

        def draw(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape, dtype=np.float32)

        scores = np.float32(left) * draw(recipes, seeds, IMAGES)
        scores += np.float32(np.sqrt(self.recipe)) * draw(recipes, 1, IMAGES)
        scores += np.float32(np.sqrt(self.image)) * draw(IMAGES)
        scores += np.float32(np.sqrt(self.run)) * draw(recipes, seeds, 1)
        return scores


def right(scores: np.ndarray, gains: Sequence[float]) -> np.ndarray:
    """Return which images networks get right, of recipes that are better than `ACCURACY` by so many
    points each."""
    thresholds = ndtri((ACCURACY + np.array(gains)) / 100)
    return scores > -thresholds[:, None, None].astype(np.float32)
