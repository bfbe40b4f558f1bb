"""Markup in which text from results or a study file stays text.

Such text passes through `tag` (HTML), `resray.figures.plot.plotly_text` (Plotly's own pseudo-HTML)
or `resray.report.payload` (JSON for the page's script).
"""

import html
import math
from collections.abc import Iterable, Sequence

from resray.analysis.words import MISSING, Valued


class Html(str):
    """Text that is markup already; everything else is escaped when it enters a tag."""

    value: float | None = None
    """The number that the markup shows, if it shows a single one."""
    text: str | None = None
    """What the markup reads as; None where it was not made by `tag` or `join`."""
    tables: "tuple[Html, ...]" = ()
    """The tables in it (`resray.report.tables.Table`), in order."""


def escape(value: object) -> Html:
    """Return ``value`` as HTML text; `Html` passes unchanged, None becomes a dash."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(MISSING if value is None else str(value)))


def join(parts: Iterable[object]) -> Html:
    """Return the parts one after the other, each escaped unless it is markup."""
    parts = list(parts)
    made = Html("".join(escape(part) for part in parts))
    return with_parts(made, parts)


def with_parts(made: Html, parts: Sequence[object]) -> Html:
    """Let markup remember what it reads as and the tables in it."""
    made.text = "".join(plain_text(part) for part in parts)
    made.tables = tuple(table for part in parts if isinstance(part, Html) for table in part.tables)
    return made


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element: ``tag("p", "a < b", class_="note")``; an attribute of None is left out.

    In attribute names a trailing underscore is dropped and others become hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    made = Html(f"<{name}{written}>{join(children)}</{name}>")
    if len(children) == 1:
        made.value = value_of(children[0])
    return with_parts(made, children)


def folded(summary: str, *content: object) -> Html:
    """Return content that a reader opens."""
    return tag("details", tag("summary", summary), *content)


def value_of(cell: object) -> float | None:
    """Return the number that a cell shows, or None."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return float(cell) if math.isfinite(cell) else None
    return cell.value if isinstance(cell, Valued | Html) else None


def plain_text(cell: object) -> str:
    """Return what a cell reads as, without markup; None is a dash."""
    if isinstance(cell, Html):
        return cell.text if cell.text is not None else ""
    return MISSING if cell is None else str(cell)
