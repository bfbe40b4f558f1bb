"""Commands about the machine and its models: doctor."""

import typer
from rich.console import Console
from rich.table import Table

from resray.cli.options import DataDirOption


def doctor(data_dir: DataDirOption = None) -> None:
    """Say what is installed, what the machine can do, and what is missing."""
    from resray.doctor import diagnose

    checks = diagnose(data_dir)
    table = Table("check", "state", "found", "what to do")
    colours = {"ok": "green", "warning": "yellow", "missing": "red"}
    for check in checks:
        state = f"[{colours[check.state]}]{check.state}[/]"
        table.add_row(check.name, state, check.found, check.advice)
    Console().print(table)
    raise typer.Exit(1 if any(check.state == "missing" for check in checks) else 0)
