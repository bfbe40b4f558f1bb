"""All figures, as plain Plotly data that the page's script draws."""

from collections.abc import Callable, Iterator

from resray.report.ablation_section import ablation_figure
from resray.report.aggregate import Results
from resray.report.classes_section import classes_figure
from resray.report.confusion import confusion_figure
from resray.report.curves import curve_figure
from resray.report.evaluations_section import evaluations_figure
from resray.report.generalisation import generalisation_figure
from resray.report.gradients import gradient_figure
from resray.report.pareto import cost_figure
from resray.report.phases import phases_figure
from resray.report.plot import Figure
from resray.report.published_figure import published_figure
from resray.report.robustness import robustness_figure
from resray.report.scaling import batch_figure, scaling_figure
from resray.report.search_course import best_figure, rungs_figure
from resray.report.search_figures import axes_figure, parallel_figure
from resray.report.search_workers import workers_figure
from resray.report.throughput import time_figure
from resray.report.time_to_accuracy import time_to_accuracy_figure
from resray.report.timeline import timeline_figure

MAKERS: tuple[Callable[[Results], Figure | None], ...] = (
    parallel_figure,
    axes_figure,
    rungs_figure,
    best_figure,
    workers_figure,
    published_figure,
    ablation_figure,
    cost_figure,
    curve_figure,
    time_to_accuracy_figure,
    generalisation_figure,
    robustness_figure,
    evaluations_figure,
    classes_figure,
    confusion_figure,
    phases_figure,
    gradient_figure,
    time_figure,
    scaling_figure,
    batch_figure,
    timeline_figure,
)


def all_figures(results: Results) -> dict[str, Figure]:
    """Return the figures that the results suffice for, by id."""
    return {figure.id: figure for figure in made_figures(results)}


def made_figures(results: Results) -> Iterator[Figure]:
    """Yield the figures that the results suffice for, one after the other."""
    return filter(None, (make(results) for make in MAKERS))


MISSING_FIGURES = {
    "cost": "No finished trial has a test accuracy at an epoch that validation selected.",
    "curves": "No epoch has been recorded.",
    "gradients": "No gradient norm has been recorded.",
    "time": "No finished trial has recorded its speed.",
}
"""What stands in place of a figure that the results do not suffice for."""
