"""How throughput grows with the workers of a trial, and with the images that each takes at once."""

from resray.analysis.results import Analysis
from resray.analysis.words import Valued, fixed, with_interval
from resray.figures.scaling import BATCH, Family, strong_scaling, weak_scaling
from resray.report.tables import Cell, Table, number_cell, table, text_cell
from resray.report.time_section import rate


def scaling_table(results: Analysis) -> Table:
    """Return throughput and efficiency by workers; nothing if no number of workers was varied."""
    found = strong_scaling(results) + weak_scaling(results)
    rows = (row_of(family, place) for family in found for place in range(len(family.groups)))
    text = "Throughput by workers of a trial, ± half the 95 % interval where n is 2 or more"
    return table(text, rows, id="scaling")


def row_of(family: Family, place: int) -> list[Cell]:
    group, measured = family.groups[place], family.rates[place]
    first = family.rates[0].mean
    times: Valued = fixed(measured.mean / first if first and family.compared else None)
    batch = group.summary(BATCH)
    efficiency = with_interval(family.efficiencies[place] if family.compared else None, 1)
    mark = None if family.compared else "shared machine or several devices: not compared"
    return [
        text_cell("Configuration", family.label),
        text_cell("Kept", family.note, facet=True),
        number_cell("Workers", fixed(family.places[place], 0)),
        number_cell("Batch per worker", fixed(batch.mean if batch else None, 0)),
        number_cell("n", measured.n),
        number_cell("Images/s", rate(measured)),
        number_cell("Times the first", times),
        number_cell("Efficiency, %", efficiency),
        text_cell("Device", ", ".join(str(device) for device in group.distinct("device"))),
        text_cell("Mark", mark, optional=True),
    ]
