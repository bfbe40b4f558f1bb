"""Whether two groups were trained and measured so that a difference between them says something."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resray.analysis.aggregate import Group
from resray.analysis.metrics import OF_DEVICE, foreign_files, limits
from resray.analysis.reductions import (
    follows_length,
    is_length,
    is_stand_in,
    setting_of,
    without_old,
)
from resray.analysis.results import Results
from resray.analysis.words import listed
from resray.results.summary import VALIDATION
from resray.study.metrics import COUNTED
from resray.study.unions import in_use

OTHER_SELECTION = "not comparable: one is as run, selected on test or at its last epoch"


@dataclass(frozen=True)
class Condition:
    """What two groups must share beside their recipes, which may differ: that is what is compared.

    What the user changed by ``--set`` is such a difference too, unless it is about the data.
    """

    checksums: tuple[str, ...]
    test_images: tuple[int, ...]
    selection: str
    stop_after: int | None
    length: int | None
    """Epochs, where these are not the study's."""
    reduced: frozenset[str]
    """The other reductions, in words."""


def condition_of(group: Group) -> Condition:
    """Return a group's condition; a stand-in for the study's model is the group's own affair."""
    model = str(group.trials[0]["model"])
    texts = group.reductions
    return Condition(
        checksums=tuple(map(str, group.distinct("dataset_checksum"))),
        test_images=tuple(group.distinct("test_images")),
        selection=group.selection,
        stop_after=group.settings.get("stop_after"),
        length=group.settings.get("epochs") if any(map(is_length, texts)) else None,
        reduced=frozenset(
            without_old(text)
            for text in texts
            if not (of_recipe(text) or of_length(text) or is_stand_in(text, model))
        ),
    )


def of_length(text: str) -> bool:
    """Return whether a reduction's text is about how long a training was."""
    return is_length(text) or follows_length(text) or text.startswith("stopped after ")


def of_recipe(text: str) -> bool:
    """Return whether a reduction's text says what ``--set`` changed, other than the data."""
    key = setting_of(text)
    return key is not None and key.partition(".")[0] != "data"


def obstacles(first: Condition, second: Condition) -> Iterator[str]:
    """Yield what keeps two groups' accuracies from being compared."""
    if first.checksums != second.checksums:
        yield "other data"
    elif first.test_images != second.test_images:
        yield "other test images"
    if first.selection != second.selection:
        yield OTHER_SELECTION
    if (first.length, first.stop_after) != (second.length, second.stop_after):
        yield "other length"
    if reduced := first.reduced ^ second.reduced:
        yield f"reduced otherwise: {listed(sorted(reduced))}"


def comparable(groups: Sequence[Group]) -> list[Group]:
    """Return the largest set of groups that were trained alike; unreduced ones come first, then
    those that validation selects."""
    alike: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        shared = (group.settings.get(name) for name in ("stop_after", "data.checksum"))
        key = (*cuts(group), *shared, group.selection)
        for variant in group.variants:
            alike.setdefault((variant, *key), []).append(group)

    def preference(members: list[Group]) -> tuple[bool, bool, int]:
        first = members[0]
        return not first.reductions, first.selection == VALIDATION, len(members)

    return max(alike.values(), key=preference)


def cuts(group: Group) -> list[object]:
    """Return what was reduced in a way that sets groups apart.

    A stand-in, what a setting was before and what followed from another length are a trial's own:
    trials of one reduced command are ranked together.
    """
    model = str(group.trials[0]["model"])
    kept: list[object] = [
        without_old(text)
        for text in group.reductions
        if not (is_length(text) or follows_length(text) or is_stand_in(text, model))
    ]
    other_length = any(is_length(text) for text in group.reductions)
    return [*kept, group.settings.get("epochs") if other_length else None]


# --- a metric of one configuration in two folders -------------------------------------------------

OF_LOSS = ("label_smoothing", "mixing", "augmentation", "phases")
"""Settings that give a training loss other targets or other images."""
EVALUATED_ON = "evaluated on "
"""Begins what `limits` says of an evaluation."""


def incomparable(
    first: Results, one: Group, second: Results, other: Group, metric: str
) -> Iterator[str]:
    """Yield why a metric of two groups cannot be compared; nothing stands against it of a network's
    size, which is exact."""
    if metric in COUNTED:
        return
    yield from obstacles(condition_of(one), condition_of(other))
    if stand_ins(one) != stand_ins(other):
        yield f"another model stands in: {listed([*stand_ins(one), *stand_ins(other)])}"
    if metric in OF_DEVICE:
        yield from of_device(one, other)
    elif metric == "validation_accuracy":
        if one.distinct("validation_images") != other.distinct("validation_images"):
            yield "other validation images"
    elif metric == "train_loss":
        yield from of_loss(one, other)
    else:
        yield from of_evaluation(first, one, second, other, metric)


def stand_ins(group: Group) -> list[str]:
    model = str(group.trials[0]["model"])
    return [text for text in group.reductions if is_stand_in(text, model)]


def of_device(one: Group, other: Group) -> Iterator[str]:
    """Yield why times, throughputs and memory cannot be compared."""
    if one.distinct("device") != other.distinct("device"):
        yield "other device"
    elif not (one.exclusive and other.exclusive):
        yield "shared machine"


def of_loss(one: Group, other: Group) -> Iterator[str]:
    before, after = in_use(one.settings), in_use(other.settings)
    changed = [
        key
        for key in dict.fromkeys([*before, *after])
        if key.startswith(OF_LOSS) and before.get(key) != after.get(key)
    ]
    if changed:
        yield f"another loss: {listed(changed)} differs"


def of_evaluation(
    first: Results, one: Group, second: Results, other: Group, metric: str
) -> Iterator[str]:
    """Yield why what `resray evaluate` measured cannot be compared."""
    evaluated = [
        [text for text in limits(results, group, metric) if text.startswith(EVALUATED_ON)]
        for results, group in ((first, one), (second, other))
    ]
    if evaluated[0] != evaluated[1]:
        yield f"not the same images: {listed([*evaluated[0], *evaluated[1]])}"
    if metric == "hidden_accuracy":
        files = [foreign_files(results, group) for results, group in
                 ((first, one), (second, other))]  # fmt: skip
        if files[0].keys() != files[1].keys():
            yield "other foreign files"
