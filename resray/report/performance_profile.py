"""The performance profile of the configurations over thresholds and seeds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resray.report.aggregate import Group, Results
from resray.report.answer import comparable
from resray.report.plot import (
    Choice,
    Curve,
    Figure,
    Layout,
    Panel,
    Switch,
    all_series,
    dashed_note,
    layout,
    trace_of,
)
from resray.report.reaching import COMPUTE, EPOCHS, IMAGES, TIME, Reaching, thresholds_of
from resray.report.text import listed, plotly_text, plural

MOST = 20
"""Thresholds: of more, neighbours ask for the same epoch."""
FEWEST = 6
"""Problems, below which the profile has too few steps to say anything."""
POINTS = 200
"""Across the figure."""
NAMES = {EPOCHS: "epochs", TIME: "training time", IMAGES: "images trained on",
         COMPUTE: "multiply-adds of training"}  # fmt: skip


@dataclass(frozen=True)
class Problems:
    """What some groups needed for the same thresholds with the same seeds."""

    groups: list[Group]
    left_out: list[Group]
    """Those that lack some of the seeds."""
    seeds: int
    thresholds: int
    costs: dict[str, np.ndarray]
    """By measure, (groups, problems): infinite where a group did not get there. Problems that no
    group solved are left out."""
    unsolved: int
    """How many these are."""


def profile_figure(results: Results) -> Figure | None:
    """The share of problems that each configuration solves within a factor of the fastest.

    After Dolan and Moré, "Benchmarking optimization software with performance profiles" (2002). A
    problem is here to reach one validation accuracy with one seed, of the configurations that were
    trained alike.
    """
    problems = problems_of(results)
    if problems is None or len(problems.groups) < 2:
        return None
    ratios = {name: costs / costs.min(axis=0) for name, costs in problems.costs.items()}
    ratios = {name: values for name, values in ratios.items() if tells_apart(values)}
    if not ratios:
        return None
    grids = {name: grid(values) for name, values in ratios.items()}
    shares = {name: shares_within(ratios[name], grids[name]) for name in ratios}
    look = all_series(results.groups)
    x = Choice("along", {name: Curve(values.tolist()) for name, values in grids.items()})
    traces = [
        trace_of(
            look[group.label],
            type="scatter",
            mode="lines",
            x=x,
            y=Choice("along", {name: Curve(values[place].tolist())
                               for name, values in shares.items()}),
            line={"color": look[group.label].colour, "width": 2, "shape": "hv",
                  "dash": look[group.label].dash},
            hovertemplate=f"<b>{plotly_text(group.label)}</b><br>%{{y:.3~g}} % of problems"
                          "<extra></extra>",
            cliponaxis=False,
        )
        for place, group in enumerate(problems.groups)
    ]  # fmt: skip
    panel = Panel(
        Choice("along", {name: f"Problems solved (%), by {NAMES[name]}" for name in ratios}),
        traces,
        Choice("along", {name: plot_layout(float(own[-1])) for name, own in grids.items()}),
    )
    series = [look[group.label] for group in problems.groups]
    return Figure(
        id="profile",
        title="Performance profile",
        caption=caption(problems) + dashed_note(series),
        series=series,
        panels=[panel],
        switches=(Switch("along", "Along", tuple(ratios)),),
    )


def problems_of(results: Results) -> Problems | None:
    """Return the problems that the groups trained alike have in common; None if there are none."""
    known = Reaching(results, results.groups).groups
    if not known:
        return None
    reaching = Reaching(results, comparable(known))
    seeds = seeds_in_common(reaching)
    places = range(len(reaching.groups))
    kept = [place for place in places if seeds <= seeds_of(reaching, place)]
    thresholds = thresholds_of(reaching, MOST)
    names = [TIME, EPOCHS] if all(reaching.timed[place] for place in kept) else [EPOCHS]
    names = [name for name in [*names, IMAGES, COMPUTE] if name in reaching.spent]
    rows = rows_of(reaching, kept, sorted(seeds))
    costs = {name: costs_of(reaching.needed(name, thresholds)[rows]) for name in names}
    solved = {name: np.isfinite(values).any(axis=0) for name, values in costs.items()}
    return Problems(
        groups=[reaching.groups[place] for place in kept],
        left_out=[reaching.groups[place] for place in places if place not in set(kept)],
        seeds=len(seeds),
        thresholds=len(thresholds),
        costs={name: values[:, solved[name]] for name, values in costs.items()},
        unsolved=int((~solved[EPOCHS]).sum()),
    )


def costs_of(needed: np.ndarray) -> np.ndarray:
    """Return costs, (groups, problems), from (groups, seeds, thresholds); infinite where one is not
    known or, as of no work at all, means nothing."""
    costs = needed.reshape(len(needed), -1)
    return np.where(np.isfinite(costs) & (costs > 0), costs, np.inf)


def seeds_of(reaching: Reaching, place: int) -> set[int]:
    start, end = np.searchsorted(reaching.owners, (place, place + 1))
    return {row["seed"] for row in reaching.rows[start:end] if row["seed"] is not None}


def seeds_in_common(reaching: Reaching) -> set[int]:
    """Return the seeds that most of the groups have."""
    sets = [frozenset(seeds_of(reaching, place)) for place in range(len(reaching.groups))]
    numbers = Counter(sets)
    ranked = sorted(numbers.items(), key=lambda item: (item[1], len(item[0])))
    return set(ranked[-1][0])


def rows_of(reaching: Reaching, kept: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
    """Return each group's trials of these seeds: (groups, seeds)."""
    where = {(owner, row["seed"]): place
             for place, (owner, row) in enumerate(zip(reaching.owners.tolist(), reaching.rows,
                                                      strict=True))}  # fmt: skip
    return np.array([[where[group, seed] for seed in seeds] for group in kept], dtype=int)


def tells_apart(ratios: np.ndarray) -> bool:
    """Return whether there are enough problems, and some that cost one group more than another."""
    return ratios.shape[1] >= FEWEST and bool((ratios[np.isfinite(ratios)] > 1).any())


# --- the profile --------------------------------------------------------------------------------


def grid(ratios: np.ndarray) -> np.ndarray:
    """Return factors on a logarithmic scale, as powers of 2: from 1 to the largest ratio."""
    solved = ratios[np.isfinite(ratios)]
    return np.linspace(0.0, 1.02 * max(float(np.log2(solved.max())), 0.1), POINTS)


def shares_within(ratios: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return the percentage of problems within each factor of the best: (groups, factors)."""
    with np.errstate(divide="ignore"):
        powers = np.sort(np.log2(ratios), axis=1)
    within = [np.searchsorted(row, factors + 1e-9, side="right") for row in powers]
    return 100 * np.array(within) / ratios.shape[1]


def plot_layout(highest: float) -> Layout:
    return layout("times what the best configuration needed", 360, xaxis=factor_axis(highest),
                  yaxis={"range": [0, 103]})  # fmt: skip


def factor_axis(highest: float) -> Layout:
    """Return the ticks of an axis whose numbers are powers of 2."""
    steps = (1, 1.1, 1.2, 1.5) if highest < 1 else (1, 1.5, 2, 3) if highest < 2 else (1, 2, 4, 8)
    more = [2.0**power for power in range(2, int(highest) + 1, 1 + int(highest) // 8)]
    ticks = sorted({value for value in (*steps, *more) if np.log2(value) <= highest})
    return {"tickvals": [float(np.log2(value)) for value in ticks],
            "ticktext": [f"{value:g}" for value in ticks],
            "range": [-0.02 * highest, highest]}  # fmt: skip


def caption(problems: Problems) -> str:
    total = problems.thresholds * problems.seeds - problems.unsolved
    seeds = "the seed" if problems.seeds == 1 else f"one of the {problems.seeds} seeds"
    unsolved = f", without {problems.unsolved:,} that none solved" if problems.unsolved else ""
    text = (
        "Up and left is better: at 1 a line shows the share of problems on which a configuration "
        "is the best, further right the share that it solves within so many times what the best "
        "one needed. Where it ends is the share that it solves at all. A problem is to reach one of"
        f" {plural(problems.thresholds, 'threshold')} of validation accuracy with {seeds} that the "
        f"configurations share: {plural(total, 'problem')}{unsolved} (Dolan and Moré, 2002). "
    )
    if problems.left_out:
        labels = listed(group.label for group in problems.left_out)
        text += f"Left out, as they lack some of the seeds: {labels}. "
    if TIME not in problems.costs:
        text += "Times are not compared: shared machine or several devices."
    return text
