"""Configurations: the trials that may be averaged, as they differ in their seed only."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from resray.analysis.statistics import Summary, summarise
from resray.analysis.study_file import Variants
from resray.results.summary import LAST, TEST, VALIDATION, chosen_by, parsed_json
from resray.study.entries import AS_RUN
from resray.study.layers import flatten
from resray.study.reduction import Reduction, from_json
from resray.study.unions import in_use

Row = dict[str, Any]
Identity = tuple[Any, ...]

IDENTITY = ("name", "variant", "recipe", "stop_after", "dataset_checksum", "world_size", "role",
            "source", "implementation")  # fmt: skip
"""Trials that agree in these differ in their seed only. Variants in which a trial has the same
recipe count as one: the first of them. What confirms a search is averaged apart: its recipe was
chosen among many. The source is the results folder, where a report is of several."""

AS_LABELLED = {TEST: "selected on test, as run", LAST: "last epoch, as run"}
"""What is said of an as-run trial beside its name, by how its epoch was chosen."""

LABEL_KEYS = (
    "source",
    "variant",
    "stop_after",
    "epochs",
    "data.name",
    "data.limit_train",
    "world_size",
)
"""What is tried first to tell configurations of one name apart; the rest follows by alphabet."""


@dataclass(frozen=True)
class Group:
    """Trials of one configuration."""

    label: str
    trials: tuple[Row, ...]
    settings: Mapping[str, Any]
    """The recipe with dotted keys, and what else tells configurations apart."""
    variants: tuple[str, ...]
    """The variants in which the trials have this recipe; one of them was run."""

    @cached_property
    def name(self) -> str:
        return str(self.trials[0]["name"])

    @cached_property
    def used(self) -> dict[str, Any]:
        """The settings that have an effect beside the others."""
        return in_use(self.settings)

    @cached_property
    def selection(self) -> str:
        """What chose the trials' epochs."""
        return selection(self.trials[0])

    @property
    def confirms(self) -> bool:
        """Whether the trials confirm a search's winner."""
        return bool(self.trials[0]["role"] == "confirmation")

    @property
    def partial(self) -> bool:
        """Whether the group's figures come from trials that the user asked to end early."""
        return bool(self.finished) and self.finished[0]["status"] == "stopped"

    @cached_property
    def finished(self) -> tuple[Row, ...]:
        """The trials that may enter a mean: the completed ones.

        A group that was asked to stop after N epochs has no others than stopped ones; as all of
        them share N and the group holds nothing else, they may be averaged with each other.
        """
        completed = tuple(row for row in self.trials if row["status"] == "completed")
        return completed or tuple(row for row in self.trials if stopped_as_asked(row))

    @cached_property
    def reductions(self) -> tuple[Reduction, ...]:
        """What was reduced against the study's recipe, over all trials of the group."""
        found = [each for row in self.trials for each in reductions_of(row)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def exclusive(self) -> bool:
        """Whether times may be compared: each finished trial had one same device to itself."""
        alone = all(row["exclusive"] is True for row in self.finished)
        return bool(self.finished) and alone and len(self.distinct("device")) == 1

    def distinct(self, column: str) -> list[Any]:
        """Return the different values of a column over finished trials (all, if none finished)."""
        return distinct(self.finished or self.trials, column)

    def summary(self, column: str) -> Summary | None:
        """Return the summary of a numeric column over the finished trials."""
        if column not in self._summaries:
            self._summaries[column] = summarise(row[column] for row in self.finished)
        return self._summaries[column]

    @cached_property
    def _summaries(self) -> dict[str, Summary | None]:
        return {}


def group_trials(trials: Sequence[Row], variants: Variants) -> Iterator[Group]:
    """Yield the groups in order of their first trial, each with a label that no other has."""
    identities = [identity_of(row, variants) for row in trials]
    frame = pd.DataFrame(identities, columns=list(IDENTITY), dtype=object)
    alike = frame.groupby(list(IDENTITY), sort=False, dropna=False).ngroup()
    members = {
        identities[places[0]]: [trials[place] for place in places]
        for places in frame.groupby(alike).indices.values()
    }
    settings = {identity: settings_of(identity) for identity in members}
    names = {identity: name_of(rows[0]) for identity, rows in members.items()}
    labels: dict[Identity, str] = {}
    for name in set(names.values()):
        same_name = [identity for identity in members if names[identity] == name]
        suffixes = distinguish([settings[identity] for identity in same_name])
        for identity, suffix in zip(same_name, suffixes, strict=True):
            labels[identity] = " · ".join([name, *suffix])
    for identity, rows in members.items():
        yield Group(
            labels[identity], tuple(rows), settings[identity], variants_of(rows[0], variants)
        )


def identity_of(row: Row, variants: Variants) -> Identity:
    """Return a trial's values of `IDENTITY`."""
    variant, *_ = variants_of(row, variants)
    return tuple(variant if column == "variant" else row[column] for column in IDENTITY)


def variants_of(row: Row, variants: Variants) -> tuple[str, ...]:
    """Return the variants that a trial belongs to."""
    if row["role"] == "confirmation":
        return (row["variant"],)
    return variants.get((row["name"], row["variant"]), (row["variant"],))


def name_of(row: Row) -> str:
    """Return a trial's name, in brackets the model that stood in for the study's own, and whether
    it confirms a search or how its epoch was chosen, if as its author did."""
    model = str(row["model"])
    stands_in = any(each.kind == "model" for each in reductions_of(row))
    name = f"{row['name']} ({model})" if stands_in else str(row["name"])
    if label := AS_LABELLED.get(selection(row)):
        return f"{name} · {label}"
    return f"{name} · confirmed" if row["role"] == "confirmation" else name


def selection(row: Row) -> str:
    """Return what chose a trial's epoch. That it is the last one counts as a choice only of what
    was run as its author did."""
    chosen = chosen_by(row)
    return VALIDATION if chosen == LAST and row["variant"] != AS_RUN else chosen


def as_labelled(groups: Iterable[Group]) -> str:
    """Return what follows "the epoch that validation selects" where some groups are as run."""
    as_run = any(group.selection != VALIDATION for group in groups)
    return " (of as-run trials, the one that their label says)" if as_run else ""


def distinguish(configurations: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return for each configuration the few ``key=value`` that tell it from the others."""
    keys = sorted({key for settings in configurations for key in settings})
    keys = [key for key in LABEL_KEYS if key in keys] + [k for k in keys if k not in LABEL_KEYS]
    chosen: list[str] = []
    kinds = [0] * len(configurations)
    for key in keys:
        finer = numbered(zip(kinds, (repr(s.get(key)) for s in configurations), strict=True))
        if max(finer, default=0) > max(kinds, default=0):
            chosen.append(key)
            kinds = finer
    return [
        [f"{key.rpartition('.')[2]}={s[key]}" for key in chosen if s.get(key) is not None]
        for s in configurations
    ]


def numbered(values: Iterable[Hashable]) -> list[int]:
    """Return a number for each value, equal where the values are: the first is 0."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def settings_of(identity: Identity) -> dict[str, Any]:
    """Return a configuration's recipe with dotted keys, and what else tells it from others."""
    _, variant, recipe, stop_after, checksum, world_size, _, source, implementation = identity
    others = {
        "source": source,
        "variant": variant,
        "stop_after": stop_after,
        "world_size": world_size,
        "implementation": implementation,
        "data.checksum": checksum and str(checksum)[:8],
    }
    return {**flatten(parsed_json(recipe, {})), **others}


def stopped_as_asked(row: Row) -> bool:
    """Return whether a trial ended at the epoch at which the user asked it to stop."""
    asked = row["stop_after"] is not None and row["stop_after"] == row["epochs_done"]
    return bool(row["status"] == "stopped" and asked)


def reductions_of(row: Row) -> list[Reduction]:
    """Return what was reduced in a trial."""
    return from_json(row["reductions"])


def distinct(rows: Iterable[Row], column: str) -> list[Any]:
    """Return the different values of a column, in order, without missing ones."""
    return list(dict.fromkeys(row[column] for row in rows if row[column] is not None))
