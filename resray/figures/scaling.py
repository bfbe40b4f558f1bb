"""How throughput grows with the workers of a trial, and with the images that each takes at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resray.analysis.breakdown import numbers
from resray.analysis.comparability import of_device
from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import with_interval
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text
from resray.figures.time_per_epoch import timed_groups

IDEAL = plot.Series("scaling-ideal", "ideal", "@muted", "circle")
WORKERS, BATCH = "world_size", "batch_per_rank"
STRONG = "same batch over all workers"
WEAK = "same batch on each worker"
BATCHES = "batch varied"


@dataclass(frozen=True)
class Family:
    """Configurations that differ in one thing, from the least of it to the most."""

    label: str
    groups: tuple[Group, ...]
    places: tuple[float, ...]
    """Of each group, the workers of a trial or the batch of each."""
    note: str
    """What is kept while the workers grow."""

    @property
    def compared(self) -> bool:
        """Whether all trials had their devices, of one kind, to themselves."""
        return not any(of_device(self.groups))

    @property
    def rates(self) -> list[Summary]:
        """Images per second of each group, over its finished trials."""
        found = [group.summary("images_per_second") for group in self.groups]
        return [summary for summary in found if summary is not None]

    @property
    def key(self) -> str:
        return f"{self.note}: {self.groups[0].label}"

    @property
    def per_worker(self) -> float:
        """The first group's throughput for each of its workers."""
        return self.rates[0].mean / self.places[0]

    @property
    def efficiencies(self) -> list[Summary | None]:
        """Each group's throughput in percent of what the first's would grow to."""
        each = self.per_worker
        if each <= 0:
            return [None] * len(self.groups)
        return [
            summarise(100 * numbers(group.finished, "images_per_second") / (each * place))
            for group, place in zip(self.groups, self.places, strict=True)
        ]


def families(
    results: Analysis, note: str, varied: str, free: Sequence[str], kept_columns: Sequence[str] = ()
) -> list[Family]:  # fmt: skip
    """Return the configurations that differ in ``varied`` only.

    Settings in ``free`` may differ with it, the trials' columns ``kept_columns`` may not.
    """
    places = [(group.distinct(varied) or [0], group) for group in timed_groups(results)]
    known = [(float(one), group) for (one, *more), group in places if not more and one > 0]
    if len({place for place, _ in known}) < 2:
        return []
    alike: dict[str, list[tuple[float, Group]]] = {}
    for place, group in known:
        kept = {key: value for key, value in group.settings.items() if key not in free}
        columns = [group.distinct(column) for column in kept_columns]
        key = repr((group.name, group.confirms, sorted(kept.items(), key=str), columns))
        alike.setdefault(key, []).append((place, group))
    made = (family_of(members, note) for members in alike.values())
    return [family for family in made if len(set(family.places)) > 1]


def family_of(members: Sequence[tuple[float, Group]], note: str) -> Family:
    ordered = sorted(members, key=lambda member: member[0])
    groups = tuple(group for _, group in ordered)
    return Family(
        shared_label([group.label for group in groups]),
        groups,
        tuple(place for place, _ in ordered),
        note,
    )


def shared_label(labels: Sequence[str]) -> str:
    """Return what the labels of configurations have in common: ``resnet18 · seeds``."""
    first, *others = [label.split(" · ") for label in labels]
    return " · ".join(part for part in first if all(part in other for other in others))


def strong_scaling(results: Analysis) -> list[Family]:
    """Return the configurations whose workers share one batch, whatever their number."""
    return families(results, STRONG, WORKERS, free=(WORKERS,))


def weak_scaling(results: Analysis) -> list[Family]:
    """Return the configurations whose batch grows with their workers, as each keeps its own."""
    return families(results, WEAK, WORKERS, (WORKERS, "batch_size"), (BATCH,))


def scaling(results: Readable, kept: str | None = None, theme: str = "light") -> PlotlyFigure:
    """Throughput and efficiency over the workers of a trial.

    ``kept`` is what stays the same as workers are added.
    """
    return drawn(scaling_figure, results, theme, view=kept)


def scaling_figure(results: Analysis) -> plot.Figure | None:
    """Images per second and efficiency over the workers of a trial."""
    kinds = {STRONG: strong_scaling(results), WEAK: weak_scaling(results)}
    found = [family for families in kinds.values() for family in families]
    if not found:
        return None
    looks = looks_of(found, noted=all(kinds.values()))
    views = {kind: list(worker_panels(own, looks)) for kind, own in kinds.items() if own}
    series = list(looks.values())
    if any(family.compared for family in found):
        series.append(IDEAL)
    kept = f"The {next(iter(views))} is kept. " if len(views) == 1 else ""
    return plot.Figure(
        id="scaling",
        title="Scaling over workers",
        caption=WORKERS_CAPTION + kept + caution(found),
        series=series,
        scales=("x", "y"),
        **plot.between("What is kept", views),
    )


def batch_size(results: Readable, theme: str = "light") -> PlotlyFigure:
    """Throughput over the images that each worker takes at once."""
    return drawn(batch_figure, results, theme)


def batch_figure(results: Analysis) -> plot.Figure | None:
    """Images per second over the images that each worker takes at once."""
    found = families(results, BATCHES, BATCH, free=("batch_size",))
    if not found:
        return None
    looks = looks_of(found, noted=False)
    return plot.Figure(
        id="batch",
        title="Throughput by batch",
        caption=SPREAD_CAPTION + caution(found),
        series=list(looks.values()),
        panels=[rate_panel(found, looks, "batch per worker", "Images per second")],
        scales=("x", "y"),
    )


SPREAD_CAPTION = "Means over finished trials; bars: half the 95 % interval. "
WORKERS_CAPTION = SPREAD_CAPTION + (
    "A worker is one process with a device, or CPU cores, of its own. Dotted: each worker adds as "
    "much as the first; efficiency is the throughput in percent of that. "
)


def caution(found: Sequence[Family]) -> str:
    if all(family.compared for family in found):
        return ""
    return "Dashed and open: shared machine or several devices, so times are not compared."


def looks_of(found: Sequence[Family], noted: bool) -> dict[str, plot.Series]:
    """Return each family's look by its key: none of its configurations is all of it."""
    return {
        family.key: plot.Series(
            key=f"scaling-{place}",
            label=f"{family.label} ({family.note})" if noted else family.label,
            colour=f"@series-{place % plot.COLOURS}",
            symbol=plot.SYMBOLS[place % len(plot.SYMBOLS)],
        )
        for place, family in enumerate(found)
    }


def worker_panels(
    found: Sequence[Family], looks: Mapping[str, plot.Series]
) -> Iterator[plot.Panel]:
    title = "workers of a trial"
    panel = rate_panel(found, looks, title, "Images per second")
    compared = [family for family in found if family.compared]
    panel.traces[:0] = [ideal(family.places, family.per_worker) for family in compared]
    yield panel
    if compared:
        places = sorted({place for family in compared for place in family.places})
        lines = [line(family, looks[family.key], family.efficiencies, "%") for family in compared]
        yield plot.Panel("Efficiency (%)", [ideal(places), *lines], plot_layout(found, title))


def rate_panel(
    found: Sequence[Family], looks: Mapping[str, plot.Series], x_title: str, title: str
) -> plot.Panel:
    traces = [line(family, looks[family.key], family.rates, "images/s") for family in found]
    return plot.Panel(title, traces, plot_layout(found, x_title))


def plot_layout(found: Sequence[Family], x_title: str) -> dict[str, Any]:
    ticks = sorted({place for family in found for place in family.places})
    x_axis = {"tickvals": ticks, "range": plot.with_room(ticks, 0.08)}
    return plot.layout(x_title, 300, xaxis=x_axis, yaxis={"rangemode": "tozero"})


def line(
    family: Family, look: plot.Series, values: Sequence[Summary | None], unit: str
) -> plot.Trace:
    """Return a family's means with their spread; dashed and open where they are not compared."""
    points = [(place, summary) for place, summary in enumerate(values) if summary]
    digits = 0 if unit == "images/s" else 1
    return plot.trace_of(
        look,
        type="scatter",
        mode="lines+markers",
        x=[family.places[place] for place, _ in points],
        y=[summary.mean for _, summary in points],
        error_y={"type": "data", "array": [summary.half for _, summary in points],
                 "color": look.colour, "thickness": 1.5, "width": 4,
                 "visible": any(summary.half for _, summary in points)},
        line={"color": look.colour, "width": 2, "dash": "solid" if family.compared else "dash"},
        marker={"color": look.colour, "size": 9,
                "symbol": look.symbol + ("" if family.compared else "-open")},
        customdata=[
            f"<b>{plotly_text(family.groups[place].label)}</b><br>"
            f"{with_interval(summary, digits)} {unit} (n = {summary.n})"
            for place, summary in points
        ],
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )  # fmt: skip


def ideal(places: Sequence[float], each: float | None = None) -> plot.Trace:
    """Return the throughput if every worker added ``each``; without it, an efficiency of 100 %."""
    ends = [places[0], places[-1]]
    return plot.trace_of(
        IDEAL,
        type="scatter",
        mode="lines",
        x=ends,
        y=[100.0, 100.0] if each is None else [each * place for place in ends],
        line={"color": IDEAL.colour, "width": 1.2, "dash": "dot"},
        hoverinfo="skip",
    )
