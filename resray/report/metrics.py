"""The values of the metrics that published figures and claims name (`resray.study.metrics`)."""

import math
from collections.abc import Mapping

import pandas as pd

from resray.report.aggregate import Group, Results, Row, members_of
from resray.report.statistics import Summary, summarise
from resray.study.metrics import COUNTED, EPOCH_METRICS, TRIAL_METRICS

EVALUATED = {
    "corruption_accuracy": ("corruptions", "mean"),
    "tta_accuracy": ("tta", "10 views"),
    "hidden_accuracy": ("foreign", None),
    "ensemble_accuracy": ("ensemble", None),
}
"""Kind and condition of the rows of the evaluations table; None takes any condition."""


def values_of(
    results: Results, group: Group, metric: str, epoch: int | None = None
) -> dict[int | None, float]:
    """Return a metric's finite value for each seed among a group's finished trials.

    Seeds without a value are left out. An ensemble has one value, whose seed is None. A metric that
    only epochs have is taken, without an epoch, at the training's end.
    """
    if metric == "ensemble_accuracy":
        values = {None: ensemble_accuracy(results, group)}
    else:
        values = {row["seed"]: value_of(results, row, metric, epoch) for row in group.finished}
    return {seed: value for seed, value in values.items() if value is not None}


def summary_of(
    results: Results, group: Group, metric: str, epoch: int | None = None
) -> Summary | None:
    """Return the summary of a metric over a group's finished trials."""
    return summarise(values_of(results, group, metric, epoch).values())


def value_of(results: Results, row: Row, metric: str, epoch: int | None = None) -> float | None:
    """Return one trial's value of a metric, None if it was not measured or is not finite."""
    epochs = results.epochs.get(row["trial_id"])
    if epoch is not None or metric not in TRIAL_METRICS:
        return _finite(_of_epoch(row, epochs, metric, epoch))
    if metric in EVALUATED:
        return newest(results.evaluations[row["trial_id"]], *EVALUATED[metric])
    if metric == "seconds_per_epoch":
        return None if epochs is None else seconds_per_epoch(epochs)
    if metric == "iterations_per_second":
        return _ratio(row["images_per_second"], row["batch_size"])
    if metric == "gradient_ratio":
        return None if epochs is None else gradient_ratio(epochs)
    return _finite(row[metric])


def seconds_per_epoch(epochs: pd.DataFrame) -> float | None:
    """Return the mean of the epochs' training seconds.

    The first epoch of each start also loads libraries, picks convolution algorithms and reserves
    memory; such epochs are left out where there are others.
    """
    warm = epochs[epochs["attempt"].duplicated()]
    return _finite((warm if len(warm) else epochs)["seconds_training"].mean())


def gradient_ratio(epochs: pd.DataFrame) -> float | None:
    """Return the last epoch's gradient norm of the first stage divided by the last stage's."""
    last = epochs.iloc[-1]
    return _ratio(last["gradient_norm_first_stage"], last["gradient_norm_last_stage"])


def newest(table: pd.DataFrame, kind: str, condition: str | None) -> float | None:
    """Return the newest accuracy of this kind over all classes.

    That of the checkpoint which validation selected, where it was evaluated.
    """
    chosen = (table["kind"] == kind) & (table["metric"] == "accuracy") & table["class"].isna()
    if condition is not None:
        chosen &= table["condition"] == condition
    rows = table[chosen & table["value"].notna()]
    best = rows[rows["checkpoint"].astype(str).str.startswith("best.pt")]
    values = (best if len(best) else rows)["value"]
    return _finite(values.iloc[-1]) if len(values) else None


def ensemble_accuracy(results: Results, group: Group) -> float | None:
    """Return the accuracy of the ensemble of the most of a group's finished trials."""
    trials = {row["trial_id"] for row in group.finished}
    found = []
    for key, table in results.evaluations.items():
        members = members_of(key, table) if len(table) else set()
        value = newest(table, *EVALUATED["ensemble_accuracy"]) if len(members) > 1 else None
        if value is not None and members <= trials:
            found.append((len(members), value))
    return max(found)[1] if found else None


def limits(group: Group, metric: str, epoch: int | None = None) -> tuple[str, ...]:
    """Return what was reduced, in words, of that which shapes a metric's value.

    An epoch's value does not depend on where the training was stopped afterwards, nor a network's
    size on how it was trained.
    """
    if metric in COUNTED:
        return tuple(text for text in group.reductions if changes_network(text, metric))
    stopped = "stopped after "
    kept = (text for text in group.reductions if epoch is None or not text.startswith(stopped))
    early = group.partial and epoch is None
    if early and not any(text.startswith(stopped) for text in group.reductions):
        return (*kept, "ended early")
    return tuple(kept)


def changes_network(reduction: str, metric: str) -> bool:
    """Return whether a reduction changes what is counted.

    Another model does; so may other images, by the number of classes, and of the multiply-adds
    their size.
    """
    if reduction.startswith("changed: model."):
        return True
    size = metric == "multiply_adds" and reduction.startswith("images of ")
    return size or (
        " in place of " in reduction and reduction != "embedded images in place of cifar10"
    )


def _of_epoch(
    row: Row, epochs: pd.DataFrame | None, metric: str, epoch: int | None
) -> float | None:
    if epochs is None or metric not in EPOCH_METRICS:
        return None
    chosen = epochs[epochs["epoch"] == epoch] if epoch is not None else epochs.iloc[-1:]
    if chosen.empty:
        return None
    record: Mapping[str, float | None] = dict(chosen.iloc[0])
    if metric == "seconds_per_epoch":
        return record["seconds_training"]
    if metric == "iterations_per_second":
        return _ratio(record["images_per_second"], row["batch_size"])
    return record[metric]


def _ratio(above: float | None, below: float | None) -> float | None:
    top, bottom = _finite(above), _finite(below)
    return top / bottom if top is not None and bottom else None


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
