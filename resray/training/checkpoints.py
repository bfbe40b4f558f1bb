"""Checkpoints of one trial: the last one to go on from, the best one to use, those to keep.

Learning rate and random numbers are functions of (seed, epoch, step, rank), reseeded at each
epoch, so a checkpoint needs neither a schedule's state nor a generator's to go on exactly.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import gethostname
from typing import Any, BinaryIO

import torch

from resray.errors import DataError
from resray.files import link_file, storage_errors, whole_file, write_json
from resray.results.summary import summarise
from resray.study.spec import CheckpointPolicy
from resray.training.checkpoint_file import Checkpoint, read_checkpoint

KEEP_NONE = CheckpointPolicy()
"""No periodic checkpoints."""

MOVE_IT = "put a copy in its place, or move it elsewhere to train this trial from the start"
"""What to do with a last checkpoint that does not serve."""

IN_LAST_ALONE = ("optimizer", "scaler", "predicted")
"""Keys that no checkpoint but the last one needs: what going on takes, and what to tell at the
end."""


def write_checkpoint(path: Path, checkpoint: Checkpoint, keep: Path | None = None) -> None:
    """Write ``checkpoint`` by rename; what was at ``path`` before is then at ``keep``."""
    with whole_file(path, keep=keep) as file:
        noting: Any = Noting(file)
        try:
            torch.save(checkpoint, noting)
        except Exception as error:
            raise noting.refusal or error from error


class Noting:
    """A file that notes why it was not written: torch's own error does not tell a full disk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.refusal: OSError | None = None

    def write(self, data: Any) -> int:
        """Write ``data``, as a file does."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.refusal = error
            raise

    def flush(self) -> None:
        """Do nothing: whoever opened the file flushes it."""


@dataclass(frozen=True)
class CheckpointFolder:
    """Where one trial keeps its checkpoints, and which of them stay."""

    folder: Path
    policy: CheckpointPolicy = KEEP_NONE
    own_code: str | None = None
    """Hash of the source files of the recipe's ``module:function``, which all of them hold."""
    seconds: float = 0.0
    """The shortest time from one to the next, but for those that must be; 0: one each epoch."""
    rungs: tuple[int, ...] = ()
    """Epochs after which a search decides on the trial."""
    attempt: str | None = None
    """Which start of the trial writes here, so that a later one can end that."""

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

    @property
    def attempts(self) -> Path:
        """The file that names the newest attempt, locked by whoever writes here."""
        return self.folder / "attempt"

    def claimed(self) -> "CheckpointFolder":
        """Return the folder for a new attempt: from now on no earlier one writes here.

        Waits for one that writes at this moment: a process that was told to stop may still do so
        when its trial starts anew in another one.
        """
        attempt = f"{gethostname()} {os.getpid()} {time.time_ns()}"
        with self._locked() as descriptor, storage_errors(self.folder):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, attempt.encode(), 0)
        return replace(self, attempt=attempt)

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Keep a new attempt waiting; gives whether this one is still the newest, so may write."""
        if self.attempt is None:
            yield True
            return
        with self._locked() as descriptor:
            yield os.pread(descriptor, 999, 0).decode() == self.attempt

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.attempts, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            # Where the file system has no locks, the name of the newest attempt has to do.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

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

    def must_write(self, epoch: int) -> bool:
        """Return whether the epoch's checkpoint is written however short ago the last one was."""
        return self.seconds == 0 or epoch in self.rungs or self._keeps(epoch)

    def save(self, checkpoint: Checkpoint, best: Checkpoint | None) -> None:
        """Write what the epoch of ``checkpoint`` leaves, and ``last`` at the end.

        Before it ``best``, that of the best epoch where it is newer than what was written of it,
        and the one of the epoch if the policy keeps it. What is the same is one file under several
        names; a finished training's last one has no optimizer, so it may be the best one, too.
        """
        finished, whole = checkpoint["finished"], {**checkpoint, "own_code": self.own_code}
        if best is not None and best is not checkpoint:
            self.save_best(best)
        paths = [self.best] if best is checkpoint else []
        if self._keeps(checkpoint["epoch"]):
            paths.append(self.at(checkpoint["epoch"]))
        if finished:
            paths.append(self.last)
        for path in paths[:1]:
            write_checkpoint(path, whole if finished else self._to_keep(checkpoint))
        for path in paths[1:]:
            link_file(path, paths[0])
        self._prune()
        if finished:
            self.previous.unlink(missing_ok=True)
        else:
            write_checkpoint(self.last, whole, keep=self.previous)

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint of the best epoch so far."""
        write_checkpoint(self.best, self._to_keep(checkpoint))

    def _to_keep(self, checkpoint: Checkpoint) -> Checkpoint:
        kept = {key: value for key, value in checkpoint.items() if key not in IN_LAST_ALONE}
        return {**kept, "own_code": self.own_code}

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
