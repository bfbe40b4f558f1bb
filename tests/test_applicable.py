"""Which of a recipe's settings mean something beside the others."""

from typing import Any

import pytest
from resray.study.applicable import in_use

from resray.study.layers import flatten
from resray.study.recipe_spec import Recipe

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
