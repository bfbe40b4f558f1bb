"""Writing checkpoints beside the training: copied at an epoch's end, written by a thread."""

import copy
import time
from collections import defaultdict
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

import torch

from resray.errors import StorageError
from resray.training.checkpoint_file import Checkpoint
from resray.training.checkpoints import CheckpointFolder


@dataclass(frozen=True)
class Copied:
    """A checkpoint whose tensors no step changes any more, once ``ready`` has come by."""

    content: Checkpoint
    ready: torch.cuda.Event | None = None


class CheckpointWriter:
    """Writes the checkpoints of one training, one at a time, while it goes on.

    ``saved`` is the epoch that the newest finished one covers. What went wrong in the thread is
    raised by the next call.
    """

    def __init__(self, folder: CheckpointFolder, selection: str) -> None:
        """``selection`` is the split that selects, for the metrics beside the checkpoints."""
        self.saved = 0
        self._folder, self._selection = folder, selection
        self._buffers = Buffers()
        self._newest: Copied | None = None
        self._best: Copied | None = None
        self._thread: Thread | None = None
        self._error: Exception | None = None
        self._began = time.monotonic()

    def is_due(self, epoch: int) -> bool:
        """Return whether to write the checkpoint of the epoch that has just ended.

        One that must be waits for the one before it; one that is only due is left for the next
        epoch's end while that is still being written.
        """
        if self._folder.must_write(epoch):
            self._wait()
            return True
        if self._thread is not None and self._thread.is_alive():
            return False
        self._wait()
        return time.monotonic() - self._began >= self._folder.seconds

    def copied(self, state: Checkpoint, device: torch.device) -> Copied:
        """Return a copy of what lies on ``device``, for `begin` or `hold`."""
        return self._buffers.copied(state, device)

    def begin(self, checkpoint: Copied, *, is_best: bool) -> None:
        """Begin to write a checkpoint that is due, with the best weights that waited."""
        best = self._replace(checkpoint, is_best)
        self._newest = self._best = None
        self._began = time.monotonic()
        self._thread = Thread(target=self._write_noting, args=(checkpoint, best))
        self._thread.start()

    def hold(self, checkpoint: Copied, *, is_best: bool) -> None:
        """Let a checkpoint that is not due wait, in place of the one before it: for the end of the
        process, and as the best so far for the next one that is due."""
        self._best = self._replace(checkpoint, is_best)
        self._newest = checkpoint

    def _replace(self, checkpoint: Copied, is_best: bool) -> Copied | None:
        """Return the best checkpoint that is not written, now that there is a newer one; use the
        memory of those again that nobody needs any more."""
        best = checkpoint if is_best else self._best
        waiting = [self._newest] if self._newest is self._best else [self._newest, self._best]
        for each in waiting:
            if each is not None and each is not best:
                self._buffers.take_back(each.content)
        return best

    def write_newest(self) -> None:
        """Write the checkpoint of the last finished epoch, and return then; it may be there."""
        self._wait()
        newest, self._newest = self._newest, None
        best, self._best = self._best, None
        if newest is not None:
            self._write(newest, best)
            self.save_metrics(newest.content["records"])

    def finish(self, checkpoint: Checkpoint, *, is_best: bool) -> None:
        """Write the checkpoint of the training's end, and return then; `save_metrics` follows."""
        self._wait()
        last = Copied(checkpoint)
        best = last if is_best else self._best
        self._newest = self._best = None
        self._write(last, best)

    def save_metrics(self, records: Sequence[dict[str, Any]]) -> None:
        """Write what stands beside the checkpoint that holds these records."""
        with self._folder.writing() as allowed:
            if allowed:
                self._folder.save_metrics(records, self._selection)
                self.saved = records[-1]["epoch"]

    def close(self) -> None:
        """Return when nothing is written any more, however the training ended.

        If that was in between, the best weights are written, and an error has nobody to hear it.
        """
        if self._thread is not None:
            self._thread.join()
        best, self._newest, self._best = self._best, None, None
        self._buffers = Buffers()
        if best is None or self._error is not None:
            return
        with suppress(StorageError), self._folder.writing() as allowed:
            if allowed:
                self._folder.save_best(content_of(best))

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            raise self._error

    def _write_noting(self, checkpoint: Copied, best: Copied | None) -> None:
        try:
            self._write(checkpoint, best)
            self.save_metrics(checkpoint.content["records"])
            for each in {id(each): each for each in (checkpoint, best) if each}.values():
                self._buffers.take_back(each.content)
        except Exception as error:
            self._error = error

    def _write(self, checkpoint: Copied, best: Copied | None) -> None:
        with self._folder.writing() as allowed:
            if allowed:
                self._folder.save(
                    content_of(checkpoint), None if best is None else content_of(best)
                )


def content_of(checkpoint: Copied) -> Checkpoint:
    """Return what was copied, once it all has arrived."""
    if checkpoint.ready is not None:
        checkpoint.ready.synchronize()
    return checkpoint.content


class Buffers:
    """Memory of the host for copies of tensors, used again: fresh memory is slow at first touch.

    For tensors of a GPU it is pinned.
    """

    def __init__(self) -> None:
        self._free: defaultdict[Hashable, list[torch.Tensor]] = defaultdict(list)

    def copied(self, state: Checkpoint, device: torch.device) -> Copied:
        """Return a copy of a state that lies on ``device``.

        From a GPU it arrives later: the steps that follow on the current stream come after it, and
        the caller does not wait.
        """
        content = self._copy_of(state)
        if device.type != "cuda":
            return Copied(content)
        ready = torch.cuda.Event()
        ready.record(torch.cuda.current_stream(device))
        return Copied(content, ready)

    def take_back(self, state: Any) -> None:
        """Let the memory of a copy that nobody needs any more be used for the next one."""
        if isinstance(state, torch.Tensor):
            self._free[form_of(state, state.is_pinned())].append(state)
        elif isinstance(state, dict | list):
            for each in state.values() if isinstance(state, dict) else state:
                self.take_back(each)

    def _copy_of(self, state: Any) -> Any:
        """Return a state with copies in place of its tensors."""
        if isinstance(state, torch.Tensor):
            free = self._free[form_of(state, state.is_cuda)]
            buffer = free.pop() if free else torch.empty_like(
                state, device="cpu", pin_memory=state.is_cuda
            )  # fmt: skip
            return buffer.copy_(state.detach(), non_blocking=state.is_cuda)
        if isinstance(state, dict):
            # With what a state_dict has besides its items.
            same = copy.copy(state)
            same.update({key: self._copy_of(value) for key, value in state.items()})
            return same
        return [self._copy_of(each) for each in state] if isinstance(state, list) else state


def form_of(tensor: torch.Tensor, pinned: bool) -> Hashable:
    """Return what two tensors share of which one can hold the other's copy."""
    return tensor.dtype, tensor.shape, tensor.stride(), pinned
