"""The command line: parse, call one library function, print.

Torch and Ray are imported inside the commands that need them, so that `resray --help` answers at
once.
"""

import atexit
import signal
import sys
from typing import Annotated

import typer

from resray import __version__
from resray.cli import exporting, living, reporting, results, searching, studies
from resray.cli.display import lasting_output
from resray.errors import ResrayError, RunInterrupted
from resray.run.signals import interruptible

app = typer.Typer(name="resray", no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def resray(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Parallel, resumable, statistically honest benchmarks of the ResNet family on CIFAR."""
    if version:
        print(f"resray {__version__}")
        raise typer.Exit


app.command("list")(studies.list_studies)
app.command("open")(reporting.open_report)
app.add_typer(exporting.app, name="export")
for command in (
    studies.show,
    studies.bench,
    searching.tune,
    searching.best,
    living.status,
    living.clean,
    reporting.report,
    reporting.compare,
    results.evaluate,
    results.predict,
    studies.model,
    studies.doctor,
):
    app.command()(command)


def main() -> None:
    """Run the command line; an error that resray explains is one line and its exit code."""
    with lasting_output(), interruptible():
        try:
            app()
        except ResrayError as error:
            print(f"resray: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
        except SystemExit as end:
            if end.code == RunInterrupted.exit_code:
                # Of a KeyboardInterrupt that no command explains, typer says nothing.
                print("resray: interrupted", file=sys.stderr)
            raise
        finally:
            # All is said and stored; Python's own end takes a second, in which Ctrl-C would kill.
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
