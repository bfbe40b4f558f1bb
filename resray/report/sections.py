"""The sections that argue: the answer, published figures, and the figures' frames."""

from collections.abc import Mapping, Sequence

from resray.analysis import published as comparison
from resray.analysis.answers import Answers, half_interval
from resray.analysis.groups import Group, Row, as_labelled, distinct
from resray.analysis.metrics import stopped_early
from resray.analysis.results import Analysis
from resray.analysis.search import search_of
from resray.analysis.words import count, duration, fixed, listed, with_interval
from resray.figures.drawn import REDUCED
from resray.figures.plot import MANY, SHARED, Figure, Series, Switch
from resray.figures.utilisation import percents
from resray.report import answer
from resray.report.claims_section import chips
from resray.report.search_words import outcome, winner_words
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, folded, join, tag
from resray.study.metrics import METRICS

SYMBOL_PATHS = {
    "circle": "M6 1.2a4.8 4.8 0 1 0 .001 0z",
    "square": "M1.8 1.8h8.4v8.4h-8.4z",
    "diamond": "M6 .4 11.6 6 6 11.6.4 6z",
    "triangle-up": "M6 1 11.4 10.6H.6z",
    "triangle-down": "M6 11 11.4 1.4H.6z",
    "pentagon": "M6 .8 11.4 4.7 9.3 11H2.7L.6 4.7z",
}
"""Plotly's marker symbols, drawn in a box of 12 by 12 for the keys of figures."""

DASH_LENGTHS = {"dashdot": "6 3 2 3", "longdashdot": "11 3 2 3", "longdash": "11 4"}
"""Plotly's dashes, for lines in the keys of figures."""

CAVEAT = "◇"
"""Stands at what the banner at the top limits."""

SAVE_MENU = tag(
    "details",
    tag("summary", "Save"),
    tag("div", *(tag("button", name, type="button", data_save=form) for form, name in
                 {"png": "Picture (PNG)", "svg": "Drawing (SVG)"}.items())),
    class_="menu",
)  # fmt: skip


# --- the top ------------------------------------------------------------------------------------


def banner_section(results: Analysis) -> Html:
    """What must be known before any number is read, a line each, opened for the rest.

    `CAVEAT` marks in place the numbers that it is about.
    """
    return join(
        tag(
            "details",
            tag("summary", CAVEAT, " ", tag("strong", f"{heading}."), " ", " · ".join(lines)),
            *(tag("p", line) for line in lines),
            class_="banner",
            role="note",
        )
        for heading, lines in answer.banners(results)
    )


def facts_section(results: Analysis) -> Html:
    """One line of facts: how many trials, on what data, on which device, when."""
    rows, search = results.all_rows, search_of(results)
    started = [time for time in distinct(rows, "started") if time is not None]
    seconds = sum(row["seconds_training"] or 0.0 for row in rows)
    facts = [
        ("Trials", states(results.rows) if results.rows or not results.search else None),
        ("Search", outcome(search) if search else None),
        ("Dataset", listed(distinct(rows, "dataset"))),
        ("Seeds", listed(sorted(distinct(rows, "seed")), most=8)),
        ("Device", listed(distinct(rows, "device"), most=2)),
        ("Training time in total", duration(seconds)),
        ("Started", f"{min(started):%Y-%m-%d %H:%M} UTC" if started else None),
    ]
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value),
        class_="facts",
    )


def states(rows: Sequence[Row]) -> str:
    """Return ``5: 4 completed, 1 failed``."""
    numbers = [(state, sum(row["status"] == state for row in rows)) for state in
               distinct(rows, "status")]  # fmt: skip
    return f"{len(rows)}: " + ", ".join(f"{n} {state}" for state, n in numbers) if rows else "none"


def answer_section(results: Analysis, headline: Html) -> Html:
    """The answer in a sentence, the verdicts, the picture that answers; below, the means."""
    sentences = answer.answer(results)
    if search := search_of(results):
        sentences = [winner_words(search), *sentences]
    first, *rest = sentences
    limits = answer.warnings(results)
    words = tag("div", tag("p", first, class_="lead"), chips(results), class_="words")
    more = tag(
        "div",
        tag("p", *(part for sentence in rest for part in (sentence, " "))) if rest else "",
        tag("ul", *(tag("li", text) for text in limits), class_="limits") if limits else "",
        class_="more-words",
    )
    return join(
        [
            tag("div", words, headline, more, class_="answer"),
            means_table(results.groups, results.answers) if results.groups else "",
            facts_section(results),
            about(results),
        ]
    )


def about(results: Analysis) -> Html:
    """The study's own description, closed."""
    if results.study is None or not results.study.description:
        return Html()
    text = tag("p", results.study.description, class_="description")
    return tag("details", tag("summary", "About this study"), text)


OF_IMAGES = (
    "± by images: half of a test accuracy's 95 % interval, were the same networks tested on other "
    "images. "
)


def means_table(groups: Sequence[Group], answers: Mapping[str, Answers]) -> Html:
    of_images = [half_interval(group.finished, answers) for group in groups]
    caption = (
        "Means over finished trials; accuracies ± half of the mean's 95 % interval over seeds "
        "(Student's t), images/s and utilisation too, where n is 2 or more. "
        f"{OF_IMAGES if any(of_images) else ''}Test accuracy is that of the epoch with the highest "
        f"validation accuracy{as_labelled(groups)}"
    )
    devices = [listed(group.distinct("device")) for group in groups]
    # The facts below the table name one that all share.
    told = devices if len(set(devices)) > 1 else [None] * len(groups)
    marked = [marks(group) for group in groups]
    if len(groups) > 1 and len(set(marked)) == 1 and marked[0]:
        caption += f". All: {marked[0]}"
        marked = [None] * len(groups)
    rows = [means_row(*row) for row in zip(groups, of_images, told, marked, strict=True)]
    return table(caption, rows, id="means")


def means_row(
    group: Group, of_images: float | None, device: str | None, mark: str | None
) -> list[Cell]:
    seconds, rate = group.summary("seconds_training"), group.summary("images_per_second")
    parameters, operations = group.summary("parameters"), group.summary("multiply_adds")
    return [
        text_cell("Configuration", group.label),
        number_cell("n", len(group.finished)),
        number_cell(
            "Test accuracy, %", tag("strong", with_interval(group.summary("test_accuracy")))
        ),
        number_cell("± by images", of_images and fixed(of_images), optional=True),
        number_cell("Validation accuracy, %", with_interval(group.summary("validation_accuracy"))),
        number_cell("Parameters", count(parameters.mean) if parameters else None),
        number_cell("Multiply-adds", count(operations.mean) if operations else None),
        number_cell("Training time", duration(seconds.mean) if seconds else None),
        number_cell("Images/s", with_interval(rate, 0 if rate and rate.mean >= 100 else 1)),
        number_cell("Utilisation, %", percents(group), optional=True),
        text_cell("Device", device, optional=True),
        text_cell("Mark", mark, optional=True),
    ]


def marks(group: Group, *, timed: bool = True) -> str | None:
    """Return what sets a group's numbers (``timed``: times among them) apart from those of a
    complete run on its own device."""
    found = []
    if not group.finished:
        found.append("none finished")
    if group.reductions:
        found.append("reduced run")
    if group.partial:
        found.append("ended early")
    if early := stopped_early(group):
        found.append(early)
    if timed and group.finished and not group.exclusive:
        found.append(SHARED)
    return "; ".join(found) or None


# --- published figures --------------------------------------------------------------------------


PROTOCOLS = (
    "Published accuracies are mostly the best epoch on the test set of a single run, which selects "
    "on test. “Ours” is the test accuracy of the epoch that validation selects{note}; in rows that "
    "name an epoch, the value after it. Beside the former stand our best epoch on test, which is "
    "the published protocol, and the last epoch. The difference is that of “ours” to the published "
    "figure, given only where the two may be compared."
)


def published_section(results: Analysis) -> Html:
    """Published figures beside measured ones: one table, chosen from by metric and source."""
    found = comparison.comparisons(results)
    if not found:
        return Html()
    # Accuracies first, each metric's sources in the order of the study file.
    metrics = sorted({item.published.metric for item in found}, key=list(METRICS).index)
    sources = list(dict.fromkeys(item.published.source for item in found))
    found = sorted(found, key=lambda item: (metrics.index(item.published.metric),
                                            sources.index(item.published.source)))  # fmt: skip
    caption = "Published and measured; ± half of a mean's 95 % interval over seeds (Student's t)"
    note = PROTOCOLS.format(note=as_labelled(results.groups))
    return join([tag("p", note), table(caption, map(published_row, found), id="published")])


def published_row(item: comparison.Comparison) -> list[Cell]:
    figure, group = item.published, item.group
    # What epochs a protocol picks from says nothing about the figure of one epoch.
    whole = group if figure.epoch is None and figure.metric == "test_accuracy" else None
    best, last = (
        comparison.amount(figure.metric, whole.summary(f"test_accuracy_{which}")) if whole else None
        for which in ("best", "last")
    )
    epoch = f", epoch {figure.epoch}" if figure.epoch else ""
    ours = tag("strong", comparison.amount(figure.metric, item.measured))
    title = METRICS[figure.metric].title
    device = None if figure.device == "any" else figure.device
    return [
        text_cell("Configuration", f"{group.label if group else figure.trial}{epoch}"),
        text_cell("Metric", f"{title[0].upper()}{title[1:]}", facet=True),
        number_cell("Published", comparison.published_amount(figure)),
        number_cell("Ours", ours),
        number_cell("n", item.measured.n if item.measured else 0),
        number_cell("Difference", comparison.signed_difference(item)),
        number_cell("Ours, best epoch on test", best, optional=True),
        number_cell("Ours, last epoch", last, optional=True),
        text_cell("Note", item.notes, optional=True),
        text_cell("Source", figure.source, facet=True),
        text_cell("Device", device, optional=True),
        text_cell("Protocol", figure.protocol, optional=True),
    ]


# --- figures ------------------------------------------------------------------------------------


def figure_above(figure: Figure) -> Html:
    """A link to the figure where it answers the study's question, at the top."""
    return tag(
        "p", tag("a", figure.title, href=f"#figure-{figure.id}"), ": at the top of the page."
    )


def figure_section(figure: Figure, note: str) -> Html:
    """The places that the script draws a figure into, its controls, its key and its caption.

    ``note`` is what must be known before the caption.
    """
    panels = [
        tag(
            "div",
            tag("h3", title),
            tag("div", class_="plot", role="img", aria_label=title),
            class_="panel",
        )
        for title in (panel.title for panel in figure.chosen())
    ]
    # The banner at the top says of what all runs are reduced.
    mark = CAVEAT if note == REDUCED else note
    controls = [*map(switch, figure.switches), scales(figure), key(figure), SAVE_MENU]
    return tag(
        "figure",
        tag("div", *controls, class_="controls"),
        tag("div", *panels, class_="panels"),
        tag("figcaption", tag("strong", mark), folded("How to read this figure", figure.caption)),
        id=f"figure-{figure.id}",
        data_figure=figure.id,
    )


def switch(choice: Switch) -> Html:
    """Buttons that choose an option."""
    buttons = [
        tag("button", option, type="button", data_switch=choice.id, data_option=option,
            aria_pressed="false" if place else "true")
        for place, option in enumerate(choice.options)
    ]  # fmt: skip
    return tag("div", *buttons, class_="switch", role="group", aria_label=choice.title)


def scales(figure: Figure) -> Html:
    """Buttons that make an axis logarithmic."""
    if not figure.scales:
        return Html()
    names = {"x": "log →", "y": "log ↑"}
    titles = {"x": "Logarithmic horizontal axis", "y": "Logarithmic vertical axis"}
    buttons = [
        tag("button", names[axis], type="button", data_scale=axis, aria_pressed="false",
            aria_label=titles[axis], title=titles[axis])
        for axis in figure.scales
    ]  # fmt: skip
    return tag("div", *buttons, class_="switch", role="group", aria_label="Scales")


def key(figure: Figure) -> Html:
    """Buttons that name the series and show or hide them; of many the script lists those drawn."""
    if not figure.series:
        return Html()
    buttons = [key_button(series) for series in figure.series[:MANY]]
    return tag("div", *buttons, class_="key", role="group", aria_label="Show or hide",
               title="Click: show or hide. Double-click: this one alone")  # fmt: skip


def key_button(series: Series) -> Html:
    return tag("button", swatch(series), series.label, type="button", data_series=series.key,
               aria_pressed="true")  # fmt: skip


def swatch(series: Series) -> Html:
    colour = f"fill:var(--{series.colour.removeprefix('@')})"
    path = tag("path", d=SYMBOL_PATHS[series.symbol], style=colour)
    if series.dash == "solid":
        return tag("svg", path, viewBox="0 0 12 12", width="12", height="12", aria_hidden="true")
    stroke = f"stroke:{colour.removeprefix('fill:')};stroke-width:2"
    line = tag("line", x1="15", x2="39", y1="6", y2="6", style=stroke,
               stroke_dasharray=DASH_LENGTHS[series.dash])  # fmt: skip
    return tag("svg", path, line, viewBox="0 0 39 12", width="39", height="12", aria_hidden="true")
