"""What the report reads in the words that name a trial's reductions."""

import json
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.reductions import changes_network, is_length, setting_of, without_old
from resray.analysis.results import Results
from resray.analysis.verdicts import Outcome
from resray.report.answer import answer
from resray.study.expand import Options, expand
from resray.study.load import load_study
from tests.report_builder import trial, write_results
from tests.verdict_case import BETTER, found, recipe, runs


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("batch_size 32 in place of 128", "batch_size"),
        ("optimizer.lr 0.02 in place of 0.1", "optimizer.lr"),
        ('augmentation.cutout {"size": 8} in place of null', "augmentation.cutout"),
        ("changed: optimizer.lr=0.5", "optimizer.lr"),
        ("changed: data.name=cifar100", "data.name"),
        ("400 epochs in place of 20", None),
        ("2 of 20 epochs", None),
        ("resnet18 in place of resnet50", None),
        ("resnet in place of resnet50", None),
        ("wrn-16-2 in place of wrn-28-10", None),
        ("torchvision:resnet18 in place of resnet50", None),
        ("embedded images in place of cifar10", None),
        ("not rescaled: early stopping's patience of 3 epochs", None),
    ],
)
def test_setting_is_told_from_other_reductions(text: str, key: str | None) -> None:
    assert setting_of(text) == key
    assert is_length(text) == ("epochs" in text and text[0].isdigit())
    cut = key is not None and not text.startswith("changed")
    assert without_old(text) == (text.partition(" in place of ")[0] if cut else text)


@pytest.mark.parametrize(
    ("text", "parameters", "multiply_adds"),
    [
        ("400 epochs in place of 20", False, False),
        ("batch_size 32 in place of 128", False, False),
        ("changed: data.split_seed=3", False, False),
        ("model.stem imagenet in place of cifar", True, True),
        ("changed: model.dropout=0.3", True, True),
        ("changed: data.name=cifar100", True, True),
        ("changed: data.image_size=64", False, True),
        ("images of 16x16 pixels", False, True),
        ("resnet18 in place of resnet50", True, True),
    ],
)
def test_network_is_another_where_its_settings_are(
    text: str, parameters: bool, multiply_adds: bool
) -> None:
    assert changes_network(text, "parameters") == parameters
    assert changes_network(text, "multiply_adds") == multiply_adds


def test_what_a_command_says_is_understood() -> None:
    """`--quick` and `--set` in the words of the planner itself."""
    options = Options(quick=True, epochs=400, overrides=("optimizer.lr=0.5",))
    texts = expand(load_study("depth-family"), options)[0].reductions
    assert sum(map(is_length, texts)) == 1
    keys = [key for key in map(setting_of, texts) if key]
    assert {"batch_size", "augmentation.crop_padding", "optimizer.lr"} <= set(keys)
    assert not any(changes_network(text, "parameters") for text in texts)


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


def ranked(folder: Path, *reductions: list[str]) -> Results:
    rows = [
        trial(name, reductions=json.dumps(texts), model="resnet10")
        for name, texts in zip(("resnet18", "resnet50"), reductions, strict=True)
    ]
    return Results.of(write_results(folder, rows))


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
