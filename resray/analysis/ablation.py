"""What each change of an ablation is worth: its steps, their factors, and the whole."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from math import exp, isfinite, log, prod
from typing import Any

import pandas as pd

from resray.analysis.comparability import Obstacle, of_device
from resray.analysis.contrasts import Contrast, Sample, contrasts, difference, estimate, together
from resray.analysis.groups import Group, distinguish
from resray.analysis.metrics import sample_of
from resray.analysis.results import Analysis, once
from resray.analysis.statistics import Interval, Summary, summarise
from resray.study.entries import FULL, PLAIN, Step, ablation_steps
from resray.study.layers import flatten
from resray.study.spec import Ablate

NamedSet = tuple[dict[str, Any], dict[str, Group]]
"""The settings that groups share, and the groups by name."""


@dataclass(frozen=True)
class MeasuredStep:
    """One step of a form, with what was measured of it."""

    step: Step
    group: Group | None
    """The finished trials; None if there are none."""
    seconds: Summary | None
    """Seconds of training per epoch, as claims have it."""
    log_seconds: Sample | None
    """Their natural logarithms by seed: factors are differences of these."""
    accuracies: Sample | None
    """Test accuracies by seed."""
    epochs: tuple[pd.DataFrame, ...]
    """The finished trials' epochs."""

    @property
    def label(self) -> str:
        return self.group.label if self.group else self.step.name

    @property
    def accuracy(self) -> Summary | None:
        return self.group.summary("test_accuracy") if self.group else None

    def seconds_to(self, accuracy: float) -> list[float | None]:
        """Return each trial's seconds of training up to the end of the first epoch whose test
        accuracy is at least this, in percent; None: never."""
        reached = [rows["test_accuracy"] >= accuracy for rows in self.epochs]
        return [
            float(rows["seconds_training"].cumsum()[there].iloc[0]) if there.any() else None
            for rows, there in zip(self.epochs, reached, strict=True)
        ]


@dataclass(frozen=True)
class Ablation:
    """One form (chain, add or remove) over steps that differ in the study's changes only."""

    form: str
    steps: tuple[MeasuredStep, ...]
    """The reference first: plain, of remove full."""
    condition: str
    """What tells these trials from other runs of the same steps, if there are any."""

    @property
    def finished(self) -> tuple[MeasuredStep, ...]:
        return tuple(step for step in self.steps if step.group)

    @cached_property
    def obstacle(self) -> Obstacle | None:
        """Why the times of these steps must not be compared, or None if they may be."""
        groups = [step.group for step in self.finished if step.group]
        return next(of_device(groups), None)

    def reference(self, place: int) -> MeasuredStep:
        """Return the step that another is held against."""
        return self.steps[place - 1 if self.form == "chain" else 0]

    def factor(self, place: int) -> float | None:
        """Return how many times faster (remove: slower) a step is than its reference."""
        if place == 0:
            return None
        before, after = self.reference(place).seconds, self.steps[place].seconds
        slower = self.form == "remove"
        return self._ratio(after, before) if slower else self._ratio(before, after)

    @property
    def singles(self) -> list[float | None]:
        """The factors of the single changes, in order."""
        places = range(1, len(self.steps))
        return [self.factor(place) for place in places if self.steps[place].step.change]

    @property
    def product(self) -> float | None:
        """The product of the single changes' factors, if each is known."""
        known = [factor for factor in self.singles if factor is not None]
        return prod(known) if len(known) == len(self.singles) else None

    @property
    def whole(self) -> float | None:
        """How many times faster the full recipe is than the plain one."""
        by_name = {step.step.name: step.seconds for step in self.steps}
        return self._ratio(by_name[PLAIN], by_name[FULL])

    @property
    def interaction(self) -> float | None:
        """The whole divided by the product of the single factors; of a chain it is 1."""
        whole, product = self.whole, self.product
        return whole / product if whole and product else None

    @cached_property
    def gains(self) -> dict[int, Contrast]:
        """Each step's test accuracy minus that of its reference, in points, by place, with the
        interval that it has among all of them."""
        found = {
            place: difference(before, step.accuracies)
            for place, step in enumerate(self.steps)
            if place and (before := self.reference(place).accuracies) and step.accuracies
        }
        return dict(zip(found, together(found.values()), strict=True))

    @cached_property
    def interaction_interval(self) -> Interval | None:
        """The 95 % interval of the interaction, None where seeds give it none: of logarithms, it
        is a linear contrast of the steps."""
        logs = {step.step.name: step.log_seconds for step in self.steps}
        singles = [step.log_seconds for step in self.steps if step.step.change]
        plain, full = logs[PLAIN], logs[FULL]
        if self.obstacle or plain is None or full is None or not all(singles):
            return None
        # Each single factor is divided by its reference: plain, of remove full.
        removes, number = self.form == "remove", float(len(singles))
        of_plain, of_full = (1.0, number - 1) if removes else (1 - number, -1.0)
        steps = [(-1.0 if removes else 1.0, single) for single in singles if single]
        found = estimate([(of_plain, plain), (of_full, full), *steps])
        # Where one step outweighs the others, Satterthwaite's degrees of freedom are too many for
        # few seeds; those of the fewest seeds never are (Hajek, "Inequalities for the Generalized
        # Student's Distribution and Their Applications", 1962).
        ends = contrasts([replace(found, degrees=min(found.seeds) - 1.0)])[0].interval
        return Interval(exp(ends.low), exp(ends.high)) if ends else None

    @property
    def common_accuracy(self) -> float | None:
        """The highest test accuracy, in percent, that every trial reached at some epoch."""
        tops = [float(rows["test_accuracy"].max()) for step in self.steps for rows in step.epochs]
        return min(filter(isfinite, tops), default=None)

    def _ratio(self, above: Summary | None, below: Summary | None) -> float | None:
        if self.obstacle or above is None or below is None or below.mean == 0:
            return None
        return above.mean / below.mean


@once
def ablations(results: Analysis) -> list[Ablation]:
    """Return the study's ablations that have a result: one for each form and each set of trials
    that agree in everything but the changes."""
    ablate = results.study.ablate if results.study else None
    if ablate is None:
        return []
    changes = list(ablate.changes)
    steps = {form: ablation_steps(changes, form) for form in ablate.forms}
    names = {step.name for of_form in steps.values() for step in of_form}
    steps_run = [g for g in results.groups if g.name in names and not g.confirms]
    sets = alike(steps_run, ablate)
    made = (
        Ablation(form, tuple(measure(results, of_form, groups)), condition)
        for form, of_form in steps.items()
        for condition, groups in sets
    )
    return [one for one in made if any(step.step.change for step in one.finished)]


def measure(
    results: Analysis, steps: Sequence[Step], groups: Mapping[str, Group]
) -> Iterator[MeasuredStep]:
    for step in steps:
        group = groups.get(step.name)
        seconds = sample_of(results, group, "seconds_per_epoch") if group else Sample({})
        logs = {seed: log(value) for seed, value in seconds.values.items() if value > 0}
        accuracies = sample_of(results, group, "test_accuracy") if group else Sample({})
        rows = group.finished if group else ()
        epochs = (results.epoch_table.get(row["trial_id"]) for row in rows)
        yield MeasuredStep(
            step,
            group,
            summarise(seconds.values.values()),
            Sample(logs) if logs else None,
            accuracies if accuracies.values else None,
            tuple(table for table in epochs if table is not None),
        )


def alike(groups: Sequence[Group], ablate: Ablate) -> list[tuple[str, dict[str, Group]]]:
    """Return the finished groups by name, in sets that agree in all settings but the changed ones.

    Beside each set stands what tells it from the others. Of groups that differ in a changed setting
    (the study file was edited), the newest counts. A group of several variants is in the set of
    each; a set that lies within another is left out.
    """
    changed = set(chain.from_iterable(flatten(change) for change in ablate.changes.values()))
    # Another optimizer or schedule leaves behind keys that it does not have.
    changed |= {key.removesuffix(".name") for key in changed if key.endswith(".name")}
    sets: dict[str, NamedSet] = {}
    for group in sorted(groups, key=lambda group: str(group.trials[-1]["started"])):
        for variant in group.variants if group.finished else ():
            others = unchanged(group.settings, changed) | {"variant": variant}
            sets.setdefault(repr(sorted(others.items())), (others, {}))[1][group.name] = group
    kept = without_parts_of_others(list(sets.values()))
    conditions = distinguish([others for others, _ in kept])
    return [
        (" · ".join(condition), members)
        for condition, (_, members) in zip(conditions, kept, strict=True)
    ]


def without_parts_of_others(sets: Sequence[NamedSet]) -> list[NamedSet]:
    """Return the sets that bring a group of their own; of equal ones the first."""
    labels = [{group.label for group in members.values()} for _, members in sets]
    return [
        one
        for place, one in enumerate(sets)
        if not any(labels[place] < other for other in labels)
        and labels[place] not in labels[:place]
    ]


def unchanged(settings: Mapping[str, Any], changed: Collection[str]) -> dict[str, Any]:
    """Return the settings that no change touches: neither themselves nor a part of them."""

    def touched(key: str) -> bool:
        return any(f"{key}.".startswith(f"{other}.") or other.startswith(f"{key}.")
                   for other in changed)  # fmt: skip

    return {key: value for key, value in settings.items() if not touched(key)}
