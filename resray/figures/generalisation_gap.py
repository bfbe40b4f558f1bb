"""How far training is from test: at the selected epoch, at the last one, and from epoch to epoch.

The training images of an epoch are augmented, and seen while the network still learns.
"""

from collections.abc import Sequence

import numpy as np

from resray.analysis.epoch_lines import kept_points, most_points
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary
from resray.analysis.train_test import EPOCHS, Splits, splits_of
from resray.analysis.words import signed_interval, with_interval
from resray.figures import plot
from resray.figures.curve_traces import MARKED
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text
from resray.study.metrics import METRICS

SYMBOLS = {"train": "circle-open", "validation": "diamond-open", "test": "circle"}
"""What stands for each set of images."""
UNITS = {quantity: METRICS[f"test_{quantity}"].unit for quantity in ("accuracy", "loss")}
DIFFERENCES = {
    "accuracy": "Training accuracy minus test accuracy (points)",
    "loss": "Test loss minus training loss (nats)",
}
NUMBERS = 60_000
"""About how many numbers the curves may hold together."""
SPIKE = 5


def generalisation_gap(
    results: Readable, quantity: str | None = None, at: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """Training, validation and test of each configuration, and the gap over the epochs.

    ``quantity`` is accuracy or loss; ``at`` the selected epoch or the last.
    """
    return drawn(generalisation_figure, results, theme, quantity=quantity, at=at)


def generalisation_figure(results: Analysis) -> plot.Figure | None:
    """Train, validation and test of each configuration, and the gap from epoch to epoch."""
    found = splits_of(results)
    if found is None or not any(has_gap(found, quantity) for quantity in UNITS):
        return None
    quantities = [quantity for quantity in UNITS if has_gap(found, quantity)]
    look = plot.all_series(results.groups)
    caption = (
        "Left, a row per configuration: filled circle test, open diamond validation, open circle "
        "train; bars: half the 95 % interval. Right: the gap after each epoch, mean over "
        "seeds; zero is no gap. Training images are augmented and seen while the network is still "
        "learning, with dropout and the like switched on, so train may be worse than test and the "
        "gap negative. Finished trials only."
    )
    if any(without_spikes(found.means_along(found.gap_along(one))) for one in quantities):
        caption += " The right axis leaves out spikes; a double click shows them."
    panels = [ends_panel(found, look, quantities), gap_panel(found, look, quantities)]
    switches = (
        plot.Switch("quantity", "Quantity", tuple(quantities)),
        plot.Switch("at", "Epoch", EPOCHS),
    )
    series = [look[group.label] for group in found.groups]
    shown = tuple(one for one in switches if len(one.options) > 1)
    caption += plot.dashed_note(series)
    return plot.Figure("generalisation", "Generalisation gap", caption, series, panels, shown)


def has_gap(found: Splits, quantity: str) -> bool:
    return bool(np.isfinite(found.gap_along(quantity)).any())


def ends_panel(
    found: Splits, look: dict[str, plot.Series], quantities: Sequence[str]
) -> plot.Panel:
    """Return a row for each configuration: a line from train to test, with validation between."""
    rows = {quantity: {epoch: Ends(found, quantity, epoch) for epoch in EPOCHS}
            for quantity in quantities}  # fmt: skip

    def choice(what: str) -> plot.Choice:
        options = {
            quantity: {epoch: getattr(own, what) for epoch, own in by_epoch.items()}
            for quantity, by_epoch in rows.items()
        }
        at = {quantity: plot.Choice("at", own) for quantity, own in options.items()}
        return plot.Choice("quantity", at)

    # After each row a point that is not drawn, so that no line leads to the next.
    looks = [look[group.label] for group in found.groups for _ in range(len(SYMBOLS) + 1)]
    colours = [series.colour for series in looks]
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "y": [plotly_text(series.label) for series in looks],
        "x": choice("means"),
        "error_x": {"type": "data", "array": choice("halves"), "color": "@muted",
                    "thickness": 1, "width": 4},
        "line": {"color": "@axis", "width": 1.5},
        "marker": {"color": colours, "size": 10, "line": {"width": 2, "color": colours},
                   "symbol": [*SYMBOLS.values(), "circle"] * len(found.groups)},
        "customdata": choice("hover"),
        "hovertemplate": "<b>%{y}</b><br>%{customdata}<extra></extra>",
        "meta": {"keys": [series.key for series in looks]},
        "cliponaxis": False,
    }  # fmt: skip
    x_title = plot.Choice("quantity", {one: f"{one} ({UNITS[one]})" for one in quantities})
    return plot.Panel(choice("title"), [trace], plot.bar_layout(x_title, len(found.groups)))


class Ends:
    """Train, validation and test of each configuration at one epoch, row after row."""

    def __init__(self, found: Splits, quantity: str, epoch: str) -> None:
        self.title = f"{quantity.capitalize()} ({UNITS[quantity]}), {epoch} epoch"
        splits = [found.summaries(found.chosen(found.along(split, quantity), epoch))
                  for split in SYMBOLS]  # fmt: skip
        self.means: list[float | None] = []
        self.halves: list[float | None] = []
        self.hover: list[str] = []
        gaps = found.summaries(found.chosen(found.gap_along(quantity), epoch))
        for gap, *row in zip(gaps, *splits, strict=True):
            self.means += [*(one and one.mean for one in row), None]
            self.halves += [*(one and one.half for one in row), None]
            self.hover += [hover(split, one, quantity, gap)
                           for split, one in zip(SYMBOLS, row, strict=True)]  # fmt: skip
            self.hover.append("")


def hover(split: str, summary: Summary | None, quantity: str, gap: Summary | None) -> str:
    value = f"{with_interval(summary)} {UNITS[quantity]} (n = {summary.n if summary else 0})"
    return f"{split}: {value}" + (f"<br>gap: {signed_interval(gap)}" if split == "test" else "")


def gap_panel(found: Splits, look: dict[str, plot.Series], quantities: Sequence[str]) -> plot.Panel:
    """Return the gap of each configuration from epoch to epoch."""
    epochs = found.results.epoch_table.numbers
    gaps = {quantity: found.means_along(found.gap_along(quantity)) for quantity in quantities}
    kept = places_to_draw(list(gaps.values()))
    shared: dict[bytes, plot.Curve] = {}
    traces = []
    for place, group in enumerate(found.groups):
        own = {quantity: gap[place] for quantity, gap in gaps.items()}
        if not any(np.isfinite(gap).any() for gap in own.values()):
            continue
        where = kept[place]
        along = shared.setdefault(where.tobytes(), plot.Curve(epochs[where].tolist()))
        heights = {quantity: plot.Curve(gap[where].tolist()) for quantity, gap in own.items()}
        count = len(found.trials[place])
        traces.append(gap_line(look[group.label], along, heights, count))
    ranges = {quantity: without_spikes(gap) for quantity, gap in gaps.items()}
    zero = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0,
            "line": {"color": "@axis", "width": 1, "dash": "dot"}}  # fmt: skip
    title = plot.Choice("quantity", {quantity: DIFFERENCES[quantity] for quantity in quantities})
    axes = plot.layout("epoch", 340, xaxis=plot.epoch_axis(found.results), shapes=[zero],
                       yaxis={"range": plot.Choice("quantity", ranges)})  # fmt: skip
    return plot.Panel(title, traces, axes)


def without_spikes(gaps: np.ndarray) -> list[float] | None:
    """Return an axis that leaves out spikes, such as the loss of a diverging epoch; None: all fit.

    Spikes are further than `SPIKE` times the span of the middle half of the values outside it.
    """
    values = gaps[np.isfinite(gaps)]
    low, high = np.quantile(values, (0.25, 0.75)) if len(values) else (0.0, 0.0)
    room = SPIKE * (high - low)
    near = values[(values >= low - room) & (values <= high + room)]
    if len(near) == len(values):
        return None
    low, high = min(near.min(), 0.0), max(near.max(), 0.0)
    room = 0.06 * (high - low)
    return [float(low - room), float(high + room)]


def places_to_draw(gaps: Sequence[np.ndarray]) -> np.ndarray:
    """Return the places of the epochs to draw of each line: (lines, points)."""
    lines, _ = gaps[0].shape
    spans = (np.nanmax(np.abs(gap), initial=1.0, where=np.isfinite(gap)) for gap in gaps)
    shapes = np.stack([np.nan_to_num(gap) / span for gap, span in zip(gaps, spans, strict=True)],
                      axis=2)  # fmt: skip
    return kept_points(shapes, most_points(lines * len(gaps), NUMBERS))


def gap_line(
    series: plot.Series, along: plot.Curve, heights: dict[str, plot.Curve], count: int
) -> plot.Trace:
    return plot.trace_of(
        series,
        type="scatter",
        mode="lines+markers" if len(along) <= MARKED else "lines",
        x=along,
        y=plot.Choice("quantity", heights),
        line={"color": series.colour, "width": 2, "dash": series.dash},
        marker={"color": series.colour, "symbol": series.symbol, "size": 6},
        connectgaps=True,
        hovertemplate=f"<b>{plotly_text(series.label)}</b><br>gap: %{{y:+.4~g}} (mean, n = {count})"
        "<br>epoch %{x}<extra></extra>",
    )
