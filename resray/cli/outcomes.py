"""What `resray bench` and `resray tune` print of what came of a run."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resray.bench import Outcome
    from resray.tune import TuneOutcome


WRITTEN_AS_JSON = ("recipe", "reductions", "search", "point")
"""Columns of trials whose text is JSON."""


def outcome_facts(outcome: "Outcome | TuneOutcome") -> dict[str, Any]:
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
    parsed = {key: json.loads(row[key]) for key in WRITTEN_AS_JSON if row.get(key)}
    return {**row, **parsed}


def print_outcome(outcome: "Outcome | TuneOutcome", states: str | None = None) -> None:
    """Print what came of a run, for people: failed trials, states, and where the results are.

    ``states`` says what became of the trials; None counts them by state.
    """
    counts = (f"{count} {state}" for state, count in outcome.summary.items())
    states = states or ", ".join(counts)
    skipped = f" ({outcome.skipped} had ended before)" if outcome.skipped else ""
    for row in outcome.trials:
        if row["status"] == "failed":
            print(
                f"{row['name']} (seed {row['seed']}): {row['error_class']}: {row['error_message']}"
            )
    print(f"{states}{skipped}\nResults: {outcome.results}\nReport:  {outcome.report}")
