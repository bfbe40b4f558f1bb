"""SIGTERM of a process that trains: its node is drained, or wanted by somebody else.

Ray's workers end at once when they get it. Here the training goes on to its next batch, writes the
checkpoint of its last finished epoch and ends; the driver starts the trial again elsewhere.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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
