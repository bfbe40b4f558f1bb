"""Compares results folders as a command asks for it, with conditions under which that fails."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from pathlib import Path

from resray.analysis.compare import (
    COMPARABLE,
    DIFFERS,
    NOT_JUDGED,
    USUAL,
    Compared,
    Folders,
    Lost,
    compare,
    lost,
    matched,
)
from resray.analysis.contrast_words import NETWORKS, SURE
from resray.analysis.results import Analysis
from resray.analysis.words import listed
from resray.errors import InputError, unknown
from resray.results.folders import called_names, check_different

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True)
class Condition:
    """A limit to the difference of a metric, beyond which the comparison fails."""

    option: str
    """As which it was typed."""
    metric: str
    operator: str
    limit: float
    relative: bool
    """In percent of the first folder's mean, not in the metric's own unit."""
    only_real: bool
    """Whether only differences count that are shown, or exact."""

    def __str__(self) -> str:
        percent = "%" if self.relative else ""
        return f"{self.option} '{self.metric} {self.operator} {self.limit:g}{percent}'"

    def checkable(self, one: Compared) -> bool:
        """Whether a comparison says if the condition holds of it."""
        if one.difference is None or one.obstacle or self.value(one) is None:
            return False
        return not self.only_real or one.verdict not in (NOT_JUDGED, NETWORKS)

    def holds(self, one: Compared) -> bool:
        """Whether the condition holds of a comparison on which it can be checked."""
        value = self.value(one)
        beyond = value is not None and OPERATORS[self.operator](value, self.limit)
        return beyond and (not self.only_real or one.verdict in (*SURE, DIFFERS))

    def value(self, one: Compared) -> float | None:
        """Return what is held against the limit, None where that is no finite number."""
        own = one.difference.value if one.difference else None
        value = one.percent if self.relative else own
        return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Check:
    """What became of a condition."""

    condition: Condition
    violations: tuple[Compared, ...]
    """The comparisons of which it holds."""
    checked: int
    """On how many it could be checked."""
    unchecked: tuple[Compared, ...]
    lost: tuple[Lost, ...] = ()
    """What has no value any more, which is no better than a bad one."""

    @property
    def failed(self) -> bool:
        return bool(self.violations or self.lost)


def check(condition: Condition, found: Iterable[Compared], lost: Sequence[Lost] = ()) -> Check:
    """Return of which comparisons of its metric a condition holds, and what was ``lost``."""
    gone = {(one.name, one.label) for one in lost}
    rows = [one for one in found if (one.name, one.pair.label) not in gone]
    checkable = [one for one in rows if condition.checkable(one)]
    return Check(
        condition,
        tuple(one for one in checkable if condition.holds(one)),
        len(checkable),
        tuple(one for one in rows if not condition.checkable(one)),
        tuple(lost),
    )


@dataclass(frozen=True)
class Comparison:
    """What came of it."""

    folders: Folders
    tables: Mapping[str, Sequence[Compared]]
    """By metric."""
    checks: Sequence[Check]

    @property
    def exit_code(self) -> int:
        """1 if a condition holds of a comparison or a value was lost, 2 if one could be checked on
        none, else 0."""
        if any(each.failed for each in self.checks):
            return 1
        return 2 if any(not each.checked for each in self.checks) else 0


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
        if metric not in COMPARABLE:
            raise InputError(unknown("--metric", metric, COMPARABLE))
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
    sources = {name: Analysis.of(path) for name, path in zip(called, paths, strict=True)}
    folders = matched(sources, select)
    if not folders.pairs:
        own = "; ".join(f"{name}: {listed(group.label for group in results.groups)}"
                        for name, results in sources.items())  # fmt: skip
        raise InputError(f"compare: no configuration is in {called[0]} and another folder ({own})")
    return folders
