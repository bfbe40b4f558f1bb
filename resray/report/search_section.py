"""The sections on a search: its outcome in words and tables, and the table of its points."""

from collections.abc import Sequence

from resray.analysis.groups import Row, distinct
from resray.analysis.results import Analysis
from resray.analysis.search import (
    DIVERGED,
    FAILED,
    STATES,
    Search,
    SearchPoint,
    decisions_at,
    search_of,
    value_text,
)
from resray.analysis.search_cost import Spent, by_state, seconds_of, spent_on
from resray.analysis.words import count, duration, fixed
from resray.figures.search_axes import axes_of
from resray.report import search_words as words
from resray.report.record import failed_item
from resray.report.tables import Cell, Table, number_cell, table, text_cell
from resray.report.text import Html, join, tag


def search_section(results: Analysis) -> Html:
    """A search's outcome, apart from it the confirmation, and what is known of its decisions.

    Nothing if there was no search.
    """
    search = search_of(results)
    if search is None:
        return Html()
    return join(
        [
            tag("p", words.winner_words(search), class_="lead"),
            paragraph(words.way_of_winner(search), words.highest(search)),
            paragraph(words.outcome(search), words.spaces_words(search),
                      words.options_words(search)),
            tag("h3", "Confirmation"),
            paragraph(words.confirmation_words(search), words.optimism(search)),
            tag("h3", "What was spent"),
            paragraph(words.savings(search), words.expected_words(search)),
            cost_table(search),
            tag("h3", "What was decided"),
            paragraph(*words.scheduler_words(search.settings)),
            rung_table(search),
            paragraph(*words.audit_words(search)),
        ]
    )  # fmt: skip


def paragraph(*sentences: str | None) -> Html:
    """Return a paragraph of the sentences that there are, or nothing."""
    text = " ".join(sentence for sentence in sentences if sentence)
    return tag("p", text) if text else Html()


def cost_table(search: Search) -> Html:
    caption = (
        "What the search spent, without its audit, and what share that is of training the same "
        "points in full; multiply-adds: forward passes over training images; time: training and "
        "evaluating, in full at each point's measured speed. What failed, or was ended by its own "
        "early stopping, would have been so in full as well."
    )
    kinds = by_state(search)
    whole = [("all", spent_on(search.points))] if len(kinds) > 1 else []
    rows = (cost_row(name, spent) for name, spent in [*kinds, *whole])
    return table(caption, rows, id="search-cost")


def cost_row(name: str, spent: Spent) -> list[Cell]:
    epochs, work, seconds = map(words.percent, spent.shares)
    return [
        text_cell("Points", name),
        number_cell("Number", spent.points),
        number_cell("Epochs", f"{spent.epochs:,}"),
        number_cell("Epochs in full", f"{spent.full_epochs:,}"),
        number_cell("Share of epochs", epochs),
        number_cell("Multiply-adds", count(spent.work)),
        number_cell("Share of multiply-adds", work),
        number_cell("Time", duration(spent.seconds)),
        number_cell("Share of time", seconds),
    ]


def rung_table(search: Search) -> Html:
    """How many points came to each rung and went on; nothing where nobody decided."""
    rungs = {row["rung"] for point in search.points for row in point.decisions}
    ordered = sorted(rungs, key=lambda rung: (rung is None, rung))
    rows = (rung_row(rung, decisions_at(search.points, rung)) for rung in ordered)
    caption = "What was decided at each rung, from the first cutoff to the last"
    return table(caption, rows, id="rungs")


def rung_row(rung: int | None, decisions: Sequence[Row]) -> list[Cell]:
    arrived = [row for row in decisions if row["value"] is not None]
    in_time = sorted(arrived, key=lambda row: str(row["decided"]))
    cutoffs = [row["cutoff"] for row in in_time if row["cutoff"] is not None]
    points = {row["trial_id"] for row in arrived}
    stopped = {row["trial_id"] for row in arrived if row["stopped"]}
    ends = dict.fromkeys([fixed(cutoffs[0]), fixed(cutoffs[-1])]) if cutoffs else ()
    return [
        text_cell("Rung", "every epoch" if rung is None else rung),
        number_cell("Epoch", span([row["epoch"] for row in arrived])),
        number_cell("Arrived", len(points)),
        number_cell("Went on", len(points) - len(stopped)),
        number_cell("Stopped", len(stopped)),
        number_cell("Failed before", len(decisions) - len(arrived)),
        number_cell("Cutoffs, %", " → ".join(ends) or None),
        number_cell("Best, %", fixed(max((row["value"] for row in arrived), default=None))),
    ]


def span(numbers: Sequence[int]) -> str | None:
    """Return ``3`` or ``3 to 27``, None for no number."""
    ends = dict.fromkeys([min(numbers), max(numbers)]) if numbers else ()
    return " to ".join(str(number) for number in ends) or None


# --- every point --------------------------------------------------------------------------------

RANKING = (
    "The points, the best first: those trained in full by validation accuracy, those audited, then "
    "by how far they came. No point is tested; accuracies after different numbers of epochs do not "
    "compare. Audited: validation accuracy at the full length after all"
)


def points_section(results: Analysis) -> Html:
    """All points of a search, the best first, and the error of each that failed."""
    search = search_of(results)
    if search is None:
        return Html()
    lost = [point for point in search.points if point.state in (FAILED, DIVERGED)]
    errors = [failed_item(search.name_of(point), point.row) for point in lost]
    return join(
        [
            points_table(search),
            tag("h3", "Failed and diverged points") if errors else "",
            tag("ul", *errors, class_="failed") if errors else "",
        ]
    )


def points_table(search: Search) -> Table:
    several = len(distinct((point.row for point in search.points), "device")) > 1
    labels = {axis.key: axis.label for axis in axes_of(search)}
    rows = (point_row(search, *each, labels, several) for each in enumerate(search.points, 1))
    return table(RANKING, rows, id="points")


def point_row(
    search: Search, place: int, point: SearchPoint, labels: dict[str, str], several_devices: bool
) -> list[Cell]:
    style = "stopped" if point.stop else point.row["status"]
    state = tag("span", STATES[point.state], class_=f"status {style}")
    space = point.rows[0]["space"] if len(search.spaces) > 1 else None
    values = {key: value_text(value) for key, value in point.values.items()}
    device = point.row["device"] if several_devices else None
    return [
        number_cell("Rank", place),
        number_cell("Validation, %", tag("strong", fixed(point.accuracy))),
        text_cell("State", state, facet=True),
        number_cell("Epochs", f"{point.epochs} of {point.full_epochs}"),
        *(text_cell(label, values.get(key)) for key, label in labels.items()),
        text_cell("Space", space, optional=True),
        text_cell("Reason", reason(point), optional=True),
        number_cell("Audited, %", audited_cell(search, point), optional=True),
        number_cell("Time", duration(seconds_of(point))),
        text_cell("Device", device, optional=True),
    ]


def audited_cell(search: Search, point: SearchPoint) -> Html | str | None:
    """Return what an audited point reached, in bold if it would have won."""
    if point.audited is None:
        return None
    reached = point.audited["validation_accuracy"]
    best = search.won.accuracy if search.won else None
    won = reached is not None and best is not None and reached > best
    return tag("strong", fixed(reached)) if won else fixed(reached)


def reason(point: SearchPoint) -> str | None:
    """Return why a point ended before its full length."""
    stop = point.stop
    if stop is None:
        return point.row["reason"]
    rung = "" if stop["rung"] is None else f"rung {stop['rung']}, "
    return f"{rung}cutoff {fixed(stop['cutoff'])} %"
