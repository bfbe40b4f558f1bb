"""Reads a results folder and gathers the trials that may be averaged: they differ in seed only."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from resray.analysis.answers import Answers, is_known, read_answers
from resray.analysis.epoch_table import EpochRows, EpochTable
from resray.analysis.reductions import is_stand_in
from resray.analysis.search_record import Row, SearchRecord, measured, plain_rows, read_search
from resray.analysis.statistics import Summary, summarise
from resray.analysis.study_file import Variants, equal_variants, normalised, read_study
from resray.results.predictions import read_thumbnails
from resray.results.store import read_rows
from resray.results.summary import LAST, TEST, VALIDATION, chosen_by, parsed_json
from resray.study.entries import AS_RUN
from resray.study.layers import flatten
from resray.study.spec import Study
from resray.study.unions import in_use

Identity = tuple[Any, ...]

IDENTITY = ("name", "variant", "recipe", "stop_after", "dataset_checksum", "world_size", "role",
            "source", "implementation")  # fmt: skip
"""Trials that agree in these differ in their seed only. Variants in which a trial has the same
recipe count as one: the first of them. What confirms a search is averaged apart: its recipe was
chosen among many. The source is the results folder, where a report is of several."""

REPEATED_TEXTS = ("trial_id", "study", "name", "settings")
"""Columns of the epochs with few different texts, a settings' text being longer than a row."""

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
    def reductions(self) -> tuple[str, ...]:
        """What was reduced against the study's recipe, over all trials of the group."""
        found = [text for row in self.trials for text in reductions_of(row)]
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


@dataclass(frozen=True)
class Results:
    """Everything that a report is made from."""

    folder: Path
    study: Study | None
    trials: tuple[Row, ...]
    """Those that are tested: bench and confirmation."""
    epochs: EpochTable
    """Epoch rows by trial id, in order of epoch."""
    events: tuple[Row, ...]
    groups: tuple[Group, ...]
    evaluations: Mapping[str, pd.DataFrame]
    """What `resray evaluate` measured, oldest first: for every trial id (empty if nothing), and for
    the hash that stands for an ensemble's members."""
    search: SearchRecord
    """The trials of a search, which are in none of the above."""
    answers: Mapping[str, Answers] = field(default_factory=dict)
    """What is stored of which test images each trial gets right, by trial id."""
    thumbnails: tuple[Mapping[Hashable, Any], ...] = ()
    """Pictures of the test images that most networks miss (`read_thumbnails`)."""
    price_per_gpu_hour: float | None = None
    """What a GPU costs in an hour, in any currency, where the reader wants costs as money."""
    baseline: str | None = None
    """Label or name of the configuration that others are compared with, where the reader says."""
    sources: Mapping[str, "Results"] = field(default_factory=dict)
    """The results of each folder by its name, where these are of several folders."""

    @property
    def title(self) -> str:
        if self.study:
            return self.study.title
        return str(self.all_trials[0]["study"]) if self.all_trials else self.folder.name

    @property
    def all_trials(self) -> tuple[Row, ...]:
        """The tested trials, then those of a search."""
        return self.trials + self.search.trials

    @property
    def paired(self) -> bool:
        """Whether the study declares that seeds pair."""
        return self.study is not None and self.study.pairing == "seed"

    def with_status(self, *statuses: str) -> list[Row]:
        """Return the trials in one of these states."""
        return [row for row in self.trials if row["status"] in statuses]

    @cached_property
    def split_settings(self) -> tuple[dict[str, Any], list[str]]:
        """The settings in use that all groups share, and the keys in which some differ."""
        used = [group.used for group in self.groups]
        keys = list(dict.fromkeys(key for settings in used for key in settings))
        differing = [key for key in keys if len({repr(settings.get(key)) for settings in used}) > 1]
        common = {key: used[0].get(key) for key in keys if key not in differing}
        return common, differing

    @cached_property
    def without_images(self) -> list[str]:
        """The configurations that are compared without their images, since it is not stored what
        each network predicts, as ``resnet18 (2 of 3)``; none where it is of no network at all."""
        known = [
            [row for row in group.finished if is_known(row, self.answers)] for group in self.groups
        ]
        return [
            f"{group.label} ({len(rows)} of {len(group.finished)})"
            for group, rows in zip(self.groups, known, strict=True)
            if any(known) and len(rows) < len(group.finished)
        ]

    @cached_property
    def labels(self) -> dict[str, str]:
        """The label of each trial's group, by trial id."""
        return {row["trial_id"]: group.label for group in self.groups for row in group.trials}


def load_results(folder: Path, trial_ids: Sequence[str] | None = None) -> Results:
    """Read a study's results folder; ``trial_ids`` restricts it to those trials.

    Raises InputError if the folder holds no results or its study file is not one.
    """
    chosen = None if trial_ids is None else set(trial_ids)
    study = read_study(folder / "study.yaml")
    order = {name: place for place, name in enumerate(study.trial_names)} if study else {}
    rows = _trial_rows(read_rows(folder, "trials"), chosen)
    then = (*IDENTITY, "seed", "trial_id")
    rows.sort(key=lambda row: (order.get(row["name"], len(order)), *(str(row[c]) for c in then)))
    trials = [row for row in rows if row["role"] != "search"]
    searched = [row for row in rows if row["role"] == "search"]
    known = {row["trial_id"] for row in trials}
    epochs = EpochTable(EpochRows(read_rows(folder, "epochs", REPEATED_TEXTS)))
    events = plain_rows(read_rows(folder, "events"))
    return Results(
        folder=folder,
        study=study,
        trials=tuple(trials),
        epochs=epochs.of(known),
        events=tuple(row for row in events if row["trial_id"] in known),
        groups=tuple(group_trials(trials, equal_variants(study) if study else {})),
        evaluations=read_evaluations(folder, known),
        search=read_search(folder, searched, epochs, events),
        answers=read_answers(folder, known),
        thumbnails=tuple(read_thumbnails(folder).to_dict("records")),
    )


def read_evaluations(folder: Path, known: set[str]) -> dict[str, pd.DataFrame]:
    """Return the evaluations of each known trial that have a value, and of ensembles of nothing but
    these."""
    table = read_rows(folder, "evaluations")
    values = measured(table["value"])
    table = table.set_column(table.column_names.index("value"), "value", values)
    rows = table.filter(pc.is_valid(values)).to_pandas()
    rows = rows.sort_values("evaluated", kind="stable", na_position="first")
    tables = {str(key): table for key, table in rows.groupby("trial_id")}
    of_known = {
        key: table for key, table in tables.items() if known.issuperset(members_of(key, table))
    }
    return dict.fromkeys(known, rows.iloc[:0]) | of_known


def members_of(trial_id: str, table: pd.DataFrame) -> list[str]:
    """Return the trials that a trial's or an ensemble's evaluations are of, in their order."""
    text = table["members"].iloc[0]
    if not isinstance(text, str):
        return [trial_id]
    return [str(member) for member in parsed_json(text, [])]


def group_trials(trials: Sequence[Row], variants: Variants) -> Iterator[Group]:
    """Yield the groups in order of their first trial, each with a label that no other has."""
    members: dict[Identity, list[Row]] = {}
    for row in trials:
        members.setdefault(identity_of(row, variants), []).append(row)
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
    stands_in = any(is_stand_in(text, model) for text in reductions_of(row))
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


def reductions_of(row: Row) -> list[str]:
    """Return what was reduced in a trial, in words."""
    return [str(text) for text in parsed_json(row["reductions"], [])]


def distinct(rows: Iterable[Row], column: str) -> list[Any]:
    """Return the different values of a column, in order, without missing ones."""
    return list(dict.fromkeys(row[column] for row in rows if row[column] is not None))


def _trial_rows(table: pa.Table, chosen: set[str] | None) -> list[Row]:
    return [
        row | {"recipe": normalised(row["recipe"]), "role": row["role"] or "bench", "source": None}
        for row in plain_rows(table)
        if chosen is None or row["trial_id"] in chosen
    ]
