"""Where the time of an epoch goes, and how many images a second that makes."""

import numpy as np

from resray.analysis.breakdown import PARTS, breakdown
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import listed, with_interval
from resray.figures.time_per_epoch import members, seconds, timed_groups
from resray.figures.utilisation import percents
from resray.report.sections import marks
from resray.report.tables import Table, number_cell, table, text_cell


def time_table(results: Analysis) -> Table:
    """Return the same in numbers, with the spread over seeds; nothing if no speed was recorded."""
    groups = timed_groups(results)
    if not groups:
        return Table()
    rows, owners = members(groups)
    found = breakdown(results, rows)
    ends = np.searchsorted(owners, np.arange(len(groups) + 1)).tolist()
    evaluating = found.parts[:, PARTS.index("evaluating")]
    cells = [
        [
            text_cell("Configuration", group.label),
            number_cell("n", len(group.finished)),
            number_cell("Training, s/epoch", seconds(summarise(found.later[start:end]))),
            number_cell("First epoch of a start, s", seconds(summarise(found.first[start:end]))),
            number_cell("Evaluating, s/epoch", seconds(summarise(evaluating[start:end]))),
            number_cell("Starting, s", seconds(group.summary("seconds_starting"))),
            number_cell("Images/s", rate(group.summary("images_per_second"))),
            number_cell("Utilisation, %", percents(group), optional=True),
            number_cell("Workers", listed(group.distinct("world_size"))),
            number_cell("Batch per worker", listed(group.distinct("batch_per_rank"))),
            text_cell("Device", listed(group.distinct("device")), facet=True),
            text_cell("Mark", marks(group), optional=True),
        ]
        for group, start, end in zip(groups, ends, ends[1:], strict=False)
    ]
    text = (
        "Time and throughput of finished trials, ± half the 95 % interval where n is 2 or "
        "more; training without the first epoch of each start where there are others"
    )
    return table(text, cells, id="time")


def rate(summary: Summary | None) -> str:
    return with_interval(summary, 0 if summary and summary.mean >= 100 else 1)
