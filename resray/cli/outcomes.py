"""What `resray bench` and `resray tune` print of what came of a run."""

import os
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from resray.bench import Outcome
    from resray.tune import TuneOutcome


def duplicate(descriptor: int) -> TextIO:
    """Return a file of its own on stdout (1) or stderr (2), which stays when Ray's output moves."""
    return os.fdopen(os.dup(descriptor), "w", buffering=1)


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


def print_outcome(outcome: "Outcome | TuneOutcome") -> None:
    """Print what came of a run, for people: failed trials, states, and where the results are."""
    states = ", ".join(f"{count} {state}" for state, count in outcome.summary.items())
    skipped = f" ({outcome.skipped} had ended before)" if outcome.skipped else ""
    for row in outcome.trials:
        if row["status"] == "failed":
            print(
                f"{row['name']} (seed {row['seed']}): {row['error_class']}: {row['error_message']}"
            )
    print(f"{states}{skipped}\nResults: {outcome.results}\nReport:  {outcome.report}")
