"""Reductions as values: their words, what older versions stored, and what the words were."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resray.results.schema import VERSION_KEY, table_schema
from resray.results.store import read_table
from resray.study.expand import Options, expand
from resray.study.load import load_study
from resray.study.reduction import WORDS, Reduction, as_json, from_json, migrated

SENTENCES = {
    "2 of 20 epochs": Reduction("fewer_epochs", 2, 20),
    "400 epochs in place of 20": Reduction("more_epochs", 400, 20),
    "stopped after 2 of 100 epochs": Reduction("stopped", 2, 100),
    "phases rescaled: boundaries after epochs 40, 50 fall after 4, 5": Reduction(
        "rescaled", "boundaries after epochs 40, 50 fall after 4, 5", key="phases"
    ),
    "schedule rescaled: warmup_epochs 0.1 instead of 5, milestones 1 instead of 50": Reduction(
        "rescaled", "warmup_epochs 0.1 instead of 5, milestones 1 instead of 50", key="schedule"
    ),
    "not rescaled: early stopping's patience of 3 epochs": Reduction(
        "not_rescaled", "early stopping's patience of 3 epochs"
    ),
    "not rescaled: the plateau's patience of 5 epochs": Reduction(
        "not_rescaled", "the plateau's patience of 5 epochs"
    ),
    "not rescaled: the schedule counts steps": Reduction(
        "not_rescaled", "the schedule counts steps"
    ),
    "embedded images in place of cifar10": Reduction("dataset", before="cifar10"),
    "3,000 embedded images": Reduction("images", 3000),
    "2,000 training images": Reduction("limit_train", 2000),
    "500 images each for validation and test": Reduction("limit_eval", 500),
    "images of 16x16 pixels": Reduction("image_size", 16),
    "cifar10 with 20 instead of 50,000 training images": Reduction(
        "training_images", 20, 50_000, "cifar10"
    ),
    "cifar100 with 9,999 instead of 10,000 test images": Reduction(
        "test_images", 9999, 10_000, "cifar100"
    ),
    "out of memory: batch 8 with accumulation 2 instead of 16 with 1": Reduction(
        "memory", "batch 8 with accumulation 2 instead of 16 with 1"
    ),
    "changed: optimizer.lr=0.5": Reduction("set", "0.5", key="optimizer.lr"),
    "changed: data.mean=[0.0, 0.0, 0.0]": Reduction("set", "[0.0, 0.0, 0.0]", key="data.mean"),
    "batch_size 32 in place of 128": Reduction("quick", "32", "128", "batch_size"),
    'augmentation.cutout {"size": 8} in place of null': Reduction(
        "quick", '{"size": 8}', "null", "augmentation.cutout"
    ),
    "wrn-16-2 in place of wrn-28-10": Reduction("model", "wrn-16-2", "wrn-28-10"),
    "resnet in place of resnet50": Reduction("model", "resnet", "resnet50"),
    "torchvision:resnet18 in place of resnet50": Reduction(
        "model", "torchvision:resnet18", "resnet50"
    ),
    "what nobody\nwrote": Reduction("other", "what nobody\nwrote"),
}


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES.items())
def test_sentences_of_older_versions_become_values(sentence: str, expected: Reduction) -> None:
    text = migrated(json.dumps([sentence]))
    assert text == as_json([expected])
    assert from_json(text) == [expected]
    assert str(expected) == sentence


def test_every_kind_that_was_stored_has_a_sentence_here() -> None:
    of_no_trial = {"ended_early", "evaluated"}
    assert {each.kind for each in SENTENCES.values()} == WORDS.keys() - of_no_trial


def test_files_of_older_versions_are_read_as_values(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    for version, stored in ((6, '["2 of 20 epochs"]'), (7, '[{"kind": "fewer_epochs"}]')):
        row = {"trial_id": str(version), "reductions": stored}
        table = pa.Table.from_pylist([row], table_schema("trials"))
        marked = table.replace_schema_metadata({VERSION_KEY: str(version)})
        pq.write_table(marked, tmp_path / "trials" / f"{version}.parquet")
    old, new = read_table(tmp_path, "trials").sort_values("trial_id")["reductions"]
    assert json.loads(old) == [{"kind": "fewer_epochs", "value": 2, "before": 20}]
    assert new == '[{"kind": "fewer_epochs"}]'


@pytest.mark.parametrize("text", [None, "", "{", "{}", "3", "[" * 100_000])
def test_what_is_no_list_says_nothing(text: str | None) -> None:
    assert from_json(text) == []
    assert migrated(text) == text


@pytest.mark.parametrize(
    "item",
    [
        3,
        None,
        "2 of 20 epochs",
        {"kind": "unknown"},
        {"kind": "images", "value": "x"},
        {},
        {"kind": "set", "value": [1], "key": "a"},
        {"kind": "set", "value": 1, "key": 2},
    ],
)
def test_items_that_nobody_wrote_are_told_as_they_are(item: object) -> None:
    assert list(map(str, from_json(json.dumps([item])))) == [str(item)]


@pytest.mark.parametrize(
    ("sentence", "parameters", "multiply_adds"),
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
        ("embedded images in place of cifar10", False, False),
        ("embedded images in place of cifar100", True, True),
    ],
)
def test_network_is_another_where_its_settings_are(
    sentence: str, parameters: bool, multiply_adds: bool
) -> None:
    (reduction,) = from_json(migrated(json.dumps([sentence])))
    assert reduction.changes_network("parameters") == parameters
    assert reduction.changes_network("multiply_adds") == multiply_adds


def test_what_a_command_changes_is_told_by_its_keys() -> None:
    options = Options(quick=True, epochs=400, overrides=("optimizer.lr=0.5",))
    found = expand(load_study("depth-family"), options)[0].reductions
    assert sum(each.of_length for each in found) == 1
    keys = {each.setting for each in found}
    assert {"batch_size", "augmentation.crop_padding", "optimizer.lr"} <= keys
    assert not any(each.changes_network("parameters") for each in found)
