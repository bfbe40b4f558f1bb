"""Which configurations of two results folders belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resray.analysis.aggregate import Group
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
