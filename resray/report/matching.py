"""Finds the groups of trials that a claim is tested on: all trained under one condition."""

import re
from collections.abc import Iterator, Mapping, Sequence

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
    known = variants(results)
    complete = {
        condition: found
        for condition, found in by_condition(pools, known).items()
        if len(found) == len(pools)
    }
    if not complete:
        names = ", ".join(dict.fromkeys(name for name, _ in pools))
        raise NotMatchedError(f"no finished runs of {names} share data, length and variant")

    def preference(condition: Condition) -> tuple[bool, bool, tuple[bool, int, str]]:
        worst = min(rank(group) for group in complete[condition].values())
        return worst[0], condition[0] == known[0], worst

    return complete[max(complete, key=preference)]


def by_condition(
    pools: Mapping[Reference, Sequence[Group]], all_variants: Sequence[object]
) -> dict[Condition, dict[Reference, Group]]:
    """Return for each condition the best group of each reference that has one."""
    found: dict[Condition, dict[Reference, Group]] = {}
    for wanted, groups in pools.items():
        for group in sorted(groups, key=rank):
            for condition in conditions_of(group, wanted, all_variants):
                found.setdefault(condition, {})[wanted] = group
    return found


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
