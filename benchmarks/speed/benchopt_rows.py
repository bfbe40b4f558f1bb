"""The epochs of a results folder as a benchmark of benchopt, whose plot command makes a page of it.

A configuration is a solver, a seed a repetition, an epoch a stopping value, the seconds of training
so far the time. benchopt knows no trials that failed or go on: it gets all of them.
"""

from pathlib import Path

import pandas as pd

from resray.analysis.results import Analysis

MEASURED = ("test_accuracy", "validation_accuracy", "train_accuracy", "test_loss",
            "validation_loss", "train_loss")  # fmt: skip
"""The columns of resray's learning curves."""
OBJECTIVE = """from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "resray"

    def set_data(self):
        pass

    def evaluate_result(self):
        return {}

    def get_one_result(self):
        return {}

    def get_objective(self):
        return {}
"""


def write_benchmark(results: Path, folder: Path, columns: int) -> Path:
    """Write a benchmark with the first ``columns`` of `MEASURED`; return its result file."""
    output = folder / "outputs" / "trials.parquet"
    output.parent.mkdir(parents=True, exist_ok=True)
    for name in ("solvers", "datasets"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "objective.py").write_text(OBJECTIVE, encoding="utf-8")
    rows(results, MEASURED[:columns]).to_parquet(output)
    return output


def page_of(folder: Path) -> Path:
    """Return where benchopt's plot command writes the page of a benchmark's result file."""
    return folder / "outputs" / f"{folder.name}_trials.html"


def rows(results: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return one row for each epoch of each trial, as benchopt's own runs leave them."""
    loaded = Analysis.of(results)
    frames = [frame.assign(solver_name=loaded.labels[trial_id],
                           time=frame["seconds_training"].cumsum())
              for trial_id, frame in loaded.epoch_table.items()]  # fmt: skip
    whole = pd.concat(frames, ignore_index=True)
    measured = {f"objective_{column}": whole[column] for column in columns}
    return pd.DataFrame(
        {
            "objective_name": "resray",
            "dataset_name": "cifar10",
            "solver_name": whole["solver_name"],
            "idx_rep": whole["seed"],
            "stop_val": whole["epoch"],
            "time": whole["time"],
            **measured,
        }
    )
