"""SIGTERM of a process that trains: its node is drained, or wanted by somebody else.

Ray's workers end at once when they get it. Here the training goes on to its next batch, writes the
checkpoint of its last finished epoch and ends; the driver starts the trial again elsewhere.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ray.train.torch import TorchConfig
from ray.tune.trainable import wrap_function

NOTE = "preempted"
"""In the checkpoint folder of a trial of several ranks, while one of them has been told to end."""


class _State:
    """Of this process, which trains one trial at a time."""

    trains = False
    told = False
    """It stays: a process that was told to end trains nothing any more."""
    note: Path | None = None


def told_to_end() -> bool:
    """Return whether this process was told to end while it trained."""
    return _State.told


def notice_sigterm() -> None:
    """Let a SIGTERM be noticed by the training that runs; in the process's main thread only.

    Between two trainings it ends the process, as before.
    """
    ends = signal.getsignal(signal.SIGTERM)

    def notice(number: int, frame: Any) -> None:
        if not _State.trains:
            assert callable(ends), "Ray's workers have a handler"
            ends(number, frame)
        _State.told = True
        if _State.note is not None:
            with suppress(OSError):
                _State.note.touch()

    signal.signal(signal.SIGTERM, notice)


@contextmanager
def training(note: Path | None = None) -> Iterator[None]:
    """While it lasts, a SIGTERM does not end this process: `told_to_end` says so.

    ``note`` is then written, for another process that looks for it.
    """
    _State.note, _State.trains = note, True
    try:
        yield
    finally:
        _State.note, _State.trains = None, False


def noticing(function: Callable[[dict[str, Any]], None]) -> Any:
    """Return Ray Tune's trainable of a function, in a process that notices a SIGTERM.

    Ray Tune runs the function in a thread, where Python sets no handler.
    """

    # By the name of Ray Tune's own class, which its processes bear.
    class ImplicitFunc(wrap_function(function)):  # type: ignore[misc]  # a class made at run time
        def setup(self, config: dict[str, Any]) -> None:
            notice_sigterm()
            super().setup(config)

    return ImplicitFunc


class _Noticing(TorchConfig().backend_cls):  # type: ignore[misc]  # Ray Train's, which has no name
    """Sets up the ranks' process group as Ray Train does, and what notices a SIGTERM."""

    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        super().on_training_start(worker_group, backend_config)
        # In the main thread of each rank; its training runs in another.
        worker_group.execute(notice_sigterm)


class NoticingRanks(TorchConfig):
    """Ray Train's configuration of torch.distributed, for ranks that notice a SIGTERM."""

    @property
    def backend_cls(self) -> Any:
        """The class that sets the ranks up."""
        return _Noticing
