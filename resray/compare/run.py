"""Compares results folders as the command line asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resray.compare.conditions import Check, Condition, check, exit_code
from resray.errors import InputError, unknown
from resray.report.aggregate import load_results
from resray.report.compared import METRICS, USUAL, Compared, Folders, compare, lost, matched
from resray.report.several import called_names, check_different
from resray.report.text import listed


@dataclass(frozen=True)
class Asked:
    """What is to be compared."""

    folders: Sequence[Path]
    names: Sequence[str | None]
    """What to call them; None: by the path."""
    metrics: Sequence[str] = ()
    """None of them: `USUAL`, as far as they were measured."""
    select: Sequence[str] = ()
    """Patterns of names or labels of configurations."""
    conditions: Sequence[Condition] = ()


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


def run_comparison(asked: Asked) -> Comparison:
    """Match the folders' configurations, compare them by each metric and check the conditions.

    Raises InputError if there are fewer than two folders, one holds no results, a metric is not
    known, a pattern matches nothing, or no configuration is in two folders.
    """
    folders = open_folders(asked)
    typed = [*asked.metrics, *(condition.metric for condition in asked.conditions)]
    metrics = list(dict.fromkeys([*(() if asked.metrics else USUAL), *typed]))
    found = {metric: compare(folders, metric) for metric in metrics}
    tables = {
        metric: rows
        for metric, rows in found.items()
        if metric in typed or any(one.difference for one in rows)
    }
    checks = [
        check(condition, found[condition.metric], lost(folders, condition.metric))
        for condition in asked.conditions
    ]
    return Comparison(folders, tables, checks)


def open_folders(asked: Asked) -> Folders:
    if len(asked.folders) < 2:
        alone = listed(map(str, asked.folders))
        raise InputError(f"compare: name two results folders or more; there is only {alone}")
    for metric in asked.metrics:
        if metric not in METRICS:
            raise InputError(unknown("--metric", metric, METRICS))
    check_different(asked.folders)
    names = called_names(asked.folders, asked.names)
    sources = {
        name: load_results(folder) for name, folder in zip(names, asked.folders, strict=True)
    }
    folders = matched(sources, asked.select)
    if not folders.pairs:
        own = "; ".join(f"{name}: {listed(group.label for group in results.groups)}"
                        for name, results in sources.items())  # fmt: skip
        raise InputError(f"compare: no configuration is in {names[0]} and another folder ({own})")
    return folders
