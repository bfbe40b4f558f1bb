"""Where labels beside points fit without covering each other, on the narrowest screen too."""

from collections.abc import Iterator, Sequence

WIDTH = 290
"""Pixels between the axes of a plot on a phone: what does not collide there nowhere does."""
LETTER, LINE, AWAY = 6.4, 15, 7
"""Pixels: a letter's width, a line's height, and how far a label stands from its point."""
LONGEST = 22
"""Letters of a label; the rest of longer ones is left out."""

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, right, bottom and top, in pixels."""


def label_places(points: Sequence[Point], labels: Sequence[str], others: Sequence[Point],
                 height: int) -> list[str | None]:  # fmt: skip
    """Return where each point's label stands, in Plotly's words; None where it finds no room.

    Points are shares of the width and the height of the plot, whose height is in pixels. Labels
    cover neither each other nor any of the points, nor of the ``others``.
    """
    places = [(x * WIDTH, y * height) for x, y in points]
    taken = [around(x, y) for x, y in [*places, *((x * WIDTH, y * height) for x, y in others)]]
    found: list[str | None] = []
    for place, label in zip(places, labels, strict=True):
        free = (
            (name, box) for name, box in boxes(*place, len(label) * LETTER)
            if inside(box, height) and not any(overlap(box, other) for other in taken)
        )  # fmt: skip
        name, box = next(free, (None, None))
        taken += [box] if box else []
        found.append(name)
    return found


def boxes(x: float, y: float, width: float) -> Iterator[tuple[str, Box]]:
    """Yield where a label may stand: above to the left first, where nothing better is.

    Not at the right, where the front goes on.
    """
    yield "top left", (x - AWAY - width, x - AWAY, y + AWAY, y + AWAY + LINE)
    yield "bottom right", (x + AWAY, x + AWAY + width, y - AWAY - LINE, y - AWAY)
    yield "top center", (x - width / 2, x + width / 2, y + AWAY, y + AWAY + LINE)


def around(x: float, y: float) -> Box:
    return (x - AWAY + 1, x + AWAY - 1, y - AWAY + 1, y + AWAY - 1)


def inside(box: Box, height: int) -> bool:
    left, right, bottom, top = box
    return left >= 0 and right <= WIDTH and bottom >= 0 and top <= height


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
