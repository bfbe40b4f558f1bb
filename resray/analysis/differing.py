"""What is not the same about one configuration in two results folders, beside its figures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from resray.analysis.aggregate import Group, Row, distinct
from resray.analysis.pairs import Pair
from resray.analysis.words import MISSING, listed
from resray.study.recipes import written
from resray.study.unions import in_use

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
    if not (pair.first.finished and pair.second.finished):
        return
    for column, name in SURROUNDINGS.items():
        values = [told(column, group.finished) for group in (pair.first, pair.second)]
        yield from if_different(name, *values)
    reduced = [listed(group.reductions, most=8) for group in (pair.first, pair.second)]
    yield from if_different("reduced", *reduced)
    seeds = [listed(seeds_of(group), most=12) for group in (pair.first, pair.second)]
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


def seeds_of(group: Group) -> list[int]:
    return sorted(distinct(group.finished, "seed"))


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
