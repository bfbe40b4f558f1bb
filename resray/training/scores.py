"""What probabilities are worth: accuracy, loss, confusion and calibration."""

import math

import torch
from torch.nn import functional

BINS = 15


def scores(probabilities: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Return accuracy (percent) and loss (mean cross-entropy in nats).

    ``probabilities`` is float64 (n, classes), ``labels`` int64 (n,), n at least 1.
    """
    correct = probabilities.argmax(1) == labels
    of_label = probabilities.gather(1, labels[:, None])
    # A probability of exactly 0 has no logarithm; float64 keeps all but the surest mistakes above.
    smallest = torch.finfo(torch.float64).tiny
    loss = -of_label.double().clamp_min(smallest).log().mean()
    return {"accuracy": 100 * correct.double().mean().item(), "loss": loss.item()}


def class_accuracies(
    probabilities: torch.Tensor, labels: torch.Tensor
) -> dict[int, tuple[float, int]]:
    """Return the accuracy (percent) and number of images of each class that has any."""
    correct = probabilities.argmax(1) == labels
    return {
        label: (100 * correct[labels == label].double().mean().item(), int((labels == label).sum()))
        for label in labels.unique().tolist()
    }


def confusion(probabilities: torch.Tensor, labels: torch.Tensor) -> dict[tuple[int, int], int]:
    """Return how many images of each class (first) were taken for each class (second).

    Pairs of classes without an image are left out: of 10,000 pairs of CIFAR-100 most are.
    """
    classes = probabilities.shape[1]
    pairs, counts = (labels * classes + probabilities.argmax(1)).unique(return_counts=True)
    return {divmod(pair, classes): count
            for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)}  # fmt: skip


def mean_confidence(probabilities: torch.Tensor) -> float:
    """Return the mean of the largest probability of each image, in percent."""
    return 100 * probabilities.double().amax(1).mean().item()


def calibration(
    probabilities: torch.Tensor, labels: torch.Tensor, bins: int = BINS
) -> dict[str, float]:
    """Return the expected calibration error and the mean confidence, both in percent.

    Confidence is the largest probability. Images fall into ``bins`` equal intervals of it, open
    below and closed above; the error is the mean, weighted by images, of how far a bin's accuracy
    is from its mean confidence. Source: Guo et al., "On Calibration of Modern Neural Networks"
    (2017), after Naeini et al. (2015).
    """
    confidence, predicted = probabilities.double().max(1)
    correct = (predicted == labels).double()
    edges = torch.arange(1, bins, dtype=torch.float64) / bins
    bin_of = torch.bucketize(confidence, edges)
    # Per bin: how many more were right than the confidences promised.
    excess = torch.zeros(bins, dtype=torch.float64).index_add_(0, bin_of, correct - confidence)
    error = excess.abs().sum() / len(labels)
    return {
        "calibration_error": 100 * error.item(),
        "confidence": mean_confidence(probabilities),
    }


def debiased_calibration_error(
    probabilities: torch.Tensor, labels: torch.Tensor, bins: int = BINS
) -> float | None:
    """Return the root mean square calibration error less its bias, in percent; None for one image.

    Images fall into ``bins`` groups of like confidence and equal size (to within an image; fewer
    groups where each would have a single image). The square of a group's mean residual (1 or 0 for
    right or wrong, minus the confidence) is on average too large by the variance of that mean,
    which is subtracted. The square is then as often too small as too large, and may be negative:
    the root keeps its sign, so that a perfectly calibrated network has about 0 on average.

    Source: Kumar, Liang & Ma, "Verified Uncertainty Calibration" (2019), after Bröcker, "Estimating
    Reliability and Resolution of Probability Forecasts" (2012). They take the variance of the
    labels, which is that of the residuals where a group has one confidence.
    """
    count = len(labels)
    if count < 2:
        return None
    confidence, predicted = probabilities.double().max(1)
    residuals = (predicted == labels).double() - confidence
    ordered = residuals[confidence.argsort(stable=True)]
    square = sum(
        len(group) / count * (group.mean() ** 2 - group.var() / len(group)).item()
        for group in ordered.tensor_split(min(bins, count // 2))
    )
    return 100 * math.copysign(math.sqrt(abs(square)), square)


def brier_score(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the mean over images of the squared distance, summed over classes, from right.

    0 is best; a network that gives each of k classes 1/k has 1 - 1/k, and 2 is worst. Source:
    Brier, "Verification of Forecasts Expressed in Terms of Probability" (1950).
    """
    right = functional.one_hot(labels, probabilities.shape[1])
    return (probabilities.double() - right).square().sum(1).mean().item()
