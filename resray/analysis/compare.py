"""A metric of each configuration in two or more results folders: how it differs, and how surely."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from resray.analysis.comparability import incomparable
from resray.analysis.contrast_words import verdict, why
from resray.analysis.contrasts import Contrast, Sample, Untested, difference, together
from resray.analysis.groups import Group
from resray.analysis.metrics import sample_of, uneven_epochs, value_of
from resray.analysis.pairs import Matching, Pair, match
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise
from resray.errors import InputError, unknown
from resray.study.metrics import METRICS, TRIAL_METRICS

LOSS = "train_loss"
COMPARABLE = (*TRIAL_METRICS, LOSS)
"""What folders can be compared by; the loss is that of the last epoch."""
USUAL = ("test_accuracy", "validation_accuracy", LOSS, "seconds_per_epoch", "images_per_second",
         "peak_memory_bytes", "parameters")  # fmt: skip
"""What they are compared by unless others are asked for."""
NOT_JUDGED = "cannot be judged"
EQUAL, DIFFERS = "equal", "differs"

Side = tuple[str, Analysis, Group]
"""A configuration in one of two folders, after the folder's name."""


@dataclass(frozen=True)
class Folders:
    """Two or more results folders by name, each but the first matched with the first."""

    sources: Mapping[str, Analysis]
    matchings: Mapping[str, Matching]

    @property
    def first(self) -> str:
        return next(iter(self.sources))

    @property
    def paired(self) -> bool:
        """Whether seeds pair, by all of the folders' studies."""
        return all(results.paired for results in self.sources.values())

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
    difference: Contrast | None
    """Second minus first; None if one of them has no value."""
    obstacle: str | None
    """Why the two cannot be compared."""
    remark: str | None
    """What to bear in mind where they can."""

    @property
    def verdict(self) -> str:
        """As `contrast_words.verdict`; ``equal`` where all values are; ``differs`` of a network's
        size, which no seed changes; or `NOT_JUDGED`."""
        if self.difference is None or self.obstacle:
            return NOT_JUDGED
        if METRICS[self.metric].counted:
            return DIFFERS if self.difference.value else EQUAL
        if self.difference.estimate.untested == Untested.SAME:
            return EQUAL
        return NOT_JUDGED if self.difference.interval is None else verdict(self.difference)

    @property
    def why(self) -> str | None:
        """Why it cannot be judged, or what to bear in mind."""
        known = self.difference and not METRICS[self.metric].counted and self.verdict != EQUAL
        reason = why(self.difference) if self.difference and known else None
        return self.obstacle or reason or self.remark

    @property
    def percent(self) -> float | None:
        """The difference in percent of the first mean; None if that is 0 or there is none."""
        if self.difference is None or self.first is None or not self.first.mean:
            return None
        return 100 * self.difference.value / abs(self.first.mean)


def matched(sources: Mapping[str, Analysis], select: Sequence[str] = ()) -> Folders:
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


def compare(folders: Folders, metrics: Sequence[str]) -> dict[str, list[Compared]]:
    """Return each metric of every pair of configurations.

    Intervals and p values hold for everything that is returned together: identical folders look
    different in one of twenty comparisons, however many metrics and configurations they show.
    """
    found = [one for metric in metrics for one in _uncorrected(folders, metric)]
    estimates = {
        place: one.difference.estimate
        for place, one in enumerate(found)
        if one.difference and not one.obstacle and not METRICS[one.metric].counted
    }
    for place, contrast in zip(estimates, together(estimates.values()), strict=True):
        found[place] = replace(found[place], difference=contrast)
    return {metric: [one for one in found if one.metric == metric] for metric in metrics}


def _uncorrected(folders: Folders, metric: str) -> Iterator[Compared]:
    """Yield a metric of each pair, the difference without an interval."""
    for name, pair in folders.pairs:
        sides = ((folders.first, folders.sources[folders.first], pair.first),
                 (name, folders.sources[name], pair.second))  # fmt: skip
        first, second = (measured_sample(results, group, metric) for _, results, group in sides)
        known = bool(first.values and second.values)
        gap = difference(first, second, paired=folders.paired) if known else None
        yield Compared(
            pair,
            name,
            metric,
            first=summarise(first.values.values()),
            second=summarise(second.values.values()),
            difference=Contrast(gap) if gap else None,
            obstacle=unmeasured(sides, (first, second)) or obstacle(sides, metric),
            remark=remark(sides, metric),
        )


def lost(folders: Folders, metric: str) -> list[Lost]:
    """Return the configurations that have a value in the first folder and none in another."""
    first = folders.sources[folders.first]
    found = []
    for name, matching in folders.matchings.items():
        partners = [(pair.first, pair.second) for pair in matching.pairs]
        for group, other in [*partners, *((group, None) for group in matching.only_first)]:
            if measured_sample(first, group, metric).values and not (
                other and measured_sample(folders.sources[name], other, metric).values
            ):
                found.append(Lost(group.label, name, fate(other) if other else "not there"))
    return found


def fate(group: Group) -> str:
    """Return what became of a group's trials that has no value: ``2 failed, 1 running``."""
    if group.finished:
        return "not measured"
    counts = Counter(str(row["status"]) for row in group.trials)
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def measured_sample(results: Analysis, group: Group, metric: str) -> Sample:
    return last_losses(results, group) if metric == LOSS else sample_of(results, group, metric)


def last_losses(results: Analysis, group: Group) -> Sample:
    """Return each seed's training loss in the last epoch that it recorded."""
    losses = {
        row["seed"]: value_of(results, row, LOSS, row["epochs_done"])
        for row in group.finished
        if row["epochs_done"]
    }
    return Sample({seed: loss for seed, loss in losses.items() if loss is not None})


def unmeasured(sides: tuple[Side, Side], samples: tuple[Sample, Sample]) -> str | None:
    """Return in which folder a metric has no value, and why."""
    missing = [
        f"none finished ({fate(group)}) in {called}"
        if not group.finished
        else f"not measured in {called}"
        for (called, _, group), known in zip(sides, samples, strict=True)
        if not known.values
    ]
    return "; ".join(missing) or None


def obstacle(sides: tuple[Side, Side], metric: str) -> str | None:
    """Return what keeps the two values from being compared."""
    (_, first, one), (_, second, other) = sides
    return "; ".join(map(str, incomparable(first, one, second, other, metric))) or None


def remark(sides: tuple[Side, Side], metric: str) -> str | None:
    """Return what makes a time doubtful: in which folder the epochs of a training took different
    times."""
    if METRICS[metric].kind != "time":
        return None
    found = [f"{called}: {text}" for called, results, group in sides
             if (text := uneven_epochs(results, group))]  # fmt: skip
    return "; ".join(found) or None
