"""The command line: parse, call one library function, print.

Torch and Ray are imported inside the commands that need them, so that `resray --help` answers at
once.
"""

import sys

import typer

from resray.cli import exporting, reporting, results, searching, studies, tools
from resray.errors import ResrayError

app = typer.Typer(
    name="resray",
    help="Parallel, resumable, statistically honest benchmarks of the ResNet family on CIFAR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("list")(studies.list_studies)
for command in (
    studies.show,
    studies.bench,
    searching.tune,
    searching.best,
    reporting.report,
    reporting.compare,
    results.evaluate,
    results.predict,
    exporting.export,
    tools.model,
    tools.doctor,
):
    app.command()(command)


def main() -> None:
    """Run the command line; an error that resray explains is one line and its exit code."""
    try:
        app()
    except ResrayError as error:
        print(f"resray: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
