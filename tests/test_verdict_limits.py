"""What keeps a claim from a firm verdict, and what is said beside one."""

from pathlib import Path
from typing import Any

import pytest

from resray.analysis.results import Analysis
from resray.analysis.verdicts import Outcome
from resray.report.answer import warnings
from resray.report.claims_section import claims_section
from tests.report_builder import epochs_of, evaluation, trial, write_results
from tests.verdict_case import BETTER, CLEAR, Rows, found, pair, write_study


def test_foreign_file_never_decides_a_claim_about_the_hidden_test_set(tmp_path: Path) -> None:
    values = [evaluation(row, "foreign", row["test_accuracy"] - 10, condition="im.npz",
                         dataset_checksum="7" * 64, images=20) for row in CLEAR]  # fmt: skip
    check = "hidden_accuracy[a] > hidden_accuracy[b]"
    verdict = found(tmp_path, check, CLEAR, evaluations=values)
    why = "foreign file im.npz (77777777, 20 images), not known to be the hidden test set"
    assert (verdict.outcome, verdict.why) == (Outcome.TOWARDS, why)


def timed(seconds: list[float]) -> tuple[Rows, Rows]:
    """Return trials of b that took twice as long as those of a, whose epochs took ``seconds``."""
    rows = [trial(name, seed, epochs=len(seconds)) for name in "ab" for seed in range(3)]
    factor = {"a": 1, "b": 2}
    epochs = [
        {**epoch, "seconds_training": (taken + row["seed"] / 50) * factor[row["name"]]}
        for row in rows
        for epoch, taken in zip(epochs_of(row), seconds, strict=True)
    ]
    return rows, epochs


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ([28.0, 5.0, 4.0, 12.0], "a: its epochs took 4\xa0s to 12\xa0s: was another process busy?"),
        ([28.0, 4.0, 5.0, 4.5], None),
    ],
)
def test_uneven_epochs_are_told_where_times_are_judged(
    tmp_path: Path, seconds: list[float], told: str | None
) -> None:
    """The first epoch warms up and is in no mean."""
    rows, epochs = timed(seconds)
    check = "seconds_per_epoch[a] < seconds_per_epoch[b]"
    verdict = found(tmp_path, check, rows, epochs=epochs)
    assert verdict.outcome == Outcome.SUPPORTED
    assert (told in verdict.why) if told else ("busy" not in verdict.why)


@pytest.mark.parametrize(("images", "told"), [(76, True), (10_000, False)])
def test_weight_of_one_of_few_test_images_is_told(tmp_path: Path, images: int, told: bool) -> None:
    rows = pair([90.0], [80.0], test_images=images)
    few = "76 test images: one is 1.3 points"
    assert (few in found(tmp_path, BETTER, rows).why) == told
    assert (f"{few}, so small differences say nothing." in warnings(Analysis.of(tmp_path))) == told


def test_weight_of_a_test_image_is_not_told_of_a_size(tmp_path: Path) -> None:
    rows = pair([90.0], [80.0], test_images=76)
    assert "test images" not in found(tmp_path, "validation_accuracy[a] > 5", rows).why


@pytest.mark.parametrize("operator", ["<=", "<"])
def test_sides_that_differ_by_rounding_are_equal(tmp_path: Path, operator: str) -> None:
    check = f"validation_accuracy[a] {operator} validation_accuracy[b]"
    claim: dict[str, Any] = {"id": "x", "text": "alike", "check": check}
    study = write_study(tmp_path / "written.yaml", claim)
    rows = [trial(name, seed, validation_accuracy=value) for seed in (0, 1)
            for name, value in (("a", 0.1 + 0.2), ("b", 0.3))]  # fmt: skip
    html = claims_section(Analysis.of(write_results(tmp_path, rows, epochs=[], study=study)))
    assert "both sides are equal" in html
    assert Outcome.UNDECIDED.value in html
