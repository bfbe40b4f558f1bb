"""Which of a recipe's settings mean something beside the others."""

import json
from typing import Any

import pytest

from resray.study.layers import flatten
from resray.study.optimizer_spec import Optimizer
from resray.study.recipe_spec import Recipe
from resray.study.unions import in_use
from tests.studies import made

SHORT = {"model": "resnet18", "data": "cifar10", "epochs": 4}
BOTH = {"mixup_alpha": 1.0, "cutmix_alpha": 1.0}


@pytest.mark.parametrize(
    ("changes", "has", "has_not"),
    [
        ({}, "model.stem optimizer.momentum", "model.block model.groups optimizer.betas"),
        ({"model": {"name": "resnet", "blocks": [1], "channels": [8]}}, "model.block", ""),
        ({"model": "wrn-16-2"}, "model.dropout", "model.stem model.norm model.block"),
        ({"model": "timm:resnet18"}, "model.name", "model.dropout model.stem model.block"),
        ({"optimizer": {"name": "adamw"}}, "optimizer.betas", "optimizer.momentum"),
        ({"schedule": {"name": "constant"}}, "schedule.warmup_epochs",
         "schedule.end schedule.patience schedule.rise schedule.cycle_momentum"),
        ({"schedule": {"name": "onecycle"}}, "schedule.rise", "schedule.warmup_epochs"),
        ({}, "loader.name", "loader.workers mixing.probability mixing.cutmix_chance"),
        ({"loader": "per-image"}, "loader.workers", ""),
        ({"mixing": {"mixup_alpha": 1.0}}, "mixing.probability", "mixing.cutmix_chance"),
        ({"mixing": BOTH}, "mixing.probability mixing.cutmix_chance", ""),
        ({"phases": {"mixing": {"1-2": BOTH, "3-4": {}}}}, "mixing.probability", ""),
    ],
)  # fmt: skip
def test_settings_in_use(changes: dict[str, Any], has: str, has_not: str) -> None:
    used = in_use(flatten(Recipe.model_validate(SHORT | changes)))
    assert set(has.split()) <= used.keys()
    assert not set(has_not.split()) & used.keys()


def test_a_recipe_of_an_older_version_still_reads() -> None:
    """Version 0.1.0 wrote the options of every optimizer, schedule and network into each recipe."""
    part = {"name": "cosine", "until": 2, "period": None, "milestones": [], "patience": 10}
    older = {
        "model": {"name": "resnet18", "block": "basic", "blocks": [], "arguments": {}},
        "data": {"name": "cifar10", "classes": None, "images": None},
        "epochs": 4,
        "loader": {"name": "device", "workers": 0, "pinned_memory": False},
        "optimizer": {"name": "adam", "lr": 0.1, "momentum": 0.9, "nesterov": False},
        "schedule": {"name": "sequence", "end": 0.0, "parts": [part, {"name": "constant"}]},
    }
    read = Recipe.stored(json.dumps(older))
    assert read.optimizer == made(Optimizer, name="adam")
    assert [(each.name, each.until) for each in read.schedule.parts] == [
        ("cosine", 2),
        ("constant", None),
    ]
    assert read == Recipe.stored(read.model_dump_json())
