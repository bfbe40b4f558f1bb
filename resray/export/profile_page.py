"""Where the time of a trial goes: the table that `resray bench --profile` prints, and its page."""

from typing import TYPE_CHECKING

from rich.table import Table

from resray.export.markdown import Markdown, bullets, text
from resray.export.markdown import table as markdown_table

if TYPE_CHECKING:
    from resray.training.profiling.trial import Profile

COLUMNS = ("part", "ms a step", "s an epoch", "share of an epoch")
NUMERIC = (False, True, True, True)
EXPLAINED = (
    "A few steps after as many to warm up, one evaluation and one checkpoint; an epoch is reckoned "
    "from them. On a GPU a part of a step has the seconds of the work that it launched, and "
    "waiting those without work; on the CPU waiting is what lies between the parts, or is for a "
    "loader's processes. Evaluation and checkpoint are the host's seconds. Profiling costs a "
    "little: speeds are those of `resray bench`, and nothing of this is stored as a result."
)


def heading(profile: "Profile") -> str:
    """Return which trial it is, and on what."""
    return f"{profile.trial}: {', '.join(profile.conditions.values())}"


def rows(profile: "Profile") -> list[tuple[str, str, str, str]]:
    """Return the cells of `COLUMNS`, the whole epoch last."""
    cells = [
        (
            part.name,
            "" if part.step_seconds is None else f"{1000 * part.step_seconds:.2f}",
            f"{part.epoch_seconds:.2f}",
            f"{100 * part.epoch_seconds / profile.seconds:.1f} %",
        )
        for part in profile.parts
    ]
    steps = sum(part.step_seconds or 0.0 for part in profile.parts)
    return [*cells, ("epoch", f"{1000 * steps:.2f}", f"{profile.seconds:.2f}", "100.0 %")]


def as_table(profile: "Profile") -> Table:
    """Return the table that is printed."""
    table = Table(title=heading(profile), box=None, title_justify="left")
    for name, numeric in zip(COLUMNS, NUMERIC, strict=True):
        table.add_column(name, justify="right" if numeric else "left")
    for cells in rows(profile):
        table.add_row(*cells)
    return table


def as_markdown(profile: "Profile") -> Markdown:
    """Return the page as Markdown."""
    table = markdown_table(COLUMNS, rows(profile), NUMERIC)
    head = f"# Profile of {text(heading(profile))}\n"
    return Markdown("\n".join([head, table, bullets(profile.notes), EXPLAINED + "\n"]))
