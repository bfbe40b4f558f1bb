"""What the report makes of a trial's reductions."""

import json
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.results import Analysis
from resray.analysis.verdicts import Outcome
from resray.report.answer import answer
from tests.report_builder import trial, write_results
from tests.verdict_case import BETTER, found, recipe, runs


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"epochs": 400}, "400 epochs in place of 20"),
     ({"batch_size": 32}, "batch_size 32 in place of 128"),
     ({"epochs": 2}, "2 of 20 epochs")],
)  # fmt: skip
def test_changed_runs_are_not_compared_with_whole_ones(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    changed = {"recipe": recipe(**changes), "reductions": json.dumps([text])}
    rows = [row | changed for row in runs("b", [93, 93.1, 93.3])]
    verdict = found(tmp_path, BETTER, [*runs("a", [95, 95.1, 95.2]), *rows])
    assert verdict.outcome == Outcome.NOT_TESTED


def test_trials_of_one_longer_command_are_compared(tmp_path: Path) -> None:
    """Whatever their own length and batch size had been."""
    before = {"a": [20, 128], "b": [30, 256]}
    changed = recipe(epochs=400, batch_size=32)
    rows = [
        row | {"recipe": changed, "reductions": json.dumps([
            f"400 epochs in place of {before[row['name']][0]}",
            f"batch_size 32 in place of {before[row['name']][1]}"])}
        for row in (*runs("a", [95, 95.1, 95.3]), *runs("b", [93, 93.1, 93.2]))
    ]  # fmt: skip
    assert found(tmp_path, BETTER, rows).outcome == Outcome.TOWARDS


def ranked(folder: Path, *reductions: list[str]) -> Analysis:
    rows = [
        trial(name, reductions=json.dumps(texts), model="resnet10")
        for name, texts in zip(("resnet18", "resnet50"), reductions, strict=True)
    ]
    return Analysis.of(write_results(folder, rows))


def test_trials_of_one_command_are_ranked_together(tmp_path: Path) -> None:
    results = ranked(
        tmp_path,
        ["2 of 20 epochs", "resnet10 in place of resnet18", "batch_size 32 in place of 128"],
        ["2 of 30 epochs", "resnet10 in place of resnet50", "batch_size 32 in place of 64"],
    )
    assert "of 2 configurations" in " ".join(answer(results))


def test_trials_of_other_settings_are_not_ranked_together(tmp_path: Path) -> None:
    results = ranked(tmp_path, ["batch_size 32 in place of 128"], ["batch_size 16 in place of 128"])
    assert "Not ranked" in " ".join(answer(results))
    assert list(results.labels.values()) == ["resnet18", "resnet50"]
