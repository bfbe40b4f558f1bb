"""What resray raises when something is wrong outside its own code.

    ResrayError               exit code 1
    ├── InputError            2    what the user typed, or a study file, is wrong
    │   └── DataError         2    a dataset is missing, damaged or not the one asked for
    ├── ClusterError          3    the machine or cluster cannot do what was asked
    │   └── StorageError      3    a disk is full, or cannot be written
    ├── DivergedError         1    a trial's loss is no longer a finite number
    └── RunInterrupted        130  the user stopped the command

A message is one line that names the value, the place and the valid choices. Our own mistakes are
assertions and keep their traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class ResrayError(Exception):
    """Base of every error that resray explains to its user in one line."""

    exit_code = 1


class InputError(ResrayError):
    """A command line value or a study file is wrong."""

    exit_code = 2


class DataError(InputError):
    """A dataset is missing, damaged or not the one that the study names."""


class ClusterError(ResrayError):
    """The machine or the cluster cannot give what was asked for."""

    exit_code = 3


class StorageError(ClusterError):
    """A disk is full or cannot be written; the same command goes on once that is mended."""


class DivergedError(ResrayError):
    """A trial's training loss is no longer finite, so going on (or trying again) is pointless."""


class RunInterrupted(ResrayError):
    """The user stopped the command; what was recorded is safe."""

    exit_code = 130


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def one_line(error: BaseException) -> str:
    """Return an error's message on one line of bearable length, or its class."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def not_known(value: object, choices: Iterable[str]) -> str:
    """Return ``'sgdd' is not known; did you mean 'sgd'? (adam, adamw, sgd)``."""
    names = sorted(set(choices))
    close = get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{value!r} is not known{hint} ({', '.join(names)})"


def unknown(what: str, value: object, choices: Iterable[str]) -> str:
    """Return ``what: 'sgdd' is not known; did you mean 'sgd'? (adam, adamw, sgd)``."""
    return f"{what}: {not_known(value, choices)}"
