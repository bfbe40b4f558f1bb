"""What checkpoints take of the disk, by trial, and which of them nobody needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resray.files import storage_errors
from resray.results.folders import CHECKPOINTS
from resray.results.lock import is_held
from resray.results.rows import ENDED
from resray.results.store import read_rows

Row = Mapping[str, Any]

USED = ("best.pt", "last.pt")
"""To use, and to go on from."""


@dataclass(frozen=True)
class TrialFiles:
    """The checkpoints of one trial."""

    row: Row
    kept: Sequence[Path]
    removable: Sequence[Path]

    @property
    def bytes_kept(self) -> int:
        """What stays takes; a file under several names counts once."""
        return sum(sizes(self.kept).values())

    @property
    def bytes_freed(self) -> int:
        """What removing the others frees: nothing where a file keeps another name."""
        kept, removable = sizes(self.kept), sizes(self.removable)
        return sum(size for file, size in removable.items() if file not in kept)


def trial_files(folder: Path) -> list[TrialFiles]:
    """Return the checkpoints of each trial that has some, those that take most first.

    Best and last stay, and what a trial that has not ended may go on from: previous.pt. While a
    command writes to the folder everything stays that it may need: of trials that have not ended,
    or of all where it trains none of them (it evaluates). Raises InputError if ``folder`` holds no
    results, or damaged ones.
    """
    rows = read_rows(folder, "trials").to_pylist()
    unfinished = [row for row in rows if row["status"] not in ENDED]
    needed = {row["trial_id"] for row in unfinished or rows} if is_held(folder) else set()
    found = [files_of(row, folder, is_needed=row["trial_id"] in needed) for row in rows]
    return sorted(
        (each for each in found if each.kept or each.removable),
        key=lambda each: -(each.bytes_kept + each.bytes_freed),
    )


def files_of(row: Row, folder: Path, *, is_needed: bool) -> TrialFiles:
    """Return the checkpoints of a trial; all stay if it ``is_needed``."""
    stay = USED if row["status"] in ENDED else (*USED, "previous.pt")
    files = sorted((folder / CHECKPOINTS / row["trial_id"]).glob("*.pt*"))
    kept = [path for path in files if is_needed or path.name in stay]
    return TrialFiles(row, kept, [path for path in files if path not in kept])


def sizes(paths: Iterable[Path]) -> dict[tuple[int, int], int]:
    """Return the bytes of each file, by what tells files apart; one that vanishes has none."""
    found = (path.stat() for path in paths if path.exists())
    return {(each.st_dev, each.st_ino): each.st_size for each in found}


def remove(paths: Iterable[Path]) -> None:
    """Remove checkpoints; raises StorageError where the file system refuses."""
    for path in paths:
        with storage_errors(path.parent):
            path.unlink(missing_ok=True)
