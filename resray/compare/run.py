"""Compares results folders as the command line asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resray.analysis.aggregate import load_results
from resray.compare.conditions import Check, Condition, check, exit_code
from resray.errors import InputError, unknown
from resray.report.compared import METRICS, USUAL, Compared, Folders, compare, lost, matched
from resray.report.text import listed
from resray.results.folders import called_names, check_different


@dataclass(frozen=True)
class Comparison:
    """What came of it."""

    folders: Folders
    tables: Mapping[str, Sequence[Compared]]
    """By metric."""
    checks: Sequence[Check]

    @property
    def exit_code(self) -> int:
        return exit_code(self.checks)


def run_comparison(
    paths: Sequence[Path],
    names: Sequence[str | None],
    metrics: Sequence[str] = (),
    select: Sequence[str] = (),
    conditions: Sequence[Condition] = (),
) -> Comparison:
    """Match the folders' configurations, compare them by each metric and check the conditions.

    ``names`` are what to call the folders, None: by the path. Without ``metrics`` they are compared
    by `USUAL`, as far as these were measured. ``select`` are patterns of names or labels of
    configurations. Raises InputError if there are fewer than two folders, one holds no results, a
    metric is not known, a pattern matches nothing, or no configuration is in two folders.
    """
    if len(paths) < 2:
        alone = listed(map(str, paths))
        raise InputError(f"compare: name two results folders or more; there is only {alone}")
    for metric in metrics:
        if metric not in METRICS:
            raise InputError(unknown("--metric", metric, METRICS))
    folders = open_folders(paths, names, select)
    typed = [*metrics, *(condition.metric for condition in conditions)]
    wanted = dict.fromkeys([*(() if metrics else USUAL), *typed])
    found = compare(folders, list(wanted))
    tables = {
        metric: rows
        for metric, rows in found.items()
        if metric in typed or any(one.difference for one in rows)
    }
    checks = [
        check(condition, found[condition.metric], lost(folders, condition.metric))
        for condition in conditions
    ]
    return Comparison(folders, tables, checks)


def open_folders(
    paths: Sequence[Path], names: Sequence[str | None], select: Sequence[str]
) -> Folders:
    check_different(paths)
    called = called_names(paths, names)
    sources = {name: load_results(path) for name, path in zip(called, paths, strict=True)}
    folders = matched(sources, select)
    if not folders.pairs:
        own = "; ".join(f"{name}: {listed(group.label for group in results.groups)}"
                        for name, results in sources.items())  # fmt: skip
        raise InputError(f"compare: no configuration is in {called[0]} and another folder ({own})")
    return folders
