"""Everything that is asked of one or more results folders, each part worked out once."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Self, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from resray.analysis.answers import Answers, read_answers
from resray.analysis.epoch_table import EpochRows, EpochTable
from resray.analysis.groups import IDENTITY, Group, Row, group_trials
from resray.analysis.statistics import LARGEST
from resray.analysis.study_file import equal_variants, normalised, read_study
from resray.results.folders import CHECKPOINTS, called_names, check_different
from resray.results.predictions import read_thumbnails
from resray.results.store import read_rows
from resray.results.summary import parsed_json
from resray.search.best import of_latest
from resray.study.spec import Study

Topic = TypeVar("Topic")

TABLES = ("trials", "events", "evaluations", "decisions")
"""Those that are read beside the epochs."""
REPEATED_TEXTS = ("trial_id", "study", "name", "settings")
"""Columns of the epochs with few different texts, a settings' text being longer than a row."""


@dataclass(frozen=True)
class SearchRecord:
    """The rows of a search's trials; all empty where nothing was searched."""

    trials: tuple[Row, ...]
    """Those of one search: the one that was worked on last."""
    others: int
    """Trials of searches with other settings, seed, options, images, recipe or code, which do not
    compare with these."""
    epochs: EpochTable
    """Epoch rows by trial id, in order of epoch."""
    events: tuple[Row, ...]
    decisions: tuple[Row, ...]
    """Oldest first."""

    def __bool__(self) -> bool:
        return bool(self.trials)


@dataclass(frozen=True)
class Analysis:
    """What a report is made of: the results of one folder, or of several as one.

    Of several, a trial's id is ``NAME/ID`` and its ``source`` the folder's name; the study is that
    of the first folder that has one, the search the one that was worked on last.
    """

    folders: Mapping[str, Path]
    """By what they are called."""
    tables: Mapping[str, pa.Table]
    """Of all folders, with the `source` that each row comes from, as they were when read."""
    all_epoch_table: EpochTable
    """Epoch rows of all trials by trial id, in order of epoch."""
    chosen: frozenset[str] | None = None
    """The trials that these results are restricted to; None: all."""
    price_per_gpu_hour: float | None = None
    """What a GPU costs in an hour, in any currency, where the reader wants costs as money."""
    baseline: str | None = None
    """Label or name of the configuration that others are compared with, where the reader says."""

    @classmethod
    def of(
        cls,
        folders: Path | Sequence[Path],
        names: Sequence[str | None] | None = None,
        trial_ids: Sequence[str] | None = None,
        *,
        baseline: str | None = None,
        price_per_gpu_hour: float | None = None,
    ) -> Self:
        """Return the results of a study's folder, or of several laid beside each other.

        ``names`` are what to call the folders; None, or None in its place, is the shortest part of
        the path that tells a folder from the others. ``trial_ids`` restricts to these trials.
        Raises InputError if a folder holds no results or its study file is not one, if one is named
        twice, or two have one name.
        """
        paths = [folders] if isinstance(folders, Path) else list(folders)
        if len(paths) > 1:
            check_different(paths)
        called = called_names(paths, names)
        by_name = dict(zip(called, paths, strict=True))
        # First, as Arrow gives back what reading them took only when more is read.
        epochs = EpochTable(EpochRows(read_together(by_name, "epochs", REPEATED_TEXTS)))
        tables = {name: read_together(by_name, name) for name in TABLES}
        chosen = None if trial_ids is None else frozenset(trial_ids)
        made = cls(by_name, tables, epochs, chosen, price_per_gpu_hour, baseline)
        # A study file that is none is told here, before anything is made of the rest.
        _ = made.study
        return made

    @cached_property
    def sources(self) -> "Mapping[str, Analysis]":
        """Each folder by itself, where there are several."""
        if len(self.folders) == 1:
            return {}
        return {name: Analysis.of(path) for name, path in self.folders.items()}

    @cached_property
    def study(self) -> Study | None:
        """The study, from the copy that the results keep."""
        return read_study(self.folder / "study.yaml")

    @cached_property
    def folder(self) -> Path:
        """The first folder with a study, or the first of all."""
        paths = list(self.folders.values())
        return next((path for path in paths if (path / "study.yaml").exists()), paths[0])

    @cached_property
    def topics(self) -> dict[Callable[..., Any], Any]:
        """What functions under `once` have worked out."""
        return {}

    @property
    def title(self) -> str:
        if self.study:
            return self.study.title
        return str(self.all_rows[0]["study"]) if self.all_rows else self.folder.name

    @property
    def paired(self) -> bool:
        """Whether the study declares that seeds pair."""
        return self.study is not None and self.study.pairing == "seed"

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial, a search's among them, with the columns that docs/schema.md has, its
        ``source``, the label of its ``configuration``, which a search's trials have not, and the
        path of its ``checkpoint`` (best.pt), null where that is not there."""
        frame = self._labelled(self.tables["trials"].to_pandas())
        places = map(self.checkpoint_of, frame["trial_id"], frame["source"])
        there = [str(path) if path.is_file() else None for path in places]
        return frame.assign(checkpoint=pd.Series(there, frame.index, dtype=object))

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per trial and epoch, in order, with source and configuration."""
        return self._labelled(self.all_epoch_table.frame)

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row per start, end or failure of a trial, with source and configuration."""
        return self._labelled(self.tables["events"].to_pandas())

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row per value that `resray evaluate` measured, with source and configuration; an
        ensemble's has none."""
        return self._labelled(self.tables["evaluations"].to_pandas())

    def _labelled(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.chosen is not None:
            frame = frame[frame["trial_id"].isin(list(self.chosen))]
        labels = frame["trial_id"].astype(object).map(self.labels)
        return frame.assign(configuration=labels).reset_index(drop=True)

    @cached_property
    def all_rows(self) -> tuple[Row, ...]:
        """Every trial, also those of a search: in the study's order, by variant, then by folder."""
        names = self.study.trial_names if self.study else []
        order = {name: place for place, name in enumerate(names)}
        places = {name: place for place, name in enumerate(self.folders)}
        rows = [
            row | {"recipe": normalised(row["recipe"]), "role": row["role"] or "bench"}
            for row in plain_rows(self.tables["trials"])
            if self.chosen is None or row["trial_id"] in self.chosen
        ]

        def place(row: Row) -> tuple[object, ...]:
            rest = (str(row[column]) for column in (*IDENTITY, "seed", "trial_id"))
            first = (order.get(row["name"], len(order)), str(row["name"]), str(row["variant"]))
            return (*first, places.get(row["source"], 0), *rest)

        return tuple(sorted(rows, key=place))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Those that are tested: bench and confirmation."""
        return tuple(row for row in self.all_rows if row["role"] != "search")

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The configurations: tested trials that differ in their seed alone."""
        return tuple(group_trials(self.rows, equal_variants(self.study) if self.study else {}))

    @cached_property
    def labels(self) -> dict[str, str]:
        """The label of each trial's group, by trial id."""
        return {row["trial_id"]: group.label for group in self.groups for row in group.trials}

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(row["trial_id"] for row in self.rows)

    @cached_property
    def _all_events(self) -> list[Row]:
        return plain_rows(self.tables["events"])

    @cached_property
    def epoch_table(self) -> EpochTable:
        """Those of the tested trials."""
        return self.all_epoch_table.of(self._known)

    @cached_property
    def event_rows(self) -> tuple[Row, ...]:
        return tuple(row for row in self._all_events if row["trial_id"] in self._known)

    @cached_property
    def evaluation_tables(self) -> Mapping[str, pd.DataFrame]:
        """What `resray evaluate` measured, oldest first: for every trial id (empty if nothing), and
        for the hash that stands for an ensemble of nothing but tested trials."""
        table = self.tables["evaluations"]
        values = measured(table["value"])
        table = table.set_column(table.column_names.index("value"), "value", values)
        rows = table.filter(pc.is_valid(values)).to_pandas()
        rows = rows.sort_values("evaluated", kind="stable", na_position="first")
        tables = {str(key): table for key, table in rows.groupby("trial_id")}
        of_known = {
            key: table
            for key, table in tables.items()
            if self._known.issuperset(members_of(key, table))
        }
        return dict.fromkeys(self._known, rows.iloc[:0]) | of_known

    @cached_property
    def search(self) -> SearchRecord:
        """The trials of the search that was worked on last, which are in none of the above.

        What several folders hold of a search is no one search: the folder that was worked on last
        counts.
        """
        searched = [row for row in self.all_rows if row["role"] == "search"]
        newest = max(searched, key=lambda row: str(row["updated"] or ""), default=None)
        own = of_latest(row for row in searched if newest and row["source"] == newest["source"])
        settings = {row["trial_id"]: row["search"] for row in own}
        decisions = plain_rows(self.tables["decisions"])
        decisions.sort(key=lambda row: (row["decided"] is None, row["decided"] or 0))
        return SearchRecord(
            trials=tuple(own),
            others=len(searched) - len(own),
            epochs=self.all_epoch_table.of(settings),
            events=tuple(row for row in self._all_events if row["trial_id"] in settings),
            decisions=tuple(
                row
                for row in decisions
                if row["trial_id"] in settings and row["search"] == settings[row["trial_id"]]
            ),
        )

    @cached_property
    def answers(self) -> Mapping[str, Answers]:
        """What is stored of which test images each trial gets right, by trial id."""
        return {
            trial_id: each
            for name, path in self.folders.items()
            for own_id, each in read_answers(path).items()
            if (trial_id := self._id(name, own_id)) in self._known
        }

    @cached_property
    def thumbnails(self) -> tuple[Mapping[Hashable, Any], ...]:
        """Pictures of the test images that most networks miss (`read_thumbnails`)."""
        paths = self.folders.values()
        return tuple(row for path in paths for row in read_thumbnails(path).to_dict("records"))

    def checkpoint_of(self, trial_id: str, source: str | None) -> Path:
        """Return where a trial's best.pt is, if it still is there."""
        folder = self.folder if len(self.folders) == 1 else self.folders[str(source)]
        return folder / CHECKPOINTS / trial_id.removeprefix(f"{source}/") / "best.pt"

    def with_status(self, *statuses: str) -> list[Row]:
        """Return the tested trials in one of these states."""
        return [row for row in self.rows if row["status"] in statuses]

    def _id(self, source: str, trial_id: str) -> str:
        return trial_id if len(self.folders) == 1 else joined_id(source, trial_id)


def once(topic: Callable[[Analysis], Topic]) -> Callable[[Analysis], Topic]:
    """Let a function of results work out its topic once for each `Analysis`."""

    @wraps(topic)
    def known(results: Analysis) -> Topic:
        if topic not in results.topics:
            results.topics[topic] = topic(results)
        return results.topics[topic]

    return known


def read_together(folders: Mapping[str, Path], table: str, coded: tuple[str, ...] = ()) -> pa.Table:
    """Return a table of one or more folders, with the source of each row; ``coded`` as for
    `read_rows`."""
    parts = {name: read_rows(path, table, coded) for name, path in folders.items()}
    if len(parts) > 1:
        return pa.concat_tables([of_source(name, rows) for name, rows in parts.items()])
    (rows,) = parts.values()
    return rows.append_column("source", pa.nulls(len(rows), pa.string()))


def of_source(source: str, rows: pa.Table) -> pa.Table:
    """Return a folder's rows with its name in them and in the ids of trials."""
    ids = pc.binary_join_element_wise(source, rows["trial_id"].cast(pa.string()), "/")
    rows = rows.set_column(rows.column_names.index("trial_id"), "trial_id", ids)
    if "members" in rows.column_names:
        members = [renamed_members(source, text) for text in rows["members"].to_pylist()]
        place = rows.column_names.index("members")
        rows = rows.set_column(place, "members", pa.array(members, pa.string()))
    return rows.append_column("source", pa.repeat(pa.scalar(source), len(rows)))


def joined_id(source: str, trial_id: str) -> str:
    """Return the id that a folder's trial has among those of several."""
    return f"{source}/{trial_id}"


def renamed_members(source: str, members: str | None) -> str | None:
    """Return an ensemble's JSON list of trials with their ids among several folders'."""
    if members is None:
        return None
    return json.dumps([joined_id(source, one) for one in parsed_json(members, [])])


def members_of(trial_id: str, table: pd.DataFrame) -> list[str]:
    """Return the trials that a trial's or an ensemble's evaluations are of, in their order."""
    text = table["members"].iloc[0]
    if not isinstance(text, str):
        return [trial_id]
    return [str(member) for member in parsed_json(text, [])]


def plain_rows(table: pa.Table) -> list[Row]:
    """Return a table as rows of plain values, None where one is missing or no measurement."""
    columns = [plain_column(column) for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain_column(column: pa.ChunkedArray) -> list[Any]:
    return list((measured(column) if pa.types.is_floating(column.type) else column).to_pylist())


def measured(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of floats without what no measurement gives: NaN, and what is too large, or
    too close to 0, for its square to be told from infinity, or from 0."""
    size = pc.abs(column)
    kept = pc.if_else(pc.less(size, LARGEST), column, None)
    return pc.if_else(pc.less(size, 1 / LARGEST), 0.0, kept)
