"""What the values of a claim are, seed by seed: a metric, or the epochs to a share of it; and how a
standard deviation over seeds is spread."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from resray.hints import command
from resray.models.table import runs_own_code
from resray.report.aggregate import Group, Results, Row
from resray.report.matching import NotJudgedError
from resray.report.metrics import EVALUATED, values_of
from resray.report.statistics import RESAMPLES
from resray.study.claims import Value

PROPORTIONAL = {
    "seconds_per_epoch": "seconds_training",
    "iterations_per_second": "images_per_second",
}
"""The columns of the epochs table that these metrics are, but for a factor that a share is blind
to."""


def figures_of(results: Results, group: Group, value: Value) -> dict[int | None, float]:
    """Return a value's figures by seed; of ``std``, those that it is the spread of.

    Raises NotJudgedError, which says what is missing and, where a command gives it, which one.
    """
    if value.share is not None:
        figures = epochs_to(results, group, value.metric, value.share)
    else:
        figures = values_of(results, group, value.metric, value.epoch)
    if not figures:
        raise NotJudgedError(f"{value} was not measured{advice(results, group, value)}")
    if value.std and len(figures) < 2:
        raise NotJudgedError(
            f"{value} needs two seeds or more, {group.label} has one; `resray bench` with --seeds "
            "0,1,2 gives them"
        )
    return figures


def advice(results: Results, group: Group, value: Value) -> str:
    """Return which command measures a value; nothing where `resray evaluate` does not."""
    if value.metric not in EVALUATED:
        return ""
    (row, *_), (kind, _) = group.finished, EVALUATED[value.metric]
    given = ("--input", "FILE") if kind == "foreign" else ()
    own_code = runs_own_code(row["model"] or "")
    words = ("evaluate", results.folder, "--kind", kind, *given)
    return f"; `{command(*words, data_dir=row['data_dir'], trust=own_code)}` measures it"


def epochs_to(results: Results, group: Group, metric: str, share: float) -> dict[int | None, float]:
    """Return for each seed the first epoch with ``share`` of the metric's highest value of any."""
    courses = {row["seed"]: course(results, row, metric) for row in group.finished}
    return {
        seed: float(values.index[values >= share * values.max()].min())
        for seed, values in courses.items()
        if len(values)
    }


def course(results: Results, row: Row, metric: str) -> pd.Series:
    """Return a metric of a trial's epochs, by epoch, where it was measured and is finite."""
    epochs = results.epochs.get(row["trial_id"])
    if epochs is None:
        return pd.Series(dtype=float)
    values = epochs.set_index("epoch")[PROPORTIONAL.get(metric, metric)].astype(float)
    return values[np.isfinite(values)]


def spreads(
    samples: Mapping[Value, Mapping[int | None, float]], *, resample: bool
) -> dict[Value, np.ndarray]:
    """Return the standard deviation over seeds of each value and, if asked, its draws after it."""
    # Seeded, so that the same results always give the same report.
    generator = np.random.default_rng(1)
    found = {}
    for value, figures in samples.items():
        deviation = np.std(list(figures.values()), ddof=1, keepdims=True)
        drawn = [generator.permutation(widths(len(figures))) * deviation] if resample else []
        found[value] = np.concatenate([deviation, *drawn])
    return found


def widths(n: int) -> np.ndarray:
    """Return what a standard deviation of ``n`` values is multiplied by to get the true one.

    `RESAMPLES` factors in equal steps of probability, so that their percentiles are the interval by
    the chi-square distribution: for normally distributed values, (n - 1) times the sample variance
    over the true one has n - 1 degrees of freedom (Helmert, 1876), independently of their mean.
    """
    # A quarter of a second to import, which not every report needs.
    from scipy.special import chdtri

    steps = (np.arange(RESAMPLES) + 0.5) / RESAMPLES
    return np.sqrt((n - 1) / chdtri(n - 1, steps))
