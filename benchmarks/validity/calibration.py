"""How far from the truth few images put the calibration errors that `resray evaluate` measures.

    uv run python benchmarks/validity/calibration.py

Drawn are networks whose every probability is right, and ones that are too sure by a known factor.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from resray.training.scores import calibration as calibration_error
from resray.training.scores import debiased_calibration_error

IMAGES = (10_000, 1_000, 500)
MANY = 300_000
"""On so many images either error is the truth, to 0.1 points."""
CLASSES = 10
SPREAD = 16.0
"""Standard deviation of the logits; of a calibrated network's predictions some 93 % are right."""
TOO_SURE = 1.5
"""Factor on the logits of a network that is overconfident."""


def plain(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the expected calibration error, in percent."""
    return calibration_error(probabilities, labels)["calibration_error"]


def debiased(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the debiased root mean square calibration error, in percent."""
    return debiased_calibration_error(probabilities, labels) or 0.0


def squared(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Return what that is the root of, in squared percent: without bias whatever the network."""
    error = debiased(probabilities, labels)
    return math.copysign(error**2, error)


@dataclass(frozen=True)
class Bias:
    """What an error is on average, beside what it is in truth."""

    network: str
    error: str
    images: int
    truth: float
    values: torch.Tensor
    """Of each network drawn, float64."""

    @property
    def bias(self) -> float:
        """Positive where a network looks worse than it is."""
        return self.values.mean().item() - self.truth

    @property
    def standard_error(self) -> float:
        """Of the bias."""
        return self.values.std().item() / math.sqrt(len(self.values))


def calibration(networks: int = 300, seed: int = 0) -> Iterator[Bias]:
    """Yield the bias of each error, over so many draws of images and labels."""
    generator = torch.Generator().manual_seed(seed)
    for network, factor in (("calibrated", 1.0), ("too sure", TOO_SURE)):
        many = drawn(MANY, factor, generator)
        for images in IMAGES:
            sets = [drawn(images, factor, generator) for _ in range(networks)]
            for error in (plain, debiased, squared):
                values = torch.tensor([error(*each) for each in sets], dtype=torch.float64)
                truth = 0.0 if factor == 1 else error(*many)
                yield Bias(network, error.__name__, images, truth, values)


def drawn(
    images: int, factor: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return probabilities whose logits are ``factor`` times those that the labels follow, and the
    labels."""
    shape = (images, CLASSES)
    logits = SPREAD * torch.randn(shape, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    return (factor * logits).softmax(1), labels


def main() -> None:
    """Print the biases as a table."""
    print("In percent; squared: in squared percent.")
    columns = f"{'images':>8}{'truth':>8}{'mean':>8}{'spread':>8}{'bias':>8}"
    print(f"{'network':12}{'error':10}{columns}")
    for row in calibration():
        mean, spread = row.values.mean().item(), row.values.std().item()
        numbers = f"{row.images:8,}{row.truth:8.2f}{mean:8.2f}{spread:8.2f}"
        bias = f"{row.bias:+8.2f} ± {row.standard_error:.2f}"
        print(f"{row.network:12}{row.error:10}{numbers}{bias}")


if __name__ == "__main__":
    main()
