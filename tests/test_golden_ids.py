"""Ids of shipped trials stay: what people have trained counts as done."""

import json

import pytest

from resray.study.recipe_spec import Recipe
from resray.study.recipes import trial_id
from tests.golden.trial_ids import FILE, trial_ids


def test_ids_of_all_shipped_trials() -> None:
    assert trial_ids() == json.loads(FILE.read_text())


def identity(**changes: object) -> str:
    recipe = {"model": "resnet18", "data": "cifar10", "epochs": 10, **changes}
    return trial_id(Recipe.model_validate(recipe), 0, dataset_checksum="ab", world_size=1)


SEQUENCE = {
    "name": "sequence",
    "parts": [{"name": "cosine", "until": 5}, {"name": "cosine", "warmup_epochs": 1}],
}


@pytest.mark.parametrize(
    ("changes", "before", "stays"),
    [
        ({}, "475a0b8161b87c7b", True),
        ({"data": {"name": "cifar10", "split_seed": 0}}, "475a0b8161b87c7b", True),
        ({"data": {"name": "cifar10", "split_seed": "trial"}}, "475a0b8161b87c7b", False),
        ({"precision": "bf16"}, "05d3678fa3283a1a", True),
        ({"schedule": {"warmup_epochs": 2, "warmup_start": 0.1}}, "c39eca9df9f6bab8", True),
        ({"schedule": {"warmup_epochs": 2}}, "6ad05e55f394af12", False),
        ({"schedule": SEQUENCE}, "e239bd913aa94eb5", False),
        ({"precision": "fp16"}, "259237ca017cb580", False),
    ],
)
def test_only_what_was_computed_wrongly_before_has_a_new_id(
    changes: dict[str, object], before: str, *, stays: bool
) -> None:
    assert (identity(**changes) == before) == stays
