"""Checkpoints of one trial: the last one to go on from, the best one to use, those to keep.

Learning rate and random numbers are functions of (seed, epoch, step, rank), reseeded at each
epoch, so a checkpoint needs neither a schedule's state nor a generator's to go on exactly.
"""

import io
import json
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resray.errors import DataError
from resray.files import whole_file
from resray.results.summary import summarise
from resray.study.spec import CheckpointPolicy

Checkpoint = dict[str, Any]

KEEP_NONE = CheckpointPolicy()
"""No periodic checkpoints."""

TO_GO_ON = ("optimizer", "scaler")
"""Keys that only the checkpoint of an unfinished training needs."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` by rename: ``path`` always is a whole file, the old one or the new."""
    # By way of memory: of a full disk torch's own writer says nothing that can be told apart.
    content = io.BytesIO()
    torch.save(checkpoint, content)
    with whole_file(path) as file:
        file.write(content.getbuffer())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as JSON for people to read, by rename as well."""
    with whole_file(path) as file:
        file.write(f"{json.dumps(content, indent=2, allow_nan=False)}\n".encode())


def read_checkpoint(path: Path, advice: str = "") -> Checkpoint | None:
    """Return the checkpoint at ``path`` with tensors on the CPU, or None where there is none.

    Loads tensors and plain values only, so no file can run code. Raises DataError, with ``advice``
    at its end, if the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with warnings.catch_warnings():
            # Of a file that is none of torch's it says so at length before it raises.
            warnings.simplefilter("ignore")
            checkpoint: Checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    # A file that is no checkpoint can make torch's reader raise nearly anything.
    except (
        RuntimeError,
        OSError,
        EOFError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        pickle.UnpicklingError,
    ) as error:
        message = f"{path}: not a readable checkpoint ({type(error).__name__}){advice}"
        raise DataError(message) from error
    return checkpoint


@dataclass(frozen=True)
class CheckpointFolder:
    """Where one trial keeps its checkpoints, and which of them stay."""

    folder: Path
    policy: CheckpointPolicy = KEEP_NONE

    @property
    def last(self) -> Path:
        """The checkpoint of the last finished epoch, with everything needed to go on.

        Of a finished training it is the final one, and holds no optimizer.
        """
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The weights of the epoch with the highest validation accuracy."""
        return self.folder / "best.pt"

    @property
    def config(self) -> Path:
        """What was trained, and with which versions, as JSON."""
        return self.folder / "config.json"

    @property
    def metrics(self) -> Path:
        """The records of all finished epochs and their summary, as JSON."""
        return self.folder / "metrics.json"

    def at(self, epoch: int) -> Path:
        """The checkpoint that the policy keeps of an epoch, from 1."""
        return self.folder / f"epoch-{epoch:04d}.pt"

    def clear_remains(self) -> None:
        """Remove the unfinished files of processes that were killed while they wrote."""
        for pattern in (".*.pt.*", ".*.json.*"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def save(self, checkpoint: Checkpoint, *, is_best: bool) -> None:
        """Write what the epoch of ``checkpoint`` leaves, and ``last`` at the end.

        Beside it ``best`` if this epoch is the best, the one of the epoch if the policy keeps it,
        both without what only going on needs, and the metrics.
        """
        kept = {key: value for key, value in checkpoint.items() if key not in TO_GO_ON}
        if is_best:
            write_checkpoint(self.best, kept)
        if self._keeps(checkpoint["epoch"]):
            write_checkpoint(self.at(checkpoint["epoch"]), kept)
            self._prune()
        records = checkpoint["records"]
        write_json(self.metrics, {"summary": summarise(records), "records": records})
        write_checkpoint(self.last, checkpoint)

    def _keeps(self, epoch: int) -> bool:
        every = self.policy.every
        return epoch in self.policy.at or (every is not None and epoch % every == 0)

    def _prune(self) -> None:
        """Remove the oldest periodic checkpoints beyond those that the policy keeps."""
        if self.policy.keep_last is None:
            return
        always = {self.at(epoch) for epoch in self.policy.at}
        periodic = sorted(set(self.folder.glob("epoch-*.pt")) - always)
        for path in periodic[: -self.policy.keep_last]:
            path.unlink(missing_ok=True)
