"""How `bench` and `tune` end: what came out, with the numbers and the words of the report."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.analysis import verdicts as judged
from resray.analysis.groups import Group
from resray.analysis.published import Comparison, comparisons
from resray.analysis.results import Analysis
from resray.analysis.words import MISSING, duration, fixed, with_interval
from resray.report.answer import answer, banners, warnings
from resray.report.text import plain_text

if TYPE_CHECKING:
    from resray.run.command import Outcome

NOT_COMPARED = "*"
"""Beside a published figure that something keeps from being compared."""


SILENT = (judged.Outcome.NOT_TESTED, judged.Outcome.NOT_JUDGED, judged.Outcome.NOT_TESTABLE)
"""Verdicts that are only counted: their reasons are long."""


def print_results(outcome: "Outcome", console: Console) -> None:
    """Print a row for each configuration, the verdicts, the caveats and the answer."""
    results = Analysis.of(outcome.results, trial_ids=outcome.shown)
    published = [
        item
        for item in comparisons(results)
        if item.group and item.published.metric == "test_accuracy" and not item.published.epoch
    ]
    if results.groups:
        console.print(results_table(results.groups, published))
    obstacles = dict.fromkeys(text for item in published for text in item.obstacles)
    if obstacles:
        say(console, f"{NOT_COMPARED} not compared: {'; '.join(map(str, obstacles))}")
    found = judged.verdicts(results)
    for verdict in found:
        if verdict.outcome not in SILENT:
            say(console, f"Claim {verdict.outcome}: {verdict.claim.text}")
    silent = Counter(verdict.outcome for verdict in found if verdict.outcome in SILENT)
    if silent:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in silent.items())
        say(console, f"Other claims: {counts}; the report says why")
    for heading, lines in banners(results):
        say(console, f"{heading}: {' '.join(map(plain_text, lines))}")
    for sentence in (*warnings(results), *answer(results)):
        say(console, plain_text(sentence))


def results_table(groups: Sequence[Group], published: Sequence[Comparison]) -> Table:
    """Return a row for each configuration, means over its finished trials.

    Test accuracy in percent, with half of its 95 % interval; seconds of training of a trial.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("configuration", overflow="fold", min_width=20)
    for column in ("n", "test\naccuracy", "published", "time", "images/s"):
        table.add_column(column, justify="right", overflow="fold")
    for group in groups:
        seconds, speed = group.summary("seconds_training"), group.summary("images_per_second")
        table.add_row(
            Text(group.label),
            str(len(group.finished)),
            with_interval(group.summary("test_accuracy")),
            figures([item for item in published if item.group is group]),
            duration(seconds.mean) if seconds else MISSING,
            fixed(speed.mean, 0) if speed else MISSING,
        )
    return table


def figures(published: Sequence[Comparison]) -> str:
    """Return the first published figure of a configuration, and how many others the report has."""
    if not published:
        return MISSING
    first, *others = published
    mark = NOT_COMPARED if first.obstacles else ""
    more = f"\u00a0+{len(others)}\u00a0more" if others else ""
    return f"{fixed(first.published.value)}{mark}{more}"


def say(console: Console, text: str) -> None:
    """Print a paragraph, wrapped between words; names in it may hold what rich reads as markup."""
    console.print(text.replace("\u00a0", " "), markup=False, highlight=False)
