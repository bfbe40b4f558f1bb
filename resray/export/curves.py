"""The learning curves of one trial as a picture, drawn by matplotlib without any window."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which people with any colour vision tell apart, and a line style each.
SPLITS = {
    "train": ("#0072B2", "-"),
    "validation": ("#D55E00", "--"),
    "test": ("#000000", ":"),
}
RATE_COLOUR = "#009E73"
BAND_COLOURS = ("#DCE6F2", "#B9CDE5")
GRID_COLOUR = "#D9D9D9"
WIDTH_INCHES, PANEL_INCHES, BAND_INCHES, DOTS_PER_INCH = 8.0, 2.6, 0.24, 150
FEW_EPOCHS = 20
"""Up to so many epochs each one is marked."""

Band = tuple[int, int, str]
"""First epoch, last epoch, value in force."""


def draw_curves(epochs: pd.DataFrame, path: Path, *, title: str, marked: int) -> Path:
    """Draw a trial's epoch rows into a PNG file and return it.

    Loss (nats) and accuracy (%) of train, validation and test; below them the learning rate and,
    where settings changed by epoch, a band for each with the values that held. ``marked`` is the
    epoch whose weights are exported.
    """
    from matplotlib.figure import Figure

    phases = changing_settings(epochs)
    heights = [PANEL_INCHES, PANEL_INCHES, PANEL_INCHES / 2]
    if phases:
        heights.append(BAND_INCHES * len(phases))
    figure = Figure(figsize=(WIDTH_INCHES, sum(heights) + 1), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    figure.suptitle(title, parse_math=False, fontsize="medium")
    draw_splits(axes[0], epochs, "loss", "loss (nats)")
    draw_splits(axes[1], epochs, "accuracy", "accuracy (%)")
    draw_rate(axes[2], epochs)
    if phases:
        draw_bands(axes[3], phases)
    for panel in axes:
        panel.axvline(marked, color="#7F7F7F", linewidth=0.8, linestyle=(0, (6, 3)))
    axes[0].legend(loc="best", frameon=False)
    label_epochs(axes[-1], int(epochs["epoch"].max()), marked)
    figure.align_ylabels(axes[:3])
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box, which a title may be.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(path, format="png", dpi=DOTS_PER_INCH)
    return path


def draw_splits(panel: "Axes", epochs: pd.DataFrame, kind: str, label: str) -> None:
    """Draw one metric of train, validation and test, as far as each was measured."""
    for split, (colour, style) in SPLITS.items():
        if epochs[f"{split}_{kind}"].notna().any():
            draw_line(panel, epochs, f"{split}_{kind}", style, color=colour, label=split)
    tidy(panel, label)


def draw_line(panel: "Axes", epochs: pd.DataFrame, column: str, style: str, **look: Any) -> None:
    """Draw a column over the epochs."""
    marker = "o" if len(epochs) <= FEW_EPOCHS else ""
    values = epochs[column].dropna()
    panel.plot(epochs["epoch"][values.index], values, style, marker=marker, markersize=4,
               linewidth=1.6, **look)  # fmt: skip


def draw_rate(panel: "Axes", epochs: pd.DataFrame) -> None:
    """Draw the learning rate of each epoch's last step."""
    draw_line(panel, epochs, "learning_rate", "-", color=RATE_COLOUR)
    panel.set_ylim(0, 1.08 * epochs["learning_rate"].max())
    tidy(panel, "learning rate")


def draw_bands(panel: "Axes", phases: Mapping[str, Sequence[Band]]) -> None:
    """Draw a row for each setting: where it held which value."""
    for row, bands in enumerate(phases.values()):
        for number, (first, last, value) in enumerate(bands):
            colour = BAND_COLOURS[number % len(BAND_COLOURS)]
            panel.barh(row, last - first + 1, left=first - 0.5, height=0.86, color=colour)
            panel.text((first + last) / 2, row, value, ha="center", va="center", clip_on=True,
                       fontsize="x-small", parse_math=False)  # fmt: skip
    # Without their group: cutout.size of augmentation.cutout.size.
    names = [key.partition(".")[2] or key for key in phases]
    panel.set_yticks(range(len(names)), names, fontsize="x-small", parse_math=False)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)


def tidy(panel: "Axes", label: str) -> None:
    """Name the vertical axis, and leave only what helps to read values."""
    panel.set_ylabel(label)
    panel.grid(color=GRID_COLOUR, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def label_epochs(panel: "Axes", last: int, marked: int) -> None:
    """Name the horizontal axis, with whole epochs as its marks."""
    from matplotlib.ticker import MaxNLocator

    panel.set_xlabel(f"epoch (thin line: the exported weights, epoch {marked})")
    panel.set_xlim(0.5, last + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def changing_settings(epochs: pd.DataFrame) -> dict[str, list[Band]]:
    """Return the settings that did not stay the same, each with the epochs of its values."""
    told = epochs[epochs["settings"].notna()]
    numbers = [int(number) for number in told["epoch"]]
    settings = [json.loads(text) for text in told["settings"]]
    keys = dict.fromkeys(key for epoch in settings for key in epoch)
    tables = {key: bands(numbers, [epoch.get(key) for epoch in settings]) for key in keys}
    return {key: found for key, found in tables.items() if len(found) > 1}


def bands(epochs: Sequence[int], values: Sequence[Any]) -> list[Band]:
    """Gather epochs that follow each other with one value; a value that is off is None or 0."""
    found: list[Band] = []
    for epoch, value in zip(epochs, values, strict=True):
        shown = shown_setting(value)
        if found and found[-1][2] == shown:
            found[-1] = (found[-1][0], epoch, shown)
        else:
            found.append((epoch, epoch, shown))
    return found


def shown_setting(value: Any) -> str:
    """Return a setting's value as a study file writes it, ``off`` for one that does nothing."""
    if value is None:
        return "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
