"""A search in words: its points, its winner, what it saved, and how it decided."""

from collections.abc import Iterator, Mapping
from typing import Any

from resray.analysis.search import COMPLETED, STATES, UNFINISHED, Search
from resray.analysis.search_cost import DECIDED, Spent, audit_epochs, audit_of, spent_on
from resray.analysis.statistics import summarise
from resray.analysis.words import fixed, listed, plural, with_interval
from resray.search.audit import Audit
from resray.search.expected import expected_best

HIGHEST = (
    "It is the highest of many, so it tends to flatter: the same recipe with other seeds, or on "
    "other images, is rather below it."
)


def outcome(search: Search) -> str:
    """Return what became of the points: ``24 points: 5 trained in full, 18 stopped ...``."""
    return f"{plural(len(search.points), 'point')}: {', '.join(state_counts(search))}."


def state_counts(search: Search) -> Iterator[str]:
    """Yield how many points are in each state that there is."""
    for state, words in STATES.items():
        points = search.of_state(state)
        audited = sum(point.audit_over for point in points)
        trained_on = f" ({audited} of these trained on for the audit)" if audited else ""
        if points:
            yield f"{len(points)} {words}{trained_on}"


def confirmation_states(search: Search) -> str | None:
    """Return ``2 confirmations: 2 completed.``, None if there are none."""
    states = [row["status"] for row in search.confirmations]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return f"{plural(len(states), 'confirmation')}: {counts}." if states else None


def winner_words(search: Search) -> str:
    """Return which point has won, with what, and how it came there."""
    if search.won is None:
        begun = "yet" if search.of_state(UNFINISHED) else "with a validation accuracy"
        return f"No winner: no point was trained in full {begun}."
    so_far = " so far" if search.of_state(UNFINISHED) else ""
    return (
        f"The winner{so_far} is {search.name_of(search.won)}, with a validation accuracy of "
        f"{fixed(search.won.accuracy)}\u00a0%."
    )


def way_of_winner(search: Search) -> str | None:
    """Return where the winner came in: in the order of arrival and at each rung."""
    if search.won is None or search.won not in search.arrived:
        return None
    start = f"It was number {search.arrived.index(search.won) + 1} to start"
    places = [f"at rung {rung} (epoch {epoch}) it had place {place} of {arrivals}"
              for rung, epoch, place, arrivals in search.places()]  # fmt: skip
    return f"{'; '.join([start, *places])}."


def confirmation_words(search: Search) -> str:
    """Return what fresh seeds say of the winner; test accuracies stand here alone."""
    completed = [row for row in search.confirmations if row["status"] == "completed"]
    tested = summarise(row["test_accuracy"] for row in completed)
    if tested is None:
        waiting = len(search.confirmations)
        started = f" ({waiting} begun, none finished)" if waiting else ""
        return f"Not confirmed with fresh seeds yet{started}, so nothing is known of test."
    seeds = plural(len(completed), "fresh seed")
    rest = len(search.confirmations) - len(completed)
    benched = sum(row["role"] == "bench" for row in completed)
    seeds += f" ({benched} of them by resray bench)" if benched else ""
    text = (
        f"Confirmed with {seeds}: test {with_interval(tested)}\u00a0% (n\u00a0=\u00a0{tested.n})."
    )
    return text + (f" {rest} of {len(search.confirmations)} did not finish." if rest else "")


def highest(search: Search) -> str | None:
    """Return what to think of the winner's accuracy while no fresh seed has said it."""
    confirmed = any(row["status"] == "completed" for row in search.confirmations)
    return HIGHEST if search.won and not confirmed else None


def optimism(search: Search) -> str | None:
    """Return by how much the winner's validation accuracy was above that of fresh seeds."""
    own = summarise(row["validation_accuracy"] for row in search.confirmations
                    if row["status"] == "completed")  # fmt: skip
    if own is None or search.won is None or search.won.accuracy is None:
        return None
    above = search.won.accuracy - own.mean
    side = f"{fixed(abs(above))} points below that, so it does not flatter here"
    if fixed(above) == fixed(0.0):
        side = "the same, so it does not flatter here"
    elif above > 0:
        side = f"{fixed(above)} points above that, as the highest of many tends to be"
    return (
        f"On validation the fresh seeds reach {with_interval(own)}\u00a0% "
        f"(n\u00a0=\u00a0{own.n}): the search's {fixed(search.won.accuracy)}\u00a0% was {side}."
    )


def savings(search: Search) -> str | None:
    """Return what the search spent of what all of its points would have cost in full."""
    decided = search.of_state(*DECIDED)
    shares = share_words(spent_on(decided))
    if not shares:
        return None
    extra, points = audit_epochs(search.points), plural(len(decided), "point")
    audit = f" The audit's {plural(extra, 'epoch')} come on top." if extra else ""
    whole = len(decided) == len(search.points)
    which = f"all {points}" if whole else f"the {points} whose fate is known"
    low = "" if whole else " What is stopped early is known first, so that is too low for all."
    return f"On {which} the search spent {shares} that training them in full takes.{low}{audit}"


def share_words(spent: Spent) -> str:
    names = ("epochs", "compute (multiply-adds)", "time")
    known = [f"{percent(share)} of the {name}" for share, name in zip(spent.shares, names,
             strict=True) if share is not None]  # fmt: skip
    return " and ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known)


def percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.0f}\u00a0%"


def expected_words(search: Search) -> str | None:
    """Return what the search would have found with fewer points, where all are known in full.

    With points that were stopped, or proposed by what earlier ones reached, nobody knows.
    """
    values = [point.accuracy for point in search.of_state(COMPLETED)]
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(search.points) or "method" in search.settings:
        return None
    budgets = [2**power for power in range(len(known).bit_length()) if 2**power < len(known)]
    bests = [f"{fixed(expected_best(known, drawn))}\u00a0% of {drawn}" for drawn in budgets]
    return (
        "Expected best validation accuracy of fewer points, drawn at random from these: "
        f"{', '.join(bests)} (Dodge et al. 2019)."
    )


# --- the audit ----------------------------------------------------------------------------------


def audit_words(search: Search) -> list[str]:
    """Return how sure it is that the scheduler kept the right points."""
    audit = audit_of(search)
    if not audit.stopped:
        return []
    if not audit.audited or audit.winner is None:
        return [
            "Whether one of the stopped points would have won is not known: --audit K trains K of "
            "them, drawn at random, to the end."
        ]
    regret = [regret_words(search, audit)] if audit.values else []
    return [would_have_won(audit, audit.sampled(search.audit_began)), *regret]


def would_have_won(audit: Audit, sampled: Audit) -> str:
    """Return how many audited points beat the winner, and what that says of the others.

    ``sampled`` is the audit of those from which the first ones were drawn.
    """
    if not sampled.audited:
        return (
            f"{beaten(audit, 'stopped points')} When these were drawn is not recorded, so they say "
            "nothing of the others."
        )
    later = audit.stopped - sampled.stopped
    if not later and sampled.audited == sampled.stopped:
        return f"{beaten(sampled, 'stopped points')} These are all."
    if not later:
        return f"{beaten(sampled, 'stopped points')} {bound(sampled, 'all')}"
    also = audit.audited - sampled.audited
    audited = (
        f", {also} of which {'were' if also > 1 else 'was'} audited too: "
        f"{audit.won - sampled.won or 'none'} would have won"
    )
    return (
        f"{beaten(sampled, 'points that had been stopped when the audit began')} "
        f"{bound(sampled, 'these')} It says nothing of the {later} stopped later"
        f"{audited if also else ''}."
    )


def beaten(audit: Audit, points: str) -> str:
    """Return how many audited ones of some points beat the winner."""
    found = (
        f"Of {audit.stopped} {points} {audit.audited}, drawn at random, were trained to the "
        f"end: {audit.won or 'none'} would have won."
    )
    return f"{found} {audit.diverged} of them diverged." if audit.diverged else found


def bound(sampled: Audit, which: str) -> str:
    return (
        f"With 95\u00a0% confidence at most {sampled.most} of {which} {sampled.stopped} would have "
        "(exact hypergeometric bound)."
    )


def regret_words(search: Search, audit: Audit) -> str:
    assert audit.regret is not None
    if search.better is None:
        return (
            f"The best of them ended at {fixed(max(audit.values))}\u00a0%, "
            f"{fixed(-audit.regret)} points below the winner: a regret of 0."
        )
    return (
        f"Regret: {fixed(audit.regret)} points. {search.name_of(search.better)} was stopped "
        f"and would have reached {fixed(max(audit.values))}\u00a0%."
    )


# --- how it decided -----------------------------------------------------------------------------

EARLY = (
    "An early look is not a fair look: trials on a long schedule are judged while their learning "
    "rate is still high."
)


def scheduler_words(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield how points were stopped, and what that depends on."""
    name, factor = settings.get("scheduler"), settings.get("reduction_factor")
    rungs = f"the first rung is epoch {settings.get('grace')}, each further one {factor} times it"
    if name == "asha":
        yield (
            f"ASHA, stopping variant: {rungs}. A point stops there if its highest validation "
            f"accuracy is below the value that parts the best one in {factor} of those that "
            "arrived before it from the rest (a quantile, interpolated between two of them, as in "
            "Ray Tune); the first goes on. So decisions depend on the order of arrival, which the "
            "seed shuffles and the speed of trials that run at the same time changes."
        )
    elif name == "halving":
        yield (
            f"Synchronous successive halving: {rungs}. When all have arrived, the best one in "
            f"{factor} goes on. The order of arrival decides nothing."
        )
    elif name == "median":
        yield (
            f"Median stopping: after each epoch from {settings.get('grace')} on, a point stops "
            "whose best validation accuracy is below the median of the others' running means. So "
            "decisions depend on the order in which points are trained."
        )
    elif name == "none":
        yield "No scheduler: every point is trained in full."
    elif name:
        yield f"Stopped by {name}, a Ray Tune scheduler of one's own, told the best so far."
    if settings.get("rung_schedule") == "rescaled":
        yield "Each rung is a training of its own, with its schedule rescaled to the rung's epochs."
    elif name in ("asha", "halving"):
        yield EARLY


def options_words(search: Search) -> str | None:
    """Return what options changed in every trial, and what else was searched in the same folder."""
    changed = search.settings.get("options")
    changes = f"Changed by options in every trial: {listed(changed, most=8)}." if changed else ""
    others = (
        f"{plural(search.others, 'trial')} of searches with other settings, options or recipes, "
        "which do not compare with these, are left out."
    )
    return " ".join(part for part in (changes, others if search.others else "") if part) or None


def spaces_words(search: Search) -> str | None:
    """Return the spaces that make up the union, if there are several."""
    several = len(search.spaces) > 1
    return f"Spaces: {listed(search.spaces, most=8)}." if several else None
