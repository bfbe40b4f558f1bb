"""Where the time of an epoch goes, and how many images a second that makes."""

from resray.report.aggregate import Results
from resray.report.metrics import values_of
from resray.report.plot import Figure, Panel, all_series, bar_layout, bars


def time_figure(results: Results) -> Figure | None:
    """Seconds per epoch, training and evaluating apart, and images per second."""
    groups = [group for group in results.groups if group.summary("images_per_second")]
    if not groups:
        return None
    look = all_series(results.groups)
    seconds = [
        bars(groups, look, "training",
             lambda group: list(values_of(results, group, "seconds_per_epoch").values())),
        bars(groups, look, "evaluating",
             lambda group: results.per_epoch(group, "seconds_evaluating"), opacity=0.4),
    ]  # fmt: skip
    rates = [
        bars(groups, look, "images/s",
             lambda group: [row["images_per_second"] for row in group.finished], spread_bars=True)
    ]  # fmt: skip
    height = 90 + 38 * len(groups)
    caption = (
        "Bars start at zero. Full colour: training, without the first epoch of each start where "
        "there are others; pale: evaluating validation and test. "
    )
    if not all(group.exclusive for group in groups):
        caption += "Open bars: shared machine, times not compared."
    panels = [
        Panel("Seconds per epoch", seconds, bar_layout("seconds", height, barmode="stack")),
        Panel("Images trained on per second", rates, bar_layout("images per second", height)),
    ]
    return Figure("time", "Time", caption, [], panels)
