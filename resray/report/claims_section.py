"""The section of claims: each with its verdict, the numbers behind it, and why it is no other."""

import math
from collections import Counter
from collections.abc import Sequence

from resray.report.aggregate import Results
from resray.report.text import MISSING, Html, count, join, plural, tag
from resray.report.verdicts import Judgement, Outcome, Verdict, verdicts

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
    "A claim is supported or contradicted where the 95 % bootstrap interval over seeds of the "
    "margin, by which its comparison holds, lies on one side of zero. One seed, or reduced runs, "
    "never do more than point somewhere. Times are judged only between trials that had one same "
    "device to themselves among resray's trials; whether other programs used it is not known."
)


def claims_section(results: Results) -> Html:
    """The author's statements, each with what the results say about it."""
    found = verdicts(results)
    if not found:
        return tag("p", "The study names no claims.", class_="missing")
    return join(
        [
            tag("p", tally(found), " ", METHOD),
            tag("ol", *(claim_item(each) for each in found), class_="verdicts"),
        ]
    )


def tally(found: Sequence[Verdict]) -> str:
    """Return ``5 claims: 3 supported, 2 not tested.``"""
    numbers = Counter(each.outcome for each in found)
    parts = (f"{numbers[outcome]} {outcome}" for outcome in Outcome if numbers[outcome])
    return f"{plural(len(found), 'claim')}: {', '.join(parts)}."


def claim_item(found: Verdict) -> Html:
    """A claim in its author's words, the verdict, the reason, and each comparison."""
    # Where all came out alike, the claim's own verdict says it.
    differ = len({(each.outcome, each.why) for each in found.judgements}) > 1
    checks = [check_item(each, with_outcome=differ) for each in found.judgements]
    return tag(
        "li",
        tag("p", tag("span", found.claim.id, class_="id"), " ", found.claim.text, class_="text"),
        tag("p", badge(found.outcome), " ", found.why, class_="why"),
        tag("ul", *checks, class_="checks") if checks else "",
    )


def badge(outcome: Outcome) -> Html:
    """The verdict as a symbol and in words, so that it does not hang on colour."""
    symbol = tag("span", SYMBOLS[outcome], aria_hidden="true")
    return tag("strong", symbol, " ", outcome.value, class_=f"verdict {outcome.name.lower()}")


def check_item(found: Judgement, with_outcome: bool) -> Html:
    """A comparison as stated, what was measured for it and on which configurations."""
    what = join([badge(found.outcome), " ", found.why]) if with_outcome else Html()
    numbers = measured(found)
    return tag(
        "li",
        tag("code", found.text),
        tag("p", what, class_="why") if what else "",
        tag("p", numbers, class_="numbers") if numbers else "",
    )


def measured(found: Judgement) -> str:
    """Return ``3.62 against 5; holds by 1.38 (95 % interval 0.9 to 1.9); 3 seeds; on a, b``."""
    if found.left is None or found.right is None or found.margin is None:
        return ""
    both = f"{number(found.left)} against {number(found.right)}"
    parts = [both, held(found.left, found.right, found.margin)]
    if found.interval and not math.isclose(found.interval.low, found.interval.high):
        low, high = number(found.interval.low), number(found.interval.high)
        parts[-1] += f" (95\u00a0% interval {low} to {high})"
    if found.seeds is not None:
        parts.append(plural(found.seeds, "seed"))
    return "; ".join([*parts, f"on {', '.join(found.groups)}"])


def held(left: float, right: float, margin: float) -> str:
    """Return by how much a comparison holds, or misses."""
    if math.isclose(left, right):
        return "both sides are equal"
    return f"{'holds' if margin > 0 else 'misses'} by {number(abs(margin))}"


def number(value: float) -> str:
    """Return a number of any metric in four digits or, from a thousand on, whole."""
    if abs(value) >= 1e6:
        text = str(count(value))
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return MISSING if text in ("nan", "inf", "-inf") else text.replace("-", "−", 1)
