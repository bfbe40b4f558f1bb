"""What the page consists of: its sections and their figures, in their order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from resray.analysis.reaching import EPOCHS, TIME
from resray.analysis.results import Analysis
from resray.figures.ablation import ablation_figure
from resray.figures.accuracy_against_cost import cost_figure
from resray.figures.class_accuracy import classes_figure
from resray.figures.confusion import confusion_figure
from resray.figures.corruption_severity import evaluations_figure
from resray.figures.drawn import reduced_note
from resray.figures.generalisation_gap import generalisation_figure
from resray.figures.gradient_norms import gradient_figure
from resray.figures.learning_curves import curve_figure
from resray.figures.parallel_coordinates import parallel_figure
from resray.figures.phases import phases_figure
from resray.figures.plot import Figure
from resray.figures.published_against_measured import published_figure
from resray.figures.robustness import robustness_figure
from resray.figures.scaling import batch_figure, scaling_figure
from resray.figures.search_curves import rungs_figure
from resray.figures.search_history import best_figure
from resray.figures.search_space import axes_figure
from resray.figures.search_workers import workers_figure
from resray.figures.time_per_epoch import time_figure
from resray.figures.time_to_accuracy import time_to_accuracy_figure
from resray.figures.timeline import timeline_figure
from resray.figures.utilisation import utilisation_figure
from resray.report import record, search_section, sections
from resray.report.ablation_section import ablation_section
from resray.report.claims_section import claims_section
from resray.report.classes_section import classes_section
from resray.report.differences import differences_section
from resray.report.evaluations_section import evaluations_section
from resray.report.folders_section import folders_section
from resray.report.front_section import front_section
from resray.report.generalisation_section import generalisation_section
from resray.report.images_section import images_section
from resray.report.phases_section import phases_section
from resray.report.reaching_section import reaching_table
from resray.report.scaling_section import scaling_table
from resray.report.text import Html, folded, join, tag
from resray.report.time_section import time_table

Makers = Mapping[str, Callable[[Analysis], Figure | None]]


@dataclass(frozen=True)
class Section:
    """One section of the page: its anchor, its heading, and what makes its content."""

    id: str
    short_title: str
    """For the navigation."""
    title: str
    content: Callable[[Analysis], Html] | None = None
    """What stands with the figures, above them unless `figures_first`; None: these alone."""
    figures: Makers = field(default_factory=dict)
    """What makes the figures, by their ids: plain Plotly data that the page's script draws."""
    figures_first: bool = False
    """Whether the figures stand above the content, which then are tables of the same."""
    missing: str = ""
    """What stands in place of figures that the results do not suffice for."""


SECTIONS = (
    Section("answer", "Answer", "Answer"),
    Section("claims", "Claims", "What the author claims", claims_section),
    Section("folders", "Folders", "The folders compared", folders_section),
    Section("search", "Search", "Search", search_section.search_section),
    Section("space", "Space", "The space that was searched", None,
            {"parallel": parallel_figure, "axes": axes_figure}),
    Section("course", "Course", "The course of the search", None,
            {"rungs": rungs_figure, "best": best_figure, "workers": workers_figure}),
    Section("points", "Points", "All points of the search", search_section.points_section),
    Section("published", "Published", "Published and measured", sections.published_section,
            {"published": published_figure}, figures_first=True),
    Section("differences", "Differences", "Differences to a baseline",
            lambda results: differences_section(results, results.baseline)),
    Section("ablation", "Ablation", "Ablation", ablation_section, {"ablation": ablation_figure}),
    Section("cost", "Cost", "Accuracy against cost", front_section, {"cost": cost_figure},
            figures_first=True, missing="No finished trial has a test accuracy at an epoch that "
            "was selected."),
    Section("curves", "Curves", "Learning curves", None, {"curves": curve_figure},
            missing="No epoch has been recorded."),
    Section("reaching", "Time to accuracy", "Time to accuracy",
            lambda results: join(reaching_table(results, along) for along in (TIME, EPOCHS)),
            {"time-to-accuracy": time_to_accuracy_figure}, figures_first=True),
    Section("generalisation", "Gap", "Generalisation gap", generalisation_section,
            {"generalisation": generalisation_figure}, figures_first=True),
    Section("evaluations", "Robustness", "Beyond the test set", evaluations_section,
            {"robustness": robustness_figure, "evaluations": evaluations_figure},
            figures_first=True),
    Section("classes", "Classes", "Class by class", classes_section,
            {"classes": classes_figure, "confusion": confusion_figure}, figures_first=True),
    Section("images", "Images", "Image by image", images_section),
    Section("phases", "Phases", "Schedule and phases", phases_section, {"phases": phases_figure}),
    Section("gradients", "Gradients", "Gradient norms", None, {"gradients": gradient_figure},
            missing="No gradient norm has been recorded."),
    Section("time", "Time", "Time and throughput",
            lambda results: join([time_table(results), scaling_table(results)]),
            {"time": time_figure, "utilisation": utilisation_figure, "scaling": scaling_figure,
             "batch": batch_figure},
            figures_first=True, missing="No finished trial has recorded its speed."),
    Section("timeline", "Timeline", "Timeline of the trials", None, {"timeline": timeline_figure}),
    Section("trials", "Trials", "All trials", record.trials_section),
    Section("run", "Set-up", "What was run, and on what", record.run_section),
)  # fmt: skip


def all_figures(results: Analysis) -> dict[str, Figure]:
    """Return the figures that the results suffice for, by id."""
    return {figure.id: figure for figure in made_figures(results)}


def made_figures(results: Analysis) -> Iterator[Figure]:
    """Yield the figures that the results suffice for, one after the other."""
    return filter(None, (make(results) for part in SECTIONS for make in part.figures.values()))


HEADLINES = {
    "accuracy_against_cost": "cost",
    "learning_curves": "curves",
    "published_against_measured": "published",
    "time_to_accuracy": "time-to-accuracy",
    "generalisation_gap": "generalisation",
    "robustness": "robustness",
    "ablation": "ablation",
    "search_history": "best",
}
"""Figures that a study may name as its `headline`, with their ids."""


def headline(results: Analysis, figures: Mapping[str, Figure]) -> Figure | None:
    """Return the figure that answers: the one that the study names, else the one that fits best."""
    named = results.study.headline if results.study else None
    several = len(results.groups) > 1
    fitting = [
        *([HEADLINES[named]] if named else []),
        "best" if results.search else "",
        "ablation",
        "cost" if several else "",
        "curves",
    ]
    return next((figures[name] for name in fitting if name in figures), None)


def content(part: Section, results: Analysis, figures: Mapping[str, Figure]) -> Html:
    """Return what stands under a section's heading.

    Nothing leaves the section out, also of the navigation.
    """
    top = headline(results, figures)
    if part.id == "answer":
        picture = sections.figure_section(top, reduced_note(results, top)) if top else Html()
        return sections.answer_section(results, picture)
    text = part.content(results) if part.content else Html()
    drawn = [figures[name] for name in part.figures if name in figures]
    if drawn:
        made = [
            sections.figure_above(figure)
            if figure is top
            else sections.figure_section(figure, reduced_note(results, figure))
            for figure in drawn
        ]
        if part.figures_first:
            return join([*made, folded("The same in numbers", text) if text else ""])
        return join([text, *made])
    if part.missing and (results.rows or not results.search):
        return tag("p", part.missing, class_="missing")
    return text
