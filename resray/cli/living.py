"""Commands for a study that runs for long: status, clean."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from resray.cli.options import option
from resray.cli.show.layout import MISSING, rough, ruled_table
from resray.errors import InputError
from resray.files import size_text, user_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resray.results.cleaning import TrialFiles
    from resray.results.status import Status

SHOWN = 40
"""Trials that are listed; of more the first ones, and how many there are besides."""

FoldersArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[RESULTS]...",
        help="Studies' results, e.g. results/depth-family (default: each in results/).",
        parser=partial(user_path, option="results"),
    ),
]


def status(results: FoldersArgument = None) -> None:
    """Say what of a study runs, waits, failed and is done, and how long still; reads only."""
    folders = chosen(results)
    from resray.results.status import read_status

    for folder in folders:
        print_status(folder, read_status(folder), Console())


def clean(
    results: FoldersArgument = None,
    yes: Annotated[bool, option("--yes", "Remove without asking.")] = False,
) -> None:
    """Say what checkpoints take, by trial, and remove those but the best and the last.

    What a running command needs stays. Asks before; without a terminal it only tells.
    """
    folders = chosen(results)
    from resray.results.cleaning import remove, trial_files

    for folder in folders:
        trials = trial_files(folder)
        print_files(folder, trials, Console())
        files = sum(len(each.removable) for each in trials)
        if not files:
            continue
        if not yes and not sys.stdin.isatty():
            print("Nothing is removed: add --yes, or run it in a terminal")
        elif yes or typer.confirm(f"Remove {files} files?"):
            # What was shown may have been taken up again by a command since.
            shown = {path for each in trials for path in each.removable}
            remove(shown & {path for each in trial_files(folder) for path in each.removable})
            print("Removed")


def chosen(results: list[Path] | None) -> list[Path]:
    """Return the results folders that were named, or all in results/.

    Raises InputError where there are none.
    """
    from resray.results.folders import holds_results, require_results

    if results:
        require_results(*results)
        return results
    found = [folder for folder in sorted(Path("results").glob("*/")) if holds_results(folder)]
    if not found:
        raise InputError("results: no study's results here; name their folders")
    return found


def print_status(folder: Path, status: "Status", console: Console) -> None:
    """Print how far a study is: counts, time left, and its trials, those that run first."""
    from resray.cli.studies import failure

    states = [each.state for each in status.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    going = "a command runs" if status.is_running else "no command runs"
    console.print(Text(f"{folder}: {going}; {counts or 'no trial yet'}", style="bold"))
    table = ruled_table("trial", "seed", "state", "epochs", "time left")
    for each in status.trials[:SHOWN]:
        row = each.row
        epochs = f"{each.done:.1f}".removesuffix(".0") + f" / {each.epochs}"
        left = rough(each.seconds_left) if each.seconds_left != 0 else ""
        table.add_row(Text(row["name"]), str(row["seed"]), each.state, epochs, left)
    if more := len(status.trials[SHOWN:]):
        table.add_row(f"... and {more} more")
    console.print(table)
    for each in status.trials:
        if each.state == "failed":
            print(failure(each.row))
    if "killed" in states:
        print("killed: its command is dead; the same command goes on from the checkpoint")
    if (seconds := status.seconds_left) != 0:
        most = "at most " if any(each.row["role"] == "search" for each in status.trials) else ""
        print("Left: not known yet" if seconds is None else f"Left: {most}about {rough(seconds)}")


def print_files(folder: Path, trials: "Sequence[TrialFiles]", console: Console) -> None:
    """Print what the checkpoints of each trial take, and what of it can go."""
    table = ruled_table("trial", "seed", "state", "stays", "can go", "files that can go")
    for each in trials:
        row, names = each.row, ", ".join(path.name for path in each.removable)
        freed = size_text(each.bytes_freed) if each.removable else MISSING
        cells = str(row["seed"]), row["status"], size_text(each.bytes_kept), freed, Text(names)
        table.add_row(Text(row["name"]), *cells)
    if trials:
        console.print(table)
    stays, goes = (size_text(sum(sizes)) for sizes in (
        (each.bytes_kept for each in trials), (each.bytes_freed for each in trials)))  # fmt: skip
    print(f"{folder}: {stays} of checkpoints stay, {goes} can go")
