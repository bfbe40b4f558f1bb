"""What an exception in a training means: whether another attempt can differ, and what to tell."""

import sys
import traceback
from pathlib import Path

import torch.distributed

import resray
from resray.errors import ResrayError, StorageError
from resray.files import whole_file
from resray.models.own_code import INSTALLED

FILE = "traceback.txt"
"""In a trial's checkpoint folder: the exception that ended it, in full."""

_PASSING = (OSError, EOFError, torch.distributed.DistError, torch.AcceleratorError)
"""Files, connections, other ranks and devices: what fails now may work in a minute."""
_SIGNS = ("DataLoader worker", "CUDA error", "cuDNN", "NCCL", "Connection", "Gloo", "gloo")
"""What torch's plain RuntimeErrors say of the same."""
_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
"""What torch's other errors say of missing memory: CUDA's, the CPU allocator's, cuBLAS's."""


class _Raised(Exception):
    """An exception of the training function, on its way to the driver; ``kind`` is its class."""

    def __init__(self, message: str, kind: str, traceback: str | None) -> None:
        # All three, so that it can be pickled on its way from a rank.
        super().__init__(message, kind, traceback)
        self.kind, self.traceback = kind, traceback

    def __str__(self) -> str:
        return str(self.args[0])


class TrainingError(_Raised, ResrayError):
    """What every attempt would raise, such as a bug in a network; the traceback lies in a file."""


class PassingError(_Raised):
    """What may pass, with the text of its traceback: the trial's end after the last attempt."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory, of the device or the process, ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _MEMORY)


def can_differ(error: Exception) -> bool:
    """Return whether another attempt may succeed where this one raised ``error``."""
    of_ray = type(error).__module__.partition(".")[0] == "ray"
    if of_ray or isinstance(error, _PASSING) or is_out_of_memory(error):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def told(error: Exception) -> tuple[str, str, str]:
    """Return an exception's message on one line, its class and its traceback.

    The line has the user's own last frame, if there is one, else the last; where memory ran out it
    says what to do about it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    frame = next(filter(_is_own, reversed(frames)), frames[-1])
    where = f" ({Path(frame.filename).name}:{frame.lineno} in {frame.name})"
    said = " ".join(str(error).split()) + ("" if is_out_of_memory(error) else where)
    return said, type(error).__name__, "".join(traceback.format_exception(error))


def keep_traceback(text: str, folder: str) -> str | None:
    """Write a traceback into a trial's folder; return the file, None if a disk refuses it.

    The trial ends by its own exception all the same.
    """
    path = Path(folder, FILE)
    try:
        with whole_file(path) as file:
            file.write(text.encode(errors="backslashreplace"))
    except (OSError, StorageError):
        return None
    return str(path)


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Whether a frame is of the user's code: neither resray's nor Python's nor installed."""
    path = Path(frame.filename)
    inside = (Path(resray.__file__).parent, Path(sys.base_prefix))
    return INSTALLED.isdisjoint(path.parts) and not any(map(path.is_relative_to, inside))
