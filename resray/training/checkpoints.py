"""Checkpoints of one trial: the last one to go on from, and the best one to use.

Learning rate and random numbers are functions of (seed, epoch, step, rank), reseeded at each
epoch, so a checkpoint needs neither a schedule's state nor a generator's to go on exactly.
"""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resray.errors import DataError

Checkpoint = dict[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` by rename: ``path`` always is a whole file, the old one or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(checkpoint, temporary)
    temporary.replace(path)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint at ``path`` with tensors on the CPU, or None where there is none.

    Loads tensors and plain values only, so no file can run code. Raises DataError if the file is
    damaged.
    """
    if not path.exists():
        return None
    try:
        checkpoint: Checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise DataError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); delete it to train "
            "this trial from the start"
        ) from error
    return checkpoint


@dataclass(frozen=True)
class CheckpointFolder:
    """Where one trial keeps its checkpoints."""

    folder: Path

    @property
    def last(self) -> Path:
        """The checkpoint of the last finished epoch, with everything needed to go on."""
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The weights of the epoch with the highest validation accuracy."""
        return self.folder / "best.pt"

    def clear_remains(self) -> None:
        """Remove the unfinished files of processes that were killed while they wrote."""
        for path in self.folder.glob(".*.pt.*"):
            path.unlink(missing_ok=True)

    def save(self, checkpoint: Checkpoint, *, is_best: bool) -> None:
        """Write ``last``, and first ``best`` (without the optimizer) if this epoch is the best."""
        if is_best:
            kept = {key: value for key, value in checkpoint.items() if key != "optimizer"}
            write_checkpoint(self.best, kept)
        write_checkpoint(self.last, checkpoint)
