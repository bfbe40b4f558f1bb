"""Every number of the report, as the files in `report/` keep it: `python -m tests.golden.report
[--record]`.

Of each section: its text, a line an entry; its tables, as caption, titles and rows of what the
cells read as; its figures, a row for each panel (``1``) and each of its traces (``1.2``). A figure
stands there as it is shown at first, and below that with what each other option of one of its
switches changes. Floats keep six digits. Of long lists the ends and a checksum of all are kept.
"""

import argparse
import difflib
import html
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from resray.analysis.results import Analysis
from resray.figures.drawn import reduced_note
from resray.figures.figure_data import as_read, axis_title, errors, kind_of
from resray.figures.plot import Figure, Panel, Trace, all_series, outline
from resray.report.contents import SECTIONS, Section, all_figures, content
from resray.report.payload import finite
from resray.report.sections import banner_section
from resray.report.tables import Table
from resray.report.text import Html, plain_text
from tests.golden.report_inputs import INPUTS

FOLDER = Path(__file__).with_suffix("")
LONGEST = 90
"""Characters; a list that takes more is shortened."""

Parts = dict[str, list[Any]]
Document = dict[str, Parts]
"""By section its parts: ``text``, ``table ID`` and ``figure ID``."""
Named = dict[str, Any]

_DRAWN = re.compile(r"<(table|script|figure)\b.*?</\1>", re.DOTALL)
_TERM = re.compile(r"</dt>")
_BLOCK = re.compile(r"</?(?:aside|details|div|d[ltd]|h3|li|ol|p|pre|summary|ul)\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")


# --- what is kept -------------------------------------------------------------------------------


def frozen(name: str) -> Document:
    """Return all that the report of an input says, in plain JSON values."""
    read, sections = INPUTS[name]
    with tempfile.TemporaryDirectory() as folder:
        results = read(Path(folder))
        figures = all_figures(results)
        found = {"banners": parts_of(banner_section(results))}
        found |= {part.id: section_parts(part, results, figures)
                  for part in SECTIONS if part.id in sections}  # fmt: skip
        kept = {section: parts for section, parts in found.items() if parts}
        text = json.dumps(kept, ensure_ascii=False).replace("\u00a0", " ")
    # Where the samples lie is said too, in commands to type.
    for place in (folder, str(Path(__file__).parents[2])):
        text = text.replace(place, "FOLDER")
    return dict(json.loads(text))


def section_parts(part: Section, results: Analysis, figures: Mapping[str, Figure]) -> Parts:
    bare = {name: outline(figure) for name, figure in figures.items()}
    own = [figures[name] for name in part.figures if name in figures]
    drawn = {f"figure {one.id}": figure_rows(results, one, reduced_note(results, one))
             for one in own}  # fmt: skip
    return parts_of(content(part, results, bare)) | drawn


def parts_of(markup: Html) -> Parts:
    tables = {f"table {table.id}": table_rows(table)
              for table in markup.tables if isinstance(table, Table)}  # fmt: skip
    text = text_lines(markup)
    return ({"text": text} if text else {}) | tables


def text_lines(markup: Html) -> list[str]:
    """Return what stands outside of tables and figures, a paragraph a line."""
    blocks = _BLOCK.split(_TERM.sub(": ", _DRAWN.sub("", markup)))
    lines = (html.unescape(_TAG.sub("", block)).strip() for block in blocks)
    return [line for line in lines if line]


def table_rows(table: Table) -> list[list[str]]:
    titles = [column.title for column in table.columns]
    assert len(set(titles)) == len(titles), f"{table.id}: two columns of one title"
    return [[table.caption], titles, *([plain_text(cell) for cell in row] for row in table.rows)]


def figure_rows(results: Analysis, figure: Figure, note: str) -> list[Named]:
    """Return a figure's caption and switches, then its panels and traces as shown at first, then
    what each other option of one switch changes about these."""
    looks = (*all_series(results.groups).values(), *figure.series)
    labels = {series.key: series.label for series in looks}
    switches = {switch.id: list(switch.options) for switch in figure.switches}
    head = {"title": figure.title, "caption": note + figure.caption, "switches": switches,
            "series": shortened([labels[series.key] for series in figure.series])}  # fmt: skip
    first = panel_rows(figure.chosen(), labels)
    rows = [head, *({"at": place} | row for place, row in first.items())]
    for switch, (_, *others) in switches.items():
        for option in others:
            shown = panel_rows(figure.chosen({switch: option}), labels)
            rows += changed_rows(option, first, shown)
    return rows


def panel_rows(panels: Iterable[Panel], labels: Mapping[str, str]) -> dict[str, Named]:
    """Return a row for each panel, its place ``2``, and for each of its traces, ``2.1``."""
    rows: dict[str, Named] = {}
    for number, panel in enumerate(panels, 1):
        rows[f"{number}"] = {"panel": panel.title, "axis": axis_title(panel)}
        for place, trace in enumerate(panel.traces, 1):
            shown = trace_row(trace, labels).items()
            rows[f"{number}.{place}"] = {key: value for key, value in shown
                                         if value not in (None, "", [])}  # fmt: skip
    return rows


def changed_rows(
    view: str, first: Mapping[str, Named], shown: Mapping[str, Named]
) -> Iterator[Named]:
    """Yield what a view changes, once for all places where it is the same; all of it where the view
    has other traces."""
    alike = first.keys() == shown.keys()
    places: dict[str, list[str]] = {}
    for place, row in shown.items():
        before = first[place] if alike else {}
        changed = {key: row.get(key) for key in row | before
                   if key != "template" and row.get(key) != before.get(key)}  # fmt: skip
        if changed:
            places.setdefault(json.dumps(changed), []).append(place)
    for text, same in places.items():
        yield {"view": view, "at": " ".join(same)} | json.loads(text)


def trace_row(trace: Trace, labels: Mapping[str, str]) -> Named:
    meta = trace.get("meta") or {}
    hover = trace.get("hovertext", trace.get("customdata"))
    return {
        "series": labels.get(trace.get("legendgroup", ""), trace.get("name")),
        "kind": kind_of(trace),
        "points of": shortened([labels.get(key) for key in meta.get("keys", [])]),
        **{name: shortened(trace.get(name)) for name in ("x", "y", "z", "base", "text")},
        **{name: shortened(errors(trace, name)) for name in ("error_x", "error_y")},
        "hover": shortened(hover),
        "template": None if hover else checksum(trace.get("hovertemplate", "")),
    }


def shortened(value: Any) -> Any:
    """Return plain JSON values; of a long list its ends, and a checksum of all of it."""
    if not isinstance(value, list | tuple):
        return as_read(finite(value))
    values = [shortened(each) for each in value]
    text = json.dumps(values)
    if len(text) <= LONGEST or len(values) < 4:
        return values
    return [values[0], f"{len(values)} values, {checksum(text)}", values[-1]]


def checksum(text: str) -> str:
    return f"CRC {crc32(text.encode()):08x}"


# --- files, and what differs --------------------------------------------------------------------


def stored(name: str) -> Document:
    """Return an input's golden report."""
    return dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


def written(value: Any) -> str:
    """Return a document as JSON, each entry of a part on a line."""
    if isinstance(value, dict):
        inside = (f"{json.dumps(key)}: {written(each)}" for key, each in value.items())
        return "{\n" + ",\n".join(inside) + "\n}"
    lines = (json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in value)
    return "[\n" + ",\n".join(lines) + "\n]"


def differences(before: Document, now: Document) -> list[str]:
    """Return what differs, one line each: section, part, row, column, what was and what is."""
    told = []
    for section in before | now:
        old, new = before.get(section, {}), now.get(section, {})
        told += [f"{section}: {part} is gone" for part in old if part not in new]
        told += [f"{section}: {part} is new" for part in new if part not in old]
        told += [f"{section}, {part}{line}" for part in old if part in new
                 for line in part_differences(part, old[part], new[part])]  # fmt: skip
    return told


def part_differences(part: str, old: list[Any], new: list[Any]) -> Iterator[str]:
    if part == "text":
        changed = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
        yield from (f": {line}" for line in changed if not line.startswith("@@"))
        return
    named = rows_of_table if part.startswith("table ") else rows_of_figure
    before, now = by_name(named(old)), by_name(named(new))
    yield from (f", row {name!r} is gone" for name in before if name not in now)
    yield from (f", row {name!r} is new" for name in now if name not in before)
    if before.keys() == now.keys() and list(before) != list(now):
        yield f": the rows' order was {list(before)}, is {list(now)}"
    for name in (name for name in before if name in now):
        one, other = before[name], now[name]
        yield from (
            f", row {name!r}, {column}: was {one.get(column)!r}, is {other.get(column)!r}"
            for column in one | other
            if one.get(column) != other.get(column)
        )


def rows_of_table(rows: list[Any]) -> Iterator[tuple[str, Named]]:
    (caption,), titles, *others = rows
    yield "caption", {"caption": caption, "columns": titles}
    yield from ((row[0], dict(zip(titles, row, strict=True))) for row in others)


def rows_of_figure(rows: list[Any]) -> Iterator[tuple[str, Named]]:
    head, *others = rows
    yield "caption", head
    yield from ((f"{row.get('view', 'at first')}, {row['at']}", row) for row in others)


def by_name(rows: Iterable[tuple[str, Named]]) -> dict[str, Named]:
    """Return the rows by their names; repeated ones are numbered."""
    counts: Counter[str] = Counter()
    found = {}
    for name, row in rows:
        counts[name] += 1
        found[name if counts[name] == 1 else f"{name} ({counts[name]})"] = row
    return found


def main() -> None:
    """Record or compare all inputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the golden files anew")
    record = parser.parse_args().record
    told = []
    for name in INPUTS:
        found = frozen(name)
        if record:
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{name}.json").write_text(written(found) + "\n", encoding="utf-8")
        else:
            told += [f"{name}: {line}" for line in differences(stored(name), found)]
    print(*told, sep="\n")
    sys.exit(bool(told))


if __name__ == "__main__":
    main()
