"""The pictures of an exported network: the report's figures of its trial alone."""

import sys
from pathlib import Path

from resray.analysis.results import Analysis
from resray.errors import ResrayError
from resray.export.facts import Facts
from resray.export.images import draw_images
from resray.figures.drawn import plot_of
from resray.figures.learning_curves import curve_figure
from resray.figures.phases import phases_figure

PICTURES = {
    "accuracy.png": ("Accuracy over the epochs", curve_figure, {"quantity": "accuracy"}),
    "loss.png": ("Loss over the epochs", curve_figure, {"quantity": "loss"}),
    "settings.png": ("What changes over the training", phases_figure, {}),
}
"""By file: what it shows, who makes it, and under which options."""


def draw_pictures(facts: Facts, folder: Path) -> list[str]:
    """Draw the pictures of a trial into a folder and return their names.

    There are none, as is said on stderr, where kaleido or a browser to draw them is missing: a
    network is shared from machines that have neither.
    """
    alone = Analysis.of(facts.results.folder, trial_ids=[str(facts.row["trial_id"])])
    plots = []
    for name, (_, make, views) in PICTURES.items():
        figure = make(alone)
        if figure is not None and figure.chosen(views):
            plots.append((name, plot_of(alone, figure, views, "light")))
    try:
        draw_images(plots, "png", 2, lambda name, data: (folder / name).write_bytes(data))
    except ResrayError as error:
        print(f"resray: the folder has no pictures: {error}", file=sys.stderr)
        return []
    return [name for name, _ in plots]
