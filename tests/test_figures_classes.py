"""Accuracy by class and confusion matrices, from the evaluations table."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from resray.analysis.by_class import CIFAR100, MOST, SUPERCLASS, class_accuracies, confusions
from resray.analysis.results import Analysis
from resray.figures.class_accuracy import classes_figure
from resray.figures.confusion import confusion_figure
from resray.report.classes_section import classes_section, most_confused
from resray.report.page import render
from resray.report.tables import Table
from resray.report.text import plain_text
from tests.page_reader import figures_of, panels_of
from tests.report_builder import START, evaluation, trial, write_results
from tests.test_data_sources import REAL_DATA

REAL = REAL_DATA / "cifar100" / "test-00000-of-00001.parquet"
CLASSES = ("cat", "dog", "ship")
COUNTS = ((6, 3, 1), (2, 8, 0), (0, 0, 10))
"""Rows are true classes: ten images each."""


def rows_of(
    row: dict[str, Any],
    counts: tuple[tuple[int, ...], ...] = COUNTS,
    classes: tuple[str, ...] = CLASSES,
    **changes: Any,
) -> list[dict[str, Any]]:
    """Return a trial's accuracies by class and its cells that are not empty."""
    made = []
    for place, (name, own) in enumerate(zip(classes, counts, strict=True)):
        common = {"class": name, "images": sum(own), **changes}
        made.append(evaluation(row, "test", 100 * own[place] / sum(own), **common))
        made += [
            evaluation(row, "test", float(count), metric="count", condition=taken, **common)
            for taken, count in zip(classes, own, strict=True)
            if count
        ]
    return made


def results_of(
    folder: Path, trials: list[dict[str, Any]], evaluations: list[dict[str, Any]]
) -> Analysis:
    return Analysis.of(write_results(folder, trials, evaluations=evaluations))


def tables_of(results: Analysis) -> list[Table]:
    return [table for table in classes_section(results).tables if isinstance(table, Table)]


def test_matrix_is_the_mean_of_the_trials_shares(tmp_path: Path) -> None:
    trials = [trial("resnet18", seed) for seed in (0, 1)]
    other = ((10, 0, 0), (0, 10, 0), (5, 0, 5))
    results = results_of(tmp_path, trials, [*rows_of(trials[0]), *rows_of(trials[1], other)])
    (one,) = confusions(results)
    assert (one.n, one.classes, one.checkpoint) == (2, CLASSES, "best.pt")
    assert one.mean.tolist() == [[80, 15, 5], [10, 90, 0], [25, 0, 75]]
    share = one.share(2, 0)
    assert share is not None
    assert (share.mean, share.n) == (25.0, 2)
    assert share.deviation == pytest.approx(50 / 2**0.5)


def test_newest_checkpoint_that_validation_selected_counts(tmp_path: Path) -> None:
    row = trial("resnet18")
    perfect = tuple(tuple(10 * (i == j) for j in range(3)) for i in range(3))
    rows = [
        *rows_of(row, perfect, checkpoint="best.pt@3", epoch=3, evaluated=START.replace(year=2025)),
        *rows_of(row),
        *rows_of(row, perfect, checkpoint="last.pt@20"),
    ]
    results = results_of(tmp_path, [row], rows)
    assert confusions(results)[0].counts.tolist() == [[list(own) for own in COUNTS]]
    (accuracies,) = class_accuracies(results)
    assert accuracies.accuracies.tolist() == [[60.0, 80.0, 100.0]]
    assert accuracies.images == 30


def test_figure_shows_percent_and_leaves_empty_cells_empty(tmp_path: Path) -> None:
    trials = [trial("resnet18"), trial("resnet34")]
    rows = [row for one in trials for row in rows_of(one)]
    figure = confusion_figure(results_of(tmp_path, trials, rows))
    assert figure is not None
    assert figure.switches[0].options == ("resnet18", "resnet34")
    (panel,) = figure.chosen({"view": "resnet34"})
    assert panel.title == "resnet34: % of each true class, 30 images (n = 1)"
    (trace,) = panel.traces
    assert trace["z"] == [[60, 30, 10], [20, 80, None], [None, None, 100]]
    assert trace["texttemplate"]
    assert len(panel.layout["shapes"]) == len(CLASSES), "the diagonal is outlined"


def test_many_classes_have_no_names_on_the_axes(tmp_path: Path) -> None:
    row, classes = trial("resnet18"), tuple(f"class {place}" for place in range(100))
    counts = tuple(
        tuple(9 if i == j else int(j == (i + 1) % 100) for j in range(100)) for i in range(100)
    )
    results = results_of(tmp_path, [row], rows_of(row, counts, classes))
    matrix, by_class = confusion_figure(results), classes_figure(results)
    assert matrix is not None
    assert by_class is not None
    panel = matrix.chosen()[0]
    assert panel.layout["xaxis"]["showticklabels"] is False
    assert panel.traces[0]["texttemplate"] is None
    (points,) = by_class.chosen()[0].traces
    assert points["x"] == list(range(100))
    classes_table, confused = tables_of(results)
    assert (classes_table.id, confused.id) == ("classes", "confused")
    assert len(confused.rows) == 20


def test_most_accurate_configurations_are_shown_in_their_order(tmp_path: Path) -> None:
    trials = [trial(f"net{place:02}", test_accuracy=50.0 + place) for place in range(MOST + 2)]
    results = results_of(tmp_path, trials, [row for one in trials for row in rows_of(one)])
    expected = [f"net{place:02}" for place in range(2, MOST + 2)]
    assert [one.group.label for one in confusions(results)] == expected
    table, _ = tables_of(results)
    assert [column.title.partition(",")[0] for column in table.columns[1:]] == expected
    assert f"of {MOST + 2} configurations the {MOST} most accurate" in table.caption


def test_tables_tell_the_hardest_class_and_the_most_confused_pair_first(tmp_path: Path) -> None:
    trials = [trial("resnet18", seed) for seed in (0, 1)]
    results = results_of(tmp_path, trials, [row for one in trials for row in rows_of(one)])
    classes, confused = tables_of(results)
    assert [row[0] for row in classes.rows] == ["cat", "dog", "ship"]
    assert classes.rows[0][1] == "60.00\u00a0±\u00a00.00"
    told = [(row[1], row[2], plain_text(row[3]), row[4]) for row in confused.rows]
    assert told == [
        ("cat", "dog", "30.0\u00a0±\u00a00.0", "3.0"),
        ("dog", "cat", "20.0\u00a0±\u00a00.0", "2.0"),
        ("cat", "ship", "10.0\u00a0±\u00a00.0", "1.0"),
    ]


def test_bars_reach_from_the_lowest_to_the_highest_seed(tmp_path: Path) -> None:
    trials = [trial("resnet18", seed) for seed in (0, 1)]
    rows = [evaluation(row, "test", value, **{"class": "cat"})
            for row, value in zip(trials, (2.0, 10.0), strict=True)]  # fmt: skip
    figure = classes_figure(results_of(tmp_path, trials, rows))
    assert figure is not None
    (trace,) = figure.chosen()[0].traces
    assert (trace["x"], trace["y"]) == ([6.0], ["cat"])
    assert (trace["error_x"]["array"], trace["error_x"]["arrayminus"]) == ([4.0], [4.0])


def test_results_that_were_not_counted_still_show_their_classes(tmp_path: Path) -> None:
    row = trial("resnet18")
    rows = [one for one in rows_of(row) if one["metric"] == "accuracy"]
    results = results_of(tmp_path, [row], rows)
    assert confusion_figure(results) is None
    assert [table.id for table in tables_of(results)] == ["classes"]


def test_nothing_is_shown_where_no_class_was_evaluated(tmp_path: Path) -> None:
    row = trial("resnet18")
    results = results_of(tmp_path, [row], [evaluation(row, "test", 90.0)])
    assert classes_figure(results) is None
    assert confusion_figure(results) is None
    assert classes_section(results) == ""


def test_stopped_trials_enter_no_matrix_of_finished_ones(tmp_path: Path) -> None:
    trials = [trial("resnet18"), trial("resnet18", 1, status="stopped", epochs_done=3)]
    results = results_of(tmp_path, trials, [row for one in trials for row in rows_of(one)])
    assert confusions(results)[0].n == class_accuracies(results)[0].n == 1


def test_pairs_that_were_never_confused_are_left_out() -> None:
    mean = np.array([[90.0, 10.0, np.nan], [0.0, 100.0, 0.0], [5.0, 0.0, 95.0]])
    assert most_confused(mean, 9) == [(0, 1), (2, 0)]


def test_odd_values_and_hostile_names_leave_the_page_whole(tmp_path: Path) -> None:
    row = trial("resnet18")
    classes = ("<script>alert(1)</script>", "%{x}", "naïve 🐈")
    rows = rows_of(row, classes=classes)
    rows += [
        evaluation(row, "test", float("nan"), **{"class": "cat", "images": None}),
        evaluation(row, "test", float("nan"), metric="count", condition="cat",
                   **{"class": "dog", "images": None}),
        evaluation(row, "test", 1.0, metric="count", **{"class": "ship", "checkpoint": None}),
    ]  # fmt: skip
    page = render(results_of(tmp_path, [row], rows))
    assert "<script>alert" not in page
    figures = figures_of(page)
    (panel,) = panels_of(figures["confusion"])
    names = panel["data"][0]["x"]
    assert names[0] == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert "%{" not in "".join(names)
    assert panels_of(figures["classes"])[0]["data"]


@pytest.mark.parametrize("wrong", [-3.0, float("inf"), float("-inf"), float("nan")])
def test_what_is_no_number_of_images_was_not_measured(tmp_path: Path, wrong: float) -> None:
    row = trial("resnet18")
    cells = rows_of(row)
    cells[1]["value"] = wrong
    results = results_of(tmp_path, [row], cells)
    (one,) = confusions(results)
    assert one.counts.sum() == 24
    assert confusion_figure(results) is not None


def test_checkpoints_without_a_name_count(tmp_path: Path) -> None:
    rows = rows_of(trial("resnet18"), checkpoint=None)
    results = results_of(tmp_path, [trial("resnet18")], rows)
    (one,) = confusions(results)
    assert one.checkpoint == ""
    assert class_accuracies(results)[0].images == 30
    assert 'data-figure="classes"' in render(results)


def test_superclasses_are_cifar100s() -> None:
    assert len(CIFAR100) == 20
    classes = SUPERCLASS.keys() - {"cra"}
    assert len(classes) == 100
    assert all(sum(SUPERCLASS[name] == coarse for name in classes) == 5 for coarse in CIFAR100)


@pytest.mark.skipif(not REAL.is_file(), reason=f"no CIFAR-100 in {REAL.parent}")
def test_superclasses_are_the_coarse_labels() -> None:
    classes = pq.read_schema(REAL).metadata[b"class_names"].decode().split(",")
    labels = pq.read_table(REAL, columns=["fine_label", "coarse_label"]).to_pydict()
    for fine, coarse in set(zip(labels["fine_label"], labels["coarse_label"], strict=True)):
        assert list(CIFAR100)[coarse] == SUPERCLASS[classes[fine]]


FISH = ("ray", "shark", "cra")
"""Two of one superclass, and one of another as the Hugging Face hub spells it."""


def test_superclasses_count_the_class_and_the_superclass(tmp_path: Path) -> None:
    trials = [trial("resnet18", seed, dataset="cifar100") for seed in (0, 1)]
    other = ((10, 0, 0), (0, 10, 0), (5, 0, 5))
    rows = [*rows_of(trials[0], classes=FISH), *rows_of(trials[1], other, FISH)]
    classes, superclasses, _ = tables_of(results_of(tmp_path, trials, rows))
    assert [row[:2] for row in classes.rows] == [
        ("cra", "non-insect invertebrates"), ("ray", "fish"), ("shark", "fish")
    ]  # fmt: skip
    assert superclasses.id == "superclasses"
    assert [column.title for column in superclasses.columns] == [
        "Superclass", "resnet18: class,\u00a0% (n = 2)", "resnet18: superclass,\u00a0% (n = 2)"
    ]  # fmt: skip
    told = {str(row[0]): tuple(map(plain_text, row[1:])) for row in superclasses.rows}
    # Of the first trial's 20 fish 14 were right, and 5 more fish all the same; of the second all.
    assert told["fish"] == ("85.00\u00a0±\u00a0190.59", "97.50\u00a0±\u00a031.77")
    assert told["non-insect invertebrates"] == ("75.00\u00a0±\u00a0317.66",) * 2
    assert told["trees"] == ("–", "–")


def test_other_images_have_no_superclasses(tmp_path: Path) -> None:
    for dataset, classes in (("folder", FISH), ("cifar100", ("ray", "0", "1"))):
        row = trial("resnet18", dataset=dataset)
        results = results_of(tmp_path / dataset, [row], rows_of(row, classes=classes))
        assert [table.id for table in tables_of(results)] == ["classes", "confused"]
