"""Finds the one trial and the one checkpoint that a user means."""

from pathlib import Path

from resray.errors import InputError, not_known
from resray.report.aggregate import Results, Row

BEST, LAST = "best", "last"


def find_trial(results: Results, name: str | None, seed: int | None) -> Row:
    """Return the row of the trial with this name (or trial id) and seed; None leaves either open.

    Raises InputError if no trial is meant, or more than one; the message lists them.
    """
    named = [row for row in results.trials if name in (None, row["name"], row["trial_id"])]
    if not named:
        names = {str(row["name"]) for row in results.trials}
        raise InputError(f"--select: {not_known(name, names)}")
    found = [row for row in named if seed in (None, row["seed"])]
    if not found:
        raise InputError(f"--seed: {not_known(seed, {str(row['seed']) for row in named})}")
    if len(found) > 1:
        listed = "; ".join(described(results, row) for row in found)
        raise InputError(
            f"{results.folder}: {len(found)} trials are meant; choose one with --select NAME (or "
            f"its id) and --seed N: {listed}"
        )
    return found[0]


def described(results: Results, row: Row) -> str:
    """Return a trial as ``resnet18, seed 0, completed, id 0123456789abcdef``."""
    label = results.labels[row["trial_id"]]
    return f"{label}, seed {row['seed']}, {row['status']}, id {row['trial_id']}"


def find_checkpoint(results: Results, row: Row, name: str) -> Path:
    """Return the file of a trial's checkpoint ``best``, ``last`` or ``epoch-0010``.

    Raises InputError if it is not there; the message lists those that are.
    """
    paths = {path.stem: path for path in checkpoints_of(results, row)}
    if not paths:
        raise InputError(f"{described(results, row)}: left no checkpoint, so nothing can be shared")
    if name not in paths:
        raise InputError(f"--checkpoint: {not_known(name, paths)}")
    return paths[name]


def checkpoints_of(results: Results, row: Row) -> list[Path]:
    """Return the files of a trial's checkpoints, by name; unfinished ones are passed over."""
    folder = results.folder / "checkpoints" / str(row["trial_id"])
    return sorted(folder.glob("[!.]*.pt"))
