"""The tables of each shipped study's quick run and of small searches, from before the engine was
rebuilt: `python -m tests.golden.tables [--record] [CASE ...]`.

What a clock or the machine decides is left out; of metrics, which other processors round otherwise,
the comparison leaves a tolerance. Without CASE all are run, which takes some ten minutes on two
cores; the suite runs the small searches (tests/test_golden_tables.py).
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from resray.results.store import read_table

FOLDER = Path(__file__).parent / "tables"
SMALL = Path(__file__).parent / "small_search.yaml"
LESS = ("--quick", "--limit-train", "64", "--limit-eval", "32", "--cpus-per-trial", "1")
"""A quick run with fewer images still, which changes the numbers and nothing else."""
SHORTER = {"wrn-cifar100": ("--epochs", "2"), "depth-family": ("--epochs", "2")}
ONE = ("--workers", "1", "--cpus-per-trial", "1")
"""One trial at a time: nothing depends on who arrives first."""
CASES = {
    **{
        f"bench-{study}": ("bench", study, *LESS, *SHORTER.get(study, ()))
        for study in ("basicblock-depth", "depth-family", "resnet10-speed", "resnext",
                      "wrn-cifar100")
    },
    "tune-depth-family": ("tune", "depth-family", *LESS, "--workers", "1", "--epochs", "3"),
    "small-asha": ("tune", str(SMALL), *ONE),
    "small-halving": ("tune", str(SMALL), *ONE, "--scheduler", "halving"),
    "small-rescaled": ("tune", str(SMALL), *ONE, "--scheduler", "halving", "--rung-schedule",
                       "rescaled"),
    "small-none": ("tune", str(SMALL), *ONE, "--scheduler", "none"),
    "small-median": ("tune", str(SMALL), *ONE, "--scheduler", "median"),
}  # fmt: skip
KEPT = {
    "trials": (
        *("trial_id", "study", "name", "variant", "seed", "role", "search", "space", "point"),
        *("rung", "full_epochs", "audited", "status", "reason", "attempts", "reductions", "model"),
        *("dataset", "dataset_checksum", "train_images", "validation_images", "test_images"),
        *("epochs", "epochs_done", "stop_after", "batch_size", "optimizer", "learning_rate"),
        *("schedule", "precision", "step", "parameters", "multiply_adds", "world_size", "threads"),
        *("best_epoch", "validation_accuracy", "test_accuracy", "test_accuracy_best"),
        "test_accuracy_last",
    ),
    "epochs": (
        *("trial_id", "epoch", "attempt", "train_loss", "train_accuracy", "validation_loss"),
        *("validation_accuracy", "test_loss", "test_accuracy", "learning_rate", "images"),
    ),
    "events": ("trial_id", "event", "attempt", "epoch"),
    "decisions": (
        *("trial_id", "search", "scheduler", "rung", "epoch", "value", "cutoff", "arrived"),
        "stopped",
    ),
}
ORDER = {
    "trials": ["trial_id"],
    "epochs": ["trial_id", "epoch"],
    "events": ["trial_id", "time"],
    "decisions": ["trial_id", "decided"],
}
Rows = list[dict[str, Any]]
POINTS, LOSS = 2.5, 0.05
"""Tolerances: of accuracies in percentage points, of losses as a share."""


def tables(results: Path) -> dict[str, Rows]:
    """Return what is kept of a results folder's tables, in an order of its own."""
    found = {}
    for table, columns in KEPT.items():
        frame = read_table(results, table).sort_values(ORDER[table], kind="stable")
        kept = frame[list(columns)].astype(object)
        rows = kept.where(kept.notna(), None).to_dict("records")
        found[table] = [{str(name): value for name, value in row.items()} for row in rows]
    return found


def run(case: str, out: Path) -> dict[str, Rows]:
    """Run a case's command in a folder and return its tables."""
    verb, study, *options = CASES[case]
    command = [sys.executable, "-m", "resray", verb, study, *options, "--gpus", "0", "--out", out]
    subprocess.run(list(map(str, command)), check=True, stdout=sys.stderr)
    (results,) = (out / "results").iterdir()
    return tables(results)


def differences(before: dict[str, Rows], now: dict[str, Rows]) -> list[str]:
    """Return what differs, one line each, beyond the tolerances."""
    told = []
    for table, rows in before.items():
        if len(rows) != len(now[table]):
            told.append(f"{table}: {len(rows)} rows before, {len(now[table])} now")
            continue
        for old, new in zip(rows, now[table], strict=True):
            told += [
                f"{table} {old['trial_id']}: {column} was {old[column]!r}, is {new[column]!r}"
                for column in old
                if not alike(column, old[column], new[column])
            ]
    return told


def alike(column: str, old: Any, new: Any) -> bool:
    """Return whether two values are the same, or metrics that are close."""
    if not isinstance(old, float) or not isinstance(new, float):
        return bool(old == new)
    if "accuracy" in column or column in ("value", "cutoff"):
        return abs(old - new) <= POINTS
    if "loss" in column:
        return math.isclose(old, new, rel_tol=LOSS)
    return math.isclose(old, new, rel_tol=1e-9)


def main() -> None:
    """Record or compare the cases that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the golden files anew")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    asked = parser.parse_args()
    told = 0
    for case in asked.cases or CASES:
        with tempfile.TemporaryDirectory() as folder:
            found = run(case, Path(folder))
        file = FOLDER / f"{case}.json"
        if asked.record:
            file.parent.mkdir(exist_ok=True)
            lines = {table: [json.dumps(row) for row in rows] for table, rows in found.items()}
            file.write_text(json.dumps(lines, indent=0) + "\n")
            continue
        found_differences = differences(read(case), found)
        told += len(found_differences)
        print(f"{case}: {len(found_differences)} differences", *found_differences, sep="\n  ")
    sys.exit(told > 0)


def read(case: str) -> dict[str, Rows]:
    """Return a case's golden tables."""
    lines = json.loads((FOLDER / f"{case}.json").read_text())
    return {table: list(map(json.loads, rows)) for table, rows in lines.items()}


if __name__ == "__main__":
    main()
