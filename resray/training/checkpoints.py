"""Checkpoints of one trial: the last one to go on from, the best one to use, those to keep.

Learning rate and random numbers are functions of (seed, epoch, step, rank), reseeded at each
epoch, so a checkpoint needs neither a schedule's state nor a generator's to go on exactly.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resray.errors import DataError
from resray.files import whole_file, write_json
from resray.results.summary import summarise
from resray.study.spec import CheckpointPolicy
from resray.training.checkpoint_file import Checkpoint, read_checkpoint

KEEP_NONE = CheckpointPolicy()
"""No periodic checkpoints."""

MOVE_IT = "put a copy in its place, or move it elsewhere to train this trial from the start"
"""What to do with a last checkpoint that does not serve."""

TO_GO_ON = ("optimizer", "scaler")
"""Keys that only the checkpoint of an unfinished training needs."""


def write_checkpoint(path: Path, checkpoint: Checkpoint, keep: Path | None = None) -> None:
    """Write ``checkpoint`` by rename; what was at ``path`` before is then at ``keep``."""
    # By way of memory: of a full disk torch's own writer says nothing that can be told apart.
    content = io.BytesIO()
    torch.save(checkpoint, content)
    with whole_file(path, keep=keep) as file:
        file.write(content.getbuffer())


@dataclass(frozen=True)
class CheckpointFolder:
    """Where one trial keeps its checkpoints, and which of them stay."""

    folder: Path
    policy: CheckpointPolicy = KEEP_NONE
    own_code: str | None = None
    """Hash of the source files of the recipe's ``module:function``, which all of them hold."""

    @property
    def last(self) -> Path:
        """The checkpoint of the last finished epoch, with everything needed to go on.

        Of a finished training it is the final one, and holds no optimizer.
        """
        return self.folder / "last.pt"

    @property
    def previous(self) -> Path:
        """The one before it, while the training is not finished."""
        return self.folder / "previous.pt"

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

    def newest(self) -> tuple[Checkpoint, Path, str | None] | None:
        """Return the newest checkpoint that is whole, its file, and what is wrong with a newer one.

        None where there is none at all. Raises DataError if there are some, all damaged.
        """
        damage = None
        for path in (self.last, self.previous):
            try:
                checkpoint = read_checkpoint(path)
            except DataError as error:
                damage = damage or str(error)
                continue
            if checkpoint is not None:
                return checkpoint, path, damage
        if damage is not None:
            raise DataError(f"{damage}, nor is there one before it; {MOVE_IT}")
        return None

    def put_damaged_aside(self) -> None:
        """Let the last checkpoint, which is damaged, not take the place of the one before it."""
        self.last.replace(self.last.with_name("last.pt.damaged"))

    def save(self, checkpoint: Checkpoint, *, is_best: bool) -> None:
        """Write what the epoch of ``checkpoint`` leaves, and ``last`` at the end.

        Beside it ``best`` if this epoch is the best and the one of the epoch if the policy keeps
        it, both without what only going on needs.
        """
        checkpoint = {**checkpoint, "own_code": self.own_code}
        kept = {key: value for key, value in checkpoint.items() if key not in TO_GO_ON}
        if is_best:
            write_checkpoint(self.best, kept)
        if self._keeps(checkpoint["epoch"]):
            write_checkpoint(self.at(checkpoint["epoch"]), kept)
            self._prune()
        write_checkpoint(self.last, checkpoint, keep=self.previous)
        if checkpoint["finished"]:
            self.previous.unlink(missing_ok=True)

    def save_metrics(self, records: Sequence[dict[str, Any]], selection: str) -> None:
        """Write the records and, with the best epoch by the split that selects, their summary, once
        the checkpoint is there that holds them."""
        write_json(self.metrics, {"summary": summarise(records, selection), "records": records})

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
