"""Time to accuracy: how long each configuration trains until validation reaches an accuracy."""

import numpy as np

from resray.analysis.reaching import TIME, Reached, Reaching
from resray.analysis.results import Analysis
from resray.analysis.words import MISSING, Valued, duration, fixed
from resray.figures.time_to_accuracy import MOST
from resray.report.sections import marks
from resray.report.tables import Table, number_cell, table, text_cell


def reaching_table(results: Analysis, along: str) -> Table:
    """Return the `TIME` or the `EPOCHS` that each configuration needs for each threshold; nothing
    if no trial has such an accuracy or none was recorded. Epochs do not depend on the machine.
    """
    reaching = Reaching(results, results.groups)
    thresholds = reaching.thresholds(MOST)
    if not thresholds or along not in reaching.spent:
        return Table()
    text = (
        f"{'Training time' if along == TIME else 'Epochs'} until the accuracy on "
        f"{reaching.watched} first reaches a threshold: median over the finished trials, of "
        "which one that never gets there takes for ever, and how many got there"
    )
    found = [
        (f"{value:g}\u00a0%" + (" (target)" if value == reaching.target else ""), each)
        for value, each in zip(
            thresholds, reaching.reached(reaching.needed(along, thresholds)), strict=True
        )
    ]  # fmt: skip
    if any((reached.known < reached.count).any() for _, reached in found):
        text += "; the median is over those of which it is known"
    rows = [
        [
            text_cell("Configuration", group.label),
            *(number_cell(title, cell(reached, place, int(reaching.trials[place]), along))
              for title, reached in found),
            number_cell(f"Best {reaching.watched}, %", fixed(float(reaching.finals[place]))),
            text_cell("Mark", marks(group, timed=along == TIME), optional=True),
        ]
        for place, group in enumerate(reaching.groups)
    ]  # fmt: skip
    return table(text, rows, id=f"{'time' if along == TIME else 'epochs'}-to-accuracy")


def cell(reached: Reached, place: int, trials: int, along: str) -> Valued | None:
    """Return ``12 min 3 s (3 of 3)``, or ``12 min 3 s (3 of 3, known of 2)``; a dash for the time
    where half of the trials or more did not get there, None where none did."""
    count, known = int(reached.count[place]), int(reached.known[place])
    if not count:
        return None
    there = f"({count} of {trials}{'' if known == count else f', known of {known}'})"
    median = float(reached.median[place])
    if not known or not np.isfinite(median):
        return Valued(f"{MISSING} {there}", None)
    amount = duration(median) if along == TIME else f"{median:.3g}"
    return Valued(f"{amount} {there}", median)
