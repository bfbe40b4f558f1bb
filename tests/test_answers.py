"""Stored predictions by image reach every contrast of test accuracies, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resray.analysis.compare import compare, matched
from resray.analysis.contrasts import Method, difference
from resray.analysis.metrics import sample_of
from resray.analysis.results import Analysis
from resray.report.answer import warnings, without_images
from resray.report.differences import differences_section
from resray.report.images_section import images_section
from resray.report.tables import Table
from tests.report_builder import trial, write_results
from tests.verdict_case import BETTER, Rows, found

IMAGES = 400


def answered(seeds: int = 3) -> tuple[Rows, Rows]:
    """Return trials of two networks with their predictions of one test set."""
    generator = np.random.default_rng(3)
    labels = generator.integers(4, size=IMAGES).astype(np.uint8)
    hard = generator.normal(size=IMAGES)
    rows, predictions = [], []
    for name, skill in (("a", 1.5), ("b", 1.0)):
        for seed in range(seeds):
            right = skill + hard + 0.5 * generator.normal(size=IMAGES) > 0
            row = trial(name, seed, test_accuracy=100 * right.mean(), test_images=IMAGES)
            rows.append(row)
            predictions.append(predicted(row, labels, right))
    return rows, predictions


def predicted(row: dict[str, Any], labels: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    wrong = np.where(right, labels, (labels + 1) % 4).astype(np.uint8)
    return {
        **{key: row[key] for key in ("trial_id", "study", "name", "seed")},
        "kind": "test",
        "epoch": row["best_epoch"],
        "images": len(labels),
        "predicted": wrong.tobytes(),
        "labels": labels.tobytes(),
        "class_names": '["0", "1", "2", "3"]',
        "test_checksum": "ab" * 32,
    }


def test_claims_tables_and_compare_cross_seeds_and_images(tmp_path: Path) -> None:
    rows, predictions = answered()
    verdict = found(tmp_path, BETTER, rows, predictions=predictions)
    results = Analysis.of(tmp_path)
    first, second = (sample_of(results, group, "test_accuracy") for group in results.groups)
    expected = difference(second, first)
    assert expected.method == Method.CROSSED
    (judgement,) = verdict.judgements
    assert judgement.method == Method.CROSSED
    assert judgement.margin == pytest.approx(expected.value)
    table = differences_section(results).tables[0]
    assert isinstance(table, Table)
    assert any(Method.CROSSED in row for row in table.rows)
    (tmp_path / "other").mkdir()
    other = write_results(tmp_path / "other", rows, epochs=[], predictions=predictions)
    folders = matched({"one": results, "two": Analysis.of(other)})
    assert {one.verdict for one in compare(folders, ["test_accuracy"])["test_accuracy"]} == {
        "equal"
    }


@pytest.mark.parametrize(
    "change",
    [{"epoch": 1}, {"test_checksum": "cd" * 32}, {"trial_id": "gone"}, {"kind": "other"}],
)
def test_answers_of_another_checkpoint_or_other_images_do_not_count(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    rows, predictions = answered()
    predictions[0] |= change
    verdict = found(tmp_path, BETTER, rows, predictions=predictions)
    assert verdict.judgements[0].method == Method.WELCH


def test_two_single_networks_differ_as_networks_alone(tmp_path: Path) -> None:
    rows, predictions = answered(seeds=1)
    verdict = found(tmp_path, BETTER, rows, predictions=predictions)
    assert (verdict.outcome, verdict.why.partition(";")[0]) == ("undecided", "one seed")
    table = differences_section(Analysis.of(tmp_path)).tables[0]
    assert isinstance(table, Table)
    (row,) = (row for row in table.rows if Method.NETWORKS in row)
    assert "these two networks differ" in row


def test_what_could_have_been_shown_is_said_of_recipes_not_of_two_networks(tmp_path: Path) -> None:
    for seeds, said in ((3, True), (1, False)):
        rows, predictions = answered(seeds)
        folder = write_results(tmp_path / str(seeds), rows, epochs=[], predictions=predictions)
        table = differences_section(Analysis.of(folder)).tables[0]
        assert isinstance(table, Table)
        assert ("a true difference of" in table.caption) == said


def test_configurations_that_are_compared_without_images_are_named(tmp_path: Path) -> None:
    rows, predictions = answered()
    whole, part, none = (
        Analysis.of(write_results(tmp_path / name, rows, epochs=[], predictions=stored))
        for name, stored in (("whole", predictions), ("part", predictions[1:]), ("none", []))
    )
    said = "not every network's predictions are stored"
    assert (without_images(whole), without_images(none)) == ([], [])
    assert without_images(part) == ["a (2 of 3)"]
    assert f"{said} (`resray evaluate --kind test` adds them): a (2 of 3)." in " ".join(
        warnings(part)
    )
    assert f"Left out, as {said}: a (2 of 3)." in str(images_section(part).text)
    assert said not in " ".join(
        [*warnings(whole), *warnings(none), str(images_section(whole).text)]
    )
    assert images_section(none) == ""
