"""The values of the metrics that published figures and claims name (`resray.study.metrics`)."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from resray.analysis.answers import shares_of
from resray.analysis.contrasts import Sample
from resray.analysis.groups import Group, Row
from resray.analysis.results import Analysis, members_of
from resray.analysis.words import duration, listed, plural
from resray.study.metrics import EPOCH_METRICS, METRICS
from resray.study.reduction import Reduction

EPOCH_COLUMNS = {
    "seconds_per_epoch": "seconds_training",
    "iterations_per_second": "images_per_second",
}
"""The columns of the epochs table that these metrics are, but for a factor."""
UNEVEN = 1.5
"""By this factor epochs of one training differ only if something else kept the machine busy."""
FEW_IMAGES = 1000
"""With fewer, one test image is more than a tenth of a point."""


def values_of(
    results: Analysis, group: Group, metric: str, epoch: int | None = None
) -> dict[int | None, float]:
    """Return a metric's finite value for each seed among a group's finished trials.

    Seeds without a value are left out. An ensemble has one value, whose seed is None.
    """
    if metric == "ensemble_accuracy":
        ensemble = largest_ensemble(results, group)
        values = {None: _finite(ensemble.row["value"]) if ensemble else None}
    else:
        values = {row["seed"]: value_of(results, row, metric, epoch) for row in group.finished}
    return {seed: value for seed, value in values.items() if value is not None}


def sample_of(results: Analysis, group: Group, metric: str, epoch: int | None = None) -> Sample:
    """Return what `values_of` does as a sample that contrasts are made of: test accuracies with
    what is stored of their answers by image."""
    values = values_of(results, group, metric, epoch)
    if metric != "test_accuracy" or epoch is not None:
        return Sample(values)
    rows = [row for row in group.finished if row["seed"] in values]
    return Sample(values, shares_of(rows, results.answers))


def value_of(results: Analysis, row: Row, metric: str, epoch: int | None = None) -> float | None:
    """Return one trial's value of a metric, None if it was not measured or is not finite."""
    if epoch is not None:
        return _finite(_of_epoch(row, results.epoch_table.get(row["trial_id"]), metric, epoch))
    if METRICS[metric].evaluation:
        stored = stored_value(results, row, metric)
        return _finite(stored.row["value"]) if stored else None
    if metric == "iterations_per_second":
        return _ratio(row["images_per_second"], row["batch_size"])
    if metric not in OF_EPOCHS:
        return _finite(row.get(metric))
    epochs = results.epoch_table.get(row["trial_id"])
    return None if epochs is None else OF_EPOCHS[metric](epochs)


def seconds_per_epoch(epochs: pd.DataFrame) -> float | None:
    """Return the mean of the epochs' training seconds.

    The first epoch of each start also loads libraries, picks convolution algorithms and reserves
    memory; such epochs are left out where there are others.
    """
    return _finite(seconds_of_epochs(epochs).mean())


def seconds_of_epochs(epochs: pd.DataFrame) -> pd.Series:
    """Return the training seconds of the epochs that did not warm up, or of all if all did."""
    warm = epochs[epochs["attempt"].duplicated()]
    return (warm if len(warm) else epochs)["seconds_training"]


def uneven_epochs(results: Analysis, group: Group) -> str | None:
    """Return between what times the epochs of a training took, where it was not alone by the look
    of it: ``its epochs took 3.9 s to 28 s: was another process busy?``"""
    for row in group.finished:
        if (epochs := results.epoch_table.get(row["trial_id"])) is not None:
            seconds = seconds_of_epochs(epochs).dropna()
            if len(seconds) and seconds.max() > UNEVEN * seconds.min():
                span = f"{duration(seconds.min())} to {duration(seconds.max())}"
                return f"its epochs took {span}: was another process busy?"
    return None


def few_test_images(rows: Sequence[Row]) -> str | None:
    """Return what one image weighs where few were tested on: ``76 test images: one is 1.3
    points``."""
    images = min((row["test_images"] for row in rows if row["test_images"]), default=FEW_IMAGES)
    one = f"{images} test images: one is {100 / images:.2g} points"
    return one if images < FEW_IMAGES else None


def gradient_ratio(epochs: pd.DataFrame) -> float | None:
    """Return the last epoch's gradient norm of the first stage divided by the last stage's."""
    last = epochs.iloc[-1]
    return _ratio(last["gradient_norm_first_stage"], last["gradient_norm_last_stage"])


def limits(
    results: Analysis, group: Group, metric: str, epoch: int | None = None
) -> tuple[Reduction, ...]:
    """Return what was reduced of that which shapes a metric's value.

    An epoch's value does not depend on where the training was stopped afterwards, nor a network's
    size on how it was trained. An evaluation may be of fewer images than the trial was tested on.
    """
    if METRICS[metric].counted:
        return tuple(each for each in group.reductions if each.changes_network(metric))
    found = [each for each in group.reductions if epoch is None or each.kind != "stopped"]
    if METRICS[metric].evaluation:
        values = stored_values(results, group, metric)
        found += [stored.reduction for stored in values if stored.reduction]
    early = group.partial and epoch is None
    if early and not any(each.kind == "stopped" for each in group.reductions):
        found.append(Reduction("ended_early"))
    return tuple(dict.fromkeys(found))


def stopped_early(group: Group) -> str | None:
    """Return where early stopping ended trials: ``stopped early at epoch 31 of 100``."""
    short = [row for row in group.finished if row["status"] == "completed" and is_short(row)]
    if not short:
        return None
    ends = sorted(row["epochs_done"] for row in short)
    return f"stopped early at epoch {listed(ends)} of {short[0]['epochs']}"


def is_short(row: Row) -> bool:
    """Return whether a trial is known to have fewer epochs than its recipe."""
    done, planned = row["epochs_done"], row["epochs"]
    return done is not None and planned is not None and bool(done < planned)


def foreign_files(results: Analysis, group: Group) -> dict[str, str]:
    """Return the files that a group's ``hidden_accuracy`` is of, with what to call them."""
    return dict(stored.foreign_file for stored in stored_values(results, group, "hidden_accuracy"))


OF_EPOCHS: dict[str, Callable[[pd.DataFrame], float | None]] = {
    "seconds_per_epoch": seconds_per_epoch,
    "gradient_ratio": gradient_ratio,
}
"""Metrics of a whole training that its epochs tell."""


def _of_epoch(row: Row, epochs: pd.DataFrame | None, metric: str, epoch: int) -> float | None:
    if epochs is None or metric not in EPOCH_METRICS:
        return None
    found = epochs.loc[epochs["epoch"] == epoch, EPOCH_COLUMNS.get(metric, metric)]
    value = found.iloc[0] if len(found) else None
    return _ratio(value, row["batch_size"]) if metric == "iterations_per_second" else value


def _ratio(above: float | None, below: float | None) -> float | None:
    top, bottom = _finite(above), _finite(below)
    return top / bottom if top is not None and bottom else None


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# --- stored evaluations behind a metric's value ---------------------------------------------------

EPOCH_OF = {"best.pt": "best_epoch", "last.pt": "epochs_done"}
"""The column with the epoch that a trial's checkpoint of this name is of."""


@dataclass(frozen=True)
class Stored:
    """One value of the evaluations table, and the trials whose checkpoints gave it."""

    trials: tuple[Row, ...]
    row: Row

    @property
    def reduction(self) -> Reduction | None:
        """That fewer images were evaluated than the trials were tested, or trained, on."""
        column = "train_images" if self.row["kind"] == "train" else "test_images"
        images, whole = self.row["images"], self.trials[0][column]
        if self.row["kind"] == "foreign" or pd.isna(images) or not whole or images >= whole:
            return None
        return Reduction("evaluated", int(images), int(whole))

    @property
    def foreign_file(self) -> tuple[str, str]:
        """What tells a foreign file from others, and what to call it."""
        name, checksum = str(self.row["condition"]), self.row["dataset_checksum"]
        known = isinstance(checksum, str)
        images = self.row["images"]
        size: str = "" if pd.isna(images) else plural(int(images), "image")
        told = ", ".join(filter(None, (checksum[:8] if known else "", size)))
        return checksum if known else name, f"{name} ({told})" if told else name


def stored_value(results: Analysis, row: Row, metric: str) -> Stored | None:
    """Return the newest evaluation of one trial that gives a metric, None if there is none."""
    evaluation = METRICS[metric].evaluation
    return evaluation and newest(results.evaluation_tables[row["trial_id"]], *evaluation, (row,))


def stored_values(results: Analysis, group: Group, metric: str) -> list[Stored]:
    """Return the evaluations that a metric rests on, over a group's finished trials."""
    if metric == "ensemble_accuracy":
        found = [largest_ensemble(results, group)]
    else:
        found = [stored_value(results, row, metric) for row in group.finished]
    return [stored for stored in found if stored]


def largest_ensemble(results: Analysis, group: Group) -> Stored | None:
    """Return the ensemble of the most of a group's finished trials, the newest of these."""
    by_age = sorted(ensembles_of(results, group), key=lambda found: written(found.row))
    return max(reversed(by_age), key=lambda found: len(found.trials), default=None)


def ensembles_of(results: Analysis, group: Group) -> Iterator[Stored]:
    """Yield each ensemble of some of a group's finished trials."""
    finished = {row["trial_id"]: row for row in group.finished}
    for key, table in results.evaluation_tables.items():
        members = members_of(key, table) if len(table) else []
        if len(members) > 1 and finished.keys() >= set(members):
            trials = tuple(finished[member] for member in members)
            if found := newest(table, "ensemble", None, trials):
                yield found


def newest(
    table: pd.DataFrame, kind: str, condition: str | None, trials: tuple[Row, ...]
) -> Stored | None:
    """Return the newest accuracy of this kind over all classes.

    That of the checkpoint which validation selected, where it was evaluated. What checkpoints gave
    that training has since replaced does not count.
    """
    chosen = (table["kind"] == kind) & (table["metric"] == "accuracy") & table["class"].isna()
    if condition is not None:
        chosen &= table["condition"] == condition
    rows: list[Row] = table[chosen & table["value"].notna()].to_dict("records")  # type: ignore[assignment]
    current = [row for row in rows if is_current(str(row["checkpoint"]), trials)]
    best = [row for row in current if str(row["checkpoint"]).startswith("best.pt")]
    return Stored(trials, (best or current)[-1]) if current else None


def is_current(checkpoint: str, trials: Sequence[Row]) -> bool:
    """Return whether the trials' checkpoints are still those of ``best.pt@87,90``."""
    name, _, epochs = checkpoint.partition("@")
    column = EPOCH_OF.get(name)
    return column is None or epochs == ",".join(str(row[column]) for row in trials)


def written(row: Row) -> str:
    """Return when a value was written, so that it can be put in order."""
    return "" if pd.isna(row["evaluated"]) else row["evaluated"].isoformat()
