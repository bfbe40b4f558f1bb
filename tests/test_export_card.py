"""What the model card says of how a trial was trained."""

import json
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.results import Analysis
from resray.export.card import cautions, measurement, protocol, published, seeds_cell
from resray.export.facts import Facts
from tests.report_builder import trial, write_results


def facts_of(folder: Path, **changes: Any) -> Facts:
    """Return what is said of the best checkpoint of one trial, read from its results."""
    results = Analysis.of(write_results(folder, [trial(**changes)]))
    row = results.rows[0]
    return Facts(results, row, "best", row["best_epoch"])


@pytest.mark.parametrize(
    ("exclusive", "told"),
    [
        (True, "the trial had the device to itself among resray's trials"),
        (False, "the trial shared the device"),
        (None, "whether the trial shared the device was not recorded"),
    ],
)
def test_card_tells_who_else_used_the_device(
    tmp_path: Path, exclusive: bool | None, told: str
) -> None:
    device = measurement(facts_of(tmp_path, exclusive=exclusive)).splitlines()[0]
    assert device.endswith(f"(bf16, 1 rank); {told}")


@pytest.mark.parametrize(("epochs_done", "cautioned"), [(31, True), (100, False)])
def test_card_tells_that_training_stopped_early(
    tmp_path: Path, epochs_done: int, cautioned: bool
) -> None:
    facts = facts_of(tmp_path, epochs=100, epochs_done=epochs_done, best_epoch=20)
    early = ("Stopped early.", "After epoch 31 of 100 (early stopping).")
    assert (early in list(cautions(facts))) == cautioned


@pytest.mark.parametrize("encoded", [True, False])
def test_card_cautions_of_images_that_were_encoded_again(tmp_path: Path, encoded: bool) -> None:
    source = "CIFAR-10 (Parquet folder, JPEG)" if encoded else "torchvision files"
    headings = [heading for heading, _ in cautions(facts_of(tmp_path, data_source=source))]
    assert ("JPEG images." in headings) == encoded


def test_card_tells_published_figures_of_several_epochs_apart(tmp_path: Path) -> None:
    origin = {"trial": "resnet18", "metric": "test_accuracy", "protocol": "one run",
              "device": "any", "source": "the author", "unit": "%"}  # fmt: skip
    study = {"name": "one", "title": "t", "question": "q?", "trials": [{"name": "resnet18"}],
             "recipe": {"model": "resnet18", "data": "cifar10", "epochs": 20},
             "published": [{**origin, "value": 50.0, "epoch": 1},
                           {**origin, "value": 90.0}]}  # fmt: skip
    (tmp_path / "s.yaml").write_text(json.dumps(study), encoding="utf-8")
    results = Analysis.of(write_results(tmp_path, [trial()], study=tmp_path / "s.yaml"))
    row = results.rows[0]
    text = published(Facts(results, row, "best", row["best_epoch"]))
    rows = [line.split("|")[1:3] for line in text.splitlines()]
    assert [[cell.replace("\\", "").strip() for cell in cells] for cells in rows[2:]] == [
        ["test_accuracy, epoch 1", "50.00 %"], ["test_accuracy", "90.00 %"]]  # fmt: skip


def test_card_gives_a_mean_the_interval_that_the_report_gives_it(tmp_path: Path) -> None:
    rows = [trial(seed=seed, test_accuracy=90.0 + seed) for seed in range(3)]
    results = Analysis.of(write_results(tmp_path, rows))
    row = results.rows[0]
    facts = Facts(results, row, "best", row["best_epoch"])
    assert str(seeds_cell(facts, "test")).replace("\u00a0", " ") == "91.00 ± 2.48 (n = 3)"
    assert "half of its 95" in protocol(facts)
