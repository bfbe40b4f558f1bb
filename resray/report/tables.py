"""Tables: markup that keeps what it was made from, so that it can be sorted, filtered, exported."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from resray.report.payload import packed
from resray.report.text import Html, escape, plain_text, tag, value_of

LONG = 100
"""Rows that stand in the page itself; those beyond are compressed, and shown by the script."""


class Column(NamedTuple):
    """A table's column.

    Numeric ones are set to the right; an optional one is left out where no row has a value; by a
    facet, whose values are few, the reader can filter.
    """

    title: str
    numeric: bool = False
    optional: bool = False
    facet: bool = False


Cell = tuple[Column, object]
"""What stands in a row, and the column that it is of."""


def text_cell(title: str, value: object, optional: bool = False, facet: bool = False) -> Cell:
    return column_of(title, False, optional, facet), value


def number_cell(title: str, value: object, optional: bool = False) -> Cell:
    return column_of(title, True, optional, False), value


@lru_cache(maxsize=1000)
def column_of(title: str, numeric: bool, optional: bool, facet: bool) -> Column:
    # The unit after the comma stays with the last word.
    return Column(title.replace(", ", ",\u00a0") if numeric else title, numeric, optional, facet)


class Table(Html):
    """A table as markup, with the caption, columns and rows that it was made from.

    Only columns that are shown are kept.
    """

    id: str
    caption: str
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[object, ...], ...] = ()


def table(caption: str, rows: Iterable[Sequence[Cell]], id: str) -> Table:
    """Return a table with a caption, nothing if it has no row.

    All rows are of the same columns; the first cell of each is the row's heading. ``id`` names it
    in the page, in links and in exports: no two tables of a page share one.
    """
    rows = list(rows)
    if not rows:
        return Table()
    kept = [
        place
        for place, (column, _) in enumerate(rows[0])
        if not column.optional or any(row[place][1] for row in rows)
    ]
    shown = tuple(rows[0][place][0] for place in kept)
    cells = tuple(tuple(row[place][1] for place in kept) for row in rows)
    written = [table_row(shown, row) for row in cells]
    made = Table(frame(id, caption, shown, cells, written))
    made.id, made.caption, made.columns, made.rows = id, caption, shown, cells
    made.tables = (made,)
    return made


def frame(
    id: str,
    caption: str,
    columns: Sequence[Column],
    cells: Sequence[Sequence[object]],
    written: Sequence[Html],
) -> Html:
    """Return the table's element with its first rows, and the others packed behind it."""
    head = [
        tag("th", column.title, scope="col", class_=kind(column, ""),
            data_facet="" if column.facet else None)
        for column in columns
    ]  # fmt: skip
    content = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", *head)),
        tag("tbody", Html("".join(written[:LONG]))),
    )
    scroller = tag("div", content, class_="scroll", tabindex="0", role="region",
                   aria_label=caption)  # fmt: skip
    rest = packed(f"table-{id}", long_rows(columns, cells, written)) if len(cells) > LONG else ""
    return tag("div", scroller, rest, class_="table", id=f"table-{id}", data_rows=len(cells))


def long_rows(
    columns: Sequence[Column], cells: Sequence[Sequence[object]], written: Sequence[Html]
) -> dict[str, object]:
    """Return all rows for the script: as markup, as text, and by the numbers they show."""
    values = {
        place: [value_of(row[place]) for row in cells]
        for place, column in enumerate(columns)
        if column.numeric
    }
    texts = [[plain_text(cell) for cell in row] for row in cells]
    return {"rows": list(written), "texts": texts, "values": values}


def table_row(columns: Sequence[Column], cells: Sequence[object]) -> Html:
    """Return a row's element, its first cell the heading.

    Put together by hand: of the large reports' time most would go into a hundred thousand `tag`s.
    """
    head, *others = map(body_cell, columns, cells)
    heading = f'<th scope="row"{head.removeprefix("<td").removesuffix("</td>")}</th>'
    return Html(f"<tr>{heading}{''.join(others)}</tr>")


def body_cell(column: Column, cell: object) -> str:
    shown = "" if column.optional and cell is None else escape(cell)
    value = value_of(cell) if column.numeric else None
    style = kind(column, cell)
    written = f' class="{style}"' if style else ""
    number = "" if value is None else f' data-value="{value:.12g}"'
    return f"<td{written}{number}>{shown}</td>"


def kind(column: Column, cell: object) -> str | None:
    """Return the style sheet's class of a cell: numbers, and texts long enough to be broken."""
    if column.numeric:
        return "number"
    return "long" if len(str(cell)) > 30 and not isinstance(cell, Html) else None
