"""The section of a report of several folders: what they are, what differs, and by how much."""

from resray.report.aggregate import Results, distinct
from resray.report.compared import Compared, Folders, compare, matched
from resray.report.compared_words import METHOD, notes, title, words
from resray.report.differing import by_difference, told, where
from resray.report.sections import states
from resray.report.tables import Table, number_column, table, text_column
from resray.report.text import Html, join, tag

SHOWN = ("test_accuracy", "seconds_per_epoch")
"""What the report compares folders by; `resray compare` takes any metric."""
OF_FOLDER = {"device": "Device", "host": "Host", "torch_version": "PyTorch", "ray_version": "Ray",
             "resray_version": "resray", "git_commit": "Commit"}  # fmt: skip


def folders_section(results: Results) -> Html:
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
            *(metric_table(folders, metric) for metric in SHOWN),
        ]
    )


def folders_table(folders: Folders) -> Table:
    columns = [
        text_column("Folder"),
        text_column("Path"),
        text_column("Study"),
        number_column("Configurations"),
        text_column("Trials"),
        *map(text_column, OF_FOLDER.values()),
        text_column("First start"),
    ]
    rows = [folder_row(name, results) for name, results in folders.sources.items()]
    return table("The results folders", columns, rows, id="folders")


def folder_row(name: str, results: Results) -> list[object]:
    rows = results.all_trials
    started = min(distinct(rows, "started"), default=None)
    return [
        name,
        str(results.folder),
        results.title,
        len(results.groups),
        states(results.trials),
        *(told(column, rows) for column in OF_FOLDER),
        f"{started:%Y-%m-%d %H:%M} UTC" if started else None,
    ]


def differing_table(folders: Folders) -> Html:
    """What is not the same about the configurations that the folders share."""
    rows = [
        [one.what, one.first, one.second, where(labels, matching.pairs), name]
        for name, matching in folders.matchings.items()
        for one, labels in by_difference(matching.pairs).items()
    ]
    if not rows:
        return tag("p", "Nothing is known to differ between the folders.", class_="missing")
    columns = [
        text_column("What differs"),
        text_column(f"In {folders.first}"),
        text_column("In the other"),
        text_column("Of which configurations"),
        text_column("The other", facet=True),
    ]
    caption = "What differs between the folders, of configurations that they share"
    return table(caption, columns, rows, id="folders-differing")


def metric_table(folders: Folders, metric: str) -> Html:
    """One metric of all shared configurations; nothing if it was measured in none."""
    found = compare(folders, metric)
    if not any(one.difference for one in found):
        return Html()
    columns = [
        text_column("Configuration"),
        text_column("The other", facet=True),
        number_column(f"In {folders.first}"),
        number_column("In the other"),
        number_column("Difference"),
        number_column("Relative", optional=True),
        number_column("95 % interval"),
        text_column("Seeds", optional=True),
        number_column("p (Holm)"),
        text_column("Is it real", facet=True),
        text_column("Why", optional=True),
    ]
    rows = [metric_row(one) for one in found]
    id = f"folders-{metric.replace('_', '-')}"
    return table(f"{title(metric)}, in each folder", columns, rows, id=id)


def metric_row(one: Compared) -> list[object]:
    cells = words(one)
    return [
        one.pair.label,
        one.name,
        cells.first,
        cells.second,
        cells.difference,
        cells.percent,
        cells.interval,
        cells.seeds,
        cells.p,
        one.verdict,
        one.why,
    ]
