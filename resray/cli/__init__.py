"""The command line: parse, call one library function, print.

Torch and Ray are imported inside the commands that need them, so that `resray --help` answers at
once.
"""

import sys
from typing import Annotated, Any

import typer
import typer.core

from resray import __version__
from resray.cli import exporting, reporting, results, searching, studies, tools
from resray.cli.display import lasting_output
from resray.errors import ResrayError, RunInterrupted
from resray.orchestration.signals import interruptible


class Commands(typer.core.TyperGroup):
    """Ends a command that is interrupted with one line, where it does not say more itself."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise RunInterrupted("interrupted") from None


app = typer.Typer(name="resray", cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def say_version(wanted: bool) -> None:
    """Print the version and end, if that is wanted."""
    if wanted:
        print(f"resray {__version__}")
        raise typer.Exit


@app.callback()
def resray(
    version: Annotated[
        bool,
        typer.Option("--version", callback=say_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Parallel, resumable, statistically honest benchmarks of the ResNet family on CIFAR."""


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
    with lasting_output():
        try:
            app()
        except ResrayError as error:
            print(f"resray: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
