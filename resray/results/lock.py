"""One writer to a results folder, kept by a lock that goes with its process."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from resray.errors import InputError
from resray.files import storage_errors
from resray.results.storage import WRITING

LOCK_TRIES, LOCK_PAUSE = 5, 0.05
"""How often the writer's lock is tried, and the seconds between two tries."""


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the one writer's place in a study's results folder.

    Raises InputError if another process holds it, or if the folder cannot be one; StorageError if
    its disk cannot be written. The lock goes with the process, however that ends.
    """
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with --out DIR"
        ) from error
    with os.fdopen(descriptor, "r+") as file:
        if not is_taken(file, folder):
            raise InputError(
                f"{folder}: another resray (process {file.read().strip() or 'unknown'}) is writing "
                "here; wait for it, or give this run a folder of its own with --out DIR"
            )
        # Whoever is kept out is told the number; without room for it, nobody's.
        with suppress(OSError):
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / WRITING).rmdir()


def is_taken(file: TextIO, folder: Path) -> bool:
    """Lock a file for this process and return whether that succeeded.

    Who asks whether it is held (`is_held`) holds it for some microseconds, hence several tries.
    Where the file system has no locks it says so, and nobody is kept out.
    """
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE)
            continue
        except OSError as error:
            text = f"no locks here ({error.strerror}), so a second resray is not kept out"
            print(f"resray: {folder}: {text}", file=sys.stderr)
        return True
    return False


def is_held(folder: Path) -> bool:
    """Return whether a process writes to a study's results folder.

    The lock is asked, not the process number in its file: that one stays there when the process has
    ended, and may be another process's by now.
    """
    try:
        with (folder / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # Nobody has written here yet, or the file system has no locks.
        return False
    return False
