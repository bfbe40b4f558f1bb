"""The timeline of a search: which process trained which trial when, and how busy all were."""

from dataclasses import replace

import pandas as pd

from resray.analysis.groups import distinct
from resray.analysis.results import Analysis
from resray.analysis.search import Search, SearchPoint, search_of
from resray.analysis.search_cost import own_epochs
from resray.analysis.timeline import Stretch, by_trial, in_time, of_trial
from resray.analysis.words import duration
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.lanes import Timeline
from resray.figures.plot import Figure, Series, plotly_text
from resray.figures.search_plot import AUDITED, hover, look_of, looks

CONFIRMATION = Series("confirmation", "confirmation", "@series-3", "pentagon")


def stretches(results: Analysis) -> list[Stretch]:
    """Return when the search's trials and its confirmations ran, the first first."""
    confirming = [row["trial_id"] for row in results.rows if row["role"] == "confirmation"]
    events = by_trial((*results.search.events, *results.event_rows))
    ids = [*distinct(results.search.trials, "trial_id"), *confirming]

    def epochs_of(trial_id: str) -> pd.DataFrame | None:
        return results.search.epochs.get(trial_id, results.epoch_table.get(trial_id))

    return in_time(each for one in ids for each in of_trial(one, events.get(one, []), epochs_of))


def search_workers(results: Readable, theme: str = "light") -> PlotlyFigure:
    """When each trial of a search ran, and on which worker."""
    return drawn(workers_figure, results, theme)


def workers_figure(results: Analysis) -> Figure | None:
    """A bar for each start of a trial, in the row of the process that trained it."""
    search = search_of(results)
    found = stretches(results) if search else []
    if search is None or not found:
        return None
    timeline = Timeline(found)
    caption = (
        f"{timeline.workers} had a trial; a bar is a trial from its start to its end, in the "
        f"colour of what became of it. Utilisation: {timeline.busy}, the share of these "
        "workers' time from the first start to the last end in which they had one; a worker that "
        "never had one does not count."
    )
    points = {row["trial_id"]: point for point in search.points for row in point.rows}
    by_look: dict[Series, list[Stretch]] = {}
    for one in timeline.moved:
        by_look.setdefault(look_of_stretch(search, points, one), []).append(one)
    traces = [
        timeline.bars(look, own, [told(results, search, points, one) for one in own])
        for look, own in by_look.items()
    ]
    key = [*looks(search, search.points), AUDITED, CONFIRMATION]
    return replace(timeline.figure("workers", "Timeline", caption, key, traces), of_search=True)


def look_of_stretch(search: Search, points: dict[str, SearchPoint], one: Stretch) -> Series:
    point = points.get(one.trial_id)
    if point is None:
        return CONFIRMATION
    row = next(row for row in point.rows if row["trial_id"] == one.trial_id)
    audits = point.stop and row["audited"] and one.epoch >= own_epochs(point, row)
    return AUDITED if audits else look_of(search, point)


def told(
    results: Analysis, search: Search, points: dict[str, SearchPoint], one: Stretch
) -> str:  # fmt: skip
    point = points.get(one.trial_id)
    name = hover(search, point) if point else plotly_text(results.labels[one.trial_id])
    return (
        f"{name}<br>{plotly_text(one.outcome)} after {duration(one.seconds)}, attempt "
        f"{one.attempt}<br>{plotly_text(one.host)}, process {one.pid}"
    )
