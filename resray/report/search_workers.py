"""The timeline of a search: which process trained which trial when, and how busy all were."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resray.report.aggregate import Results, Row, distinct
from resray.report.plot import Figure, Panel, Series, Trace, layout, time_unit, trace_of
from resray.report.search import Search, SearchPoint, search_of
from resray.report.search_cost import own_epochs
from resray.report.search_plot import AUDITED, hover, look_of, looks
from resray.report.search_words import percent
from resray.report.text import duration, plotly_text, plural

BEGINS = ("started", "resumed")
ENDS = ("completed", "stopped", "interrupted", "failed")
"""Events that are written when they happen; a death may be noticed by the next command only."""
PAUSE = timedelta(minutes=5)
"""Where nothing ran for longer than this, the command did not run: such time is left out."""
CONFIRMATION = Series("confirmation", "confirmation", "@series-3", "pentagon")


@dataclass(frozen=True)
class Stretch:
    """One start of a trial, up to its end or the next start."""

    trial_id: str
    host: str
    pid: int
    attempt: int
    epoch: int
    """Epochs that had been trained before."""
    start: datetime
    end: datetime
    outcome: str

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def stretches(results: Results) -> list[Stretch]:
    """Return when the search's trials and its confirmations ran, the first first."""
    confirming = [row["trial_id"] for row in results.trials if row["role"] == "confirmation"]
    events: dict[str, list[Row]] = {}
    for event in (*results.search.events, *results.events):
        if event["time"] is not None:
            events.setdefault(event["trial_id"], []).append(event)
    ids = [*distinct(results.search.trials, "trial_id"), *confirming]
    found = [each for one in ids for each in of_trial(results, one, events.get(one, []))]
    return sorted(found, key=lambda one: (one.start, one.trial_id))


def of_trial(results: Results, trial_id: str, events: Sequence[Row]) -> Iterator[Stretch]:
    """Yield a trial's stretches; what died or was killed lasts to its last recorded epoch."""
    ordered = sorted(events, key=lambda event: event["time"])
    for place, event in enumerate(ordered):
        if event["event"] not in BEGINS:
            continue
        after = ordered[place + 1] if place + 1 < len(ordered) else None
        ended = after if after and after["event"] in ENDS else None
        end = ended["time"] if ended else last_epoch(results, trial_id, event)
        yield Stretch(
            trial_id,
            host=str(event["host"] or "unknown host"),
            pid=event["pid"] or 0,
            attempt=event["attempt"] or 0,
            epoch=event["epoch"] or 0,
            start=event["time"],
            end=max(end, event["time"]),
            outcome=str(ended["event"]) if ended else "cut off",
        )


def last_epoch(results: Results, trial_id: str, start: Row) -> datetime:
    """Return when the last epoch of a start was recorded, or the start itself."""
    epochs = results.search.epochs.get(trial_id, results.epochs.get(trial_id))
    if epochs is None:
        return start["time"]
    recorded = epochs.loc[epochs["attempt"] == start["attempt"], "recorded"].dropna()
    return recorded.max().to_pydatetime() if len(recorded) else start["time"]


# --- workers ------------------------------------------------------------------------------------


def lanes(found: Sequence[Stretch]) -> dict[tuple[str, int], tuple[str, int]]:
    """Return for each process a lane of its host: two share one if the first ended before.

    Workers that train one trial after the other have a lane each; so have the places that fresh
    processes take in turn.
    """
    ends: dict[tuple[str, int], datetime] = {}
    for one in found:
        process = (one.host, one.pid)
        ends[process] = max(ends.get(process, one.end), one.end)
    free: dict[str, list[datetime]] = {}
    taken: dict[tuple[str, int], tuple[str, int]] = {}
    for one in found:
        process = (one.host, one.pid)
        if process not in taken:
            own = free.setdefault(one.host, [])
            lane = next((n for n, until in enumerate(own) if until <= one.start), len(own))
            own[lane : lane + 1] = [ends[process]]
            taken[process] = (one.host, lane + 1)
    return taken


def without_pauses(found: Sequence[Stretch]) -> tuple[list[Stretch], timedelta]:
    """Return the stretches moved together over times in which nothing ran, and what was cut."""
    moved: list[Stretch] = []
    cut, until = timedelta(), found[0].start
    for one in found:
        if one.start - until > PAUSE:
            cut += one.start - until
        until = max(until, one.end)
        moved.append(replace(one, start=one.start - cut, end=one.end - cut))
    return moved, cut


def utilisation(found: Sequence[Stretch], workers: int) -> float | None:
    """Return the share of the workers' time in which they had a trial."""
    span = (max(one.end for one in found) - found[0].start).total_seconds()
    return sum(one.seconds for one in found) / (workers * span) if span else None


# --- the figure ---------------------------------------------------------------------------------


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
    results: Results, search: Search, found: Sequence[Stretch],
    lane_of: dict[tuple[str, int], tuple[str, int]], points: dict[str, SearchPoint],
) -> Panel:  # fmt: skip
    divisor, unit = time_unit([(max(one.end for one in found) - found[0].start).total_seconds()])
    rows = sorted(set(lane_of.values()))
    by_look: dict[Series, list[Stretch]] = {}
    for one in found:
        by_look.setdefault(look_of_stretch(search, points, one), []).append(one)
    traces = [
        bars_of(look, own, found[0].start, divisor,
                [lane_name(lane_of[one.host, one.pid]) for one in own],
                [told(results, search, points, one) for one in own])
        for look, own in by_look.items()
    ]  # fmt: skip
    names = [lane_name(row) for row in reversed(rows)]
    y_axis = {"type": "category", "categoryorder": "array", "categoryarray": names,
              "showgrid": False, "nticks": 0, "ticksuffix": " "}  # fmt: skip
    made = layout(f"{unit} since the first start", 80 + 30 * len(rows), yaxis=y_axis,
                  barmode="overlay", bargap=0.25)  # fmt: skip
    return Panel("Trials over workers", traces, made)


def lane_name(lane: tuple[str, int]) -> str:
    return plotly_text(f"{lane[0]} · {lane[1]}")


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


def bars_of(
    look: Series, own: Sequence[Stretch], zero: datetime, divisor: float, rows: list[str],
    texts: list[str],
) -> Trace:  # fmt: skip
    return trace_of(
        look,
        type="bar",
        orientation="h",
        y=rows,
        x=[one.seconds / divisor for one in own],
        base=[(one.start - zero).total_seconds() / divisor for one in own],
        marker={"color": look.colour, "line": {"color": "@paper", "width": 1}},
        customdata=texts,
        hovertemplate="%{customdata}<extra></extra>",
    )
