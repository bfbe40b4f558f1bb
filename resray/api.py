"""The Python face: a trained network to use, and a study's results as tables."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from resray.results.store import read_table

if TYPE_CHECKING:
    from torch import nn


class Results(NamedTuple):
    """The tables of one study; docs/schema.md says what their columns mean."""

    trials: pd.DataFrame
    """One row per trial."""
    epochs: pd.DataFrame
    """One row per trial and epoch."""
    events: pd.DataFrame
    """One row per start, end or failure of a trial."""
    evaluations: pd.DataFrame
    """One row per value that `resray evaluate` measured."""


def read_results(path: str | PathLike[str]) -> Results:
    """Return the tables of a study's results folder, such as ``results/depth-family``.

    A table without rows is empty, with its columns. Raises InputError if there are no results at
    ``path``, or if a newer resray wrote them.
    """
    folder = Path(path)
    return Results(*(read_table(folder, table) for table in Results._fields))


def load_model(path: str | PathLike[str]) -> "nn.Module":
    """Return a trained network in eval mode, float32, on the CPU.

    ``path`` is a checkpoint file, or a trial's checkpoint folder, which stands for the best.pt in
    it. The network maps images (n, 3, side, side), normalised as in its training, to logits
    (n, classes); `resray.training.restore.load_network` gives the normalisation, side and class
    names too. Loads tensors and plain values only. Raises DataError if there is no checkpoint, or
    if it is damaged.
    """
    # torch takes a second to import, and tables do not need it.
    from resray.training.prediction import checkpoint_file
    from resray.training.restore import load_network

    return load_network(checkpoint_file(Path(path))).network
