"""How many epochs a trial of a search may be expected to train still."""

from collections.abc import Sequence
from itertools import pairwise

Chances = Sequence[tuple[int, float]]
"""Epochs after which trials are judged, in order, and the chance to go on there."""


def epochs_left(epoch: int, full_epochs: int, chances: Chances) -> float:
    """Return how many epochs a trial after ``epoch`` may be expected to train still.

    ``chances`` are those of the rungs at which it was not judged yet.
    """
    left, likely = 0.0, 1.0
    for rung, chance in chances:
        if epoch <= rung < full_epochs:
            left += likely * (rung - epoch)
            likely, epoch = likely * chance, rung
    return left + likely * (full_epochs - epoch)


def epochs_left_rescaled(epoch: int, epochs: int, full_epochs: int, chances: Chances) -> float:
    """Return the same where each rung is a training of its own, the present one of ``epochs``."""
    left, likely = float(epochs - epoch), 1.0
    ahead = [(rung, chance) for rung, chance in chances if epochs <= rung < full_epochs]
    for (_, chance), (length, _) in pairwise([*ahead, (full_epochs, 0.0)]):
        likely *= chance
        left += likely * length
    return left
