"""What stored checkpoints did beyond the test set, as the table `evaluations` has it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from resray.report.aggregate import Group, Results, parsed_json, reductions_of
from resray.report.statistics import Summary, summarise

REPEATED = ["trial_id", "checkpoint", "kind", "condition", "class", "metric", "dataset_checksum"]
"""Rows that agree in these are repetitions: the newest counts."""

MEAN = "mean"
"""The condition of a mean over all corruptions."""


@dataclass(frozen=True)
class Evaluated:
    """The evaluations of one configuration, of its checkpoints of one name (``best.pt``)."""

    group: Group
    checkpoint: str
    rows: pd.DataFrame
    """Of all classes together, each once for each trial."""

    @property
    def label(self) -> str:
        return self.group.label

    @property
    def n(self) -> int:
        return int(self.rows["trial_id"].nunique())

    @property
    def epochs(self) -> list[int]:
        """The checkpoints' epochs."""
        return sorted({int(epoch) for epoch in self.rows["epoch"].dropna()})

    @property
    def images(self) -> list[int]:
        """How many test images the values are of."""
        own = self.rows[self.rows["kind"] != "foreign"]
        return sorted({int(count) for count in own["images"].dropna()})

    def conditions(self, kind: str) -> list[str]:
        """Return what values of a kind are there, in order."""
        found = self.rows.loc[self.rows["kind"] == kind, "condition"].dropna()
        return list(dict.fromkeys(found))

    def summary(
        self, kind: str, condition: str | None = None, metric: str = "accuracy"
    ) -> Summary | None:
        """Return a value's summary over the trials; no condition takes any."""
        rows = self.rows[(self.rows["kind"] == kind) & (self.rows["metric"] == metric)]
        if condition is not None:
            rows = rows[rows["condition"] == condition]
        return summarise(rows.drop_duplicates("trial_id", keep="last")["value"])

    def corruption(self, kind: str) -> Summary | None:
        """Return the mean accuracy over a corruption's severities, summarised over the trials."""
        rows = self.rows[(self.rows["kind"] == "corruptions") & (self.rows["metric"] == "accuracy")]
        rows = rows[[corruption_of(condition)[0] == kind for condition in rows["condition"]]]
        return summarise(rows.groupby("trial_id")["value"].mean())


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

    @property
    def gain(self) -> float | None:
        """The accuracy minus the members' mean, in points."""
        alone = self.members_accuracy
        return self.accuracy - alone.mean if alone else None


def evaluated(results: Results) -> list[Evaluated]:
    """Return the evaluations of finished trials (of others only where a group has none)."""
    found = []
    for group in results.groups:
        tables = [results.evaluations[row["trial_id"]] for row in group.finished or group.trials]
        if any(len(rows) for rows in tables):
            rows = newest(pd.concat(tables))
            names = rows["checkpoint"].map(checkpoint_name)
            found += [Evaluated(group, str(name), own) for name, own in rows.groupby(names)]
    return found


def newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all classes together, of repetitions the newest, in their order."""
    own = rows[rows["class"].isna() & rows["members"].isna()]
    return own.drop_duplicates(REPEATED, keep="last")


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


def ensembles(results: Results) -> Iterator[Ensemble]:
    """Yield the ensembles of trials that the report shows, of repetitions the newest."""
    trials = {row["trial_id"]: row for row in results.trials}
    for rows in results.evaluations.values():
        own = rows[rows["kind"].eq("ensemble") & rows["metric"].eq("accuracy")]
        own = own[own["class"].isna()].drop_duplicates(REPEATED, keep="last")
        for row in own.dropna(subset=["members"]).to_dict("records"):
            members = [str(one) for one in parsed_json(row["members"], []) if one in trials]
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
            )


def members_accuracy(results: Results, members: list[str], checkpoint: object) -> Summary | None:
    """Return the members' test accuracy at the ensemble's checkpoints, if all were evaluated."""
    found = []
    for member in members:
        rows = newest(results.evaluations[member])
        same = rows["checkpoint"].map(checkpoint_name) == checkpoint_name(checkpoint)
        test = rows[same & rows["kind"].eq("test") & rows["metric"].eq("accuracy")]
        found += test["value"].tail(1).tolist()
    return summarise(found) if len(found) == len(members) else None
