"""What the values of a claim are, seed by seed: a metric, or the epochs to a share of it."""

import numpy as np

from resray.analysis.aggregate import Group
from resray.analysis.contrasts import Sample
from resray.analysis.matching import NotJudgedError
from resray.analysis.metrics import sample_of
from resray.analysis.results import Analysis
from resray.hints import command
from resray.models.table import runs_own_code
from resray.study.claims import Value
from resray.study.metrics import METRICS

PROPORTIONAL = {
    "seconds_per_epoch": "seconds_training",
    "iterations_per_second": "images_per_second",
}
"""The columns of the epochs table that these metrics are, but for a factor that a share is blind
to."""


def sample_of_value(results: Analysis, group: Group, value: Value) -> Sample:
    """Return a value's figures by seed; of ``std``, those that it is the spread of.

    Raises NotJudgedError, which says what is missing and, where a command gives it, which one.
    """
    if value.share is not None:
        sample = Sample(epochs_to(results, group, value.metric, value.share))
    else:
        sample = sample_of(results, group, value.metric, value.epoch)
    if not sample.values:
        raise NotJudgedError(f"{value} was not measured{advice(results, group, value)}")
    if value.std and len(sample.values) < 2:
        raise NotJudgedError(
            f"{value} needs two seeds or more, {group.label} has one; `resray bench` with --seeds "
            "0,1,2 gives them"
        )
    return sample


def advice(results: Analysis, group: Group, value: Value) -> str:
    """Return which command measures a value; nothing where `resray evaluate` does not."""
    evaluation = METRICS[value.metric].evaluation
    if evaluation is None:
        return ""
    row, kind = group.finished[0], evaluation[0]
    given = ("--input", "FILE") if kind == "foreign" else ()
    own_code = runs_own_code(row["model"] or "")
    words = ("evaluate", results.folder, "--kind", kind, *given)
    return f"; `{command(*words, data_dir=row['data_dir'], trust=own_code)}` measures it"


def epochs_to(
    results: Analysis, group: Group, metric: str, share: float
) -> dict[int | None, float]:
    """Return for each seed the first epoch with ``share`` of the metric's highest value of any."""
    ids = [row["trial_id"] for row in group.finished]
    courses = results.epoch_table.arrays(PROPORTIONAL.get(metric, metric), ids)
    courses = np.where(np.isfinite(courses), courses, -np.inf)
    return {
        row["seed"]: float(results.epoch_table.numbers[(course >= share * course.max()).argmax()])
        for row, course in zip(group.finished, courses, strict=True)
        if np.isfinite(course).any()
    }
