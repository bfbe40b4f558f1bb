"""Which configurations of two results folders belong together, and what differs between them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resray.analysis.groups import Group, Row, distinct
from resray.analysis.words import MISSING, listed
from resray.study.recipes import written
from resray.study.unions import in_use

Key = tuple[object, ...]


@dataclass(frozen=True)
class Pair:
    """One configuration in two folders; the recipes may differ."""

    first: Group
    second: Group

    @property
    def label(self) -> str:
        """What the configuration is called in the first folder."""
        return self.first.label


@dataclass(frozen=True)
class Matching:
    """The configurations that two folders share, and those that only one has."""

    pairs: tuple[Pair, ...]
    only_first: tuple[Group, ...]
    only_second: tuple[Group, ...]


def match(first: Sequence[Group], second: Sequence[Group]) -> Matching:
    """Pair the configurations of two folders that share name, variant and role.

    Where a folder has several of one name, those go together that differ in the fewest settings.
    """
    of_first, of_second = by_key(first), by_key(second)
    partner = {
        one.label: other
        for key in of_first.keys() & of_second.keys()
        for one, other in nearest(of_first[key], of_second[key])
    }
    taken = {group.label for group in partner.values()}
    return Matching(
        tuple(Pair(one, partner[one.label]) for one in first if one.label in partner),
        tuple(one for one in first if one.label not in partner),
        tuple(other for other in second if other.label not in taken),
    )


def by_key(groups: Sequence[Group]) -> dict[Key, list[Group]]:
    found: dict[Key, list[Group]] = {}
    for group in groups:
        found.setdefault((group.name, group.trials[0]["variant"], group.confirms), []).append(group)
    return found


def nearest(firsts: Sequence[Group], seconds: Sequence[Group]) -> Iterator[tuple[Group, Group]]:
    """Yield pairs, each group in one at most, those that differ in the fewest settings first."""
    codes = setting_codes([*firsts, *seconds])
    one, other = codes[: len(firsts)], codes[len(firsts) :]
    distances = np.array([(other != own).sum(axis=1) for own in one])
    taken: set[int] = set()
    placed: set[int] = set()
    for place in np.argsort(distances, axis=None, kind="stable").tolist():
        row, column = divmod(place, len(seconds))
        if row not in taken and column not in placed:
            taken.add(row)
            placed.add(column)
            yield firsts[row], seconds[column]


def setting_codes(groups: Sequence[Group]) -> np.ndarray:
    """Return a number for each group's value of each setting, equal where the values are: (groups,
    settings)."""
    used = [in_use(group.settings) for group in groups]
    keys = list(dict.fromkeys(key for settings in used for key in settings))
    codes: dict[str, int] = {}
    return np.array(
        [[codes.setdefault(repr(settings.get(key)), len(codes)) for key in keys]
         for settings in used]
    )  # fmt: skip


# --- what differs, beside figures -----------------------------------------------------------------

SURROUNDINGS = {
    "device": "device",
    "host": "host",
    "world_size": "ranks per trial",
    "precision": "precision",
    "channels_last": "channels last",
    "data_source": "dataset stored as",
    "torch_version": "PyTorch",
    "ray_version": "Ray",
    "resray_version": "resray",
    "python_version": "Python",
    "git_commit": "commit",
    "git_dirty": "uncommitted changes",
}
"""Columns of a trial that say where it ran, with what to call them."""
RENAMED = {
    "data.checksum": "dataset checksum",
    "stop_after": "stopped after epoch",
    "implementation": "own code, or how resray computes",
}
ELSEWHERE = ("source", "world_size", "variant")
"""Settings that are told otherwise, or by which configurations are matched."""
HASH_LENGTH = 12


@dataclass(frozen=True)
class Differing:
    """One thing that is not the same in two folders, in words."""

    what: str
    first: str
    second: str


def differing(pair: Pair) -> Iterator[Differing]:
    """Yield what differs between the runs of a configuration: recipe, and where both have finished,
    surroundings, reductions and seeds."""
    yield from differing_settings(pair.first, pair.second)
    both = (pair.first.finished, pair.second.finished)
    if not all(both):
        return
    for column, name in SURROUNDINGS.items():
        values = [told(column, rows) for rows in both]
        yield from if_different(name, *values)
    reduced = [listed(group.reductions, most=8) for group in (pair.first, pair.second)]
    yield from if_different("reduced", *reduced)
    seeds = [listed(sorted(distinct(rows, "seed")), most=12) for rows in both]
    yield from if_different("seeds", *seeds)


def differing_settings(first: Group, second: Group) -> Iterator[Differing]:
    """Yield the settings in use that are not the same."""
    before, after = in_use(first.settings), in_use(second.settings)
    for key in dict.fromkeys([*before, *after]):
        if key not in ELSEWHERE and before.get(key) != after.get(key):
            values = (MISSING if one is None else written(one) for one in
                      (before.get(key), after.get(key)))  # fmt: skip
            yield from if_different(RENAMED.get(key, key), *values)


def if_different(what: str, first: str, second: str) -> Iterator[Differing]:
    if first != second:
        yield Differing(what, first, second)


def told(column: str, rows: Iterable[Row]) -> str:
    """Return a column's different values in some trials."""
    return listed(shown(column, value) for value in distinct(rows, column))


def shown(column: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:HASH_LENGTH] if column == "git_commit" else str(value)


def by_difference(pairs: Sequence[Pair]) -> dict[Differing, list[str]]:
    """Return everything that differs, with the labels of the configurations in which it does."""
    found: dict[Differing, list[str]] = {}
    for pair in pairs:
        for one in differing(pair):
            found.setdefault(one, []).append(pair.label)
    return found


def where(labels: Sequence[str], pairs: Sequence[Pair]) -> str:
    """Return in which of the configurations something differs, in words."""
    return "all" if len(labels) == len(pairs) > 1 else listed(labels, most=6)
