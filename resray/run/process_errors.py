"""What ended a trial's process, as Ray Tune has written it down."""

import re
from pathlib import Path

from ray import cloudpickle
from ray.exceptions import RayError
from ray.tune.experiment import Trial

from resray.errors import first_line
from resray.study.recipe_spec import Recipe
from resray.training.attempts import PassingError
from resray.training.batch_note import Shortage, note_out_of_memory
from resray.training.trial import Job

OUT_OF_MEMORY, DIED = EXPLAINED = ("OutOfMemoryError", "WorkerDied")
"""Classes whose messages say all that there is to say."""
_USAGE = re.compile(r"Memory usage (\d+)B exceeded threshold .* of (\d+)B limit")
_KILLED = re.compile(r"Selected to kill: .*?actual memory used=([\d.]+)GB")
"""What Ray's memory monitor says when it kills a process to save the others."""


def process_error(trial: Trial) -> tuple[str, str, str | None]:
    """Return class, message and, of an exception, traceback of what ended a trial's process."""
    if mended := note_memory(trial):
        return OUT_OF_MEMORY, mended, None
    pickled = Path(trial.pickled_error_file) if trial.pickled_error_file else None
    if pickled is not None and pickled.exists():
        error = cloudpickle.loads(pickled.read_bytes())
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, PassingError):
            return cause.kind, str(cause), cause.traceback
        if not isinstance(cause, RayError):
            return type(cause).__name__, first_line(cause), None
    return DIED, "its process died", None


def note_memory(trial: Trial) -> str | None:
    """Let a trial start with a smaller batch if Ray killed its process for its memory.

    A process that fails to get memory itself has left the note already. Returns what the next start
    does, None if the process was not killed for its memory.
    """
    path = Path(trial.error_file or "")
    said = path.read_text() if path.is_file() else ""
    usage, killed = _USAGE.search(said), _KILLED.search(said)
    if usage is None or killed is None:
        return None
    used, total, own = int(usage[1]), int(usage[2]), int(1e9 * float(killed[1]))
    job = Job(**trial.config["job"])
    recipe, folder = Recipe.model_validate(job.recipe), Path(job.checkpoint_folder)
    return note_out_of_memory(folder, recipe, Shortage(total, used - own), job.memory_share)
