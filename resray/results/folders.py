"""Results folders by their paths, and what lies where in one.

Neither Arrow nor pandas is imported here: that a path is wrong is told before.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from resray.errors import DataError, InputError, unknown
from resray.files import user_path
from resray.hints import command
from resray.study.load import load_study, study_files

TABLE_NAMES = ("trials", "epochs", "events", "evaluations", "decisions", "predictions")
"""The folders of the tables in a study's results folder."""
CHECKPOINTS = "checkpoints"
"""The folder of the trials' checkpoint folders there."""
PROGRESS_FILE = "progress.json"
"""What a running training leaves in its checkpoint folder of how far its epoch is."""


def holds_results(folder: Path) -> bool:
    """Whether a folder has the folder of a table in it."""
    return any((folder / name).is_dir() for name in TABLE_NAMES)


def require_results(*folders: Path) -> None:
    """Raise InputError for a folder that holds no results at all."""
    for folder in folders:
        if not holds_results(folder):
            raise InputError(
                f"{folder}: no results here; expected a study's results folder, with trials/ and "
                "epochs/ in it (such as results/depth-family)"
            )


def check_there(*folders: Path) -> None:
    """Raise InputError unless all folders exist: one that was mistyped would never be filled."""
    for folder in folders:
        if not folder.is_dir():
            beside = folder.absolute().parent
            names = sorted(path.name for path in beside.glob("*/")) if beside.is_dir() else []
            known = f"; {unknown(str(beside), folder.name, names)}" if names else ""
            raise InputError(f"{folder}: no such folder{known}; start the run, then --watch it")


def results_of(study: str, out: Path) -> Path:
    """Return the results folder that a study's name, its file or the folder itself stands for."""
    path = user_path(study, "best")
    if (path / "trials").is_dir():
        return path
    if path.suffix in (".yaml", ".yml"):
        study = load_study(study).name
    folder = out / "results" / study
    if folder.is_dir():
        return folder
    if study in study_files() or path.suffix:
        first = command("tune", path, *(["--out", out] if out != Path() else []))
        raise InputError(f"{folder}: no results here; type `{first}` first")
    if "/" in study:
        raise InputError(f"{study}: no results here; expected a study's name, its file or its "
                         "results folder")  # fmt: skip
    raise InputError(unknown("study", study, study_files()))


def check_different(folders: Sequence[Path]) -> None:
    """Raise InputError if two paths are one folder."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        first = seen.setdefault(folder.resolve(), folder)
        if first is not folder:
            same = "" if str(first) == str(folder) else f" (the same as {first})"
            raise InputError(f"{folder}: named twice{same}; name different results folders")


def called_names(folders: Sequence[Path], names: Sequence[str | None] | None = None) -> list[str]:
    """Return what to call each folder. Raises InputError if two would be called the same."""
    given = names or [None] * len(folders)
    short = short_names(folders)
    called = [name or own for name, own in zip(given, short, strict=True)]
    for place, name in enumerate(called):
        if name in called[:place]:
            raise InputError(f"{name}={folders[place]}: another folder is called {name!r}, too")
    return called


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return the last part of each path in which all differ, or else the fewest parts.

    ``a/results/depth`` and ``b/results/depth`` are ``a`` and ``b``.
    """
    parts = [Path(os.path.abspath(folder)).parts[1:][::-1] for folder in folders]
    deepest = max(map(len, parts))
    single = [(depth, depth + 1) for depth in range(deepest)]
    for first, last in [*single, *((0, depth) for depth in range(2, deepest + 1))]:
        names = ["/".join(path[first:last][::-1]) for path in parts]
        if all(names) and len(set(names)) == len(names):
            return names
    return list(map(str, folders))


def checkpoint_file(path: Path) -> Path:
    """Return ``path``, or the best.pt in it if it is a trial's checkpoint folder."""
    return path / "best.pt" if path.is_dir() else path


def no_checkpoint(path: Path) -> DataError:
    """Return what to raise where a checkpoint is not there."""
    return DataError(f"{path}: there is no such checkpoint")
