"""Markdown in which text from results stays text."""

import html
import re
from collections.abc import Iterable, Sequence

from resray.analysis.words import MISSING

# A line never begins with such text, so signs that count only there may stay.
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~$]|:(?=//))")
_SPACE = re.compile(r"\s+")


class Markdown(str):
    """Text that is Markdown already; everything else is escaped by `text`."""


def text(value: object) -> Markdown:
    """Return ``value`` on one line, without effect as Markdown or HTML; None becomes a dash."""
    if isinstance(value, Markdown):
        return value
    line = _SPACE.sub(" ", MISSING if value is None else str(value)).strip()
    return Markdown(_SPECIAL.sub(r"\\\1", html.escape(line, quote=False)))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], numeric: Sequence[bool] = ()
) -> Markdown:
    """Return a table in GitHub's Markdown; columns that are ``numeric`` are set to the right."""
    right = [*numeric, *[False] * (len(columns) - len(numeric))]
    rule = [Markdown("---:" if one else "---") for one in right]
    lines = [[text(cell) for cell in line] for line in (columns, rule, *rows)]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")


def bullets(lines: Iterable[object]) -> Markdown:
    """Return a list with one point for each line."""
    return Markdown("".join(f"- {text(line)}\n" for line in lines))


def fenced(language: str, content: str) -> Markdown:
    """Return a code block around ``content``, in which no line begins with a fence."""
    assert not re.search(r"^\s*```", content, re.MULTILINE)
    return Markdown(f"```{language}\n{content.rstrip()}\n```\n")
