"""Contrasts in words: the same in sentences, tables and the terminal."""

from resray.analysis.contrasts import LEVEL, Contrast, Method, Untested

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


def verdict(found: Contrast) -> str:
    """Return whether a difference is shown, in the words above."""
    if found.interval is None:
        return NOT_SHOWN if found.estimate.untested == Untested.SAME else NOT_TESTED
    if found.estimate.method == Method.EXACT:
        return EXACT
    if found.estimate.method == Method.NETWORKS and found.shown:
        return NETWORKS
    return SHOWN if found.shown else NOT_SHOWN


def seeds(found: Contrast) -> str:
    """Return how many seeds were compared: ``3 pairs``, ``3 and 5``."""
    counts = found.estimate.seeds
    return f"{counts[0]} pairs" if len(counts) == 1 else " and ".join(map(str, reversed(counts)))


def why(found: Contrast) -> str | None:
    """Return why there is no interval, or what it does not speak of."""
    if found.estimate.method == Method.NETWORKS:
        return "two single networks: other seeds may differ otherwise"
    return found.estimate.untested
