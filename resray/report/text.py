"""Values as text, and text made harmless for the three languages of the page.

Every string that comes from results or a study file passes through `tag` (HTML), `plotly_text`
(Plotly's own pseudo-HTML) or `script_json` (JSON inside a script element).
"""

import html
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from resray.report.statistics import Summary

MISSING = "–"


class Html(str):
    """Text that is markup already; everything else is escaped when it enters a tag."""


def escape(value: object) -> Html:
    """Return ``value`` as HTML text; `Html` passes unchanged, None becomes a dash."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(MISSING if value is None else str(value)))


def join(parts: Iterable[object]) -> Html:
    """Return the parts one after the other, each escaped unless it is markup."""
    return Html("".join(escape(part) for part in parts))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element: ``tag("p", "a < b", class_="note")``; an attribute of None is left out.

    In attribute names a trailing underscore is dropped and others become hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


@dataclass(frozen=True)
class Column:
    """A table's column.

    Numeric ones are set to the right; an optional one is left out where no row has a value.
    """

    title: str
    numeric: bool = False
    optional: bool = False


def text_column(title: str, optional: bool = False) -> Column:
    return Column(title, optional=optional)


def number_column(title: str, optional: bool = False) -> Column:
    # The unit after the comma stays with the last word.
    return Column(title.replace(", ", ",\u00a0"), numeric=True, optional=optional)


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> Html:
    """Return a table with a caption; the first cell of each row is the row's heading."""
    kept = [
        place
        for place, column in enumerate(columns)
        if not column.optional or any(row[place] for row in rows)
    ]
    head = [
        tag("th", columns[place].title, scope="col", class_=kind(columns[place], ""))
        for place in kept
    ]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_=kind(columns[0], row[0])),
            *(body_cell(columns[place], row[place]) for place in kept[1:]),
        )
        for row in rows
    ]
    content = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
    )
    return tag("div", content, class_="table", tabindex="0", role="region", aria_label=caption)


def body_cell(column: Column, cell: object) -> Html:
    shown = "" if column.optional and cell is None else cell
    return tag("td", shown, class_=kind(column, cell))


def kind(column: Column, cell: object) -> str | None:
    """Return the style sheet's class of a cell: numbers, and texts long enough to be broken."""
    if column.numeric:
        return "number"
    return "long" if len(str(cell)) > 30 and not isinstance(cell, Html) else None


def plotly_text(value: object) -> str:
    """Return ``value`` so that Plotly shows it letter by letter.

    Plotly reads some tags and all entities in labels, and ``%{...}`` in hover templates.
    """
    return html.escape(str(value), quote=False).replace("%{", "&#37;{")


def script_json(value: Any) -> Html:
    """Return JSON for a script element: no NaN, and nothing in it can end the element."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    # A lone surrogate is no character and could not be encoded; only hostile text holds one.
    return Html(text.encode("utf-8", "replace").decode())


def _finite(value: Any) -> Any:
    """Return plain JSON values, floats to six significant digits and NaN as null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def fixed(value: float | None, digits: int = 2) -> str:
    """Return ``93.12``, or a dash for a missing value."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def signed(value: float | None) -> str:
    """Return ``+1.20`` or ``−0.35``, or a dash for a missing value."""
    return MISSING if value is None else f"{value:+.2f}".replace("-", "−")


def count(value: float | None) -> str:
    """Return a large number in four digits: ``11.17 M``."""
    if value is None or not math.isfinite(value):
        return MISSING
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            digits = 3 - len(str(int(abs(value) / size)))
            return f"{value / size:.{max(digits, 0) + 1}f}\u00a0{letter}"
    return f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Return ``4.2 s``, ``12 min 30 s`` or ``3 h 39 min``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.2g}\u00a0s" if seconds < 10 else f"{seconds:.0f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60:,}\u00a0h {minutes % 60}\u00a0min"


def spread(summary: Summary | None, digits: int = 2) -> str:
    """Return ``93.12 ± 0.15``: mean and, from two values on, sample standard deviation."""
    if summary is None:
        return MISSING
    mean = fixed(summary.mean, digits)
    if summary.deviation is None:
        return mean
    return f"{mean}\u00a0±\u00a0{fixed(summary.deviation, digits)}"


def listed(values: Iterable[object], most: int = 4) -> str:
    """Return the different values as ``a, b and 3 more``, or a dash."""
    texts = list(dict.fromkeys(str(value) for value in values if value is not None))
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return ", ".join(texts) or MISSING


def plural(number: int, noun: str) -> str:
    """Return ``1 trial`` or ``3 trials``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
