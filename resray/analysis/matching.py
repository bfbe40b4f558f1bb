"""Finds the groups of trials that a claim is tested on: all trained under one condition."""

from collections.abc import Iterator, Mapping, Sequence

from resray.analysis.aggregate import Group
from resray.analysis.alike import OTHER_SELECTION
from resray.analysis.reductions import is_length, setting_of, without_old
from resray.analysis.results import Results
from resray.study.claims import Value
from resray.study.entries import AS_RUN

Reference = tuple[str, str | None]
"""A trial's name, and its variant where the claim names one."""
Condition = tuple[object, ...]

ALIKE = ("source", "stop_after", "data.name", "data.checksum", "data.images", "data.limit_train",
         "data.limit_eval", "data.image_size", "world_size")  # fmt: skip
"""Settings that a study's trials share, so that differing ones come from different commands;
of several folders in one report, all must come from one."""


class NotMatchedError(Exception):
    """A claim cannot be tested on what was run; the message says why."""


class NotJudgedError(Exception):
    """The values of a comparison are missing or must not be compared; the message says why."""


def reference(value: Value) -> Reference:
    """Return what a value asks for."""
    return value.trial, value.variant


def matched(
    results: Results, references: Sequence[Reference], *, counted: bool = False
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
        raise NotJudgedError(OTHER_SELECTION)
    complete = {
        condition: found
        for condition, found in by_condition(pools, asked).items()
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
    pools: Mapping[Reference, Sequence[Group]], asked: Mapping[Reference, Reference]
) -> dict[Condition, dict[Reference, Group]]:
    """Return for each condition the best group of each reference that has one."""
    found: dict[Condition, dict[Reference, Group]] = {}
    for wanted, groups in pools.items():
        for group in sorted(groups, key=rank):
            for condition in conditions_of(group, asked[wanted]):
                found.setdefault(condition, {})[wanted] = group
    return found


def finished(results: Results, wanted: Reference) -> list[Group]:
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


def variants(results: Results) -> list[str]:
    """Return the variants of the study and of its results, the default one first."""
    named = results.study.variant_names if results.study else []
    return list(dict.fromkeys([*named, *(group.variants[0] for group in results.groups)]))


def conditions_of(group: Group, asked: Reference) -> Iterator[Condition]:
    """Yield the conditions that a group goes with: variant, length, changes by ``--set``, and the
    settings of `ALIKE`.

    A claim's own variant goes with any. Trials may differ in length where the study says so, or
    were all given one length.
    """
    lengths = [f"{group.settings.get('epochs')} epochs"]
    if not any(is_length(text) for text in group.reductions):
        lengths.append("as the study says")
    changed = frozenset(without_old(text) for text in group.reductions if setting_of(text))
    shared = (changed, *(group.settings.get(key) for key in ALIKE))
    for variant in group.variants if asked[1] is None else [None]:
        for length in lengths:
            yield (variant, length, *shared)


def rank(group: Group) -> tuple[bool, int, str]:
    """Return how much a group is preferred to others of its name."""
    newest = max(str(row["updated"] or "") for row in group.finished)
    return not group.reductions and not group.partial, len(group.finished), newest
