"""What the page consists of: its sections, in their order."""

from collections.abc import Callable
from dataclasses import dataclass

from resray.report import record, search_section, sections
from resray.report.ablation_section import ablation_section
from resray.report.aggregate import Results
from resray.report.claims_section import claims_section
from resray.report.classes_section import classes_section
from resray.report.differences import differences_section
from resray.report.evaluations_section import evaluations_section
from resray.report.figures import MISSING_FIGURES
from resray.report.folders_section import folders_section
from resray.report.front_table import front_section
from resray.report.generalisation import generalisation_section
from resray.report.phases import phases_section
from resray.report.plot import Figure
from resray.report.scaling import scaling_table
from resray.report.search_words import reduced_note as reduced_search
from resray.report.text import Html, join, tag
from resray.report.throughput import time_table
from resray.report.time_to_accuracy import epochs_to_accuracy_table, time_to_accuracy_table


@dataclass(frozen=True)
class Section:
    """One section of the page: its anchor, its heading, and what makes its content."""

    id: str
    short_title: str
    """For the navigation."""
    title: str
    content: Callable[[Results], Html] | None = None
    """What stands with the figures, above them unless `figures_first`; None: these alone."""
    figures: tuple[str, ...] = ()
    """Ids of the figures; of none given, the one whose id is the section's."""
    figures_first: bool = False
    """Whether the figures stand above the content, which then are tables of the same."""
    note: Callable[[Results], str] = sections.reduced_note
    """What must be known before the figures' captions."""


def reaching_section(results: Results) -> Html:
    """What it took to reach accuracies, in time and in epochs."""
    made = (time_to_accuracy_table(results), epochs_to_accuracy_table(results))
    return join(part for part in made if part)


def time_section(results: Results) -> Html:
    """Where the time went, and what more workers brought."""
    return join(part for part in (time_table(results), scaling_table(results)) if part)


def baseline_section(results: Results) -> Html:
    """Differences to the baseline that the reader asked for."""
    return differences_section(results, results.baseline)


SECTIONS = (
    Section("answer", "Answer", "Answer", sections.answer_section),
    Section("claims", "Claims", "What the author claims", claims_section),
    Section("folders", "Folders", "The folders compared", folders_section),
    Section("search", "Search", "Search", search_section.search_section),
    Section("space", "Space", "The space that was searched", figures=("parallel", "axes"),
            note=reduced_search),
    Section("course", "Course", "The course of the search", figures=("rungs", "best", "workers"),
            note=reduced_search),
    Section("points", "Points", "All points of the search", search_section.points_section),
    Section("published", "Published", "Published and measured", sections.published_section,
            figures_first=True),
    Section("differences", "Differences", "Differences to a baseline", baseline_section),
    Section("ablation", "Ablation", "Ablation", ablation_section),
    Section("cost", "Cost", "Accuracy against cost", front_section, figures_first=True),
    Section("curves", "Curves", "Learning curves"),
    Section("reaching", "Time to accuracy", "Time to accuracy", reaching_section,
            ("time-to-accuracy",), figures_first=True),
    Section("generalisation", "Gap", "Generalisation gap", generalisation_section,
            figures_first=True),
    Section("evaluations", "Robustness", "Beyond the test set", evaluations_section,
            ("robustness", "evaluations"), figures_first=True),
    Section("classes", "Classes", "Class by class", classes_section, ("classes", "confusion"),
            figures_first=True),
    Section("phases", "Phases", "Schedule and phases", phases_section),
    Section("gradients", "Gradients", "Gradient norms"),
    Section("time", "Time", "Time and throughput", time_section, ("time", "scaling", "batch"),
            figures_first=True),
    Section("timeline", "Timeline", "Timeline of the trials"),
    Section("trials", "Trials", "All trials", record.trials_section),
    Section("run", "Set-up", "What was run, and on what", record.run_section),
)  # fmt: skip


def content(part: Section, results: Results, figures: dict[str, Figure]) -> Html:
    """Return what stands under a section's heading.

    Nothing leaves the section out, also of the navigation.
    """
    text = part.content(results) if part.content else Html()
    drawn = [figures[name] for name in part.figures or (part.id,) if name in figures]
    if drawn:
        note = part.note(results)
        made = [sections.figure_section(figure, note) for figure in drawn]
        return join([*made, text] if part.figures_first else [text, *made])
    if part.id in MISSING_FIGURES and (results.trials or not results.search):
        return tag("p", MISSING_FIGURES[part.id], class_="missing")
    return text
