"""The section of claims: each with its verdict, the numbers behind it, and why it is no other."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resray.analysis.contrast_words import OFTEN
from resray.analysis.groups import Group
from resray.analysis.resampling import sides
from resray.analysis.results import Analysis
from resray.analysis.verdicts import Judgement, Outcome, Verdict, declared, judged_folder, verdicts
from resray.analysis.words import MISSING, count, plural
from resray.report.tables import Cell, Table, number_cell, table, text_cell
from resray.report.text import Html, folded, join, tag
from resray.study.claims import Statement, Value, check_statement
from resray.study.spec import Published

SYMBOLS = {
    Outcome.SUPPORTED: "✓",
    Outcome.CONTRADICTED: "✗",
    Outcome.UNDECIDED: "?",
    Outcome.TOWARDS: "↗",
    Outcome.AGAINST: "↘",
    Outcome.NOT_TESTED: "–",
    Outcome.NOT_JUDGED: "–",
    Outcome.NOT_TESTABLE: "–",
}
METHOD = (
    "A claim is supported or contradicted where the 95 % interval of the margin, by which its "
    "comparison holds, lies on one side of zero; the method stands behind the interval. One seed "
    "decides nothing, and reduced runs never do more than point somewhere. Times are judged only "
    "between trials that had one same device to themselves among resray's trials; whether other "
    "programs used it is not known."
)
DETECTABLE = f"Detectable in {OFTEN}"


def claims_section(results: Analysis) -> Html:
    """The author's statements, each with what the results say about it."""
    found = verdicts(results)
    if not found:
        return Html()
    return join(
        [
            tag("p", tally(found), " ", judged_on(results)),
            folded("How claims are judged", tag("p", METHOD)),
            tag("ol", *(claim_item(results, each) for each in found), class_="verdicts"),
            folded("The claims as a table", claims_table(results, found)),
        ]
    )


def judged_on(results: Analysis) -> str:
    """Return on which of several folders the claims are judged; nothing where there is one."""
    name = judged_folder(results)
    return f"Judged on the folder {name} alone. " if name else ""


def chips(results: Analysis) -> Html:
    """The verdicts alone, with how many there are of each; nothing if there are no claims."""
    found = verdicts(results)
    if not found:
        return Html()
    return tag("p", tally(found), " ", judged_on(results), *map(chip, found), class_="chips")


def chip(found: Verdict) -> Html:
    return tag(
        "a",
        tag("span", SYMBOLS[found.outcome], aria_hidden="true"),
        f" {found.claim.id}",
        href=f"#claim-{slug(found.claim.id)}",
        class_=f"verdict {found.outcome.name.lower()}",
        title=f"{found.claim.text}: {found.outcome}",
        aria_label=f"{found.claim.id}: {found.outcome}",
    )


BY_CLAIM = (
    " Where a row names a claim, the study declared that difference before: the claim judges it by "
    "itself, at 95\u00a0% alone, so it may be shown there and not here."
)


def claims_cell(results: Analysis, *groups: Group | None) -> Cell:
    """Return the claims on the difference of two configurations, with links."""
    labels = (group.label for group in groups if group)
    ids = dict.fromkeys(declared(results).get(frozenset(labels), ()))
    links = [part for id in ids for part in (", ", tag("a", id, href=f"#claim-{slug(id)}"))]
    return text_cell("Claim", join(links[1:]) if links else None, optional=True)


def slug(id: str) -> str:
    """Return a claim's id as a part of an address."""
    return "".join(letter if letter.isalnum() else "-" for letter in id)


def tally(found: Sequence[Verdict]) -> str:
    """Return ``5 claims: 3 supported, 2 not tested.``"""
    numbers = Counter(each.outcome for each in found)
    parts = (f"{numbers[outcome]} {outcome}" for outcome in Outcome if numbers[outcome])
    return f"{plural(len(found), 'claim')}: {', '.join(parts)}."


def claim_item(results: Analysis, found: Verdict) -> Html:
    """A claim in a line: verdict, words, published and measured; opened, each comparison."""
    # Where all came out alike, the claim's own verdict says it.
    differ = len({(each.outcome, each.why) for each in found.judgements}) > 1
    checks = [check_item(results, each, with_outcome=differ) for each in found.judgements]
    name = tag("span", found.claim.id, class_="id")
    line = tag("summary", badge(found.outcome), " ", name, " ", found.claim.text, " ",
               tag("span", in_short(results, found), class_="short"))  # fmt: skip
    more = tag("p", found.why, class_="why")
    return tag(
        "li",
        tag("details", line, more, tag("ul", *checks, class_="checks") if checks else ""),
        id=f"claim-{slug(found.claim.id)}",
    )


def in_short(results: Analysis, found: Verdict) -> str:
    """Return what was published and measured for a claim's first comparison, with the margin's
    interval: ``published 94.41 against 95.2, measured 40.23 against 27.83 (margin ...)``."""
    if not found.judgements:
        return ""
    first, *others = found.judgements
    sides = {"published": published_text(results, first), "measured": both(first.left, first.right)}
    said = ", ".join(f"{name} {text}" for name, text in sides.items() if text)
    interval = interval_text(first)
    margin = f" (margin {interval})" if interval else ""
    more = f"; {plural(len(others), 'comparison')} more" if said and others else ""
    return said + margin + more


def badge(outcome: Outcome) -> Html:
    """The verdict as a symbol and in words, so that it does not hang on colour."""
    symbol = tag("span", SYMBOLS[outcome], aria_hidden="true")
    return tag("strong", symbol, " ", outcome.value, class_=f"verdict {outcome.name.lower()}")


def check_item(results: Analysis, found: Judgement, with_outcome: bool) -> Html:
    """A comparison as stated, what was published and measured for it, on which configurations."""
    what = join([badge(found.outcome), " ", found.why]) if with_outcome else Html()
    facts = {
        "Published": published_text(results, found),
        "Measured": both(found.left, found.right),
        "Margin": margin_text(found),
        "95 % interval": interval_text(found),
        DETECTABLE: number(found.detectable) if found.detectable else "",
        "n": "" if found.seeds is None else plural(found.seeds, "seed"),
        "On": ", ".join(found.groups) if found.margin is not None else "",
    }
    shown = [tag("div", tag("dt", name), tag("dd", text)) for name, text in facts.items() if text]
    return tag(
        "li",
        tag("code", found.text),
        tag("p", what, class_="why") if what else "",
        tag("dl", *shown, class_="numbers") if shown else "",
    )


def published_text(results: Analysis, found: Judgement) -> str:
    """Return what the sides are by the author's figures: ``91.68 against 87.92``."""
    figures = results.study.figures if results.study else []
    sides = published_sides(figures, check_statement(found.text))
    return f"{both(sides.left, sides.right)} ({sides.source})" if sides else ""


def both(left: float | None, right: float | None) -> str:
    return "" if left is None or right is None else f"{number(left)} against {number(right)}"


def margin_text(found: Judgement) -> str:
    """Return by how much a comparison holds, or misses."""
    if found.left is None or found.right is None or found.margin is None:
        return ""
    if math.isclose(found.left, found.right):
        return "both sides are equal"
    return f"{'holds' if found.margin > 0 else 'misses'} by {number(abs(found.margin))}"


def interval_text(found: Judgement) -> str:
    """Return the margin's interval with its method: ``0.4 to 2.1 (Welch's t)``."""
    if not found.interval or not np.isfinite([found.interval.low, found.interval.high]).all():
        return ""
    return f"{number(found.interval.low)} to {number(found.interval.high)} ({found.method})"


def claims_table(results: Analysis, found: Sequence[Verdict]) -> Table:
    """The claims with a row for each comparison."""
    rows = (row for each in found for row in claim_rows(results, each))
    return table("Claims, published and measured, and what was made of each comparison", rows,
                 id="claims")  # fmt: skip


def claim_rows(results: Analysis, found: Verdict) -> Iterator[list[Cell]]:
    # What is not tested has no comparison, and none of its figures.
    for each in found.judgements or [Judgement("", found.outcome, found.why)]:
        published = published_text(results, each) if each.text else ""
        yield [
            text_cell("Claim", found.claim.id),
            text_cell("Text", found.claim.text),
            text_cell("Comparison", each.text or None, optional=True),
            text_cell("Published", published or None, optional=True),
            text_cell("Measured", both(each.left, each.right) or None, optional=True),
            text_cell("Margin", margin_text(each) or None, optional=True),
            text_cell("95 % interval of the margin", interval_text(each) or None, optional=True),
            number_cell(DETECTABLE, number(each.detectable) if each.detectable else None,
                        optional=True),
            number_cell("n", each.seeds, optional=True),
            text_cell("Verdict", each.outcome.value, facet=True),
            text_cell("Why", each.why),
        ]  # fmt: skip


def number(value: float) -> str:
    """Return a number of any metric in four digits or, from a thousand on, whole."""
    if abs(value) >= 1e6:
        text = str(count(value))
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return MISSING if text in ("nan", "inf", "-inf") else text.replace("-", "−", 1)


# --- what a comparison was by its author's own figures --------------------------------------------


@dataclass(frozen=True)
class PublishedSides:
    """Both sides of a comparison, worked out from figures of one source."""

    left: float
    right: float
    source: str


def published_sides(figures: Sequence[Published], statement: Statement) -> PublishedSides | None:
    """Return a comparison's sides by the figures that somebody published, None if any is missing.

    Figures of one source only are put together, and of one protocol where that has all of them.
    """
    for alike in (lambda figure: (figure.source, figure.protocol), lambda figure: figure.source):
        for own in gathered(figures, alike):
            chosen = {value: figure_of(own, value) for value in statement.values}
            known = {value: figure for value, figure in chosen.items() if figure is not None}
            # One figure for two values would be held against itself.
            if len({id(figure) for figure in known.values()}) == len(chosen):
                return worked_out(statement, known)
    return None


def gathered(
    figures: Sequence[Published], alike: Callable[[Published], Hashable]
) -> Iterator[list[Published]]:
    """Yield the figures in groups of those that are alike, in order."""
    groups: dict[Hashable, list[Published]] = {}
    for figure in figures:
        groups.setdefault(alike(figure), []).append(figure)
    yield from groups.values()


def figure_of(figures: Sequence[Published], value: Value) -> Published | None:
    """Return the first figure of a value; one of a training's end is not that of an epoch, and none
    is of a spread over seeds or of epochs to a share."""
    if value.std or value.share is not None:
        return None
    wanted = (value.metric, value.trial, value.epoch)
    for figure in figures:
        of_variant = value.variant is None or figure.variant in (None, value.variant)
        if of_variant and (figure.metric, figure.trial, figure.epoch) == wanted:
            return figure
    return None


def worked_out(statement: Statement, known: dict[Value, Published]) -> PublishedSides | None:
    draws = {value: np.array([figure.value]) for value, figure in known.items()}
    left, right = (float(side[0]) for side in sides(statement, draws))
    source = next(iter(known.values())).source
    return PublishedSides(left, right, source) if np.isfinite([left, right]).all() else None
