"""The tables and the figure of what checkpoints did beyond the test set."""

from collections.abc import Sequence

from resray.analysis.evaluations import (
    MEAN,
    Evaluated,
    corruption_kinds,
    ensembles,
    evaluated,
)
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary
from resray.analysis.words import fixed, listed, signed, with_interval
from resray.figures.corruption_severity import title_of
from resray.hints import command
from resray.models.table import runs_own_code
from resray.report.sections import marks
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, join, tag


def evaluations_section(results: Analysis) -> Html:
    """Tables of test-time views, corruptions, ensembles and foreign files, or how to get them."""
    found = evaluated(results)
    parts = [
        views_table([one for one in found if not all(own.kind == "foreign" for own in one.values)]),
        ensembles_table(results),
        foreign_table(found),
        corruptions_table(found),
    ]
    return join(part for part in parts if part) or not_evaluated(results)


def not_evaluated(results: Analysis) -> Html:
    """What to type where no stored checkpoint was evaluated."""
    rows = [row for group in results.groups for row in group.finished]
    if not rows:
        return Html()
    own_code = any(runs_own_code(row["model"] or "") for row in rows)
    given = command("evaluate", results.folder, data_dir=rows[0]["data_dir"], trust=own_code)
    return tag(
        "p",
        "No checkpoint was evaluated beyond the test set, so the accuracy under corruptions, which "
        "belongs in every report, is missing. Type ",
        tag("code", given),
        ", then ",
        tag("code", command("report", results.folder)),
        ".",
        class_="missing",
    )


def shown(summary: Summary | None, test: Summary | None = None) -> str | None:
    """Return ``91.30 ± 0.71 (+0.80)``: a value, and its mean's difference to the test accuracy."""
    if summary is None:
        return None
    return with_interval(summary) + (f" ({signed(summary.mean - test.mean)})" if test else "")


def at_epochs(one: Evaluated) -> str:
    """Return the checkpoints' name and epochs: ``best.pt, epoch 87``."""
    return f"{one.checkpoint}, epoch {listed(one.epochs)}" if one.epochs else one.checkpoint


def views_table(found: Sequence[Evaluated]) -> Html:
    """Accuracy on test, with several views, under corruptions and on train, and calibration."""
    if not found:
        return Html()
    views = list(dict.fromkeys(text for one in found for text in one.conditions("tta")))
    images = sorted({count for one in found for count in one.images})
    caption = (
        f"Stored checkpoints on {amounts(images)} test images: means over trials, ± half "
        "the 95 % interval where n is 2 or more; in brackets the difference, in points, to the "
        "test accuracy of the same checkpoints. Corrupted: mean over all kinds and severities"
        f"{''.join(text for key, text in EXPLAINED.items() if measured(found, *key))}"
    )
    rows = (views_row(one, views, with_images=len(images) > 1) for one in found)
    return table(caption, rows, id="views")


EXPLAINED = {
    ("train", "accuracy"): ". Clean train: the training images without augmentation",
    ("calibration", "calibration_error_debiased"): ". Calibration error: the mean distance of "
    "accuracy from confidence, which few images enlarge; debiased: its root mean square less what "
    "they add, on average 0 for a calibrated network and at times below",
}
"""What the caption says of columns that are not always there, by kind and metric."""


def measured(found: Sequence[Evaluated], kind: str, metric: str) -> bool:
    """Return whether a metric of a kind was evaluated for any configuration."""
    return any(one.summary(kind, metric=metric) for one in found)


def amounts(counts: Sequence[int]) -> str:
    return " or ".join(f"{count:,}" for count in counts)


def views_row(one: Evaluated, views: Sequence[str], with_images: bool) -> list[Cell]:
    test = one.summary("test")
    corrupted = shown(one.summary("corruptions", MEAN), test)

    def calibration(metric: str, digits: int = 2) -> str | None:
        summary = one.summary("calibration", metric=metric)
        return with_interval(summary, digits) if summary else None

    return [
        text_cell("Configuration", one.label),
        text_cell("Checkpoint", at_epochs(one)),
        number_cell("n", one.n),
        number_cell("Images", amounts(one.images) if with_images else None, optional=True),
        number_cell("Test, %", tag("strong", with_interval(test))),
        *(number_cell(f"{view}, %", shown(one.summary("tta", view), test), optional=True)
          for view in views),
        number_cell("Corrupted, %", corrupted, optional=True),
        number_cell("Clean train, %", shown(one.summary("train"), test), optional=True),
        number_cell("Calibration error, %", calibration("calibration_error"), optional=True),
        number_cell("Debiased, %", calibration("calibration_error_debiased"), optional=True),
        number_cell("Brier score", calibration("brier_score", 4), optional=True),
        note(one),
    ]  # fmt: skip


def note(one: Evaluated) -> Cell:
    return text_cell("Note", marks(one.group, timed=False), optional=True)


def ensembles_table(results: Analysis) -> Html:
    rows = (
        [
            text_cell("Ensemble", one.label),
            text_cell("Checkpoints", one.checkpoint),
            number_cell("Members", len(one.members)),
            number_cell("Test, %", tag("strong", fixed(one.accuracy))),
            number_cell("Members alone, %", shown(one.members_accuracy), optional=True),
            number_cell("Gain", None if one.gain is None else signed(one.gain), optional=True),
            number_cell("Images", None if one.images is None else f"{one.images:,}"),
            text_cell("Of", listed(one.members, most=12)),
            text_cell("Note", "reduced run" if one.reduced else None, optional=True),
        ]
        for one in ensembles(results)
    )
    caption = "Ensembles: one value each; the gain is in points against the members' mean"
    return table(caption, rows, id="ensembles")


def foreign_table(found: Sequence[Evaluated]) -> Html:
    rows = (foreign_row(one, condition) for one in found for condition in one.conditions("foreign"))
    caption = (
        "Foreign files: no accuracy where a file has no labels; in brackets the difference, in "
        "points, to the test accuracy of the same checkpoints"
    )
    return table(caption, rows, id="foreign")


def foreign_row(one: Evaluated, condition: str) -> list[Cell]:
    own = [each for each in one.values if (each.kind, each.condition) == ("foreign", condition)]
    accuracy = shown(one.summary("foreign", condition), one.summary("test"))
    confidence = shown(one.summary("foreign", condition, "confidence"))
    return [
        text_cell("Configuration", one.label),
        text_cell("File", condition),
        text_cell("Checkpoint", at_epochs(one)),
        number_cell("n", len({value.trial_id for value in own})),
        number_cell("Images", amounts(one.images_of(own))),
        number_cell("Accuracy, %", accuracy, optional=True),
        number_cell("Mean confidence, %", confidence, optional=True),
        note(one),
    ]


def corruptions_table(found: Sequence[Evaluated]) -> Html:
    """Mean accuracy over the severities of each kind of corruption."""
    kinds = corruption_kinds(list(found))
    corrupted = [one for one in found if one.conditions("corruptions")]
    if not kinds:
        return Html()
    several = len({one.checkpoint for one in corrupted}) > 1
    rows = (
        [
            text_cell("Configuration", one.label),
            text_cell("Checkpoint", at_epochs(one) if several else None, optional=True),
            number_cell("n", one.n),
            *(number_cell(f"{title_of(kind)}, %", shown(one.corruption(kind)), optional=True)
              for kind in kinds),
            number_cell("Mean, %", shown(one.summary("corruptions", MEAN)), optional=True),
            note(one),
        ]
        for one in corrupted
    )  # fmt: skip
    where = "" if several else f" ({corrupted[0].checkpoint})"
    caption = f"Test accuracy{where} by kind of corruption, mean over its severities"
    return table(caption, rows, id="corruptions")
