"""Test images: how far accuracies depend on them, how alike networks answer, which all miss."""

from base64 import b64encode
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resray.analysis.answers import (
    Agreement,
    Networks,
    agreement,
    agreement_within,
    half_interval,
    misses,
    networks_of,
)
from resray.analysis.groups import Group, distinct
from resray.analysis.results import Analysis
from resray.analysis.words import MISSING, Valued, fixed, listed, plural, shortened, with_interval
from resray.report.answer import without_images
from resray.report.sections import marks
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, join, tag

Thumbnail = Mapping[Hashable, Any]
"""A row of `read_thumbnails`."""

MOST = 12
"""Configurations of which each is set beside each."""
PICTURES = 50
LONGEST = 40
"""Letters of a class's name below a picture."""
CONSISTENCY = (
    "error consistency, Cohen's κ of right and wrong: 0 as their accuracies alone let expect, 1 "
    "always together (Geirhos et al. 2020)"
)


@dataclass(frozen=True)
class Tested:
    """A configuration whose answers by image are stored for each finished trial."""

    group: Group
    networks: Networks
    half: float | None
    """What `half_interval` returns."""


def images_section(results: Analysis) -> Html:
    """What is known of each configuration, of each two, and of the images; nothing where no
    predictions are stored."""
    found = list(tested(results))
    if not found:
        return Html()
    missing = without_images(results)
    sets = list(dict.fromkeys(one.networks.test_set for one in found))
    of_sets = [[one for one in found if one.networks.test_set == each] for each in sets]
    return join([
        tag("p", f"Left out, as not every network's predictions are stored: {listed(missing)}.")
        if missing else "",
        configurations_table(found),
        agreement_table(found),
        *(missed_images(own, results.thumbnails, PICTURES // len(sets)) for own in of_sets),
    ])  # fmt: skip


def tested(results: Analysis) -> Iterator[Tested]:
    for group in results.groups:
        if networks := networks_of(group.finished, results.answers):
            yield Tested(group, networks, half_interval(group.finished, results.answers))


def configurations_table(found: Sequence[Tested]) -> Html:
    caption = (
        "Test accuracy ± half of its mean's 95 % interval over seeds; ± by images: the same, were "
        "the same networks tested on other images. Seeds agree: test images that two networks of a "
        "configuration both get right or both get wrong, mean over all pairs; in brackets their "
        f"{CONSISTENCY}"
    )
    return table(caption, map(configuration_row, found), id="images")


def configuration_row(one: Tested) -> list[Cell]:
    accuracy, (networks, images) = one.group.summary("test_accuracy"), one.networks.right.shape
    return [
        text_cell("Configuration", one.group.label),
        number_cell("n", networks),
        number_cell("Test images", f"{images:,}"),
        number_cell("Test accuracy, %", tag("strong", with_interval(accuracy))),
        number_cell("± by images", fixed(one.half)),
        number_cell("Seeds agree, %", alike(agreement_within(one.networks.right)), optional=True),
        text_cell("Note", marks(one.group, timed=False), optional=True),
    ]


def alike(found: Agreement | None) -> Valued | None:
    """Return ``93.10 (0.62)``: the share of equal answers, and the error consistency."""
    if found is None:
        return None
    return Valued(f"{fixed(found.share)} ({fixed(found.consistency)})", found.share)


def agreement_table(found: Sequence[Tested]) -> Html:
    """Every configuration beside every other; nothing of one, and of more than `MOST`."""
    if len(found) > MOST:
        return tag("p", f"More than {MOST} configurations are not set beside each other.")
    if len(found) < 2:
        return Html()
    caption = (
        "Agreement of two networks, one of each configuration: test images, in %, that both get "
        "right or both get wrong, mean over all pairs; where a configuration meets itself, of its "
        f"seeds. In brackets their {CONSISTENCY}"
    )
    rows = (
        [text_cell("Configuration", one.group.label),
         *(number_cell(other.group.label, alike(between(one, other))) for other in found)]
        for one in found
    )  # fmt: skip
    return table(caption, rows, id="agreement")


def between(one: Tested, other: Tested) -> Agreement | None:
    """Return how alike two configurations answer, None if they were tested on other images."""
    if one is other:
        return agreement_within(one.networks.right)
    if one.networks.test_set != other.networks.test_set:
        return None
    return agreement(one.networks.right, other.networks.right)


def missed_images(found: Sequence[Tested], thumbnails: Sequence[Thumbnail], most: int) -> Html:
    """How many images of one test set all networks miss, and pictures of the most missed."""
    missed = misses(one.networks.right for one in found)
    networks = sum(len(one.networks.right) for one in found)
    dataset = listed(distinct([row for one in found for row in one.group.finished], "dataset"))
    told = f"Of the {plural(len(missed), 'test image')} of {dataset}, "
    if networks > 1:
        all_miss, none_misses = (
            f"{fixed(100 * float(np.mean(missed == count)))} %" for count in (networks, 0)
        )
        told += f"{all_miss} are missed by all {networks} networks, {none_misses} by none."
    else:
        told += f"the only network misses {fixed(100 * float(np.mean(missed)))} %."
    shown = pictured(missed, thumbnails, found[0].networks.test_set)[:most]
    if not shown:
        return tag("p", told)
    told += " Those that most networks miss, with their true class and how many networks miss them:"
    pictures = [picture(row, int(missed[int(row["image"])]), networks) for row in shown]
    return join([tag("p", told), tag("ul", *pictures, class_="pictures")])


def pictured(missed: np.ndarray, thumbnails: Sequence[Thumbnail], test_set: str) -> list[Thumbnail]:
    """Return the pictures of missed images of a test set, once each, the most missed first."""
    rows = {
        int(row["image"]): row
        for row in thumbnails
        if row["test_checksum"] == test_set and row["png"] and 0 <= row["image"] < len(missed)
    }
    order = sorted(rows, key=lambda image: (-missed[image], image))
    return [rows[image] for image in order if missed[image]]


def picture(row: Thumbnail, missed: int, networks: int) -> Html:
    source = f"data:image/png;base64,{b64encode(row['png']).decode()}"
    image = tag("img", src=source, alt=f"Test image {int(row['image']):,}", width="64", height="64")
    label = tag("strong", shortened(row["label"] or MISSING, LONGEST))
    # An image has no end tag.
    return tag("li", Html(image.removesuffix("</img>")), label, f" {missed} of {networks}")
