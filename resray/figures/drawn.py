"""A figure of the house as one of Plotly's: options chosen, panels set together, in a theme."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from resray.analysis.groups import reductions_of
from resray.analysis.results import Analysis
from resray.analysis.words import listed, plural
from resray.errors import InputError, unknown
from resray.figures.compose import composed
from resray.figures.drawing import checked, drawn_panels, hidden_series, series_in
from resray.figures.heading import Heading
from resray.figures.palette import THEMES, coloured, palette
from resray.figures.plot import COLOURS, Figure, layout
from resray.files import plain, user_path
from resray.study.reduction import reduces

if TYPE_CHECKING:
    import plotly.graph_objects

PlotlyFigure: TypeAlias = "plotly.graph_objects.Figure"
Readable = Analysis | str | Path | Sequence[str | Path]
"""What figures are made of: results that were read, a study's results folder, or several."""
REDUCED = "Reduced runs. "
"""Said of a figure all of whose runs are."""
Make = Callable[[Analysis], Figure | None]


def drawn(make: Make, results: Readable, theme: str, **views: str | None) -> PlotlyFigure:
    """Return the figure that ``make`` makes of results, under the options of its switches.

    ``views`` names an option for each switch, None takes the first. Without data the figure is
    empty and says so. Raises InputError for an option or a theme that there is not, and where a
    folder holds no results.
    """
    # Plotly's classes take half a second to import, and the page needs none of them.
    import plotly.graph_objects as go

    if theme not in THEMES:
        raise InputError(unknown("theme", theme, THEMES))
    found = opened(results)
    figure = make(found)
    if figure is None or not figure.chosen():
        what = make.__name__.removesuffix("_figure").replace("_", " ")
        made = go.Figure(empty(f"{found.title}: nothing is recorded that {what} could show", theme))
    else:
        made = go.Figure(plot_of(found, figure, checked(figure, views), theme))
    return made.update_layout(template=template(theme))


def opened(results: Readable) -> Analysis:
    """Return results, read from their folders where they are not yet."""
    if isinstance(results, Analysis):
        return results
    folders = [results] if isinstance(results, str | Path) else results
    return Analysis.of([user_path(each, "results") for each in folders])


def plot_of(
    results: Analysis,
    figure: Figure,
    views: Mapping[str, str],
    theme: str,
    width: int | None = None,
    height: int | None = None,
) -> dict[str, Any]:
    """Return a figure as one of Plotly's, with its key, under its title and its note.

    ``width`` and ``height`` are in pixels; None: what suits the panels. Raises InputError where
    nothing is left to draw.
    """
    hidden = hidden_series(results)
    panels = drawn_panels(figure, views, hidden)
    if not panels:
        raise InputError(f"--view: nothing of the figure {figure.id} is left to draw")
    few = ""
    if hidden & series_in(figure.chosen(views)):
        shown = len(results.groups) - len(hidden)
        few = f"of {plural(len(results.groups), 'configuration')} the {shown} most accurate"
    series = [one for one in figure.series if one.key not in hidden]
    # What must be known before the figure is read: of what it is, and what it leaves out.
    notes = (results.title, reduced_note(results, figure).strip().rstrip("."), few)
    heading = Heading(figure.title, " · ".join(filter(None, notes)), series)
    return dict(plain(composed(panels, heading, theme, width, height)))


def reduced_note(results: Analysis, figure: Figure) -> str:
    """Return the words that mark reduced runs in a figure, if there are any."""
    if figure.of_search:
        reduced = any(reduces(reductions_of(row)) for row in results.search.trials)
        return REDUCED if reduced else ""
    labels = [group.label for group in results.groups if reduces(group.reductions)]
    if labels and len(labels) == len(results.groups):
        return REDUCED
    return f"Reduced runs: {listed(labels, most=8)}. " if labels else ""


def caption_of(results: Analysis, figure: Figure) -> str:
    """Return a figure's caption as the page has it."""
    return f"{figure.title}. {reduced_note(results, figure)}{figure.caption}".strip()


def template(theme: str) -> dict[str, Any]:
    """Return the house's look, ``light`` or ``dark``, as a template of Plotly's."""
    colours = palette(theme)
    look = layout("") | {"colorway": [colours[f"series-{place}"] for place in range(COLOURS)]}
    kept = {key: value for key, value in look.items() if key not in ("height", "margin")}
    return {"layout": coloured(kept | {"paper_bgcolor": "@panel"}, colours)}


def empty(why: str, theme: str) -> dict[str, Any]:
    """Return a figure without data that says why."""
    note = {"text": why, "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    axis = {"visible": False}
    made = {"annotations": [note], "xaxis": axis, "yaxis": axis, "height": 160}
    return {"data": [], "layout": coloured(made, palette(theme))}
