"""A comparison of folders for the terminal: readable at 80 columns, on single lines at 120."""

from collections import Counter
from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.analysis.compare import NOT_JUDGED, Compared, Folders
from resray.analysis.compare_words import METHOD, Words, caption, notes, words
from resray.analysis.conditions import Check, Comparison
from resray.analysis.pairs import by_difference, where
from resray.analysis.words import plural
from resray.study.metrics import METRICS

WIDE = 120
"""From so many columns on a cell stands on one line."""
LABEL = 16
"""Columns that a configuration's name has before it is broken."""


def print_comparison(found: Comparison, console: Console) -> None:
    """Print the folders, what differs, a table for each metric, and what became of conditions."""
    folders = found.folders
    print_folders(folders, console)
    print_differing(folders, console)
    for metric, rows in found.tables.items():
        console.print(metric_table(metric, rows, folders, console.width >= WIDE))
    console.print(Text(f"\n{METHOD}", style="dim"))
    print_checks(found.checks, folders, console)


def ruled(heading: str, *columns: str, numbers: Collection[int] = ()) -> Table:
    """Return a table with a title, a rule under its headings and no frame; the columns at the
    places ``numbers`` are never broken."""
    table = Table(
        title=Text(f"\n{heading}", style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for place, column in enumerate(columns):
        table.add_column(Text(column), overflow="fold", no_wrap=place in numbers)
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add cells as they stand: what comes from results is no markup."""
    table.add_row(*map(Text, cells))


def print_folders(folders: Folders, console: Console) -> None:
    table = ruled("Folders", "name", "folder", "configurations", "trials")
    for name, results in folders.sources.items():
        states = Counter(str(row["status"]) for row in results.rows)
        trials = ", ".join(f"{number} {state}" for state, number in states.items())
        add_row(table, name, str(results.folder), str(len(results.groups)), trials)
    console.print(table)
    for text in notes(folders):
        console.print(Text(text))


def print_differing(folders: Folders, console: Console) -> None:
    for name, matching in folders.matchings.items():
        table = ruled("What differs", "what", folders.first, name, "of which configurations")
        for one, labels in by_difference(matching.pairs).items():
            add_row(table, one.what, one.first, one.second, where(labels, matching.pairs))
        if table.row_count:
            console.print(table)
        elif matching.pairs:
            console.print(Text(f"\nNothing is known to differ between {folders.first} and {name}."))


def metric_table(metric: str, rows: Sequence[Compared], folders: Folders, wide: bool) -> Table:
    """Return a metric's table; narrow, a cell's parts stand under each other."""
    several = len(folders.matchings) > 1
    other = "the other" if several else next(iter(folders.matchings))
    interval = in_lines("95\u00a0% interval", wide)
    columns = ["name", folders.first, other, "difference", interval, "is it shown?"]
    table = ruled(caption(METRICS[metric].heading, rows), *columns, numbers=(1, 2, 3, 4))
    table.columns[0].min_width = min(max(len(one.pair.label) for one in rows), LABEL)
    for one in rows:
        cells = words(one)
        percent = f" ({cells.percent})" if cells.percent else ""
        numbers = (cells.first, cells.second, f"{cells.difference}{percent}", cells.interval)
        label = f"{one.pair.label} ({one.name})" if several else one.pair.label
        add_row(table, label, *(in_lines(text, wide) for text in numbers), judged(one, cells))
    return table


def in_lines(text: str, wide: bool) -> str:
    """Return a number's parts, between which a plain space stands, on one line or on several."""
    return text.replace(" ", " " if wide else "\n").replace("\u00a0", " ")


def judged(one: Compared, cells: Words) -> str:
    """Return ``shown (p = 0.012, 3 and 3 seeds)`` or ``cannot be judged: other length``."""
    if one.difference is None or one.difference.p is None or one.verdict == NOT_JUDGED:
        return f"{one.verdict}: {one.why}" if one.why else one.verdict
    p = cells.p.replace("\u00a0", " ")
    tested = f"p {p if p.startswith('<') else f'= {p}'}, {cells.seeds}, {cells.method}"
    return f"{one.verdict} ({tested}){f'; {one.why}' if one.why else ''}"


def print_checks(checks: Sequence[Check], folders: Folders, console: Console) -> None:
    """Print of each condition where it holds, or on how many configurations it does not."""
    for each in checks:
        for one in each.violations:
            console.print(Text(f"FAILED {each.condition}: {violation(one, folders)}"))
        for gone in each.lost:
            text = f"{gone.label}: measured in {folders.first}, not in {gone.name}: {gone.why}"
            console.print(Text(f"FAILED {each.condition}: {text}"))
        if each.checked and not each.failed:
            number = plural(each.checked, "comparison")
            console.print(Text(f"passed {each.condition}: holds of none of {number}"))
        for one in each.unchecked:
            label = f"{one.pair.label} ({one.name})"
            console.print(Text(f"NOT CHECKED {each.condition}: {label}: {one.why or one.verdict}"))


def violation(one: Compared, folders: Folders) -> str:
    """Return ``resnet18: −0.68 (90.07 in a, 89.39 in b), shown``."""
    cells = words(one)
    percent = f", {cells.percent}" if cells.percent else ""
    text = f"{one.pair.label}: {cells.difference}{percent} ({cells.first} in {folders.first}, "
    return f"{text}{cells.second} in {one.name}), {one.verdict}".replace("\u00a0", " ")
