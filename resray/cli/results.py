"""Commands about results: report."""

from pathlib import Path
from typing import Annotated

import typer

from resray.errors import InputError


def report(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A study's results, e.g. results/depth-family.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The HTML file (default: reports/STUDY.html)."),
    ] = None,
) -> None:
    """Write the HTML report of all results in a folder."""
    from resray.report.page import write_report

    beside = path.resolve().parent.name == "results"
    folder = path.resolve().parents[1] / "reports" if beside else Path("reports")
    target = output or folder / f"{path.resolve().name}.html"
    try:
        print(write_report(path, target))
    except OSError as error:
        raise InputError(f"--output {target}: cannot be written ({error.strerror})") from error
