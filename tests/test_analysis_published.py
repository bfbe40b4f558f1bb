"""Published figures of single epochs, of variants and of any metric beside measured ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from resray.analysis.published import Comparison, comparisons, signed_difference
from resray.analysis.results import Analysis
from resray.analysis.study_file import read_study
from resray.report.answer import answer
from resray.report.claims_section import published_sides
from resray.report.sections import means_table, published_section
from resray.study.claims import check_statement
from tests.report_builder import epochs_of, evaluation, trial, write_results

FIGURE = {"trial": "a", "protocol": "one run", "device": "NVIDIA H200", "source": "the author"}


def write_study(path: Path, *figures: dict[str, Any]) -> Path:
    study = {
        "name": "one",
        "title": "One network",
        "question": "How good?",
        "recipe": {"model": "resnet18", "data": "cifar10", "epochs": 20},
        "trials": [{"name": "a"}],
        "variants": {
            "long": {"description": "twice as long", "recipe": {"epochs": 40}},
            "same": {"description": "nothing for a"},
        },
        "published": [{**FIGURE, **figure} for figure in figures],
    }
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def compared(
    folder: Path, figure: dict[str, Any], rows: list[dict[str, Any]], **tables: Any
) -> list[Comparison]:
    study = write_study(folder / "written.yaml", figure)
    return comparisons(Analysis.of(write_results(folder, rows, study=study, **tables)))


def test_figure_of_an_epoch_stands_beside_the_same_epoch(tmp_path: Path) -> None:
    row = trial("a", epochs=3)
    epochs = [e | {"test_accuracy": 40.0 + e["epoch"]} for e in epochs_of(row)]
    figure = {"metric": "test_accuracy", "value": 41.0, "epoch": 2, "epochs": 3}
    (item,) = compared(tmp_path, figure, [row], epochs=epochs)
    assert item.difference == pytest.approx(1.0)
    assert item.notes == "one seed"
    html = published_section(Analysis.of(tmp_path))
    assert "a, epoch 2" in html
    assert f"{row['test_accuracy_best']:.2f}" not in html


@pytest.mark.parametrize(
    ("figure", "note"),
    [
        ({"metric": "test_accuracy", "value": 41.0, "epoch": 2}, "one seed"),
        ({"metric": "test_accuracy", "value": 41.0, "epoch": 9}, "not measured"),
        ({"metric": "test_accuracy", "value": 41.0}, "reduced run, not comparable"),
    ],
)
def test_stopping_early_leaves_earlier_epochs_comparable(
    tmp_path: Path, figure: dict[str, Any], note: str
) -> None:
    reductions = json.dumps(["stopped after 2 of 20 epochs"])
    row = trial("a", status="stopped", stop_after=2, epochs_done=2, reductions=reductions)
    (item,) = compared(tmp_path, figure, [row])
    assert item.notes == note


def test_loss_is_compared_in_percent_of_the_published_one(tmp_path: Path) -> None:
    row = trial("a", epochs=3)
    epochs = [e | {"train_loss": 1.0 / e["epoch"]} for e in epochs_of(row)]
    figure = {"metric": "train_loss", "value": 0.25, "epoch": 3}
    (item,) = compared(tmp_path, figure, [row], epochs=epochs)
    assert item.measured is not None
    assert item.measured.mean == pytest.approx(1 / 3)
    assert signed_difference(item) == "+33.3\xa0%"


def test_figure_of_a_variant_stands_beside_that_variant_only(tmp_path: Path) -> None:
    rows = [trial("a", test_accuracy=90.0),
            trial("a", trial_id="l", variant="long", test_accuracy=95.0)]  # fmt: skip
    figure = {"metric": "test_accuracy", "value": 94.0}
    (item,) = compared(tmp_path, {**figure, "variant": "long"}, rows)
    assert item.difference == pytest.approx(1.0)
    both = comparisons(Analysis.of(write_results(
        tmp_path / "any", rows, study=write_study(tmp_path / "any.yaml", figure))))  # fmt: skip
    assert [item.difference for item in both] == pytest.approx([1.0, -4.0])


def test_variant_that_was_not_run_is_named(tmp_path: Path) -> None:
    figure = {"metric": "test_accuracy", "value": 94.0, "variant": "long"}
    (item,) = compared(tmp_path, figure, [trial("a")])
    assert item.notes == "not run (variant long)"


def test_only_variant_of_a_study_goes_without_saying(tmp_path: Path) -> None:
    study = yaml.safe_load(write_study(tmp_path / "s.yaml", {
        "metric": "test_accuracy", "value": 94.0, "variant": "standard"}).read_text())  # fmt: skip
    del study["variants"]
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    results = Analysis.of(write_results(tmp_path, [trial("b")], study=tmp_path / "s.yaml"))
    (item,) = comparisons(results)
    assert item.notes == "not run"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, "one seed"),
        ({"exclusive": False}, "not comparable (shared machine)"),
        ({"device": "AMD EPYC (2 threads)"}, "not comparable (other device)"),
    ],
)
def test_throughput_is_compared_on_its_own_device_alone(
    tmp_path: Path, changes: dict[str, Any], note: str
) -> None:
    row = trial("a", images_per_second=256.0, **changes)
    (item,) = compared(tmp_path, {"metric": "iterations_per_second", "value": 2.5}, [row])
    assert item.notes == note
    assert (item.difference is None) == note.startswith("not")
    assert item.measured is not None
    assert item.measured.mean == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("metric", "kind", "condition"),
    [("corruption_accuracy", "corruptions", "mean"), ("tta_accuracy", "tta", "10 views")],
)
def test_evaluations_stand_beside_published_figures(
    tmp_path: Path, metric: str, kind: str, condition: str
) -> None:
    rows = [trial("a", seed) for seed in (0, 1)]
    values = [evaluation(row, kind, 80.0 + row["seed"], condition=condition) for row in rows]
    figure = {"metric": metric, "value": 83.0, "unit": "%"}
    (item,) = compared(tmp_path, figure, rows, evaluations=values)
    assert item.measured is not None
    assert (item.measured.mean, item.measured.n) == (80.5, 2)
    assert signed_difference(item) == "−2.50\xa0points"


def test_size_of_a_stand_in_is_not_compared(tmp_path: Path) -> None:
    row = trial("a", reductions='["resnet18 in place of resnet50", "2 of 20 epochs"]')
    (item,) = compared(tmp_path, {"metric": "parameters", "value": 1e6}, [row])
    assert item.difference is None
    assert item.notes == "resnet18 in place of resnet50, not comparable"


def test_foreign_file_is_not_taken_for_the_hidden_test_set(tmp_path: Path) -> None:
    row = trial("a")
    values = [evaluation(row, "foreign", 80.0, condition="cifar.pkl", dataset_checksum="5" * 64)]
    figure = {"metric": "hidden_accuracy", "value": 83.0}
    (item,) = compared(tmp_path, figure, [row], evaluations=values)
    assert item.measured is not None
    assert item.difference is None
    told = "foreign file cifar.pkl (55555555, 10,000 images), not known to be the hidden test set"
    assert item.notes == told


@pytest.mark.parametrize(
    ("published", "ours", "same"),
    [
        ("NVIDIA T4", "Tesla T4", True),
        ("NVIDIA P100", "Tesla P100-PCIE-16GB", True),
        ("NVIDIA T4 or V100", "Tesla V100-SXM2-16GB", True),
        ("NVIDIA T4 or V100", "Tesla T4", True),
        ("NVIDIA H200", "NVIDIA H200", True),
        ("NVIDIA RTX 3080", "NVIDIA GeForce RTX 3080", True),
        ("NVIDIA RTX 3080", "NVIDIA GeForce RTX 3080 Ti", False),
        ("NVIDIA T4", "NVIDIA T400", False),
        ("NVIDIA T4", "NVIDIA H200", False),
        ("Kaggle GPU", "Tesla T4", False),
        ("NVIDIA", "NVIDIA H200", False),
        ("unstated", "Tesla T4", False),
    ],
)
def test_times_are_compared_on_the_published_device(
    tmp_path: Path, published: str, ours: str, same: bool
) -> None:
    figure = {"metric": "seconds_training", "value": 100.0, "device": published}
    (item,) = compared(tmp_path, figure, [trial("a", device=ours)])
    assert item.notes == ("one seed" if same else "not comparable (other device)")


@pytest.mark.parametrize(
    ("figure", "note"),
    [
        ({"metric": "test_accuracy"}, "stopped early at epoch 31 of 100; one seed"),
        ({"metric": "test_accuracy", "epoch": 5}, "one seed"),
        ({"metric": "parameters"}, None),
        ({"metric": "seconds_training"}, "stopped early at epoch 31 of 100, not comparable"),
    ],
)
def test_stopping_early_is_told(tmp_path: Path, figure: dict[str, Any], note: str | None) -> None:
    row = trial("a", epochs=100, epochs_done=31, reason="early stopping")
    figure = {"value": 71.2, "epochs": 100, **figure}
    (item,) = compared(tmp_path, figure, [row])
    assert item.notes == note
    assert "stopped early at epoch 31 of 100" in means_table(Analysis.of(tmp_path).groups, {})


def test_evaluation_of_fewer_images_is_not_compared(tmp_path: Path) -> None:
    row = trial("a")
    values = [evaluation(row, "tta", 80.0, condition="10 views", images=100)]
    figure = {"metric": "tta_accuracy", "value": 83.0}
    (item,) = compared(tmp_path, figure, [row], evaluations=values)
    assert item.difference is None


def test_figure_of_a_variant_stands_beside_a_recipe_that_it_shares(tmp_path: Path) -> None:
    figure = {"metric": "test_accuracy", "value": 90.0, "variant": "same"}
    (item,) = compared(tmp_path, figure, [trial("a", test_accuracy=91.0)])
    assert item.difference == pytest.approx(1.0)


def test_mean_has_the_interval_that_the_answer_gives_it(tmp_path: Path) -> None:
    figure = {"metric": "test_accuracy", "value": 90.0, "epochs": 20}
    rows = [trial("a", seed, test_accuracy=90.0 + seed) for seed in range(3)]
    study = write_study(tmp_path / "written.yaml", figure)
    results = Analysis.of(write_results(tmp_path, rows, study=study))
    html = published_section(results)
    assert "91.00\u00a0±\u00a02.48" in html
    assert "91.00\u00a0±\u00a02.48" in answer(results)[0]
    assert "± half of a mean's 95 % interval" in html.replace("&#x27;", "'")


def test_one_published_figure_is_not_held_against_itself() -> None:
    """Nobody published what the ImageNet stem costs; the figure of the default is both sides'."""
    study = read_study(Path(__file__).parent.parent / "benchmarks" / "depth-family.yaml")
    assert study
    checks = {claim.id: claim.check for claim in study.claims}
    assert checks["stem"]
    assert not any(published_sides(study.published, check_statement(text))
                   for text in checks["stem"])  # fmt: skip
    assert published_sides(study.published, check_statement(checks["a"][0]))
