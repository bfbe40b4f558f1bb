"""The rows of the evaluations table that stand behind a metric's value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from resray.report.aggregate import Group, Results, Row, members_of
from resray.report.text import plural

EVALUATED = {
    "corruption_accuracy": ("corruptions", "mean"),
    "tta_accuracy": ("tta", "10 views"),
    "hidden_accuracy": ("foreign", None),
    "ensemble_accuracy": ("ensemble", None),
}
"""Kind and condition of the rows of the evaluations table; None takes any condition."""

EPOCH_OF = {"best.pt": "best_epoch", "last.pt": "epochs_done"}
"""The column with the epoch that a trial's checkpoint of this name is of."""


@dataclass(frozen=True)
class Stored:
    """One value of the evaluations table, and the trials whose checkpoints gave it."""

    trials: tuple[Row, ...]
    row: Row

    @property
    def reduction(self) -> str | None:
        """That fewer images were evaluated than the trials were tested on, in words."""
        images, tested = self.row["images"], self.trials[0]["test_images"]
        if self.row["kind"] == "foreign" or pd.isna(images) or not tested or images >= tested:
            return None
        return f"evaluated on {int(images):,} of {tested:,} images"

    @property
    def foreign_file(self) -> tuple[str, str]:
        """What tells a foreign file from others, and what to call it."""
        name, checksum = str(self.row["condition"]), self.row["dataset_checksum"]
        known = isinstance(checksum, str)
        images = self.row["images"]
        size: str = "" if pd.isna(images) else plural(int(images), "image")
        told = ", ".join(filter(None, (checksum[:8] if known else "", size)))
        return checksum if known else name, f"{name} ({told})" if told else name


def stored_value(results: Results, row: Row, metric: str) -> Stored | None:
    """Return the newest value of one trial for one of `EVALUATED`, None if there is none."""
    return newest(results.evaluations[row["trial_id"]], *EVALUATED[metric], (row,))


def stored_values(results: Results, group: Group, metric: str) -> list[Stored]:
    """Return what a metric of `EVALUATED` rests on, over a group's finished trials."""
    if metric == "ensemble_accuracy":
        found = [largest_ensemble(results, group)]
    else:
        found = [stored_value(results, row, metric) for row in group.finished]
    return [stored for stored in found if stored]


def largest_ensemble(results: Results, group: Group) -> Stored | None:
    """Return the ensemble of the most of a group's finished trials, the newest of these."""
    by_age = sorted(ensembles_of(results, group), key=lambda found: written(found.row))
    return max(reversed(by_age), key=lambda found: len(found.trials), default=None)


def ensembles_of(results: Results, group: Group) -> Iterator[Stored]:
    """Yield each ensemble of some of a group's finished trials."""
    finished = {row["trial_id"]: row for row in group.finished}
    for key, table in results.evaluations.items():
        members = members_of(key, table) if len(table) else []
        if len(members) > 1 and finished.keys() >= set(members):
            trials = tuple(finished[member] for member in members)
            if found := newest(table, *EVALUATED["ensemble_accuracy"], trials):
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
