"""The section of a report of several folders: what they are, what differs, and by how much."""

from collections.abc import Sequence

from resray.analysis.compare import Compared, Folders, compare, matched
from resray.analysis.compare_words import METHOD, caption, notes, words
from resray.analysis.groups import distinct
from resray.analysis.pairs import by_difference, told, where
from resray.analysis.results import Analysis
from resray.report.sections import states
from resray.report.tables import Cell, Table, number_cell, table, text_cell
from resray.report.text import Html, join, tag
from resray.study.metrics import METRICS

SHOWN = ("test_accuracy", "seconds_per_epoch")
"""What the report compares folders by; `resray compare` takes any metric."""
OF_FOLDER = {"device": "Device", "host": "Host", "torch_version": "PyTorch", "ray_version": "Ray",
             "resray_version": "resray", "git_commit": "Commit"}  # fmt: skip


def folders_section(results: Analysis) -> Html:
    """Return what is known of each folder and how they compare; nothing of a single one."""
    if len(results.sources) < 2:
        return Html()
    folders = matched(results.sources)
    return join(
        [
            folders_table(folders),
            *(tag("p", text) for text in notes(folders)),
            differing_table(folders),
            tag("p", METHOD),
            *(metric_table(folders, *each) for each in compare(folders, SHOWN).items()),
        ]
    )


def folders_table(folders: Folders) -> Table:
    rows = (folder_row(name, results) for name, results in folders.sources.items())
    return table("The results folders", rows, id="folders")


def folder_row(name: str, results: Analysis) -> list[Cell]:
    rows = results.all_rows
    started = min(distinct(rows, "started"), default=None)
    return [
        text_cell("Folder", name),
        text_cell("Path", str(results.folder)),
        text_cell("Study", results.title),
        number_cell("Configurations", len(results.groups)),
        text_cell("Trials", states(results.rows)),
        *(text_cell(title, told(column, rows)) for column, title in OF_FOLDER.items()),
        text_cell("First start", f"{started:%Y-%m-%d %H:%M} UTC" if started else None),
    ]


def differing_table(folders: Folders) -> Html:
    """What is not the same about the configurations that the folders share."""
    rows = [
        [
            text_cell("What differs", one.what),
            text_cell(f"In {folders.first}", one.first),
            text_cell("In the other", one.second),
            text_cell("Of which configurations", where(labels, matching.pairs)),
            text_cell("The other", name, facet=True),
        ]
        for name, matching in folders.matchings.items()
        for one, labels in by_difference(matching.pairs).items()
    ]
    if not rows:
        return tag("p", "Nothing is known to differ between the folders.", class_="missing")
    caption = "What differs between the folders, of configurations that they share"
    return table(caption, rows, id="folders-differing")


def metric_table(folders: Folders, metric: str, found: Sequence[Compared]) -> Html:
    """One metric of all shared configurations; nothing if it was measured in none."""
    if not any(one.difference for one in found):
        return Html()
    rows = (metric_row(one, folders.first) for one in found)
    id = f"folders-{metric.replace('_', '-')}"
    return table(caption(f"{METRICS[metric].heading}, in each folder", found), rows, id=id)


def metric_row(one: Compared, first: str) -> list[Cell]:
    cells = words(one)
    return [
        text_cell("Configuration", one.pair.label),
        text_cell("The other", one.name, facet=True),
        number_cell(f"In {first}", cells.first),
        number_cell("In the other", cells.second),
        number_cell("Difference", cells.difference),
        number_cell("Relative", cells.percent, optional=True),
        number_cell("95 % interval", cells.interval),
        text_cell("Seeds", cells.seeds, optional=True),
        text_cell("Method", cells.method, optional=True),
        number_cell("p", cells.p),
        text_cell("Effect", one.verdict, facet=True),
        text_cell("Why", one.why, optional=True),
    ]
