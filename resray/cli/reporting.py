"""Commands that show results: report and compare."""

import json
import os
import re
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from resray.cli.options import JsonOption, option, path_option
from resray.errors import InputError
from resray.files import user_path
from resray.hints import command

LONGEST_NAME = 100
"""Letters of a file's name that follows from folders."""
PAGES = (".html", ".htm")

FoldersArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME=]PATH...",
        help="A study's results, e.g. results/depth-family; NAME is what to call one of several.",
    ),
]


def report(
    folders: FoldersArgument,
    output: Annotated[
        Path | None,
        path_option("--output", "The HTML file (default: reports/STUDY.html)."),
    ] = None,
    baseline: Annotated[
        str | None,
        option(
            "--baseline",
            "Show differences to this configuration (default: the study's first).",
            metavar="LABEL",
        ),
    ] = None,
    price_per_gpu_hour: Annotated[
        float | None,
        option("--price-per-gpu-hour", "What a GPU costs in an hour; adds costs."),
    ] = None,
    watch: Annotated[
        bool,
        option("--watch", "Write it anew whenever results change, until the trials have ended."),
    ] = False,
) -> None:
    """Write the HTML report of all results in a folder, or of several beside each other."""
    from resray.results import folders as results

    names, paths = split_names(folders)
    results.check_different(paths)
    called = results.called_names(paths, names)
    if price_per_gpu_hour is not None and not 0 <= price_per_gpu_hour < float("inf"):
        raise InputError(f"--price-per-gpu-hour {price_per_gpu_hour:g}: must be 0 or more")
    if output is not None:
        check_output(output)
    (results.check_there if watch else results.require_results)(*paths)
    from resray.cli.watch import watch as watch_folders
    from resray.report.page import write_report

    target = output or default_output(paths, called)
    write = partial(
        write_report,
        paths[0] if len(paths) == 1 else paths,
        target,
        names=called,
        baseline=baseline,
        price_per_gpu_hour=price_per_gpu_hour,
    )
    with writing_to(target):
        if watch:
            watch_folders(paths, lambda live: write(live=live), partial(print, flush=True))
        else:
            print(written_page(write()))
    if price_per_gpu_hour is not None and not any(map(has_gpu_hours, paths)):
        print("No trial has GPU-hours, so --price-per-gpu-hour adds no costs", file=sys.stderr)


def written_page(page: Path) -> str:
    """Return where a page is, how large, and how to open it."""
    size = page.stat().st_size / 1e6
    return f"{page} ({size:.1f} MB): open it with `{command('open', page)}`"


def open_report(
    page: Annotated[
        Path | None,
        typer.Argument(metavar="[PAGE]", help="A report (default: the newest in reports/)."),
    ] = None,
    out: Annotated[
        Path, path_option("--out", "The folder that holds reports/, as for `bench`.")
    ] = Path(),
) -> None:
    """Open the newest report in the browser; without a display, say where it is."""
    folder = out / "reports"
    pages = [page] if page else [each for each in folder.glob("*.html") if each.is_file()]
    if not pages:
        raise InputError(f"{folder}: holds no report (*.html); name one, or write one with `bench`")
    newest = max(pages, key=lambda each: each.stat().st_mtime) if page is None else page
    if not newest.is_file():
        raise InputError(f"{newest}: is no file; name a report, such as reports/depth-family.html")
    shows = (
        sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    opened = shows and webbrowser.open(newest.resolve().as_uri())
    print(newest if opened else f"{newest.resolve()} (no display here: open it in a browser)")


def has_gpu_hours(folder: Path) -> bool:
    from resray.results.folders import holds_results
    from resray.results.store import read_table

    # A folder that was watched may have got no results.
    return holds_results(folder) and bool(read_table(folder, "trials")["gpu_hours"].notna().any())


def default_output(paths: list[Path], names: list[str]) -> Path:
    """Return reports/STUDY.html beside the folder results/, or of several reports/A-B.html here."""
    if len(paths) > 1:
        name = re.sub(r"[^\w.-]+", "-", "-".join(names))[:LONGEST_NAME]
        return Path("reports") / f"{name}.html"
    folder = paths[0].resolve()
    beside = folder.parent.name == "results"
    return (folder.parents[1] / "reports" if beside else Path("reports")) / f"{folder.name}.html"


@contextmanager
def writing_to(target: Path) -> Iterator[None]:
    """Raise InputError where the file system refuses a page, or a file that it is made of."""
    try:
        yield
    except OSError as error:
        reason, folders = error.strerror or str(error), target.absolute().parents
        path = Path(error.filename or target).absolute()
        # Writing a page touches its folders, and what is in its own.
        if path not in folders and path.parent != folders[0]:
            raise InputError(f"{error.filename}: cannot be read ({reason})") from error
        raise InputError(f"--output {target}: cannot be written ({reason})") from error


def compare(
    folders: FoldersArgument,
    metric: Annotated[
        list[str] | None,
        option("--metric", "Compare by this metric, e.g. test_accuracy; repeatable."),
    ] = None,
    select: Annotated[
        list[str] | None,
        option("--select", "Only configurations whose name matches; repeatable.", metavar="GLOB"),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        option(
            "--fail-if",
            "Exit with 1 if this holds of a difference (other minus first): "
            "'test_accuracy < -0.5', 'images_per_second < -10%'; repeatable.",
            metavar="CONDITION",
        ),
    ] = None,
    fail_if_real: Annotated[
        list[str] | None,
        option(
            "--fail-if-real",
            "The same, but only differences count that are real, which one seed never shows.",
            metavar="CONDITION",
        ),
    ] = None,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None,
        path_option("--output", "Write one report of all the folders.", metavar="FILE.html"),
    ] = None,
) -> None:
    """Compare results folders: what differs, by how much, and is it real."""
    from resray.results.folders import require_results

    names, paths = split_names(folders)
    if output is not None:
        check_output(output)
    require_results(*paths)
    from resray.analysis.compare_facts import comparison_facts
    from resray.analysis.conditions import run_comparison
    from resray.cli.compare_conditions import never_checked, read_condition
    from resray.cli.compare_printed import print_comparison

    conditions = [read_condition(text) for text in fail_if or ()]
    conditions += [read_condition(text, only_real=True) for text in fail_if_real or ()]
    found = run_comparison(paths, names, metric or (), select or (), conditions)
    if as_json:
        print(json.dumps(comparison_facts(found), indent=2))
    else:
        print_comparison(found, Console())
    if output is not None:
        from resray.report.page import write_report

        with writing_to(output):
            written = write_report(paths, output, names=list(found.folders.sources))
        if not as_json:
            print(written_page(written))
    if found.exit_code == 1:
        raise typer.Exit(1)
    if found.exit_code == 2:
        raise InputError(never_checked(found.checks))


def split_names(texts: list[str]) -> tuple[list[str | None], list[Path]]:
    """Return the names and paths of ``NAME=PATH``; what is a folder as it stands has no name."""
    names: list[str | None] = []
    paths = []
    for text in texts:
        name, equals, path = text.partition("=")
        named = bool(equals) and not os.path.exists(os.path.expanduser(text))
        if named and not (name and path):
            raise InputError(f"{text!r}: expected NAME=PATH, such as before=results/depth-family")
        names.append(name if named else None)
        paths.append(user_path(path if named else text, "results"))
    return names, paths


def check_output(output: Path) -> None:
    """Raise InputError unless a page can be written there, under a name that browsers open."""
    if output.suffix.lower() not in (*PAGES, "") or str(output) == "-":
        raise InputError(f"--output {output}: must be a page, whose name ends in .html (or .htm)")
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"--output {output}: must be a file in a folder that exists")
