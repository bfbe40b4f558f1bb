"""How `resray show` sets what it prints: titles, tables and large numbers.

Every text of a study file is printed as it stands: `Text` and `escape` keep rich from reading
square brackets as markup.
"""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

MISSING = "–"
_UNITS = ((48 * 3600, 86400, "days"), (5400, 3600, "h"), (90, 60, "min"), (0, 1, "s"))


def heading(title: str, console: Console) -> None:
    """Print a section's title under an empty line."""
    console.print(Text(f"\n{title}", style="bold underline"))


def ruled_table(*columns: str) -> Table:
    """Return a table with a rule under its headings and no frame, which narrow terminals need."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(Text(column))
    return table


def list_table() -> Table:
    """Return a table without lines: names to the left, prose that wraps to the right."""
    return Table.grid(padding=(0, 2))


def count(value: float) -> str:
    """Return a large number in four digits: ``11.17 M``."""
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:#.4g} {letter}"
    return f"{value:,.0f}"


def petaflop(value: float | None) -> str:
    """Return 10^15 operations to about three digits, or a dash."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def rough(seconds: float | None) -> str:
    """Return a time to two digits, as it is not known better: ``3.4 h``, or a dash."""
    if seconds is None:
        return MISSING
    size, unit = next((size, unit) for least, size, unit in _UNITS if seconds >= least)
    value = seconds / size
    return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"
