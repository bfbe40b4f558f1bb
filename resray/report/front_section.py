"""Accuracy against what it costs, and the configurations that no other dominates."""

from collections.abc import Iterator, Sequence

from resray.analysis.costs import TESTED, Cost, costs_of, front, qualities_of
from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.analysis.statistics import Moments
from resray.analysis.words import fixed, signed, with_interval
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html


def front_section(results: Analysis) -> Html:
    """A table of the front for each cost; nothing where no two configurations compare in any."""
    qualities = qualities_of(results)
    if TESTED not in qualities:
        return Html()
    compared = {name: cost for name, cost in costs_of(results).items()
                if cost.candidates.sum() > 1}  # fmt: skip
    rows = (row for name, cost in compared.items()
            for row in front_rows(results.groups, name, cost, qualities[TESTED]))  # fmt: skip
    caption = ("The Pareto fronts: configurations than which none that was trained alike is both "
               "cheaper and more accurate in the mean over seeds; ± half of a mean's 95 % interval "
               "over seeds (Student's t), where n is 2 or more")  # fmt: skip
    return table(caption, rows, id="front")


def front_rows(
    groups: Sequence[Group], name: str, cost: Cost, quality: Moments
) -> Iterator[list[Cell]]:
    """Yield a row for each configuration of a front, the cheapest first."""
    before: int | None = None
    title = f"{name}, {cost.unit}" if cost.unit not in ("", name) else name
    for place in front(cost.measured.mean, quality.mean, cost.candidates).tolist():
        summary = quality.summaries[place]
        amount = float(cost.measured.mean[place])
        gain = None if before is None else float(quality.mean[place] - quality.mean[before])
        cheaper = None if before is None else float(cost.measured.mean[before])
        # Nothing is so many times what costs nothing.
        times = amount / cheaper if cheaper else None
        yield [
            text_cell("Configuration", groups[place].label),
            text_cell("Cost", title, facet=True),
            number_cell("Amount", cost.words(amount)),
            number_cell("Test accuracy, %", with_interval(summary)),
            number_cell("n", summary.n if summary else 0),
            number_cell("Gain over the next cheaper, points", signed(gain)),
            number_cell("Times its cost", fixed(times)),
        ]
        before = place
