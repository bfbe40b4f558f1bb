"""Several results folders as one: each trial keeps the name of the folder that it comes from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from resray.analysis.aggregate import Results, Row, group_trials, load_results
from resray.analysis.epoch_table import EpochTable, joined, joined_id
from resray.analysis.search_record import SearchRecord
from resray.analysis.study_file import equal_variants
from resray.results.folders import called_names, check_different
from resray.results.summary import parsed_json
from resray.study.spec import Study


def load_several(folders: Sequence[Path], names: Sequence[str | None] | None = None) -> Results:
    """Read several results folders as one; `Results.sources` holds each by itself.

    ``names`` are what to call them; None, or None in its place, is the shortest part of the path
    that tells a folder from the others. A trial's id is then ``NAME/ID``, its ``source`` the name.
    The study is that of the first folder that has one; of searches, the newest is taken. A single
    folder is read as `load_results` does. Raises InputError if a folder holds no results, is named
    twice, or two have one name.
    """
    if len(folders) == 1:
        return load_results(folders[0])
    check_different(folders)
    called = called_names(folders, names)
    return combined(
        {name: load_results(folder) for name, folder in zip(called, folders, strict=True)}
    )


def combined(parts: Mapping[str, Results]) -> Results:
    """Return the results of several folders, by their names, as one."""
    leading = next((part for part in parts.values() if part.study), next(iter(parts.values())))
    study = leading.study
    trials = in_study_order(study, [row for name, part in parts.items()
                                    for row in of_source(name, part.trials)])  # fmt: skip
    epochs = joined({name: part.epochs for name, part in parts.items()})
    return Results(
        folder=leading.folder,
        study=study,
        trials=tuple(trials),
        epochs=epochs.of({row["trial_id"] for row in trials}),
        events=tuple(
            row for name, part in parts.items() for row in of_source(name, part.events)
        ),
        groups=tuple(group_trials(trials, equal_variants(study) if study else {})),
        evaluations={key: table for name, part in parts.items()
                     for key, table in evaluations_of_source(name, part)},
        search=newest_search(parts, epochs),
        answers={joined_id(name, key): each for name, part in parts.items()
                 for key, each in part.answers.items()},
        thumbnails=tuple(row for part in parts.values() for row in part.thumbnails),
        sources=dict(parts),
    )  # fmt: skip


def of_source(name: str, rows: Sequence[Row]) -> list[Row]:
    """Return rows of a folder with its name in them and in their trial ids."""
    return [row | {"trial_id": joined_id(name, row["trial_id"]), "source": name} for row in rows]


def in_study_order(study: Study | None, rows: Sequence[Row]) -> list[Row]:
    """Return trials by name, in the study's order, and variant, of each the folders in theirs."""
    names = [*(study.trial_names if study else ()), *(row["name"] for row in rows)]
    order = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return sorted(rows, key=lambda row: (order[row["name"]], str(row["variant"])))


def evaluations_of_source(name: str, part: Results) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the evaluations of a folder's trials and ensembles by their new ids."""
    filled = [table for table in part.evaluations.values() if len(table)]
    tables = by_new_id(name, pd.concat(filled)) if filled else {}
    for key, table in part.evaluations.items():
        new = joined_id(name, key)
        yield new, tables[new] if len(table) else table


def by_new_id(name: str, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return evaluations by the new ids of what they are of, with these in their columns."""
    trial_ids = pd.Series([joined_id(name, one) for one in rows["trial_id"]], rows.index)
    members = pd.Series([renamed_members(name, text) for text in rows["members"]], rows.index)
    renamed = rows.assign(trial_id=trial_ids, members=members)
    return {str(key): table for key, table in renamed.groupby("trial_id", sort=False)}


def renamed_members(name: str, members: object) -> str | None:
    """Return an ensemble's JSON list of trials with their new ids."""
    if not isinstance(members, str):
        return None
    return json.dumps([joined_id(name, one) for one in parsed_json(members, [])])


def newest_search(parts: Mapping[str, Results], epochs: EpochTable) -> SearchRecord:
    """Return the search that was worked on last; trials of the others are counted only."""

    def updated(name: str) -> str:
        return max((str(row["updated"] or "") for row in parts[name].search.trials), default="")

    newest = max(parts, key=updated)
    search = parts[newest].search
    trials = of_source(newest, search.trials)
    known = sum(len(part.search.trials) + part.search.others for part in parts.values())
    return SearchRecord(
        trials=tuple(trials),
        others=known - len(trials),
        epochs=epochs.of({row["trial_id"] for row in trials}),
        events=tuple(of_source(newest, search.events)),
        decisions=tuple(of_source(newest, search.decisions)),
    )
