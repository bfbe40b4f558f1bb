"""How points of a search look in figures: by what became of them, and by their accuracy."""

from collections.abc import Sequence

from resray.analysis.search import (
    COMPLETED,
    DIVERGED,
    FAILED,
    STATES,
    STOPPED,
    UNFINISHED,
    Search,
    SearchPoint,
)
from resray.analysis.words import fixed
from resray.figures.plot import Series, plotly_text

SHADES = 7
"""Steps of the style sheet's sequential scale, from ``--scale-0``, the lowest."""

WINNER = Series("winner", "winner", "@series-1", "diamond")
IN_FULL = Series("completed", STATES[COMPLETED], "@scale-6", "circle")
AUDITED = Series("audited", "trained on for the audit", "@series-2", "square")
LOST = Series("lost", "failed or diverged", "@bad", "triangle-down")
REST = Series("rest", "ended by a budget or unfinished", "@series-6", "triangle-up")


def shade(value: float, low: float, high: float) -> str:
    """Return the colour of a value between ``low`` and ``high``."""
    share = (value - low) / (high - low) if high > low else 1.0
    return f"@scale-{min(max(int(share * SHADES), 0), SHADES - 1)}"


def look_of(search: Search, point: SearchPoint) -> Series:
    """Return a point's look by what became of it; stopped ones are the paler the earlier."""
    if point is search.won:
        return WINNER
    if point.state == STOPPED:
        return stopped_look(point, search.highest_rung)
    return {COMPLETED: IN_FULL, FAILED: LOST, DIVERGED: LOST}.get(point.state, REST)


def stopped_look(point: SearchPoint, highest: int) -> Series:
    if not point.rung:
        return Series("stopped", "stopped", "@scale-3", "circle")
    step = 1 + round(4 * (point.rung - 1) / max(highest - 1, 1))
    return Series(f"rung{point.rung}", f"stopped at rung {point.rung}", f"@scale-{step}", "circle")


def looks(search: Search, points: Sequence[SearchPoint]) -> list[Series]:
    """Return the looks of some points for a figure's key: from early stops to the winner."""
    found = {look.key: look for look in (look_of(search, point) for point in points)}
    last = [LOST.key, REST.key, IN_FULL.key, WINNER.key]
    return [found[key] for key in sorted(found, key=lambda key: (last.index(key) if key in last
            else -1, key))]  # fmt: skip


def hover(search: Search, point: SearchPoint) -> str:
    """Return what is told of a point that the mouse is over."""
    accuracy = f"{fixed(point.accuracy)} % on validation"
    lines = [f"<b>{plotly_text(search.name_of(point))}</b>", plotly_text(STATES[point.state]),
             f"{accuracy} after {point.epochs} of {point.full_epochs} epochs"]  # fmt: skip
    if point.audited:
        lines.append(f"{fixed(point.audited['validation_accuracy'])} % in full, by the audit")
    return "<br>".join(lines)


def with_begun(search: Search) -> list[SearchPoint]:
    """Return the points that have begun, the worst first: what is drawn last lies on top."""
    begun = [point for point in search.points if point.state != UNFINISHED or point.epochs]
    return begun[::-1]
