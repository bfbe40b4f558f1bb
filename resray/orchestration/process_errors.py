"""What ended a trial's process, as Ray Tune has written it down."""

from contextlib import suppress
from pathlib import Path

from ray import cloudpickle
from ray.tune.experiment import Trial

from resray.errors import DataError, first_line
from resray.study.recipe_spec import Recipe
from resray.training.batch_note import note_out_of_memory
from resray.training.trial import Job

SECTION = "Failure # "
"""Begins each failure's part of Ray Tune's file."""
MEMORY_MONITOR = "node running low on memory"
"""What Ray says of a process that it killed to save the others."""


def process_error(trial: Trial) -> tuple[str, str]:
    """Return class and message of what ended a trial's process just now."""
    pickled = Path(trial.pickled_error_file) if trial.pickled_error_file else None
    if pickled is not None and pickled.exists():
        error = cloudpickle.loads(pickled.read_bytes())
        # The next failure may leave none, and must not be taken for this one.
        pickled.unlink()
        cause = getattr(error, "cause", None) or error
        return type(cause).__name__, first_line(cause)
    lines = last_section(trial)
    return "WorkerDied", lines[0] if lines else "the trial's process ended without a word"


def last_section(trial: Trial) -> list[str]:
    """Return what Ray Tune says of the last failure, line by line."""
    path = Path(trial.error_file) if trial.error_file else None
    text = path.read_text() if path is not None and path.exists() else ""
    return text.rpartition(SECTION)[2].splitlines()[1:]


def note_memory(trial: Trial) -> None:
    """Let a trial start with a smaller batch if Ray killed its process for its memory.

    A process that fails to get memory itself has left the note already.
    """
    if any(MEMORY_MONITOR in line for line in last_section(trial)):
        job = Job(**trial.config["job"])
        # A damaged note of an earlier time ends the trial at its next start, with the reason.
        with suppress(DataError):
            note_out_of_memory(Path(job.checkpoint_folder), Recipe.model_validate(job.recipe))
