"""What commands print to: a terminal, pipe or file, which may end before the command does."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from resray.errors import StorageError

GONE = (errno.EPIPE, errno.EIO)
"""The reader of a pipe has ended, the window of a terminal was closed."""


class Display(io.FileIO):
    """A descriptor that only shows what a command does: when its reader has gone, nothing fails.

    Where the text itself is ``wanted``, a disk that is full is a StorageError, once.
    """

    def __init__(self, descriptor: int, *, wanted: bool) -> None:
        super().__init__(descriptor, "wb", closefd=not wanted)
        self._wanted = wanted

    def write(self, data: Any) -> int:
        """Write bytes; return how many are done with."""
        try:
            return super().write(data)
        except OSError as error:
            if not self._wanted or error.errno in GONE:
                return len(data)
            self._wanted = False
            raise StorageError(f"what is printed cannot be written ({error.strerror})") from error


def display(descriptor: int, stream: TextIO | None, *, wanted: bool) -> TextIO:
    """Return a text file on a descriptor, in the encoding of ``stream``.

    Characters that the encoding lacks are replaced.
    """
    encoding = stream.encoding if stream else "utf-8"
    binary = io.BufferedWriter(Display(descriptor, wanted=wanted))
    return io.TextIOWrapper(binary, encoding, errors="replace", line_buffering=True)


def duplicate(descriptor: int) -> TextIO:
    """Return a display of its own on stdout (1) or stderr (2), which stays when Ray's output moves.

    Meant for progress: nothing that becomes of it ends the command.
    """
    stream = sys.stdout if descriptor == 1 else sys.stderr
    return display(os.dup(descriptor), stream, wanted=False)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Let standard output and error be displays, also where the command was started without."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest that is free: no file of the command's takes the place of its output.
            os.open(os.devnull, os.O_RDWR)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        display(descriptor, stream, wanted=True) for descriptor, stream in enumerate(streams, 1)
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
