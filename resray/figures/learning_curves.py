"""Learning curves: how accuracy, error and loss develop over epochs, time, images and compute."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from resray.analysis.epoch_lines import LineSet, mean_lines, most_points, trial_lines
from resray.analysis.reaching import TRAINED
from resray.analysis.results import Analysis
from resray.analysis.words import plural, time_unit
from resray.figures import plot
from resray.figures.curve_traces import Drawing, Quantities, choice
from resray.figures.drawn import PlotlyFigure, Readable, drawn

UNITS = {"accuracy": "%", "error": "%", "loss": "nats"}
SPLITS = ("validation", "test")
COLUMNS = [f"{split}_{kind}" for split in ("train", *SPLITS) for kind in ("accuracy", "loss")]

MEANS, EACH = "mean over seeds", "each trial"
EACH_UP_TO = 60
"""Trials: of more, single lines are not told apart."""

BUDGET = 800_000
"""Numbers that the figure holds: some 3 MB of the page."""
LINE_NUMBERS = 3 * len(UNITS) + 4
"""Numbers that a point of a line adds to the figure: its heights and its places."""
BAND_NUMBERS = 2 * (2 * len(UNITS) + 4)
"""And that of a band, which has two edges."""


@dataclass(frozen=True)
class Along:
    """What curves are drawn along: each line's places, (lines, epochs), and their axis."""

    places: np.ndarray
    title: str
    axis: plot.Layout


def learning_curves(
    results: Readable,
    y: str | None = None,
    x: str | None = None,
    lines: str | None = None,
    theme: str = "light",
) -> PlotlyFigure:
    """Accuracy, error or loss over the epochs, the time, the images or the compute of a training.

    ``y`` is accuracy, error or loss; ``x`` epoch, time, images or compute; ``lines`` the mean
    over seeds or each trial.
    """
    return drawn(curve_figure, results, theme, quantity=y, along=x, lines=lines)


def curve_figure(results: Analysis) -> plot.Figure | None:
    """Learning curves: validation and test, each before the training curve.

    A configuration's line is the mean over its seeds, within the band from their lowest to their
    highest value. Of long curves, or very many, each keeps the points that `kept_points` chooses,
    so that the figure holds no more than about `BUDGET` numbers.
    """
    means = LineSet(results, list(mean_lines(results)))
    if not means.lines:
        return None
    sets = {MEANS: means}
    if any(len(line.rows) > 1 for line in means.lines) and len(results.epoch_table) <= EACH_UP_TO:
        sets[EACH] = LineSet(results, list(trial_lines(results)))
    most = most_points(sum(map(numbers_per_point, sets.values())), BUDGET)
    along = {name: along_what(results, lines) for name, lines in sets.items()}
    views = {name: panels(results, sets[name], along[name], most) for name in sets}
    switches = (
        plot.Switch("quantity", "Quantity", tuple(UNITS)),
        plot.Switch("along", "Along", tuple(along[MEANS])),
        plot.Switch("lines", "Lines", tuple(sets)),
    )
    series = plot.series_with_epochs(results)
    return plot.Figure(
        id="curves",
        title="Learning curves",
        caption=" ".join(caption(results, means, along[MEANS], most)) + plot.dashed_note(series),
        series=series,
        panels=choice("lines", views),
        switches=tuple(switch for switch in switches if len(switch.options) > 1),
        scales=("x", "y"),
    )


def numbers_per_point(lines: LineSet) -> int:
    """Return how many numbers the figure holds for each point that all these lines have."""
    bands = sum(len(line.rows) > 1 for line in lines.lines)
    return LINE_NUMBERS * len(lines.lines) + BAND_NUMBERS * bands


def along_what(results: Analysis, lines: LineSet) -> dict[str, Along]:
    """Return what the lines can be drawn along, by its name."""
    seconds = lines.over_trials(np.cumsum(lines.column("seconds_training"), axis=1)).mean
    divisor, unit = time_unit(seconds[np.isfinite(seconds)].tolist())
    images = lines.over_trials(np.cumsum(lines.column("images"), axis=1)).mean
    costs = [[line.rows[0]["multiply_adds"] or np.nan] for line in lines.lines]
    numbers = np.broadcast_to(lines.epochs.numbers.astype(float), seconds.shape)
    wide = {"rangemode": "tozero", "tickformat": "~s", "hoverformat": ".4~s"}
    found = {
        "epoch": Along(numbers, "epoch", plot.epoch_axis(results)),
        "time": Along(seconds / divisor, f"{unit} of training",
                      {"rangemode": "tozero", "hoverformat": ".4~g"}),
        "images": Along(images, "images trained on", wide),
        "compute": Along(TRAINED * images * np.array(costs, float), "multiply-adds of training",
                         wide),
    }  # fmt: skip
    return {name: along for name, along in found.items() if np.isfinite(along.places).any()}


def panels(
    results: Analysis, lines: LineSet, along: Mapping[str, Along], most: int
) -> list[plot.Panel]:
    """Return a panel for each split of which some line has a value."""
    places = {name: one.places for name, one in along.items()}
    kept = lines.kept([lines.spread(name).mean for name in COLUMNS], most)
    drawing = Drawing(results, lines, places, kept)
    axes = choice("along", {
        name: plot.layout(one.title, 360, xaxis=one.axis, yaxis={"hoverformat": ".4~g"})
        for name, one in along.items()
    })  # fmt: skip
    target = results.study.target_accuracy if results.study else None
    across = [] if target is None else [target_line(target, places)]
    made: dict[str, list[plot.Trace]] = {}
    for split in SPLITS:
        found = quantities(lines, split)
        made[split] = [*drawing.lines_and_bands(found, split), *drawing.marks(found, split)]
    return [
        plot.Panel(
            choice("quantity", {name: f"{split.capitalize()} {name} ({unit})"
                                for name, unit in UNITS.items()}),
            [*drawing.line_traces(quantities(lines, "train"), "train", background=True),
             *across, *own],
            axes,
        )
        for split, own in made.items() if own
    ]  # fmt: skip


def target_line(target: float, places: Mapping[str, np.ndarray]) -> plot.Trace:
    """Return a line across at the accuracy in percent that the study wants reached."""
    heights = {"accuracy": target, "error": 100 - target, "loss": None}
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": {"helper": True},
        "x": choice("along", {name: [float(np.nanmin(own)), float(np.nanmax(own))]
                              for name, own in places.items()}),
        "y": choice("quantity", {name: [height] * 2 for name, height in heights.items()}),
        "line": {"color": "@axis", "width": 1.5, "dash": "dashdot"},
        "hovertemplate": f"target: {target:g} %<extra></extra>",
        "showlegend": False,
    }  # fmt: skip


def quantities(lines: LineSet, split: str) -> Quantities:
    """Return the lines' values of a split, for each quantity that the reader can choose."""
    accuracy = lines.spread(f"{split}_accuracy")
    return {"accuracy": accuracy, "error": accuracy.mirrored, "loss": lines.spread(f"{split}_loss")}


# --- the caption --------------------------------------------------------------------------------


def caption(results: Analysis, means: LineSet, along: Mapping[str, Along], most: int) -> list[str]:
    """Return what to read from the figure, sentence by sentence."""
    several = any(len(line.rows) > 1 for line in means.lines)
    found = ["Line: mean over seeds; band: from the lowest to the highest of them." if several
             else "One line per trial."]  # fmt: skip
    found.append("Dotted and pale, the same on the augmented training images while training: where "
                 "it leaves the other line, the model memorises.")  # fmt: skip
    if (means.selected >= 0).any():
        found.append("Symbols on lines: the epoch that is selected, for each seed.")
    if results.study and results.study.target_accuracy is not None:
        found.append(
            f"Grey, across: the study's target of {results.study.target_accuracy:g}\u00a0%."
        )
    found += what_ended_early(results, means)
    if "time" in along and not all(line.exclusive for line in means.lines):
        found.append("Dashed along time: shared machine, times not compared.")
    if "compute" in along:
        found.append("Compute: images times multiply-adds of a forward pass, three times as a "
                     "backward pass costs about two.")  # fmt: skip
    if len(means.epochs.numbers) > most:
        found.append(f"Of longer curves those {most} points are drawn that keep their shape best.")
    return [*found, "Drag to zoom, double-click to go back."]


def what_ended_early(results: Analysis, means: LineSet) -> list[str]:
    """Return what is said of trials that did not finish, and of means over unequal lengths."""
    found = []
    lengths = means.epochs.lengths([row["trial_id"] for row in means.rows])
    if any(np.ptp(lengths[means.trials_of(place)]) for place in range(len(means.lines))):
        found.append("A mean ends with the shortest of its trials.")
    thin = sum(not line.finished for line in means.lines)
    if thin:
        found.append("Thin: unfinished trials of configurations of which none has finished.")
    if left_out := len(results.epoch_table) - len(means.rows):
        found.append(f"{plural(left_out, 'unfinished trial')} of other configurations "
                     f"{'is' if left_out == 1 else 'are'} in no mean.")  # fmt: skip
    return found
