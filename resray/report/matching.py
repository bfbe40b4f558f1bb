"""Finds the groups of trials that a claim is tested on: all trained under one condition."""

import re
from collections.abc import Iterator, Sequence

from resray.report.aggregate import Group, Results
from resray.study.claims import Value

Reference = tuple[str, str | None]
"""A trial's name, and its variant where the claim names one."""
Condition = tuple[object, ...]

ALIKE = ("stop_after", "data.name", "data.checksum", "data.images", "data.limit_train",
         "data.limit_eval", "data.image_size", "world_size")  # fmt: skip
"""Settings that a study's trials share, so that differing ones come from different commands."""


class NotMatchedError(Exception):
    """A claim cannot be tested on what was run; the message says why."""


def reference(value: Value) -> Reference:
    """Return what a value asks for."""
    return value.trial, value.variant


def matched(results: Results, references: Sequence[Reference]) -> dict[Reference, Group]:
    """Return for each reference the group to take.

    Of several configurations of one name those are taken that were all run under one condition:
    unreduced ones before reduced ones, the default variant before others, then those with the most
    seeds, then the newest. Raises NotMatchedError if a trial is missing or none go together.
    """
    pools = {wanted: finished(results, wanted) for wanted in references}
    conditions: dict[Condition, dict[Reference, Group]] = {}
    for wanted, groups in pools.items():
        for group in sorted(groups, key=rank):
            for condition in conditions_of(group, wanted, variants(results)):
                conditions.setdefault(condition, {})[wanted] = group
    complete = [(found, condition) for condition, found in conditions.items()
                if len(found) == len(pools)]  # fmt: skip
    if not complete:
        names = ", ".join(dict.fromkeys(name for name, _ in pools))
        raise NotMatchedError(f"no finished runs of {names} share data, length and variant")
    standard = variants(results)[0]
    return max(
        complete,
        key=lambda each: (
            not any(group.reductions or group.partial for group in each[0].values()),
            each[1][0] == standard,
            min(rank(group) for group in each[0].values()),
        ),
    )[0]


def finished(results: Results, wanted: Reference) -> list[Group]:
    """Return the finished groups of a name and variant. Raises NotMatchedError if there is none."""
    name, variant = wanted
    shown = name if variant is None else f"{name} (variant {variant})"
    groups = [
        group
        for group in results.groups
        if group.name == name and variant in (None, group.settings["variant"])
    ]
    if not groups:
        raise NotMatchedError(f"{shown} was not run")
    if not any(group.finished for group in groups):
        raise NotMatchedError(f"{shown} has not finished")
    return [group for group in groups if group.finished]


def variants(results: Results) -> list[object]:
    """Return the variants of the study and of its results, the default one first."""
    named = results.study.variant_names if results.study else []
    return list(dict.fromkeys([*named, *(group.settings["variant"] for group in results.groups)]))


def conditions_of(
    group: Group, wanted: Reference, all_variants: Sequence[object]
) -> Iterator[Condition]:
    """Yield the conditions that a group goes with: variant, length, and the settings of `ALIKE`.

    A claim's own variant goes with any. Trials may differ in length where the study says so, or
    were all given one length.
    """
    lengths = [f"{group.settings.get('epochs')} epochs"]
    if not any(re.match(r"\d+ of \d+ epochs", text) for text in group.reductions):
        lengths.append("as the study says")
    for variant in all_variants if wanted[1] is not None else [group.settings["variant"]]:
        for length in lengths:
            yield (variant, length, *(group.settings.get(key) for key in ALIKE))


def rank(group: Group) -> tuple[bool, int, str]:
    """Return how much a group is preferred to others of its name."""
    newest = max(str(row["updated"] or "") for row in group.finished)
    return not group.reductions and not group.partial, len(group.finished), newest
