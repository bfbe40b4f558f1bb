"""Accuracy class by class: which classes are hard, and for which configuration."""

from collections.abc import Sequence

import numpy as np

from resray.analysis.by_class import (
    MOST,
    SUPERCLASS,
    ByClass,
    Confusion,
    accuracy_of,
    by_superclass,
    class_accuracies,
    confusions,
)
from resray.analysis.results import Analysis
from resray.analysis.words import fixed, listed, with_interval
from resray.figures.class_accuracy import checkpoints, hardest_first
from resray.report.sections import marks
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, join, tag


def classes_section(results: Analysis) -> Html:
    """The accuracy of each class, and the pairs most often confused; nothing if not evaluated."""
    found, matrices = class_accuracies(results), confusions(results)
    parts = [classes_table(found) if found else Html(), superclasses_table(matrices),
             confused_table(matrices)]  # fmt: skip
    return join(part for part in parts if part)


def classes_table(found: Sequence[ByClass]) -> Html:
    shown = most_accurate(found)
    hardest = hardest_first(shown)
    summaries = {one.group.label: dict(zip(one.classes, one.summaries, strict=True))
                 for one in shown}  # fmt: skip
    cifar100 = any(row["dataset"] == "cifar100" for one in shown for row in one.group.trials)
    rows = (
        [text_cell("Class", name),
         text_cell("Superclass", SUPERCLASS.get(name) if cifar100 else None, optional=True,
                   facet=True),
         *(number_cell(f"{one.group.label}, % (n = {one.n})",
                       with_interval(summaries[one.group.label].get(name))) for one in shown)]
        for name in hardest
    )  # fmt: skip
    few = len(found) > len(shown)
    caption = (
        f"Test accuracy by class, hardest first ({checkpoints(shown)}): means over trials, ± half"
        " the 95 % interval where n is 2 or more"
        + (f"; of {len(found)} configurations the {len(shown)} most accurate" if few else "")
        + marked(shown)
    )
    return table(caption, rows, id="classes")


def superclasses_table(found: Sequence[Confusion]) -> Html:
    """The accuracy of each superclass of CIFAR-100, hardest first; nothing for other images."""
    pairs = [pair for one in found if (pair := by_superclass(one))]
    classes = [of_classes for of_classes, _ in pairs]
    rows = [
        [text_cell("Superclass", name),
         *(number_cell(f"{one.group.label}: {what}, % (n = {one.n})",
                       with_interval(one.summaries[one.classes.index(name)]))
           for pair in pairs for what, one in zip(("class", "superclass"), pair, strict=True))]
        for name in hardest_first(classes)
    ]  # fmt: skip
    caption = (
        "Test accuracy by superclass, the one whose classes are hardest first: how often the class "
        "was right, and how often the superclass of the class predicted (the coarse label; "
        f"{checkpoints(classes)}): means over trials, ± half the 95 % interval where n is 2 or "
        f"more{marked(classes)}"
    )
    return table(caption, rows, id="superclasses")


def most_accurate(found: Sequence[ByClass]) -> list[ByClass]:
    """Return the `MOST` most accurate configurations, in their order."""
    best = sorted(found, key=lambda one: -accuracy_of(one.group))[:MOST]
    return [one for one in found if one in best]


def marked(found: Sequence[ByClass]) -> str:
    """Return what sets configurations apart from complete runs, after a semicolon."""
    notes = {one.group.label: note for one in found if (note := marks(one.group, timed=False))}
    if not notes:
        return ""
    if len(notes) == len(found) and len(set(notes.values())) == 1:
        return f"; {listed(notes.values())}"
    return "; " + listed((f"{label}: {note}" for label, note in notes.items()), most=MOST)


PAIRS = 40
"""Rows of the table of confused pairs, shared among the configurations."""


def confused_table(found: Sequence[Confusion]) -> Html:
    """The pairs of classes that each configuration confuses most."""
    most = min(max(PAIRS // len(found), 5), 20) if found else 0
    rows = (row for one in found for row in confused_rows(one, most, facet=len(found) > 1))
    caption = (
        f"The {most} most confused pairs of classes of each configuration: share of the true "
        "class's test images, mean over trials, ± half the 95 % interval where n is 2 or more; "
        "images: their mean number in a trial"
    )
    return table(caption, rows, id="confused")


def confused_rows(one: Confusion, most: int, facet: bool) -> list[list[Cell]]:
    note = marks(one.group, timed=False)
    return [
        [
            text_cell("Configuration", one.group.label, facet=facet),
            text_cell("True class", one.classes[label], facet=True),
            text_cell("Taken for", one.classes[taken], facet=True),
            number_cell(
                "Of the class, %", tag("strong", with_interval(one.share(label, taken), 1))
            ),
            number_cell("Images", fixed(float(one.counts[:, label, taken].mean()), 1)),
            number_cell("n", one.n),
            text_cell("Note", note, optional=True),
        ]
        for label, taken in most_confused(one.mean, most)
    ]


def most_confused(mean: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Return the cells beside the diagonal with the largest values above 0, largest first."""
    errors = np.where(np.isfinite(mean), mean, 0.0)
    np.fill_diagonal(errors, 0.0)
    order = np.argsort(-errors, axis=None, kind="stable")[:most]
    cells = (divmod(int(place), len(errors)) for place in order)
    return [(label, taken) for label, taken in cells if errors[label, taken] > 0]
