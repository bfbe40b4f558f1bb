"""The command about several results folders: compare."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from resray.cli.options import JsonOption
from resray.errors import InputError

if TYPE_CHECKING:
    from resray.compare.run import Comparison

FoldersArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME=]PATH...",
        help="Results folders; the others are compared with the first. NAME is what to call one.",
    ),
]


def compare(
    folders: FoldersArgument,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Compare by this metric, e.g. test_accuracy; repeatable."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select", metavar="GLOB", help="Only configurations whose name matches; repeatable."
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="CONDITION",
            help="Exit with 1 if this holds of a difference (other minus first): "
            "'test_accuracy < -0.5', 'images_per_second < -10%'; repeatable.",
        ),
    ] = None,
    fail_if_real: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if-real",
            metavar="CONDITION",
            help="The same, but only differences count that are real, which one seed never shows.",
        ),
    ] = None,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE.html", help="Write one report of all the folders."),
    ] = None,
) -> None:
    """Compare results folders: what differs, by how much, and is it real."""
    from resray.compare.conditions import read_condition
    from resray.compare.run import Asked, run_comparison

    names, paths = split_names(folders)
    conditions = [read_condition(text) for text in fail_if or ()]
    conditions += [read_condition(text, only_real=True) for text in fail_if_real or ()]
    if output is not None:
        check_output(output)
    found = run_comparison(Asked(paths, names, metric or (), select or (), conditions))
    print_found(found, as_json)
    if output is not None:
        write_page(paths, list(found.folders.sources), output, quiet=as_json)
    end(found)


def split_names(texts: list[str]) -> tuple[list[str | None], list[Path]]:
    """Return the names and paths of ``NAME=PATH``; what is a folder as it stands has no name."""
    names: list[str | None] = []
    paths = []
    for text in texts:
        name, equals, path = text.partition("=")
        named = bool(equals) and not os.path.exists(text)
        if named and not (name and path):
            raise InputError(f"{text!r}: expected NAME=PATH, such as before=results/depth-family")
        names.append(name if named else None)
        paths.append(Path(path if named else text))
    return names, paths


def check_output(output: Path) -> None:
    """Raise InputError unless a file can be written there."""
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"--output {output}: must be a file in a folder that exists")


def print_found(found: "Comparison", as_json: bool) -> None:
    from resray.compare.facts import comparison_facts
    from resray.compare.printed import print_comparison

    if as_json:
        print(json.dumps(comparison_facts(found), indent=2))
    else:
        print_comparison(found, Console())


def write_page(paths: list[Path], names: list[str], output: Path, quiet: bool) -> None:
    from resray.report.page import write_report

    try:
        written = write_report(paths, output, names=names)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be written ({error.strerror})") from error
    if not quiet:
        print(written)


def end(found: "Comparison") -> None:
    """End with the comparison's exit code; what could not be checked at all is explained."""
    from resray.compare.conditions import never_checked

    if found.exit_code == 1:
        raise typer.Exit(1)
    if found.exit_code == 2:
        raise InputError(never_checked(found.checks))
