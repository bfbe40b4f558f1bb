"""What ended a trial's process, and whether that counts as one of its failures."""

import re
from dataclasses import dataclass
from pathlib import Path

from ray import cloudpickle
from ray.exceptions import RayError
from ray.tune.experiment import Trial

from resray.errors import first_line
from resray.study.recipe_spec import Recipe
from resray.training.attempts import PassingError
from resray.training.batch_note import Shortage, note_out_of_memory
from resray.training.context import Preempted
from resray.training.trial import Job

_USAGE = re.compile(r"Memory usage (\d+)B exceeded threshold .* of (\d+)B limit")
_KILLED = re.compile(r"Selected to kill: .*?actual memory used=([\d.]+)GB")
"""What Ray's memory monitor says when it kills a process to save the others."""

_LEAVING = {
    "its node has died": "its node has left the cluster",
    # The driver lost the process, and the raylet that would know why.
    "is unavailable: ": "its node has left the cluster",
    "The process receives a SIGTERM": "it was told to end (SIGTERM)",
}
"""What Ray says of processes that ended with their node, or because it is about to leave."""


@dataclass(frozen=True)
class Death:
    """Why a trial's process ended: class and message of the error, and an exception's traceback.

    ``counts`` is false where the cluster took the process away: no fault of the trial's.
    """

    error_class: str
    message: str
    traceback: str | None = None
    counts: bool = True
    is_explained: bool = True
    """Whether the message says all that there is to say, without the class."""

    @property
    def reason(self) -> str:
        """Return the death on one line."""
        return self.message if self.is_explained else f"{self.error_class}: {self.message}"


def death_of(trial: Trial) -> Death:
    """Return what ended a trial's process, as Ray Tune has written it down."""
    said = text_of(trial)
    if mended := note_memory(trial, said):
        return Death("OutOfMemoryError", mended)
    cause = cause_of(trial)
    if isinstance(cause, Preempted):
        return preempted(str(cause))
    if isinstance(cause, PassingError):
        return Death(cause.kind, str(cause), cause.traceback, is_explained=False)
    if reason := leaving(said):
        return preempted(reason)
    if cause is not None and not isinstance(cause, RayError):
        return Death(type(cause).__name__, first_line(cause), is_explained=False)
    return Death("WorkerDied", "its process died")


def preempted(reason: str) -> Death:
    """Return the death of a process that the cluster took away."""
    return Death("Preempted", reason, counts=False)


def leaving(said: str) -> str | None:
    """Return why a process has left its node, or its node the cluster, by what Ray says; None if
    it ended by itself or by a kill."""
    return next((reason for sign, reason in _LEAVING.items() if sign in said), None)


def text_of(trial: Trial) -> str:
    """Return what Ray says of the end of a trial's process."""
    path = Path(trial.error_file or "")
    return path.read_text() if path.is_file() else ""


def cause_of(trial: Trial) -> Exception | None:
    """Return the exception that ended a trial, if it was one."""
    path = Path(trial.pickled_error_file or "")
    if not path.is_file():
        return None
    error: Exception = cloudpickle.loads(path.read_bytes())
    return getattr(error, "cause", None) or error


def note_memory(trial: Trial, said: str) -> str | None:
    """Let a trial start with a smaller batch if Ray killed its process for its memory.

    A process that fails to get memory itself has left the note already. Returns what the next start
    does, None if the process was not killed for its memory.
    """
    usage, killed = _USAGE.search(said), _KILLED.search(said)
    if usage is None or killed is None:
        return None
    used, total, own = int(usage[1]), int(usage[2]), int(1e9 * float(killed[1]))
    job = Job(**trial.config["job"])
    recipe, folder = Recipe.model_validate(job.recipe), Path(job.checkpoint_folder)
    return note_out_of_memory(folder, recipe, Shortage(total, used - own), job.memory_share)
