"""Published figures beside ours, with what stands in the way of comparing them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from resray.analysis.comparability import Obstacle
from resray.analysis.groups import Group
from resray.analysis.metrics import foreign_files, limits, stopped_early, values_of
from resray.analysis.results import Analysis, once
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import MISSING, count, duration, fixed, with_interval
from resray.study.metrics import METRICS
from resray.study.spec import Published

MAKERS = {"nvidia", "tesla", "geforce"}
"""Words that a device's name has or not, whoever writes it."""
OTHER_MODELS = {"ti", "super", "laptop"}
"""Words that make another model of the same number."""


@dataclass(frozen=True)
class Comparison:
    """One published figure and one group's value for the same metric."""

    published: Published
    group: Group | None
    """None if no trial of that name was run."""
    measured: Summary | None
    obstacles: tuple[Obstacle, ...]
    """Why the two must not be compared; none means that a difference may be shown."""
    remarks: tuple[str, ...]
    """What to bear in mind where they may."""

    @property
    def difference(self) -> float | None:
        """Measured minus published, if nothing stands in the way."""
        if self.measured is None or self.obstacles:
            return None
        return self.measured.mean - self.published.value

    @property
    def notes(self) -> str | None:
        return "; ".join([*map(in_words, self.obstacles)] or self.remarks) or None


@once
def comparisons(results: Analysis) -> list[Comparison]:
    """Return each published figure of the study beside each group that it belongs to."""
    if results.study is None:
        return []
    return [
        compare(results, figure, group)
        for figure in results.study.figures
        for group in groups_of(results, figure)
    ]


def groups_of(results: Analysis, figure: Published) -> list[Group | None]:
    """Return the groups of a figure's name and variant, or one None in their place."""
    found: list[Group | None] = [
        group
        for group in results.groups
        if group.name == figure.trial and figure.variant in (None, *group.variants)
    ]
    return found or [None]


def compare(results: Analysis, figure: Published, group: Group | None) -> Comparison:
    if group is None:
        several = results.study is not None and len(results.study.variant_names) > 1
        where = f" (variant {figure.variant})" if figure.variant and several else ""
        return Comparison(figure, None, None, (Obstacle("not_run", (where,) if where else ()),), ())
    values = values_of(results, group, figure.metric, figure.epoch)
    measured = summarise(values.values())
    obstacles = [Obstacle("unmeasured")] if measured is None else []
    return Comparison(
        figure,
        group,
        measured,
        obstacles=(*obstacles, *obstacles_of(results, figure, group)),
        remarks=tuple(remarks(figure, group)),
    )


def obstacles_of(results: Analysis, figure: Published, group: Group) -> Iterator[Obstacle]:
    """Yield what makes a comparison meaningless."""
    if figure.not_comparable:
        yield Obstacle("published", (figure.not_comparable,))
    if METRICS[figure.metric].of_device:
        devices = [str(device) for device in group.distinct("device")]
        if not devices or not all(same_device(figure.device, device) for device in devices):
            yield Obstacle("other_device")
        elif not group.exclusive:
            yield Obstacle("shared")
    if figure.metric == "hidden_accuracy" and (files := foreign_files(results, group)):
        yield Obstacle("hidden", tuple(files.values()))
    early = stopped_early(group) if figure.epochs and figure.epoch is None else None
    if early and figure.metric in ("seconds_training", "gpu_hours"):
        yield Obstacle("early", (early,))
    reduced = limits(results, group, figure.metric, figure.epoch)
    if [each.kind for each in reduced] == ["ended_early"]:
        yield Obstacle("early", ("ended early",))
    elif reduced and METRICS[figure.metric].counted:
        yield Obstacle("counted", ("; ".join(map(str, reduced)),))
    elif reduced:
        yield Obstacle("reduced_run")


def in_words(obstacle: Obstacle) -> str:
    """Return an obstacle with what follows from it, unless that is plain."""
    if obstacle.kind in ("published", "other_device", "shared"):
        return f"not comparable ({obstacle})"
    if obstacle.kind in ("early", "counted", "reduced_run"):
        return f"{obstacle}, not comparable"
    return str(obstacle)


def same_device(published: str, ours: str) -> bool:
    """Return whether a device is the published one: ``Tesla T4`` is ``NVIDIA T4 or V100``."""
    model = words(ours)
    named = [words(name) for name in re.split(r"\s+or\s+", published)]
    return any(name and name <= model and not (model - name) & OTHER_MODELS for name in named)


def words(device: str) -> set[str]:
    """Return the words of a device's name that tell its model."""
    return set(re.findall(r"[a-z0-9]+", device.lower())) - MAKERS


def remarks(figure: Published, group: Group) -> Iterator[str]:
    """Yield the differences that leave a comparison possible."""
    if METRICS[figure.metric].counted:
        return
    if group.confirms:
        yield "recipe found by a search"
    ours = group.settings.get("epochs")
    if figure.epochs and ours and figure.epochs != ours:
        yield f"{ours} epochs instead of {figure.epochs}"
    if figure.epoch is None and (early := stopped_early(group)):
        yield early
    if len(group.finished) == 1:
        yield "one seed"
    if any("JPEG" in str(source) for source in group.distinct("data_source")):
        yield "JPEG images"


def amount(metric: str, summary: Summary | None) -> str:
    """Return a metric's mean in its unit, where it has one with half its 95 % interval."""
    if summary is None:
        return MISSING
    own = METRICS[metric]
    if own.counted:
        return count(summary.mean)
    if own.unit == "s":
        return duration(summary.mean)
    unit = f"\u00a0{own.unit}" if own.unit else ""
    return with_interval(summary.over(own.scale), own.places(summary.mean)) + unit


def published_amount(figure: Published) -> str:
    """Return a published value in its unit."""
    return amount(figure.metric, Summary(figure.value, None, 1))


def signed_difference(comparison: Comparison) -> str:
    """Return ``+1.20`` in points, or in percent of the published value for other metrics."""
    difference, published = comparison.difference, comparison.published
    if difference is None:
        return MISSING
    if METRICS[published.metric].in_points:
        return f"{difference:+.2f}\u00a0points".replace("-", "−")
    if published.value == 0:
        return fixed(difference)
    return f"{100 * difference / published.value:+.1f}\u00a0%".replace("-", "−")
