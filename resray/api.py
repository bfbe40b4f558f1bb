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


def load_model(path: str | PathLike[str], *, trusted: bool = False) -> "nn.Module":
    """Return a trained network in eval mode, float32, on the CPU.

    ``path`` is a checkpoint file, a trial's checkpoint folder, which stands for the best.pt in it,
    or a folder that `resray export` wrote. The network maps images (n, 3, side, side), normalised
    as in its training, to logits (n, classes); `resray.training.restore.load_network` gives the
    normalisation, side and class names too.

    Loads tensors and plain values only; a network of one's own (``module:function``) is built by
    calling that function, where ``trusted`` allows it. Raises DataError if there is no checkpoint
    or it is damaged, and InputError for a function that is not trusted.
    """
    # torch takes a second to import, and tables do not need it.
    from resray.export.loading import WEIGHTS, load_exported
    from resray.results.folders import checkpoint_file
    from resray.training.restore import load_network

    if (Path(path) / WEIGHTS).is_file():
        return load_exported(path, trusted=trusted)
    return load_network(checkpoint_file(Path(path)), trusted=trusted).network
