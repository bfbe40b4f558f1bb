"""Where the time of an epoch goes, and how many images a second that makes."""

from collections.abc import Sequence

import numpy as np

from resray.analysis.breakdown import PARTS, breakdown, means_of
from resray.analysis.groups import Group, Row
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary
from resray.analysis.words import fixed, with_interval
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text

SECONDS, SHARE = "seconds per epoch", "share of the time"
LOOKS = {
    "training": plot.Series("part-training", "training", "@series-0", "square"),
    "warming up": plot.Series("part-warming", "warming up", "@series-5", "square"),
    "evaluating": plot.Series("part-evaluating", "evaluating", "@series-2", "square"),
    "saving": plot.Series("part-saving", "saving checkpoints", "@series-3", "square"),
    "starting": plot.Series("part-starting", "starting", "@series-4", "square"),
    "other": plot.Series("part-other", "waiting and other", "@series-6", "square"),
}


def timed_groups(results: Analysis) -> list[Group]:
    """Return the groups with a finished trial that recorded its speed."""
    return [group for group in results.groups if group.summary("images_per_second")]


def members(groups: Sequence[Group]) -> tuple[list[Row], np.ndarray]:
    """Return the finished trials of all groups, and for each its group's place."""
    rows = [row for group in groups for row in group.finished]
    lengths = [len(group.finished) for group in groups]
    return rows, np.repeat(np.arange(len(groups)), lengths)


def time_per_epoch(
    results: Readable, measure: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """Where the time of an epoch goes, and images per second.

    ``measure`` is one of the switch's: seconds or share.
    """
    return drawn(time_figure, results, theme, measure=measure)


def time_figure(results: Analysis) -> plot.Figure | None:
    """Seconds per epoch, part by part, and images per second."""
    groups = timed_groups(results)
    if not groups:
        return None
    rows, owners = members(groups)
    parts = means_of(breakdown(results, rows).parts, owners, len(groups))
    known = [part for place, part in enumerate(PARTS) if np.nansum(parts[:, place]) > 0]
    look = plot.all_series(results.groups)
    rates = plot.bars(groups, look, "images/s",
                      lambda group: [row["images_per_second"] for row in group.finished],
                      spread_bars=True)  # fmt: skip
    switch = plot.Switch("measure", "Measure", (SECONDS, SHARE))
    titles = {SECONDS: "Seconds per epoch", SHARE: "Share of the time (%)"}
    panels = [
        plot.Panel(
            plot.Choice("measure", titles),
            [part_bars(part, parts, groups, look) for part in known],
            plot.bar_layout(plot.Choice("measure", {SECONDS: "seconds", SHARE: "%"}), len(groups),
                            barmode="stack"),
        ),
        plot.Panel("Images trained on per second", [rates],
                   plot.bar_layout("images per second", len(groups), xaxis={"tickformat": "~s"})),
    ]  # fmt: skip
    series = [LOOKS[part] for part in known]
    return plot.Figure("time", "Where the time goes", caption(groups), series, panels, (switch,))


def part_bars(
    part: str, parts: np.ndarray, groups: Sequence[Group], look: dict[str, plot.Series]
) -> plot.Trace:
    """Return one part of the stacked bars of all groups; hatched where times are not compared."""
    values = parts[:, PARTS.index(part)]
    whole = np.nansum(parts, axis=1)
    shares = 100 * values / np.where(whole > 0, whole, np.nan)
    hover = [
        f"<b>{plotly_text(group.label)}</b><br>{LOOKS[part].label}: {fixed(value)} s per epoch, "
        f"{fixed(share, 1)} % (n = {len(group.finished)})"
        + ("" if group.exclusive else f"<br>{plot.SHARED}")
        for group, value, share in zip(groups, values, shares, strict=True)
    ]
    colour = LOOKS[part].colour
    return plot.trace_of(
        LOOKS[part],
        type="bar",
        orientation="h",
        y=[plotly_text(group.label) + ("" if group.exclusive else " (shared)")
           for group in groups],
        x=plot.Choice("measure", {SECONDS: values.tolist(), SHARE: shares.tolist()}),
        meta={"keys": [look[group.label].key for group in groups]},
        marker={
            "color": colour,
            "line": {"color": "@paper", "width": 1},
            "pattern": {"shape": ["" if group.exclusive else "/" for group in groups],
                        "fillmode": "replace", "bgcolor": "@clear", "fgcolor": colour, "size": 6},
        },
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def caption(groups: Sequence[Group]) -> str:
    text = (
        "Means over finished trials; bars start at zero. Warming up is what the first epoch of "
        "each start took beyond the others; starting, spread over the epochs, is opening data and "
        "building the network; other is the rest of the time from start to end of trials that "
        "were never resumed. "
    )
    if not all(group.exclusive for group in groups):
        text += "Hatched and open bars: shared machine, times not compared."
    return text


def seconds(summary: Summary | None) -> str:
    """Return seconds with three digits or so that mean something."""
    if summary is None or summary.mean >= 10:
        return with_interval(summary, 1)
    return with_interval(summary, 2 if summary.mean >= 1 else 3)
