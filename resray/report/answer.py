"""The answer in words, made from the data with its uncertainty, and what to be warned of."""

from collections.abc import Sequence

from resray.analysis.answers import half_interval, is_known
from resray.analysis.comparability import Obstacle, comparable
from resray.analysis.groups import Group, distinct, reductions_of
from resray.analysis.metrics import few_test_images
from resray.analysis.published import comparisons
from resray.analysis.results import Analysis
from resray.analysis.words import count, fixed, listed, plural, with_interval
from resray.report.lead import Lead
from resray.report.text import join, tag
from resray.results.summary import LAST, TEST
from resray.study.reduction import Reduction, reduces

GOING_ON = ("running", "pending", "interrupted")
NO_DEVICE = ("any", "unstated")
AS_RUN = {
    TEST: "with the epoch that is best on test",
    LAST: "with the last epoch, as no validation split was held out",
}
"""Which epoch counts of trials that were run as their author did."""
ONE_SEED = "Each configuration was trained once, so no spread can be given"


def answer(results: Analysis) -> list[str]:
    """Return the sentences that answer the study's question as far as the results go."""
    groups = [group for group in results.groups if group.summary("test_accuracy")]
    if not groups:
        return [no_answer(results)]
    ranked = sorted(comparable(groups), key=accuracy_of, reverse=True)
    sentences = [single(results, ranked[0])] if len(ranked) == 1 else ranking(results, ranked)
    if ranked[0].reductions:
        kind = "reduced" if reduces(ranked[0].reductions) else "changed"
        sentences.append(f"These are {kind} runs, so this does not answer the study's question.")
    of_ranked = {group.label for group in ranked}
    if others := [group.label for group in groups if group.label not in of_ranked]:
        sentences.append(f"Not ranked, as data, length or variant differ: {listed(others)}.")
    return sentences


def no_answer(results: Analysis) -> str:
    if results.search and not any(group.finished for group in results.groups):
        link = tag("a", "the search", href="#search")
        return join(["No answer yet: ", link, " has not been confirmed, and only that is tested."])
    if not results.rows:
        return "No answer yet: no trial has been recorded."
    if not any(group.finished for group in results.groups):
        return f"No answer yet: none of {plural(len(results.rows), 'trial')} has finished."
    return (
        "No answer: the finished trials have no test accuracy at an epoch that was "
        "selected (was no validation split held out?)."
    )


def accuracy_of(group: Group) -> float:
    summary = group.summary("test_accuracy")
    assert summary is not None
    return summary.mean


def measured(results: Analysis, group: Group) -> str:
    """Return ``93.12 ± 0.37 % (n = 3, ± 0.46 by images)``: mean, half of its 95 % interval, seeds,
    and that half were the same networks tested on other images."""
    summary = group.summary("test_accuracy")
    assert summary is not None
    half = half_interval(group.finished, results.answers)
    by_images = f", ±\u00a0{fixed(half)} by images" if half else ""
    return f"{with_interval(summary)}\u00a0% (n\u00a0=\u00a0{summary.n}{by_images})"


def single(results: Analysis, group: Group) -> str:
    reached = measured(results, group)
    alone = "" if len(group.finished) > 1 else " It was trained once, so no spread can be given."
    if group.confirms:
        return (
            f"The winner of the search, {group.name}, reaches a test accuracy of {reached} "
            f"with seeds that the search did not use, on {listed(group.distinct('device'))}.{alone}"
        )
    return (
        f"{group.label} reaches a test accuracy of {reached} on "
        f"{listed(group.distinct('device'))}; there is nothing to compare it with.{alone}"
    )


def ranking(results: Analysis, ranked: Sequence[Group]) -> list[str]:
    """Return what separates the best of several groups from the next, the last and the cheapest."""
    level, last = level_with_best(ranked), ranked[-1]
    best = cheapest_of(level) or ranked[0]
    devices = listed(device for group in ranked for device in group.distinct("device"))
    have = "has" if len(level) == 1 else "share"
    sentences = [
        f"{listed(group.label for group in level)} {have} the highest measured test accuracy of "
        f"{len(ranked)} configurations, {measured(results, best)}; {last.label} has the lowest, "
        f"{measured(results, last)}. Device: {devices}."
    ]
    lead = Lead.of(results, best, [group for group in ranked if group is not best])
    it = "it" if len(level) == 1 else best.label
    if (price := against_cheapest(ranked, lead, it)) is not None:
        sentences.append(price)
    summaries = [group.summary("test_accuracy") for group in ranked]
    if all(summary and summary.n == 1 for summary in summaries):
        return [*sentences, f"{ONE_SEED}, and another seed can change the order."]
    several = [lead.apart(it)] if len(ranked) > 2 else []
    second = next((group for group in ranked if group not in level), lead.others[0])
    return [
        *sentences,
        lead.next(second, it),
        *several,
        "The ± of a mean is half of its 95 % interval over seeds.",
    ]


def level_with_best(ranked: Sequence[Group]) -> list[Group]:
    """Return the groups that share the highest accuracy."""
    return [group for group in ranked if accuracy_of(group) == accuracy_of(ranked[0])]


def cheapest_of(groups: Sequence[Group]) -> Group | None:
    """Return the group with the fewest multiply-adds, None if those of some are not known."""
    costs = [group.summary("multiply_adds") for group in groups]
    known = [(cost.mean, place) for place, cost in enumerate(costs) if cost]
    return groups[min(known)[1]] if len(known) == len(groups) else None


def against_cheapest(ranked: Sequence[Group], lead: Lead, it: str) -> str | None:
    """Return what the best group costs and gains against the one with the fewest multiply-adds."""
    costs = {group.label: group.summary("multiply_adds") for group in ranked}
    means = {label: summary.mean for label, summary in costs.items() if summary}
    if len(set(means.values())) < 2 or cheapest_of(level_with_best(ranked)) is None:
        return None
    known = [group for group in ranked if group.label in means]
    best, cheapest = lead.best, min(known, key=lambda group: means[group.label])
    least = f"{count(means[cheapest.label])} multiply-adds per image"
    if means[best.label] == means[cheapest.label]:
        return f"{'It' if it == 'it' else it} is also the cheapest, with {least}."
    # What costs nothing has no multiple.
    times = means[best.label] / means[cheapest.label] if means[cheapest.label] else None
    if times is None:
        return None
    return (
        f"Against the cheapest, {cheapest.label} ({least}), {it} gains {lead.gain(cheapest)} for "
        f"{fixed(times, 2 if times < 2 else 1)} times the multiply-adds."
    )


def banners(results: Analysis) -> list[tuple[str, list[str]]]:
    """Return what must be known before any number is read, each as a heading and its lines."""
    found = []
    reduced = [group for group in results.groups if group.reductions]
    if reduced:
        share = "These are" if len(reduced) == len(results.groups) else "Some of these are"
        less = any(reduces(group.reductions) for group in reduced)
        kind = "reduced" if less else "changed"
        found.append((f"{share} {kind} runs", reduced_how(results.groups)))
    if how := [each for row in results.search.trials for each in reductions_of(row)]:
        heading = "The search is reduced" if reduces(how) else "The search's recipes were changed"
        found.append((heading, [f"{listed(how, most=8)}."]))
    if results.study is None:
        lines = [f"{results.folder.name}/study.yaml is missing: the question, the published "
                 "figures and the claims cannot be shown."]  # fmt: skip
        found.append(("No study file", lines))
    return found


def reduced_how(groups: Sequence[Group]) -> list[str]:
    """Return what was reduced: once if it is the same for all groups, else with their labels."""
    labels: dict[tuple[Reduction, ...], list[str]] = {}
    for group in groups:
        labels.setdefault(group.reductions, []).append(group.label)
    parts = {", ".join(map(str, what)): listed(who, most=6) for what, who in labels.items() if what}
    if len(labels) == 1:
        return [f"{what}." for what in parts]
    return [f"{who}: {what}." for what, who in parts.items()]


def unfinished(results: Analysis) -> list[str]:
    """Return that the study is not at its end, if so: whatever is ranked may change."""
    if not (going_on := results.with_status(*GOING_ON)):
        return []
    numbers = {state: sum(row["status"] == state for row in going_on) for state in GOING_ON}
    states = ", ".join(f"{number:,} {state}" for state, number in numbers.items() if number)
    link = tag("a", f"{len(going_on):,} of {plural(len(results.rows), 'trial')}",
               href="#unfinished")  # fmt: skip
    are = "is" if len(going_on) == 1 else "are"
    return [join(["The study has not ended: ", link, f" {are} not done ({states}), so every "
                  "ranking and comparison here is preliminary."])]  # fmt: skip


def other_devices(results: Analysis) -> list[str]:
    """Return whose hardware published figures of time and memory are from, if it is not ours."""
    pairs = [(item.published.device, item.group.distinct("device"))
             for item in comparisons(results)
             if item.group and Obstacle("other_device") in item.obstacles
             and item.published.device not in NO_DEVICE]  # fmt: skip
    if not pairs:
        return []
    theirs = listed(device for device, _ in pairs)
    ours = listed(device for _, own in pairs for device in own)
    return [f"Published times and memory are from other hardware ({theirs}) than these runs "
            f"({ours}): shown, but not compared."]  # fmt: skip


def warnings(results: Analysis) -> list[str]:
    """Return what limits the numbers, one sentence each."""
    found = [*unfinished(results), *other_devices(results)]
    finished = [row for group in results.groups for row in group.finished]
    failed, going_on = results.with_status("failed"), results.with_status(*GOING_ON)
    if failed:
        link = tag("a", plural(len(failed), "trial"), " failed", href="#failed")
        found.append(join([link, "; failed trials enter no mean."]))
    if rest := len(results.rows) - len(finished) - len(failed) - len(going_on):
        link = tag("a", plural(rest, "trial"), " did not complete", href="#unfinished")
        found.append(join([link, "; trials that were stopped enter no mean."]))
    if early := [group.label for group in results.groups if group.partial]:
        found.append(f"Ended early as asked, so in no mean with complete ones: {listed(early)}.")
    for selection, words in AS_RUN.items():
        if labels := [group.label for group in results.groups if group.selection == selection]:
            found.append(f"As their authors ran them, {words}, so compared with no others: "
                         f"{listed(labels)}.")  # fmt: skip
    if len({min(len(group.finished), 2) for group in results.groups} - {0}) == 2:
        found.append("Configurations with n = 1 have no spread: seed noise is unknown.")
    if few := few_test_images(finished):
        found.append(f"{few}, so small differences say nothing.")
    for row in finished:
        if "JPEG" in str(row["data_source"]) and str(row["dataset"]).startswith("cifar"):
            found.append(f"{row['data_source']}: the images were re-encoded as JPEG, so accuracy "
                         "may lie a point or so under the originals'.")  # fmt: skip
            break
    if any(not group.exclusive for group in results.groups if group.finished):
        found.append("Some trials shared their machine, or a configuration ran on several devices: "
                     "these times are shown but not compared.")  # fmt: skip
    if len(devices := distinct(finished, "device")) > 1:
        found.append(f"Several devices ({listed(devices)}): compare times only within one.")
    if missing := without_images(results):
        found.append("Compared without images, as not every network's predictions are stored ("
                     f"`resray evaluate --kind test` adds them): {listed(missing)}.")  # fmt: skip
    if any(row["test_accuracy"] is None for row in finished):
        found.append("Finished trials without a test accuracy at an epoch that was selected "
                     "are in no mean of it.")  # fmt: skip
    return found


def without_images(results: Analysis) -> list[str]:
    """Return the configurations that are compared without their images, since it is not stored what
    each network predicts, as ``resnet18 (2 of 3)``; none where it is of no network at all."""
    known = [sum(is_known(row, results.answers) for row in group.finished)
             for group in results.groups]  # fmt: skip
    return [
        f"{group.label} ({some} of {len(group.finished)})"
        for group, some in zip(results.groups, known, strict=True)
        if any(known) and some < len(group.finished)
    ]
