"""What an exception in a training means: whether another attempt can differ, and what to tell."""

import sys
import traceback
from pathlib import Path

import torch.distributed

import resray
from resray.errors import ResrayError
from resray.models.own_code import INSTALLED
from resray.training.batch_note import is_out_of_memory

FILE = "traceback.txt"
"""In a trial's checkpoint folder: the exception that ended it, in full."""

_PASSING = (OSError, EOFError, torch.distributed.DistError, torch.AcceleratorError)
"""Files, connections, other ranks and devices: what fails now may work in a minute."""
_SIGNS = ("DataLoader worker", "CUDA error", "cuDNN", "NCCL", "Connection", "Gloo", "gloo")
"""What torch's plain RuntimeErrors say of the same."""


class TrainingError(ResrayError):
    """The training function raised what every attempt would raise, such as a bug in a network.

    ``kind`` is the class of the exception, ``file`` holds its traceback.
    """

    def __init__(self, message: str, kind: str, file: str) -> None:
        # All three, so that it can be pickled on its way from a rank.
        super().__init__(message, kind, file)
        self.kind, self.file = kind, file

    def __str__(self) -> str:
        return str(self.args[0])


def can_differ(error: Exception) -> bool:
    """Return whether another attempt may succeed where this one raised ``error``."""
    of_ray = type(error).__module__.partition(".")[0] == "ray"
    if of_ray or isinstance(error, _PASSING) or is_out_of_memory(error):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def training_error(error: Exception, folder: Path) -> TrainingError:
    """Write the traceback into a trial's folder; return the error that tells of it in a line.

    The line has the user's own last frame, if there is one, else the last.
    """
    frames = traceback.extract_tb(error.__traceback__)
    frame = next(filter(_is_own, reversed(frames)), frames[-1])
    said = " ".join(str(error).split())
    where = f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
    file = folder / FILE
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(traceback.format_exception(error)))
    return TrainingError(f"{said} ({where})", type(error).__name__, str(file))


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Whether a frame is of the user's code: neither resray's nor Python's nor installed."""
    path = Path(frame.filename)
    inside = (Path(resray.__file__).parent, Path(sys.base_prefix))
    return INSTALLED.isdisjoint(path.parts) and not any(map(path.is_relative_to, inside))
