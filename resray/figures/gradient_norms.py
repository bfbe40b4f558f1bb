"""Gradient norms of the first and the last stage over the epochs."""

import numpy as np

from resray.analysis.epoch_lines import LineSet, Spread, mean_lines, most_points
from resray.analysis.results import Analysis
from resray.figures import plot
from resray.figures.curve_traces import Drawing
from resray.figures.drawn import PlotlyFigure, Readable, drawn

COLUMNS = {stage: f"gradient_norm_{stage}_stage" for stage in ("first", "last")}
BUDGET = 250_000
"""Numbers that the figure holds."""
LINE_NUMBERS, BAND_NUMBERS = 6, 12
"""Numbers that a point of a line adds to the figure, and that of a band."""


def gradient_norms(
    results: Readable, quantity: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """Gradient norms of the first and the last stage.

    ``quantity`` is norms, or their ratio: first / last.
    """
    return drawn(gradient_figure, results, theme, view=quantity)


def gradient_figure(results: Analysis) -> plot.Figure | None:
    """Gradient norms of the first and the last stage, and the ratio of the two."""
    lines = LineSet(results, list(mean_lines(results)))
    if not lines.lines:
        return None
    norms = {stage: positive(lines.column(name)) for stage, name in COLUMNS.items()}
    spreads = {stage: lines.over_trials(values) for stage, values in norms.items()}
    spreads["ratio"] = lines.over_trials(norms["first"] / norms["last"])
    bands = sum(len(line.rows) > 1 for line in lines.lines)
    most = most_points(LINE_NUMBERS * len(lines.lines) + BAND_NUMBERS * bands, BUDGET)
    numbers = np.broadcast_to(lines.epochs.numbers.astype(float), spreads["ratio"].mean.shape)
    kept = lines.kept([np.log(spread.mean) for spread in spreads.values()], most)
    drawing = Drawing(results, lines, {"epoch": numbers}, kept)
    axis = plot.epoch_axis(results)
    views = {
        "norms": [panel(drawing, f"Gradient norm, {stage} stage (L2, log scale)", f"{stage} stage",
                        spreads[stage], axis) for stage in COLUMNS if has_values(spreads[stage])],
        "first / last": [panel(drawing, "Gradient norm, first stage / last stage (log scale)",
                               "ratio", spreads["ratio"], axis)]
                        if has_values(spreads["ratio"]) else [],
    }  # fmt: skip
    views = {name: panels for name, panels in views.items() if panels}
    if not views:
        return None
    series = plot.series_with_epochs(results)
    text = caption(lines, most) + plot.dashed_note(series)
    return plot.Figure("gradients", "Gradient norms", text, series,
                       **plot.between("Quantity", views))  # fmt: skip


def positive(values: np.ndarray) -> np.ndarray:
    """Return the values that a logarithmic axis can show."""
    return np.where(values > 0, values, np.nan)


def has_values(spread: Spread) -> bool:
    return bool(spread.count.any())


def panel(
    drawing: Drawing, title: str, what: str, spread: Spread, x_axis: plot.Layout
) -> plot.Panel:
    axis = {"type": "log", "tickvals": log_ticks(spread), "tickformat": "~g",
            "hoverformat": ".4~g"}  # fmt: skip
    traces = drawing.lines_and_bands({"norm": spread}, what)
    return plot.Panel(title, traces, plot.layout("epoch", 300, xaxis=x_axis, yaxis=axis))


def log_ticks(spread: Spread) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten; over more than three decades, only these."""
    values = spread.mean[np.isfinite(spread.mean)]
    steps = (1, 2, 5) if values.max() < 1000 * values.min() else (1,)
    return [step * 10.0**power for power in range(-12, 9) for step in steps]


def caption(lines: LineSet, most: int) -> str:
    found = ["Mean over the epoch's steps."]
    if any(len(line.rows) > 1 for line in lines.lines):
        found.append("Line: mean over seeds; band: from the lowest to the highest of them.")
    if not all(line.finished for line in lines.lines):
        found.append("Thin: unfinished trials.")
    if len(lines.epochs.numbers) > most:
        found.append(f"Of longer curves those {most} points are drawn that keep their shape best.")
    found.append("Were gradients vanishing with depth, the first stage's norm would fall from one "
                 "depth to the next by far more than the last stage's.")  # fmt: skip
    return " ".join(found)
