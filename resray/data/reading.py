"""Opening files from elsewhere: regular ones only, no larger than allowed, errors in one line."""

import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from tokenize import TokenError

from resray.errors import DataError
from resray.limits import require_size

DAMAGE = (OSError, ValueError, TypeError, LookupError, AttributeError, EOFError, MemoryError,
          OverflowError, RuntimeError, SyntaxError, TokenError, struct.error, zlib.error,
          zipfile.BadZipFile, pickle.UnpicklingError)  # fmt: skip
"""What libraries raise where a file was cut, encrypted, or its parts do not fit each other."""


@contextmanager
def readable(path: Path, *more: type[Exception]) -> Iterator[BufferedReader]:
    """Open a file to read from.

    Raises DataError if it is no regular file (a pipe would wait for ever, a device never ends), is
    larger than `resray.limits` allows, or if what is done with it raises `DAMAGE` or ``more``.
    """
    with reading(path, *DAMAGE, *more):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: is no regular file, so it was not opened")
        require_size(status.st_size, path)
        with path.open("rb") as file:
            yield file


@contextmanager
def reading(path: Path, *damage: type[Exception]) -> Iterator[None]:
    """Raise DataError, one line with the file, where OSError or one of ``damage`` is raised."""
    expected: tuple[type[Exception], ...] = (OSError, *damage)
    try:
        yield
    except expected as error:
        place = getattr(error, "filename", None) or path
        raise DataError(f"{place}: cannot be read ({reason(error)})") from error


def reason(error: Exception) -> str:
    """Return what an error says, in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
