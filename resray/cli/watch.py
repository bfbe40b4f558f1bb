"""Writes a report anew whenever the results change, for as long as they may."""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from resray.results.folders import TABLE_NAMES, check_there
from resray.results.lock import is_held
from resray.results.store import read_table

LEAST_PAUSE = 5.0
"""Seconds between two pages."""
LOOK = 1.0
"""Seconds between two looks at the folders."""
SHARE = 10
"""Pages and looks are so many times as far apart as one takes, so that a tenth of a core does."""
GOING_ON = ("pending", "running")


def watch(
    folders: Sequence[Path],
    write: Callable[[int | None], Path],
    say: Callable[[str], None],
    least_pause: float = LEAST_PAUSE,
) -> None:
    """Write a report of the folders whenever one of them changes, until their trials have ended.

    ``write`` writes a page that loads itself again after so many seconds, or never, for None: that
    is the last one, when no trial waits or runs and no resray writes to a folder. ``say`` gets a
    line for each page. Interrupted, it writes the last page and returns. A folder that is empty is
    waited for. Raises InputError if one does not exist, or `write` does.
    """
    check_there(*folders)
    try:
        follow(folders, write, say, least_pause)
    except KeyboardInterrupt:
        if not any(map(is_empty, folders)):
            say(f"Interrupted; the last page is {write(None)}")


def follow(
    folders: Sequence[Path],
    write: Callable[[int | None], Path],
    say: Callable[[str], None],
    least_pause: float,
) -> None:
    pause, seen = least_pause, None
    while True:
        # Taken before the tables are read, so that what changes meanwhile is seen the next time.
        began = time.perf_counter()
        found = stamp(folders)
        if found == seen:
            look = time.perf_counter() - began
            time.sleep(max(min(LOOK, least_pause), SHARE * look))
        elif empty := [str(folder) for folder in folders if is_empty(folder)]:
            say(f"Waiting for the first results in {', '.join(empty)}")
            seen = found
        else:
            seen = found
            if not write_page(folders, write, say, math.ceil(pause)):
                return
            pause = max(least_pause, SHARE * (time.perf_counter() - began))
            time.sleep(pause)


def write_page(
    folders: Sequence[Path],
    write: Callable[[int | None], Path],
    say: Callable[[str], None],
    pause: int,
) -> bool:
    """Write a page and return whether another one may follow."""
    began = time.perf_counter()
    statuses = (state for folder in folders for state in read_table(folder, "trials")["status"])
    states = Counter(map(str, statuses))
    going_on = any(map(states.get, GOING_ON)) or any(map(is_held, folders))
    path = write(pause if going_on else None)
    seconds = time.perf_counter() - began
    say(f"{datetime.now():%H:%M:%S} {path}: {in_words(states)} ({seconds:.1f} s)")
    return going_on


def stamp(folders: Sequence[Path]) -> list[object]:
    """Return what changes when a table does: how many files it has, and when one last changed.

    Also whether a run writes there, so that its end is seen.
    """
    tables = [folder / table for folder in folders for table in TABLE_NAMES]
    return [*map(files_of, tables), *map(is_held, folders)]


def files_of(table: Path) -> tuple[int, int]:
    """Return the number of a table's files and the newest one's time of change."""
    times = []
    with suppress(FileNotFoundError), os.scandir(table) as entries:
        for entry in entries:
            # One that is being replaced may be gone.
            with suppress(FileNotFoundError):
                times.append(entry.stat().st_mtime_ns)
    return len(times), max(times, default=0)


def is_empty(folder: Path) -> bool:
    """Return whether a folder holds nothing but what a run leaves before its first table."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    return names <= {"study.yaml", "ray.log"}


def in_words(states: Counter[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items()) or "no trial yet"
