"""Finds the groups of trials that a claim is tested on: all trained under one condition."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from resray.analysis.comparability import Obstacle, changes_of, condition_of
from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.study.claims import Value
from resray.study.entries import AS_RUN

Reference = tuple[str, str | None]
"""A trial's name, and its variant where the claim names one."""
Condition = tuple[object, ...]


class NotMatchedError(Exception):
    """A claim cannot be tested on what was run; the message says why."""


class NotJudgedError(Exception):
    """The values of a comparison are missing or must not be compared; the message says why."""


def reference(value: Value) -> Reference:
    """Return what a value asks for."""
    return value.trial, value.variant


def matched(
    results: Analysis, references: Sequence[Reference], *, counted: bool = False
) -> dict[Reference, Group]:
    """Return for each reference the group to take.

    Of several configurations of one name those are taken that were all run under one condition:
    unreduced ones before reduced ones, the default variant before others, then those with the most
    seeds, then the newest. Where one reference names a variant, the default one is meant by those
    that name none; so it is beside trials as run where all values are ``counted``, which no epoch
    changes. Raises NotMatchedError if a trial is missing or none go together, and NotJudgedError if
    an epoch of theirs counts and was not chosen alike, as only some are as run.
    """
    known = variants(results)
    asked = with_default_variant(references, known, counted=counted)
    pools = {wanted: finished(results, asked[wanted]) for wanted in references}
    selections = [{group.selection for group in pool} for pool in pools.values()]
    if not (counted or set.intersection(*selections)):
        raise NotJudgedError(str(Obstacle("selection")))
    complete = {
        condition: found
        for condition, found in by_condition(pools, asked, counted=counted).items()
        if len(found) == len(pools)
    }
    if not complete:
        names = ", ".join(dict.fromkeys(name for name, _ in pools))
        raise NotMatchedError(
            f"no finished runs of {names} share data, length, variant and changes by --set"
        )

    def preference(condition: Condition) -> tuple[bool, bool, tuple[bool, int, str]]:
        worst = min(rank(group) for group in complete[condition].values())
        return worst[0], condition[0] == known[0], worst

    chosen = complete[max(complete, key=preference)]
    refuse_one_for_two(chosen, asked)
    return chosen


def with_default_variant(
    references: Sequence[Reference], all_variants: Sequence[str], *, counted: bool = False
) -> dict[Reference, Reference]:
    """Return each reference as it is meant beside the others."""
    named = {
        (name, variant): AS_RUN if counted and name.endswith(f"-{AS_RUN}") else variant
        for name, variant in references
    }
    if all(variant is None for variant in named.values()):
        return {wanted: wanted for wanted in references}
    return {wanted: (wanted[0], variant or all_variants[0]) for wanted, variant in named.items()}


def refuse_one_for_two(
    chosen: Mapping[Reference, Group], asked: Mapping[Reference, Reference]
) -> None:
    """Raise NotMatchedError if the same runs would be compared with themselves."""
    taken: dict[str, Reference] = {}
    for wanted, group in chosen.items():
        first = taken.setdefault(group.label, asked[wanted])
        if first != asked[wanted]:
            both = f"{first[1]} and {asked[wanted][1]}"
            raise NotMatchedError(f"{first[0]} has the same recipe in the variants {both}")


def by_condition(
    pools: Mapping[Reference, Sequence[Group]],
    asked: Mapping[Reference, Reference],
    *,
    counted: bool,
) -> dict[Condition, dict[Reference, Group]]:
    """Return for each condition the best group of each reference that has one."""
    found: dict[Condition, dict[Reference, Group]] = {}
    for wanted, groups in pools.items():
        for group in sorted(groups, key=rank):
            for condition in conditions_of(group, asked[wanted], counted=counted):
                found.setdefault(condition, {})[wanted] = group
    return found


def finished(results: Analysis, wanted: Reference) -> list[Group]:
    """Return the finished groups of a name and variant. Raises NotMatchedError if there is none.

    What confirms a search has another recipe than the study's trial of that name.
    """
    name, variant = wanted
    shown = name if variant is None else f"{name} (variant {variant})"
    groups = [
        group
        for group in results.groups
        if group.name == name and variant in (None, *group.variants) and not group.confirms
    ]
    if not groups:
        raise NotMatchedError(f"{shown} was not run")
    if not any(group.finished for group in groups):
        raise NotMatchedError(f"{shown} has not finished")
    return [group for group in groups if group.finished]


def variants(results: Analysis) -> list[str]:
    """Return the variants of the study and of its results, the default one first."""
    named = results.study.variant_names if results.study else []
    return list(dict.fromkeys([*named, *(group.variants[0] for group in results.groups)]))


def conditions_of(group: Group, asked: Reference, *, counted: bool) -> Iterator[Condition]:
    """Yield the conditions that a group goes with: variant, what `condition_of` says, changes by
    ``--set``, folder and number of ranks.

    A claim's own variant goes with any, what is ``counted`` with any choice of an epoch. Trials may
    differ in length where the study says so, or were all given one length.
    """
    own = condition_of(group)
    own = replace(own, selection="") if counted else own
    shared = (changes_of(group), group.settings.get("source"), group.settings.get("world_size"))
    for variant in group.variants if asked[1] is None else [None]:
        for length in dict.fromkeys((group.settings.get("epochs"), own.length)):
            yield (variant, replace(own, length=length), *shared)


def rank(group: Group) -> tuple[bool, int, str]:
    """Return how much a group is preferred to others of its name."""
    newest = max(str(row["updated"] or "") for row in group.finished)
    return not group.reductions and not group.partial, len(group.finished), newest
