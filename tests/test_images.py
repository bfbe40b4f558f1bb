"""What the report says of the test images: their own error, agreement of networks, the missed."""

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from resray.analysis.answers import Agreement, agreement, agreement_within, half_interval, misses
from resray.analysis.contrasts import ImageShares
from resray.analysis.results import Analysis
from resray.report.images_section import images_section
from resray.report.page import render
from resray.report.tables import Table
from resray.results.predictions import put_thumbnails
from resray.results.storage import LocalFolder
from tests.golden.report_inputs import PIXEL
from tests.report_builder import changed, trial, write_results
from tests.test_answers import IMAGES, answered

HOSTILE = "<img src=x onerror=alert(1)>"
TEST_SET = "ab" * 32
PICTURED = range(10, 20)


def right_of(seed: int, networks: int) -> np.ndarray:
    return np.random.default_rng(seed).random((networks, IMAGES)) < 0.7


def by_hand(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Agreement:
    """Return the agreement of pairs of networks, from the definition of Cohen's kappa."""
    shares, kappas = [], []
    for one, other in pairs:
        observed = np.mean(one == other)
        expected = np.mean(one) * np.mean(other) + np.mean(~one) * np.mean(~other)
        shares.append(100 * observed)
        kappas.append((observed - expected) / (1 - expected))
    return Agreement(float(np.mean(shares)), float(np.mean(kappas)))


def test_agreement_is_that_of_all_pairs() -> None:
    first, second = right_of(0, 4), right_of(1, 3)
    assert agreement(first, second) == pytest.approx(by_hand(list(product(first, second))))
    assert agreement_within(first) == pytest.approx(by_hand(list(combinations(first, 2))))
    assert agreement_within(first[:1]) is None
    assert agreement(first[:1], first[:1]) == Agreement(100.0, 1.0)
    assert agreement(first[:1], ~first[:1]).share == 0
    always = np.ones((2, IMAGES), dtype=bool)
    assert agreement(first, always).consistency == pytest.approx(0.0)
    assert np.isnan(agreement(always, always).consistency)
    expected = [sum(not right[image] for right in (*first, *second)) for image in range(IMAGES)]
    assert misses([first, second]).tolist() == expected


def test_the_images_own_error_needs_no_predictions_but_is_less_with_them(tmp_path: Path) -> None:
    results = answered_results(tmp_path)
    rows = results.groups[0].finished
    right = np.stack([results.answers[row["trial_id"]].right for row in rows])
    quantile = t.ppf(0.975, IMAGES - 1)
    exact = half_interval(rows, results.answers)
    assert exact == pytest.approx(quantile * ImageShares.of("", right).variance ** 0.5)
    mean = right.mean()
    binomial = half_interval(rows, {})
    assert exact
    assert binomial
    assert binomial == pytest.approx(quantile * 100 * (mean * (1 - mean) / (IMAGES - 1)) ** 0.5)
    assert exact < binomial
    assert half_interval(rows[:1], results.answers) == pytest.approx(half_interval(rows[:1], {}))


@pytest.mark.parametrize(
    "changes",
    [{"test_accuracy": 100.0}, {"test_accuracy": None}, {"test_images": None},
     {"test_accuracy": 150.0}, {"test_images": 1}, {"test_images": 0}],
)  # fmt: skip
def test_what_tells_nothing_of_other_images_has_no_error(changes: dict[str, Any]) -> None:
    assert half_interval([trial(**changes)], {}) is None
    assert half_interval([], {}) is None


def answered_results(path: Path, label: str = "cat", **changes: Any) -> Analysis:
    """Return trials of two networks with predictions, and pictures of ten images."""
    rows, predictions = answered()
    pictures = [
        {"test_checksum": TEST_SET, "image": image, "label": label, "png": PIXEL} | changes
        for image in PICTURED
    ]
    write_results(path, rows, epochs=[], predictions=predictions)
    put_thumbnails(LocalFolder(path), pictures, TEST_SET)
    return Analysis.of(path)


def tables(results: Analysis) -> dict[str, list[tuple[object, ...]]]:
    found = images_section(results).tables
    return {table.id: list(table.rows) for table in found if isinstance(table, Table)}


def test_the_section_tells_what_is_stored(tmp_path: Path) -> None:
    results = answered_results(tmp_path)
    rights = [
        np.stack([results.answers[row["trial_id"]].right for row in group.finished])
        for group in results.groups
    ]
    made = tables(results)
    within, across = by_hand(list(combinations(rights[0], 2))), by_hand(list(product(*rights)))
    assert made["images"][0][-1] == f"{within.share:.2f} ({within.consistency:.2f})"
    assert made["agreement"][0][1] == made["images"][0][-1]
    assert made["agreement"][0][2] == made["agreement"][1][1]
    assert made["agreement"][0][2] == f"{across.share:.2f} ({across.consistency:.2f})"
    missed = misses(rights)
    text = images_section(results)
    assert f"{100 * np.mean(missed == 6):.2f} % are missed by all 6 networks" in text
    assert f"{100 * np.mean(missed == 0):.2f} % by none" in text
    shown = sorted((image for image in PICTURED if missed[image]), key=lambda i: -missed[i])
    assert 0 < text.count("<img ") == len(shown) < len(PICTURED)
    assert f'alt="Test image {shown[0]}"' in text.partition("</li>")[0]
    assert f"</strong> {missed[shown[0]]} of 6" in text.partition("</li>")[0]


@pytest.mark.parametrize(
    "changes",
    [{"image": IMAGES}, {"image": -1}, {"image": None}, {"png": None}, {"png": b""},
     {"test_checksum": "cd" * 32}, {"test_checksum": None}],
)  # fmt: skip
def test_pictures_of_other_images_are_left_out(tmp_path: Path, changes: dict[str, Any]) -> None:
    text = images_section(answered_results(tmp_path, **changes))
    assert "<img" not in text
    assert "are missed by all 6 networks" in text


def test_two_folders_show_a_picture_once(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    alone = [images_section(answered_results(folder)).count("<img ") for folder in folders]
    text = images_section(Analysis.of(folders))
    assert text.count("<img ") == alone[0] == alone[1]
    assert "by all 12 networks" in text


def test_names_of_classes_stay_text(tmp_path: Path) -> None:
    page = render(answered_results(tmp_path, label=HOSTILE, png=b'"><script>alert(2)</script>'))
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert", "")
    assert "&lt;img src=x onerror=alert(1)&gt;</strong>" in page
    assert "alert(2)" not in page
    assert "Image by image" in page


def test_without_predictions_there_is_no_section(tmp_path: Path) -> None:
    rows, _ = answered()
    results = Analysis.of(write_results(tmp_path, rows, epochs=[]))
    assert images_section(results) == ""
    assert "Image by image" not in render(results)


def test_many_configurations_and_other_test_sets(tmp_path: Path) -> None:
    results = answered_results(tmp_path)
    first, second = results.groups
    many = [replace(first, label=f"{place}") for place in range(13)]
    assert set(tables(changed(results, groups=tuple(many)))) == {"images"}
    assert set(tables(changed(results, groups=(first,)))) == {"images"}
    others = {row["trial_id"]: replace(results.answers[row["trial_id"]], test_set="other")
              for row in second.finished}  # fmt: skip
    apart = changed(results, answers={**results.answers, **others})
    assert [row[1 + place] for place, row in enumerate(tables(apart)["agreement"][::-1])] == [
        None,
        None,
    ]
    assert images_section(apart).count("are missed by all 3 networks") == 2
