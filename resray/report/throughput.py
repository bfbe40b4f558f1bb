"""Where the time of an epoch goes, and how many images a second that makes."""

from collections.abc import Sequence

import numpy as np

from resray.analysis.aggregate import Group, Row
from resray.analysis.breakdown import PARTS, breakdown, means_of
from resray.analysis.results import Results
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import fixed, listed, with_interval
from resray.report import plot
from resray.report.sections import marks
from resray.report.tables import Table, number_cell, table, text_cell
from resray.report.text import plotly_text
from resray.report.utilisation import percents

SECONDS, SHARE = "seconds per epoch", "share of the time"
LOOKS = {
    "training": plot.Series("part-training", "training", "@series-0", "square"),
    "warming up": plot.Series("part-warming", "warming up", "@series-5", "square"),
    "evaluating": plot.Series("part-evaluating", "evaluating", "@series-2", "square"),
    "saving": plot.Series("part-saving", "saving checkpoints", "@series-3", "square"),
    "starting": plot.Series("part-starting", "starting", "@series-4", "square"),
    "other": plot.Series("part-other", "waiting and other", "@series-6", "square"),
}


def timed_groups(results: Results) -> list[Group]:
    """Return the groups with a finished trial that recorded its speed."""
    return [group for group in results.groups if group.summary("images_per_second")]


def members(groups: Sequence[Group]) -> tuple[list[Row], np.ndarray]:
    """Return the finished trials of all groups, and for each its group's place."""
    rows = [row for group in groups for row in group.finished]
    lengths = [len(group.finished) for group in groups]
    return rows, np.repeat(np.arange(len(groups)), lengths)


# --- the figure ---------------------------------------------------------------------------------


def time_figure(results: Results) -> plot.Figure | None:
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


# --- the table ----------------------------------------------------------------------------------


def time_table(results: Results) -> Table:
    """Return the same in numbers, with the spread over seeds; nothing if no speed was recorded."""
    groups = timed_groups(results)
    if not groups:
        return Table()
    rows, owners = members(groups)
    found = breakdown(results, rows)
    ends = np.searchsorted(owners, np.arange(len(groups) + 1)).tolist()
    evaluating = found.parts[:, PARTS.index("evaluating")]
    cells = [
        [
            text_cell("Configuration", group.label),
            number_cell("n", len(group.finished)),
            number_cell("Training, s/epoch", seconds(summarise(found.later[start:end]))),
            number_cell("First epoch of a start, s", seconds(summarise(found.first[start:end]))),
            number_cell("Evaluating, s/epoch", seconds(summarise(evaluating[start:end]))),
            number_cell("Starting, s", seconds(group.summary("seconds_starting"))),
            number_cell("Images/s", rate(group.summary("images_per_second"))),
            number_cell("Utilisation, %", percents(group), optional=True),
            number_cell("Workers", listed(group.distinct("world_size"))),
            number_cell("Batch per worker", listed(group.distinct("batch_per_rank"))),
            text_cell("Device", listed(group.distinct("device")), facet=True),
            text_cell("Mark", marks(group), optional=True),
        ]
        for group, start, end in zip(groups, ends, ends[1:], strict=False)
    ]
    text = (
        "Time and throughput of finished trials, ± half the 95 % interval where n is 2 or "
        "more; training without the first epoch of each start where there are others"
    )
    return table(text, cells, id="time")


def seconds(summary: Summary | None) -> str:
    """Return seconds with three digits or so that mean something."""
    if summary is None or summary.mean >= 10:
        return with_interval(summary, 1)
    return with_interval(summary, 2 if summary.mean >= 1 else 3)


def rate(summary: Summary | None) -> str:
    return with_interval(summary, 0 if summary and summary.mean >= 100 else 1)
