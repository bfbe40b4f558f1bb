"""Contrasts in words: the same in sentences, tables and the terminal."""

from collections.abc import Callable, Iterable
from statistics import median

from resray.analysis.contrasts import LEVEL, POWER, Contrast, Method, Untested
from resray.analysis.words import fixed

SHOWN, NOT_SHOWN, EXACT, NOT_TESTED = "shown", "not shown", "differs exactly", "not tested"
NETWORKS = "these two networks differ"
SURE = (SHOWN, EXACT)
"""What says that configurations differ, not just two networks."""
HOW = (
    "Means are compared after Welch (1947) over all seeds, or within pairs of one seed where the "
    "study declares `pairing: seed`. Where it is stored which test images each network gets right, "
    "seeds and images are crossed: then luck with these very images does not count as a difference "
    f"either. A difference is shown where its p value is below {LEVEL}, that is, where its 95 % "
    "interval leaves zero out. “Not shown” does not say that there is none."
)

OFTEN = f"{100 * POWER:.0f}\u00a0% of such studies"


def verdict(found: Contrast) -> str:
    """Return whether a difference is shown, in the words above."""
    if found.interval is None:
        return NOT_SHOWN if found.estimate.untested == Untested.SAME else NOT_TESTED
    if found.estimate.method == Method.EXACT:
        return EXACT
    if found.estimate.method == Method.NETWORKS and found.shown:
        return NETWORKS
    return SHOWN if found.shown else NOT_SHOWN


def points(value: float) -> str:
    return f"{fixed(value)} points"


def with_detectable(
    caption: str, judged: Iterable[Contrast | None], form: Callable[[float], str] = points
) -> str:
    """Return a table's caption with how large a difference of recipes it could have shown, the
    median of its rows, written by ``form``."""
    recipes = [each for each in judged if each and each.estimate.method != Method.NETWORKS]
    least = [each.detectable for each in recipes if each.detectable]
    if not least:
        return caption
    rows = " (median of the rows)" if len(least) > 1 else ""
    found = f"{form(median(least))}{rows}"
    return f"{caption}; a true difference of {found} would be shown in {OFTEN}"


def seeds(found: Contrast) -> str:
    """Return how many seeds were compared: ``3 pairs``, ``3 and 5``."""
    counts = found.estimate.seeds
    return f"{counts[0]} pairs" if len(counts) == 1 else " and ".join(map(str, reversed(counts)))


def why(found: Contrast) -> str | None:
    """Return why there is no interval, or what it does not speak of."""
    if found.estimate.method == Method.NETWORKS:
        return "two single networks: other seeds may differ otherwise"
    return found.estimate.untested
