"""Whether two groups were trained and measured so that a difference between them says something."""

from collections.abc import Iterator
from dataclasses import dataclass

from resray.report.aggregate import Group
from resray.report.reductions import (
    follows_length,
    is_length,
    is_stand_in,
    setting_of,
    without_old,
)
from resray.report.text import listed


@dataclass(frozen=True)
class Condition:
    """What two groups must share beside their recipes, which may differ: that is what is compared.

    What the user changed by ``--set`` is such a difference too, unless it is about the data.
    """

    checksums: tuple[str, ...]
    test_images: tuple[int, ...]
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
    if (first.length, first.stop_after) != (second.length, second.stop_after):
        yield "other length"
    if reduced := first.reduced ^ second.reduced:
        yield f"reduced otherwise: {listed(sorted(reduced))}"
