"""How far training is from test: at the selected epoch, at the last one, and from epoch to epoch.

The training images of an epoch are augmented, and seen while the network still learns.
"""

from resray.analysis.evaluations import MEAN, Evaluated, evaluated, first_checkpoints
from resray.analysis.groups import as_labelled
from resray.analysis.results import Analysis
from resray.analysis.statistics import summarise
from resray.analysis.train_test import EPOCHS, Splits, splits_of
from resray.analysis.words import signed, with_interval
from resray.figures.generalisation_gap import SYMBOLS
from resray.report.sections import marks
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, tag


def generalisation_section(results: Analysis) -> Html:
    """A table of training, validation, test and corrupted accuracy; nothing if none finished."""
    found = splits_of(results)
    return gap_table(results, found) if found else Html()


def gap_table(results: Analysis, found: Splits) -> Html:
    corrupted = {one.label: one for one in first_checkpoints(evaluated(results))}
    caption = (
        f"At the epoch that validation selects{as_labelled(found.groups)}: means over finished "
        "trials, ± half the 95 % interval where n is 2 or more. Train: augmented images, while "
        "training. Gap: train minus test. Corrupted: mean over all corruptions, minus test on the "
        "images of that evaluation"
    )
    return table(caption, gap_rows(found, corrupted), id="gap")


def gap_rows(found: Splits, corrupted: dict[str, Evaluated]) -> list[list[Cell]]:
    accuracies = (found.along(split, "accuracy") for split in SYMBOLS)
    values = [*accuracies, found.gap_along("accuracy")]
    summaries = (found.summaries(found.chosen(one, EPOCHS[0])) for one in values)
    return [
        [
            text_cell("Configuration", group.label),
            number_cell("n", len(rows)),
            number_cell("Train, %", with_interval(train)),
            number_cell("Validation, %", with_interval(validation)),
            number_cell("Test, %", tag("strong", with_interval(test))),
            number_cell("Gap, points", with_interval(gap, form=signed)),
            *corruption_cells(corrupted.get(group.label)),
            text_cell("Note", marks(group, timed=False), optional=True),
        ]
        for group, rows, train, validation, test, gap in zip(
            found.groups, found.trials, *summaries, strict=True
        )
    ]


def corruption_cells(one: Evaluated | None) -> list[Cell]:
    """Return corrupted accuracy, and its difference to the uncorrupted one of the same trials."""
    clean = one.by_trial("test") if one else {}
    corrupted = one.by_trial("corruptions", MEAN) if one else {}
    pairs = [(clean[key], value) for key, value in corrupted.items() if key in clean]
    drop = summarise(after - before for before, after in pairs)
    mean = summarise(corrupted.values())
    points = with_interval(drop, form=signed) if drop else None
    return [
        number_cell("Corrupted, %", with_interval(mean) if mean else None, optional=True),
        number_cell("Corrupted minus test, points", points, optional=True),
    ]
