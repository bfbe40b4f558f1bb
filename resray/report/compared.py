"""A metric of each configuration in two or more results folders: how it differs, is that real."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from resray.analysis.statistics import Summary, summarise
from resray.errors import InputError, unknown
from resray.report.aggregate import Group, Results
from resray.report.alike import incomparable
from resray.report.metrics import OF_DEVICE, uneven_epochs, value_of, values_of
from resray.report.pairs import Matching, Pair, match
from resray.report.significance import SAME, Difference, Values, differences, uncorrected
from resray.study.metrics import COUNTED, TRIAL_METRICS

LOSS = "train_loss"
METRICS = {
    **TRIAL_METRICS,
    LOSS: "mean loss (nats) over the last epoch's images, while training",
}
"""What folders can be compared by."""
USUAL = ("test_accuracy", "validation_accuracy", LOSS, "seconds_per_epoch", "images_per_second",
         "peak_memory_bytes", "parameters")  # fmt: skip
"""What they are compared by unless others are asked for."""
NOT_JUDGED = "cannot be judged"
EQUAL, DIFFERS = "equal", "differs"


@dataclass(frozen=True)
class Folders:
    """Two or more results folders by name, each but the first matched with the first."""

    sources: Mapping[str, Results]
    matchings: Mapping[str, Matching]

    @property
    def first(self) -> str:
        return next(iter(self.sources))

    @property
    def pairs(self) -> list[tuple[str, Pair]]:
        """Every pair with the name of its second folder, in the order of the first folder."""
        found = [(name, pair) for name, matching in self.matchings.items()
                 for pair in matching.pairs]  # fmt: skip
        groups = self.sources[self.first].groups
        order = {group.label: place for place, group in enumerate(groups)}
        return sorted(found, key=lambda one: order[one[1].label])


@dataclass(frozen=True)
class Lost:
    """A configuration of which the first folder has a metric's value and another one has none."""

    label: str
    name: str
    """Of the other folder."""
    why: str


@dataclass(frozen=True)
class Compared:
    """A metric of one configuration in the first folder and in another."""

    pair: Pair
    name: str
    """Of the other folder."""
    metric: str
    first: Summary | None
    second: Summary | None
    difference: Difference | None
    """Second minus first; None if one of them has no value."""
    obstacle: str | None
    """Why the two cannot be compared."""
    remark: str | None
    """What to bear in mind where they can."""

    @property
    def verdict(self) -> str:
        """``real`` or ``not shown``; ``equal`` where all values are; ``differs`` of a network's
        size, which no seed changes; or `NOT_JUDGED`."""
        if self.difference is None or self.obstacle:
            return NOT_JUDGED
        if self.metric in COUNTED:
            return DIFFERS if self.difference.value else EQUAL
        if self.difference.untested == SAME:
            return EQUAL
        return NOT_JUDGED if self.difference.untested else self.difference.verdict

    @property
    def why(self) -> str | None:
        """Why it cannot be judged, or what to bear in mind."""
        untested = self.difference and self.verdict == NOT_JUDGED and self.difference.untested
        return self.obstacle or untested or self.remark

    @property
    def percent(self) -> float | None:
        """The difference in percent of the first mean; None if that is 0 or there is none."""
        if self.difference is None or self.first is None or not self.first.mean:
            return None
        return 100 * self.difference.value / abs(self.first.mean)


def matched(sources: Mapping[str, Results], select: Sequence[str] = ()) -> Folders:
    """Match the configurations of each folder with those of the first.

    ``select`` keeps those whose name or label matches one of these patterns. Raises InputError if
    one matches none.
    """
    first, *others = sources
    groups = [group for results in sources.values() for group in results.groups]
    for pattern in select:
        if not any(is_selected([group], [pattern]) for group in groups):
            raise InputError(unknown("--select", pattern, (group.name for group in groups)))
    # Matched before: a label says only what tells a folder's own configurations apart.
    matchings = {name: match(sources[first].groups, sources[name].groups) for name in others}
    return Folders(sources, {name: kept(matching, select) for name, matching in matchings.items()})


def kept(matching: Matching, select: Sequence[str]) -> Matching:
    """Return what of a matching is selected, of a pair by either side."""
    return Matching(
        tuple(pair for pair in matching.pairs if is_selected([pair.first, pair.second], select)),
        tuple(group for group in matching.only_first if is_selected([group], select)),
        tuple(group for group in matching.only_second if is_selected([group], select)),
    )


def is_selected(groups: Sequence[Group], patterns: Sequence[str]) -> bool:
    """Return whether a name or label of the groups matches a pattern; without patterns, yes."""
    texts = [text for group in groups for text in (group.name, group.label)]
    return not patterns or any(fnmatchcase(text, each) for each in patterns for text in texts)


def compare(folders: Folders, metric: str) -> list[Compared]:
    """Return a metric of each pair of configurations.

    Of those that can be compared, p values are corrected over the pairs of two folders: what a
    third one holds changes nothing.
    """
    pairs = folders.pairs
    values = [values_of_pair(folders, name, pair, metric) for name, pair in pairs]
    why = [
        unmeasured(folders, name, pair, both) or obstacle(folders, name, pair, metric)
        for (name, pair), both in zip(pairs, values, strict=True)
    ]
    found: dict[int, Difference] = {}
    for other in folders.matchings:
        alike = [place for place, (name, _) in enumerate(pairs)
                 if name == other and why[place] is None]  # fmt: skip
        found |= zip(alike, differences([values[place] for place in alike]), strict=True)
    found |= {place: shown(both) for place, both in enumerate(values)
              if place not in found and all(both)}  # fmt: skip
    return [
        Compared(
            pair,
            name,
            metric,
            first=summarise(values[place][0].values()),
            second=summarise(values[place][1].values()),
            difference=found.get(place),
            obstacle=why[place],
            remark=remark(folders, name, pair, metric),
        )
        for place, (name, pair) in enumerate(pairs)
    ]


def lost(folders: Folders, metric: str) -> list[Lost]:
    """Return the configurations that have a value in the first folder and none in another."""
    first = folders.sources[folders.first]
    found = []
    for name, matching in folders.matchings.items():
        partners = [(pair.first, pair.second) for pair in matching.pairs]
        for group, other in [*partners, *((group, None) for group in matching.only_first)]:
            if measured_values(first, group, metric) and not (
                other and measured_values(folders.sources[name], other, metric)
            ):
                found.append(Lost(group.label, name, fate(other) if other else "not there"))
    return found


def fate(group: Group) -> str:
    """Return what became of a group's trials that has no value: ``2 failed, 1 running``."""
    if group.finished:
        return "not measured"
    counts = Counter(str(row["status"]) for row in group.trials)
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def shown(pair: tuple[Values, Values]) -> Difference:
    """Return the difference of a pair that does not compare: without a p value."""
    (found,) = uncorrected([pair])
    return replace(found, p=None)


def sides(folders: Folders, name: str, pair: Pair) -> list[tuple[str, Results, Group]]:
    """Return the two folders of a pair, with their names and its groups."""
    return [(folders.first, folders.sources[folders.first], pair.first),
            (name, folders.sources[name], pair.second)]  # fmt: skip


def values_of_pair(folders: Folders, name: str, pair: Pair, metric: str) -> tuple[Values, Values]:
    """Return a metric's values by seed in the first folder and in another."""
    first, second = (measured_values(results, group, metric)
                     for _, results, group in sides(folders, name, pair))  # fmt: skip
    return first, second


def measured_values(results: Results, group: Group, metric: str) -> Values:
    return last_losses(results, group) if metric == LOSS else values_of(results, group, metric)


def last_losses(results: Results, group: Group) -> Values:
    """Return each seed's training loss in the last epoch that it recorded."""
    losses = {
        row["seed"]: value_of(results, row, LOSS, row["epochs_done"])
        for row in group.finished
        if row["epochs_done"]
    }
    return {seed: loss for seed, loss in losses.items() if loss is not None}


def unmeasured(
    folders: Folders, name: str, pair: Pair, values: tuple[Values, Values]
) -> str | None:
    """Return in which folder a metric has no value, and why."""
    missing = [
        f"none finished ({fate(group)}) in {called}"
        if not group.finished
        else f"not measured in {called}"
        for (called, _, group), known in zip(sides(folders, name, pair), values, strict=True)
        if not known
    ]
    return "; ".join(missing) or None


def obstacle(folders: Folders, name: str, pair: Pair, metric: str) -> str | None:
    """Return what keeps the two values from being compared."""
    (_, first, one), (_, second, other) = sides(folders, name, pair)
    return "; ".join(incomparable(first, one, second, other, metric)) or None


def remark(folders: Folders, name: str, pair: Pair, metric: str) -> str | None:
    """Return what makes a time doubtful: in which folder the epochs of a training took different
    times."""
    if metric not in OF_DEVICE or metric == "peak_memory_bytes":
        return None
    found = [f"{called}: {text}" for called, results, group in sides(folders, name, pair)
             if (text := uneven_epochs(results, group))]  # fmt: skip
    return "; ".join(found) or None
