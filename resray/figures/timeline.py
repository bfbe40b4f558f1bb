"""The timeline of the trials: which process trained which when, and what became of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from resray.analysis.groups import Row
from resray.analysis.results import Analysis
from resray.analysis.timeline import (
    CUT_OFF,
    Lane,
    Stretch,
    by_trial,
    host_of,
    in_time,
    of_trial,
    span_of,
)
from resray.analysis.words import duration, plural
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.lanes import Timeline
from resray.figures.plot import Figure, Series, Trace, plotly_text

FATES = (
    Series("fate-completed", "completed", "@series-0", "circle"),
    Series("fate-stopped", "stopped early", "@series-4", "square"),
    Series("fate-failed", "failed", "@bad", "triangle-down"),
    Series("fate-interrupted", "interrupted or cut off", "@series-3", "diamond"),
    Series("fate-running", "still running", "@series-2", "triangle-up"),
)
COMPLETED, STOPPED, FAILED, INTERRUPTED, RUNNING = FATES
FATE_OF = {"completed": COMPLETED, "stopped": STOPPED, "failed": FAILED, "running": RUNNING}
"""What becomes of a stretch by its outcome; of others it is `INTERRUPTED`."""

MOST_BARS = 2000
"""So many bars the page draws and moves at once."""
MOST_NAMED = 120
"""With more bars than these there is no room for names in them."""
SEEN = 400
"""Of the width, the part that is still seen."""
TALL, WHOLE = 30, 640
"""Pixels of a row, and of all rows where there are many."""


@dataclass(frozen=True)
class Bar:
    """Stretches of one lane with one fate that are drawn together."""

    stretch: Stretch
    """From the first start to the last end, with pauses left out."""
    members: tuple[Stretch, ...]
    """As they were recorded."""


def timeline(results: Readable, theme: str = "light") -> PlotlyFigure:
    """When each trial ran, and on which worker."""
    return drawn(timeline_figure, results, theme)


def timeline_figure(results: Analysis) -> Figure | None:
    """A bar for each start of a trial, in the row of the process that trained it."""
    found = trial_stretches(results)
    if not found:
        return None
    timeline = Timeline(found)
    shortest = shortest_bar(timeline.moved, len(timeline.lanes))
    bars = list(together(timeline, shortest))
    text = caption(timeline, shortest if len(bars) < len(found) else 0.0)
    row = min(TALL, WHOLE / len(timeline.lanes))
    return timeline.figure("timeline", "Timeline of the trials", text, FATES,
                           list(bar_traces(results, timeline, bars)), row,
                           uniformtext={"minsize": 10, "mode": "hide"})  # fmt: skip


def trial_stretches(results: Analysis) -> list[Stretch]:
    """Return when the trials ran, the first first; none if a search's timeline shows them all."""
    if results.search and all(row["role"] == "confirmation" for row in results.rows):
        return []
    events = by_trial(results.event_rows)
    return in_time(
        each for row in results.rows for each in of_row(results, row, events.get(row["trial_id"]))
    )


def of_row(results: Analysis, row: Row, events: Sequence[Row] | None) -> list[Stretch]:
    """Return a trial's stretches, of one whose starts were not recorded all as one."""
    found = list(of_trial(row["trial_id"], events or [], results.epoch_table.get))
    if not found and row["started"] and row["ended"]:
        end = max(row["started"], row["ended"])
        found = [Stretch(row["trial_id"], host_of(row), 0, row["attempts"] or 1, 0,
                         row["started"], end, str(row["status"]))]  # fmt: skip
    if found and row["status"] == "running" and found[-1].outcome == CUT_OFF:
        found[-1] = replace(found[-1], outcome="running")
    return found


# --- many of them -------------------------------------------------------------------------------


def shortest_bar(found: Sequence[Stretch], rows: int) -> float:
    """Return the seconds below which neighbours share a bar: 0 unless there are too many.

    Then a bar of that length is at most a thousandth of the whole width, which is a pixel, or as
    long as it takes for all bars to be drawn at once.
    """
    if len(found) <= MOST_BARS:
        return 0.0
    return span_of(found) * max(1 / 1000, rows / MOST_BARS)


def together(timeline: Timeline, shortest: float) -> Iterator[Bar]:
    """Yield bars; neighbours of one fate share one for as long as it stays under ``shortest``."""
    open_bars: dict[Lane, tuple[Stretch, list[Stretch]]] = {}
    for recorded, one in zip(timeline.found, timeline.moved, strict=True):
        lane = timeline.lane_of[one.process]
        if lane in open_bars:
            first, members = open_bars[lane]
            whole = replace(first, end=max(first.end, one.end))
            if fate_of(first) is fate_of(one) and whole.seconds < shortest:
                members.append(recorded)
                open_bars[lane] = (whole, members)
                continue
            yield Bar(first, tuple(members))
        open_bars[lane] = (one, [recorded])
    for stretch, members in open_bars.values():
        yield Bar(stretch, tuple(members))


def fate_of(one: Stretch) -> Series:
    return FATE_OF.get(one.outcome, INTERRUPTED)


# --- the figure ---------------------------------------------------------------------------------


def bar_traces(results: Analysis, timeline: Timeline, bars: Sequence[Bar]) -> Iterator[Trace]:
    """Yield the bars of each fate."""
    rows = {row["trial_id"]: row for row in results.rows}
    named = len(bars) <= MOST_NAMED
    least = timedelta(seconds=timeline.span / SEEN)
    for fate in FATES:
        if own := [bar for bar in bars if fate_of(bar.stretch) is fate]:
            texts = [told(results, rows, bar) for bar in own]
            stretches = [visible(bar.stretch, least) for bar in own]
            trace = timeline.bars(fate, stretches, texts, framed=named)
            yield trace | (names_in(results, rows, own) if named else {})


def visible(one: Stretch, least: timedelta) -> Stretch:
    """Return a stretch that is seen even if it was cut off before its first epoch."""
    return one if one.end - one.start >= least else replace(one, end=one.start + least)


def names_in(results: Analysis, rows: Mapping[str, Row], bars: Sequence[Bar]) -> Trace:
    """Return what writes a trial's name into its bar; Plotly hides what does not fit."""
    return {
        "text": [plotly_text(name_of(results, rows, bar.members[0])) for bar in bars],
        "textposition": "inside",
        "insidetextanchor": "start",
        "insidetextfont": {"color": "@paper", "size": 11},
        "textangle": 0,
    }


def name_of(results: Analysis, rows: Mapping[str, Row], one: Stretch) -> str:
    return f"{results.labels[one.trial_id]}, seed {rows[one.trial_id]['seed']}"


def told(results: Analysis, rows: Mapping[str, Row], bar: Bar) -> str:
    """Return what is told of a bar that the mouse is over."""
    first, last = bar.members[0], bar.members[-1]
    begun = f"{first.start:%Y-%m-%d %H:%M:%S} UTC"
    if len(bar.members) > 1:
        spent = duration(sum(one.seconds for one in bar.members))
        return (
            f"<b>{plural(len(bar.members), 'start')}</b>, {fate_of(first).label}<br>"
            f"{spent} from {begun}<br>{plotly_text(name_of(results, rows, first))} to "
            f"{plotly_text(name_of(results, rows, last))}"
        )
    row = rows[first.trial_id]
    attempt = f", attempt {first.attempt}" if first.attempt > 1 else ""
    ranks = f", {row['world_size']} ranks" if (row["world_size"] or 1) > 1 else ""
    process = f", process {first.pid}" if first.pid else ""
    return (
        f"<b>{plotly_text(name_of(results, rows, first))}</b><br>{plotly_text(first.outcome)} after"
        f" {duration(first.seconds)}{attempt}<br>{row['epochs_done'] or 0} of "
        f"{row['epochs'] or '?'} epochs in all<br>{begun}<br>{plotly_text(first.host)}"
        f"{process}{ranks}"
    )


def caption(timeline: Timeline, shortest: float) -> str:
    trials = {one.trial_id for one in timeline.found}
    text = (
        f"{plural(len(timeline.found), 'start')} of {plural(len(trials), 'trial')} "
        f"on {timeline.workers}: a bar lasts from a start to its end, or to the last epoch "
        "where it was cut off or still runs; a trial of several ranks has the row of its first. "
        f"Utilisation: {timeline.busy}, the share of these workers' time in which they had a trial."
    )
    if shortest:
        text += (f" Neighbours with the same outcome share a bar where all of it is shorter than "
                 f"{duration(shortest)}.")  # fmt: skip
    return text
