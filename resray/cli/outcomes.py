"""What `resray bench` and `resray tune` print of what came of a run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from resray.bench import Outcome

WRITTEN_AS_JSON = ("recipe", "reductions", "search", "point")
"""Columns of trials whose text is JSON."""


def outcome_facts(outcome: "Outcome") -> dict[str, Any]:
    """Return what came of a run for ``--json``."""
    return {
        "results": str(outcome.results),
        "report": str(outcome.report),
        "exit_code": outcome.exit_code,
        "summary": outcome.summary,
        "skipped": outcome.skipped,
        "trials": outcome.trials,
    }


def readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the trials table with what it holds as JSON taken apart."""
    from resray.search.best import parsed_or_text

    parsed = {key: parsed_or_text(row[key]) for key in WRITTEN_AS_JSON if row.get(key)}
    return {**row, **parsed}


def print_outcome(outcome: "Outcome", states: str | None = None) -> None:
    """Print what came of a run, for people: failed trials, states, and where the results are.

    ``states`` says what became of the trials; None shows each of them and counts them by state.
    """
    skipped = f" ({outcome.skipped} had ended before)" if outcome.skipped else ""
    for row in outcome.rows:
        if row["status"] == "failed":
            print(failure(row))
    if states is None:
        Console().print(trial_table(outcome.trials))
        states = ", ".join(f"{count} {state}" for state, count in outcome.summary.items())
    print(f"{states}{skipped}\nResults: {outcome.results}\nReport:  {outcome.report}")


def failure(row: Mapping[str, Any]) -> str:
    """Return which trial failed, of what, and where its traceback lies."""
    traceback = f" (traceback: {row['traceback']})" if row.get("traceback") else ""
    cause = f"{row['error_class']}: {row['error_message']}{traceback}"
    return f"{row['name']} (seed {row['seed']}): {cause}"


def trial_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return what each trial came to, as the trials table and the report have it."""
    from resray.orchestration.progress import SELECTED, selected_cells

    table = Table("trial", "state", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("seed", "starts", *SELECTED):
        table.add_column(column, justify="right")
    for row in rows:
        counts = str(row["seed"]), str(row["attempts"])
        table.add_row(Text(row["name"]), row["status"], *counts, *selected_cells(row))
    return table
