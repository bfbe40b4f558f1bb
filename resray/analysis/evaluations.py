"""What stored checkpoints did beyond the test set, as the table `evaluations` has it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from resray.analysis.groups import Group, reductions_of
from resray.analysis.results import Analysis, once
from resray.analysis.statistics import Summary, summarise
from resray.results.summary import parsed_json

REPEATED = ["trial_id", "checkpoint", "kind", "condition", "class", "metric", "dataset_checksum"]
"""Rows that agree in these are repetitions: the newest counts."""

MEAN = "mean"
"""The condition of a mean over all corruptions."""


class Value(NamedTuple):
    """One accuracy or other value of all classes together; None for what was not recorded."""

    trial_id: str
    epoch: int | None
    kind: str
    condition: str | None
    metric: str
    value: float
    images: int | None


@dataclass(frozen=True)
class Evaluated:
    """The evaluations of one configuration, of its checkpoints of one name (``best.pt``)."""

    group: Group
    checkpoint: str
    values: tuple[Value, ...]
    """Each once for each trial."""

    @property
    def label(self) -> str:
        return self.group.label

    @property
    def n(self) -> int:
        return len({one.trial_id for one in self.values})

    @property
    def epochs(self) -> list[int]:
        """The checkpoints' epochs."""
        return sorted({one.epoch for one in self.values if one.epoch is not None})

    @property
    def images(self) -> list[int]:
        """How many test images the values are of."""
        return self.images_of(one for one in self.values if one.kind not in ("foreign", "train"))

    @staticmethod
    def images_of(values: Iterable[Value]) -> list[int]:
        return sorted({one.images for one in values if one.images is not None})

    @cached_property
    def _by_name(self) -> dict[tuple[str, str | None, str], dict[str, float]]:
        """The values by kind, condition and metric, then by trial."""
        named: dict[tuple[str, str | None, str], dict[str, float]] = {}
        for one in self.values:
            own = named.setdefault((one.kind, one.condition, one.metric), {})
            own[one.trial_id] = one.value
        return named

    def conditions(self, kind: str) -> list[str]:
        """Return what values of a kind are there, in order."""
        found = (condition for own, condition, _ in self._by_name if own == kind)
        return list(dict.fromkeys(condition for condition in found if condition is not None))

    def by_trial(
        self, kind: str, condition: str | None = None, metric: str = "accuracy"
    ) -> dict[str, float]:
        """Return a value by trial id; no condition takes any, the last one where there are more."""
        if condition is not None:
            return self._by_name.get((kind, condition, metric), {})
        found: dict[str, float] = {}
        for (own, _, measured), values in self._by_name.items():
            if (own, measured) == (kind, metric):
                found |= values
        return found

    def summary(
        self, kind: str, condition: str | None = None, metric: str = "accuracy"
    ) -> Summary | None:
        """Return a value's summary over the trials; no condition takes any."""
        return summarise(self.by_trial(kind, condition, metric).values())

    def corruption(self, kind: str) -> Summary | None:
        """Return the mean accuracy over a corruption's severities, summarised over the trials."""
        severities = {
            condition: self.by_trial("corruptions", condition)
            for condition in self.conditions("corruptions")
            if corruption_of(condition)[0] == kind
        }
        return summarise(pd.DataFrame(severities).mean(axis=1))


@dataclass(frozen=True)
class Ensemble:
    """An ensemble, with its members' mean beside it."""

    label: str
    members: tuple[str, ...]
    """The members' labels and seeds."""
    checkpoint: str
    accuracy: float
    members_accuracy: Summary | None
    """Test accuracy of the members, each on its own, where it was evaluated."""
    images: int | None
    reduced: bool
    """Whether a member's training was reduced."""
    configuration: str | None
    """The label of the configuration that all members are of, if it is one."""

    @property
    def gain(self) -> float | None:
        """The accuracy minus the members' mean, in points."""
        alone = self.members_accuracy
        return self.accuracy - alone.mean if alone else None


@once
def evaluated(results: Analysis) -> list[Evaluated]:
    """Return what each configuration's checkpoints of one name did on all classes together: the
    configurations in their order, of each the checkpoints by name."""
    rows = evaluated_rows(results)
    rows = rows[rows["class"].isna()]
    places = {row["trial_id"]: place for place, group in enumerate(results.groups)
              for row in group.trials}  # fmt: skip
    # In which pandas has NaN for what is missing, and floats for whole numbers beside it.
    cells = rows[[*Value._fields]].astype({"epoch": "Int64", "images": "Int64"}).astype(object)
    found: dict[tuple[int, str], list[Value]] = {}
    for checkpoint, value in zip(
        rows["checkpoint"], cells.where(cells.notna(), None).itertuples(index=False), strict=True
    ):
        own = Value._make(value)
        found.setdefault((places[own.trial_id], checkpoint_name(checkpoint)), []).append(own)
    return [
        Evaluated(results.groups[place], name, tuple(found[place, name]))
        for place, name in sorted(found)
    ]


def evaluated_rows(results: Analysis) -> pd.DataFrame:
    """Return what was measured of single networks, of repetitions the newest: of finished trials,
    of others only where a configuration has none."""
    shown = (row["trial_id"] for group in results.groups for row in group.finished or group.trials)
    tables = [table for one in shown if len(table := results.evaluation_tables[one])]
    if not tables:
        return pd.DataFrame(columns=[*REPEATED, "epoch", "value", "images"])
    # Once for all trials: of a thousand tables, each costs milliseconds.
    return newest(pd.concat(tables))


def first_checkpoints(found: list[Evaluated]) -> list[Evaluated]:
    """Return for each group the evaluations of one checkpoint: the best one by name, if there."""
    kept: dict[str, Evaluated] = {}
    for one in sorted(found, key=lambda one: not one.checkpoint.startswith("best")):
        kept.setdefault(one.label, one)
    return [kept[label] for label in dict.fromkeys(one.label for one in found)]


def newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of single networks, of repetitions the newest, in their order."""
    return rows[rows["members"].isna()].drop_duplicates(REPEATED, keep="last")


def checkpoint_name(checkpoint: object) -> str:
    """Return ``best.pt`` of ``best.pt@87``."""
    return checkpoint.partition("@")[0] if isinstance(checkpoint, str) else ""


def corruption_of(condition: object) -> tuple[str, int | None]:
    """Return kind and severity of ``blur 3``; of anything else, itself and None."""
    kind, _, severity = str(condition).rpartition(" ")
    return (kind, int(severity)) if severity.isdecimal() else (str(condition), None)


def corruption_kinds(found: list[Evaluated]) -> list[str]:
    """Return the kinds of corruption that were evaluated, in order."""
    pairs = [corruption_of(text) for one in found for text in one.conditions("corruptions")]
    return list(dict.fromkeys(kind for kind, severity in pairs if severity is not None))


def ensembles(results: Analysis) -> Iterator[Ensemble]:
    """Yield the ensembles of trials that the report shows, of repetitions the newest."""
    trials = {row["trial_id"]: row for row in results.rows}
    for key, rows in results.evaluation_tables.items():
        # What an ensemble reached stands under the hash of its members, under no trial.
        if key in trials:
            continue
        own = rows[rows["kind"].eq("ensemble") & rows["metric"].eq("accuracy")]
        own = own[own["class"].isna()].drop_duplicates(REPEATED, keep="last")
        for row in own.dropna(subset=["members"]).to_dict("records"):
            members = [str(one) for one in parsed_json(row["members"], []) if one in trials]
            labels = {results.labels[one] for one in members}
            yield Ensemble(
                label=str(row["name"]),
                members=tuple(
                    f"{results.labels[one]} (seed {trials[one]['seed']})" for one in members
                ),
                checkpoint=checkpoint_name(row["checkpoint"]),
                accuracy=float(row["value"]),
                members_accuracy=members_accuracy(results, members, row["checkpoint"]),
                images=None if pd.isna(row["images"]) else int(row["images"]),
                reduced=any(reductions_of(trials[one]) for one in members),
                configuration=labels.pop() if len(labels) == 1 else None,
            )


def members_accuracy(results: Analysis, members: list[str], checkpoint: object) -> Summary | None:
    """Return the members' test accuracy at the ensemble's checkpoints, if all were evaluated."""
    found = []
    for member in members:
        rows = newest(results.evaluation_tables[member])
        same = rows["checkpoint"].map(checkpoint_name) == checkpoint_name(checkpoint)
        whole = rows["class"].isna() & rows["kind"].eq("test") & rows["metric"].eq("accuracy")
        test = rows[same & whole]
        found += test["value"].tail(1).tolist()
    return summarise(found) if len(found) == len(members) else None
