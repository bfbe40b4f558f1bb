"""The timeline of a search: which process trained which trial when, and how busy all were."""

from collections.abc import Mapping, Sequence

import pandas as pd

from resray.report.aggregate import Results, distinct
from resray.report.lanes import (
    Lane,
    Process,
    Stretch,
    by_trial,
    in_time,
    lane_bars,
    lane_layout,
    lanes,
    of_trial,
    span_of,
    utilisation,
    without_pauses,
)
from resray.report.plot import Figure, Panel, Series, time_unit
from resray.report.search import Search, SearchPoint, search_of
from resray.report.search_cost import own_epochs
from resray.report.search_plot import AUDITED, hover, look_of, looks
from resray.report.search_words import percent
from resray.report.text import duration, plotly_text, plural

CONFIRMATION = Series("confirmation", "confirmation", "@series-3", "pentagon")


def stretches(results: Results) -> list[Stretch]:
    """Return when the search's trials and its confirmations ran, the first first."""
    confirming = [row["trial_id"] for row in results.trials if row["role"] == "confirmation"]
    events = by_trial((*results.search.events, *results.events))
    ids = [*distinct(results.search.trials, "trial_id"), *confirming]

    def epochs_of(trial_id: str) -> pd.DataFrame | None:
        return results.search.epochs.get(trial_id, results.epochs.get(trial_id))

    return in_time(each for one in ids for each in of_trial(one, events.get(one, []), epochs_of))


def workers_figure(results: Results) -> Figure | None:
    """A bar for each start of a trial, in the row of the process that trained it."""
    search = search_of(results)
    found = stretches(results) if search else []
    if search is None or not found:
        return None
    lane_of = lanes(found)
    moved, cut = without_pauses(found)
    used = len(set(lane_of.values()))
    share = percent(utilisation(moved, used))
    caption = (
        f"{plural(used, 'worker')} had a trial; a bar is a trial from its start to its end, in the "
        f"colour of what became of it. Utilisation: {share or 'not known'}, the share of these "
        "workers' time from the first start to the last end in which they had one; a worker that "
        "never had one does not count."
    )
    if cut:
        caption += f" Pauses of {duration(cut.total_seconds())} with nothing running are left out."
    points = {row["trial_id"]: point for point in search.points for row in point.rows}
    series = [*looks(search, search.points), AUDITED, CONFIRMATION]
    panel = timeline(results, search, moved, lane_of, points)
    drawn = {trace["legendgroup"] for trace in panel.traces}
    series = [one for one in series if one.key in drawn]
    return Figure("workers", "Timeline", caption, series, [panel])


def timeline(
    results: Results, search: Search, found: Sequence[Stretch], lane_of: Mapping[Process, Lane],
    points: dict[str, SearchPoint],
) -> Panel:  # fmt: skip
    divisor, unit = time_unit([span_of(found)])
    by_look: dict[Series, list[Stretch]] = {}
    for one in found:
        by_look.setdefault(look_of_stretch(search, points, one), []).append(one)
    traces = [
        lane_bars(look, own, found[0].start, divisor, lane_of,
                  [told(results, search, points, one) for one in own])
        for look, own in by_look.items()
    ]  # fmt: skip
    made = lane_layout(unit, span_of(found) / divisor, set(lane_of.values()))
    return Panel("Trials over workers", traces, made)


def look_of_stretch(search: Search, points: dict[str, SearchPoint], one: Stretch) -> Series:
    point = points.get(one.trial_id)
    if point is None:
        return CONFIRMATION
    row = next(row for row in point.rows if row["trial_id"] == one.trial_id)
    audits = point.stop and row["audited"] and one.epoch >= own_epochs(point, row)
    return AUDITED if audits else look_of(search, point)


def told(
    results: Results, search: Search, points: dict[str, SearchPoint], one: Stretch
) -> str:  # fmt: skip
    point = points.get(one.trial_id)
    name = hover(search, point) if point else plotly_text(results.labels[one.trial_id])
    return (
        f"{name}<br>{plotly_text(one.outcome)} after {duration(one.seconds)}, attempt "
        f"{one.attempt}<br>{plotly_text(one.host)}, process {one.pid}"
    )
