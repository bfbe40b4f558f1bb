"""Test accuracies against a baseline, and of every pair: how far above, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from resray.analysis.comparability import Condition, comparable, condition_of, obstacles
from resray.analysis.contrast_words import HOW, seeds, verdict, why, with_detectable
from resray.analysis.contrasts import Contrast, Sample, contrasts, difference, together, with_one
from resray.analysis.groups import Group
from resray.analysis.metrics import sample_of
from resray.analysis.results import Analysis
from resray.analysis.statistics import summarise
from resray.analysis.verdicts import declared
from resray.analysis.words import Valued, between, chance, estimate, signed
from resray.errors import InputError, unknown
from resray.report.claims_section import BY_CLAIM, claims_cell
from resray.report.tables import Cell, Table, number_cell, table, text_cell
from resray.report.text import Html, folded, join, tag

METRIC = "test_accuracy"
BASELINE = "baseline"
MOST_ROWS = 1000
"""Of the tables of all baselines together: half a kilobyte each stands in the page."""
MOST_PAIRED = 50
"""Configurations of which every pair is tested: of more the correction leaves little to show."""
METHOD = (
    f"Behind a mean stands half its 95 % interval (Student 1908). {HOW} Intervals and p values "
    "hold for all rows of a table together, against the best or a baseline chosen before (Games "
    "and Howell 1976, Sidak 1967); who looks through all baselines meets chance more often. What "
    "was trained on other data, for another length or reduced otherwise than the baseline is not "
    "tested."
)


@dataclass(frozen=True)
class Measured:
    """A group with its test accuracies, and what it must share to be compared."""

    group: Group
    sample: Sample
    mean: Valued
    condition: Condition


def differences_section(results: Analysis, baseline: str | None = None) -> Html:
    """Return a table of differences to a baseline, hidden ones to the others to choose from, and a
    closed one of every pair.

    The baseline is a group's label, or a name that one group has (of several folders: in the first
    one); of none given, or while it has no
    test accuracy, `default_baseline`. Nothing if fewer than two groups have one. Raises InputError
    if no group is called so.
    """
    groups = [measure(results, group) for group in results.groups]
    source = next(iter(results.sources), None)
    chosen = named(groups, baseline, source) if groups and baseline is not None else None
    measured = [one for one in groups if one.sample.values]
    if len(measured) < 2:
        return Html()
    first = chosen if chosen and chosen.sample.values else default_baseline(measured)
    offered = candidates(measured, first, len(groups))
    tables = [baseline_table(results, groups, one, place) for place, one in enumerate(offered, 1)]
    return join(
        [
            folded(
                "How differences are judged",
                tag("p", METHOD, BY_CLAIM if declared(results) else ""),
            ),
            chooser(offered, len(measured)) if len(offered) > 1 else "",
            *(
                tag("div", made, data_baseline=one.group.label, hidden="" if place else None)
                for place, (made, one) in enumerate(zip(tables, offered, strict=True))
            ),
            pairs_part(results, measured),
        ]
    )


def measure(results: Analysis, group: Group) -> Measured:
    sample = sample_of(results, group, METRIC)
    mean = estimate(summarise(sample.values.values()))
    return Measured(group, sample, mean, condition_of(group))


def named(groups: Sequence[Measured], baseline: str, source: str | None = None) -> Measured:
    """Return what has this label, or this name if nothing else has it, in the folder ``source`` at
    least. Raises InputError if nothing does, or several."""
    of_label = [one for one in groups if one.group.label == baseline]
    found = of_label or [one for one in groups if one.group.name == baseline]
    if len(found) > 1 and source is not None:
        found = [one for one in found if one.group.trials[0]["source"] == source]
    if len(found) != 1:
        raise InputError(unknown("--baseline", baseline, (one.group.label for one in groups)))
    return found[0]


def default_baseline(measured: Sequence[Measured]) -> Measured:
    """Return the first, in the study's order, of the groups that were trained alike: with two seeds
    or more, if there is one."""
    alike = {group.label for group in comparable([one.group for one in measured])}
    found = [one for one in measured if one.group.label in alike]
    return next((one for one in found if len(one.sample.values) > 1), found[0])


def candidates(measured: Sequence[Measured], chosen: Measured, rows: int) -> list[Measured]:
    """Return the baselines that the page offers, the chosen one first: as many as `MOST_ROWS`
    allows."""
    others = [one for one in measured if one is not chosen]
    return [chosen, *others[: max(MOST_ROWS // rows - 1, 0)]]


def chooser(offered: Sequence[Measured], many: int) -> Html:
    """Return what the reader chooses the baseline by, of so many that there are."""
    labels = [one.group.label for one in offered]
    options = (tag("option", label, value=label) for label in labels)
    select = tag("select", *options, id="baseline", data_baselines="")
    rest = f" {many - len(offered):,} more by --baseline" if many > len(offered) else ""
    return tag("p", tag("label", "Baseline", for_="baseline"), " ", select, rest)


def baseline_table(
    results: Analysis, groups: Sequence[Measured], baseline: Measured, place: int
) -> Table:
    against = [obstacle(one, baseline) for one in groups]
    tested = [place for place, text in enumerate(against) if text is None]
    estimates = [difference(baseline.sample, groups[place].sample, paired=results.paired)
                 for place in tested]  # fmt: skip
    judged = contrasts(estimates, with_one(len(tested) + 1))
    found = dict(zip(tested, judged, strict=True))
    rows = (
        row(one, found.get(place), against[place], claims_cell(results, one.group, baseline.group))
        for place, one in enumerate(groups)
    )
    caption = with_detectable(f"Test accuracy against {baseline.group.label}", judged)
    return table(caption, rows, id=f"differences-to-{place}")


def obstacle(one: Measured, baseline: Measured) -> str | None:
    """Return why a group is not compared with the baseline, None if it is."""
    if one is baseline:
        return BASELINE
    if not one.sample.values:
        return "not measured" if one.group.finished else "none finished"
    return "; ".join(map(str, obstacles(baseline.condition, one.condition))) or None


def row(
    one: Measured, found: Contrast | None, obstacle: str | None, claim: Cell, against: str = ""
) -> list[Cell]:
    """Return a group beside the baseline or another, which is named ``against``; ``obstacle`` is
    why the two are not compared, ``claim`` what declared their difference."""
    reason = why(found) if found else obstacle if obstacle != BASELINE else None
    effect = verdict(found) if found else "not compared" if reason else BASELINE
    return [
        text_cell("Configuration", one.group.label),
        text_cell("Against", against or None, optional=True),
        number_cell("Test accuracy, %", one.mean),
        number_cell("Difference, points", found and signed(found.value)),
        number_cell("95 % interval", found and between(found.interval)),
        text_cell("Seeds", found and seeds(found), optional=True),
        text_cell("Method", found and found.interval and found.estimate.method, optional=True),
        number_cell("p", found and chance(found.p)),
        text_cell("Effect", effect, facet=True),
        text_cell("Why", reason, optional=True),
        claim,
    ]


# --- every pair ---------------------------------------------------------------------------------


def pairs_part(results: Analysis, measured: Sequence[Measured]) -> Html:
    """Return every two configurations that may be compared, corrected for all, in a closed table;
    nothing where that is one pair or no pair can be tested."""
    if len(measured) > MOST_PAIRED:
        return tag("p", f"Every pair is tested of at most {MOST_PAIRED} configurations.")
    pairs = [pair for pair in combinations(measured, 2)
             if not any(obstacles(*(each.condition for each in pair)))]  # fmt: skip
    judged = together(difference(one.sample, other.sample, paired=results.paired)
                      for one, other in pairs)  # fmt: skip
    if len(pairs) < 2 or not any(each.interval for each in judged):
        return Html()
    rows = (row(other, found, None, claims_cell(results, one.group, other.group), one.group.label)
            for (one, other), found in zip(pairs, judged, strict=True))  # fmt: skip
    caption = "Test accuracy, every pair; intervals and p values hold for all of them (Sidak 1967)"
    made = table(with_detectable(caption, judged), rows, id="pairs")
    return tag("details", tag("summary", f"Every pair: {len(pairs):,} differences"), made)
