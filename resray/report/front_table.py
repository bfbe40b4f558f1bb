"""The configurations that no other dominates, as a table."""

from collections.abc import Iterator, Sequence

from resray.report.aggregate import Group, Results
from resray.report.costs import TESTED, Cost, Measured, costs_of, front, qualities_of
from resray.report.tables import number_column, table, text_column
from resray.report.text import Html, fixed, signed, with_interval


def front_section(results: Results) -> Html:
    """A table of the front for each cost; nothing where no two configurations compare in any."""
    qualities = qualities_of(results)
    if TESTED not in qualities:
        return Html()
    compared = {name: cost for name, cost in costs_of(results).items()
                if cost.candidates.sum() > 1}  # fmt: skip
    rows = [row for name, cost in compared.items()
            for row in front_rows(results.groups, name, cost, qualities[TESTED])]  # fmt: skip
    if not rows:
        return Html()
    columns = [
        text_column("Configuration"),
        text_column("Cost", facet=True),
        number_column("Amount"),
        number_column("Test accuracy, %"),
        number_column("n"),
        number_column("Gain over the next cheaper, points"),
        number_column("Times its cost"),
    ]
    caption = ("The Pareto fronts: configurations than which none that was trained alike is both "
               "cheaper and more accurate in the mean over seeds; ± half of a mean's 95 % interval "
               "over seeds (Student's t), where n is 2 or more")  # fmt: skip
    return table(caption, columns, rows, id="front")


def front_rows(
    groups: Sequence[Group], name: str, cost: Cost, quality: Measured
) -> Iterator[list[object]]:
    """Yield a row for each configuration of a front, the cheapest first."""
    before: int | None = None
    for place in front(cost.measured.mean, quality.mean, cost.candidates).tolist():
        summary = quality.summary(place)
        amount = float(cost.measured.mean[place])
        gain = None if before is None else float(quality.mean[place] - quality.mean[before])
        cheaper = None if before is None else float(cost.measured.mean[before])
        # Nothing is so many times what costs nothing.
        times = amount / cheaper if cheaper else None
        yield [
            groups[place].label,
            f"{name}, {cost.unit}" if cost.unit not in ("", name) else name,
            cost.words(amount),
            with_interval(summary),
            summary.n if summary else 0,
            signed(gain),
            fixed(times),
        ]
        before = place
