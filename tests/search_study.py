"""A small study with a search, and what its tests ask of it."""

from collections.abc import Mapping
from typing import Any

from resray.search.plan import SearchPlan, plan_search, search_settings
from resray.search.points import Point, points
from resray.study.expand import Options
from resray.study.spec import Study

AXES: dict[str, Any] = {
    "trial": {"grid": ["small", "large"]},
    "optimizer.name": {"grid": ["sgd", "adam"]},
    "optimizer.lr": [
        {"when": {"optimizer.name": "sgd"}, "grid": [0.1, 0.3]},
        {"when": {"optimizer.name": "adam"}, "loguniform": [1e-4, 1e-2]},
    ],
    "mix": {"choice": {"none": {}, "mixup": {"mixing": {"mixup_alpha": 0.2}}}},
    "mixing.mixup_alpha": {"when": {"mix": ["mixup"]}, "uniform": [0.1, 0.4]},
}
CROPS = {"axes": {"augmentation.crop_padding": {"int": [0, 8]}}}


def study(axes: Mapping[str, Any] = AXES, **search: Any) -> Study:
    content = {
        "name": "mine",
        "title": "t",
        "question": "q",
        "recipe": {"model": "resnet10", "data": "cifar10", "epochs": 40},
        "trials": [
            {"name": "small", "recipe": {"label_smoothing": 0.1}},
            {"name": "large", "recipe": {"model": "resnet18", "optimizer": {"weight_decay": 0.1}}},
        ],
        "variants": {
            "slow": {
                "description": "d",
                "recipe": {"batch_size": 64, "optimizer": {"lr": 1}},
                "trials": {"large": {"epochs": 80}},
            }
        },
        "seeds": [3, 4],
        "quick": {
            "recipe": {"epochs": 4, "batch_size": 16, "optimizer": {"lr": 0.02, "momentum": 0.5}},
            "stand_ins": {"resnet18": "resnet10"},
        },
        "search": {"spaces": {"main": {"axes": axes}}, **search},
    }
    return Study.model_validate(content)


def found(of: Study, *spaces: str, **typed: Any) -> list[Point]:
    assert of.search is not None
    settings = search_settings(of, typed, quick=False)
    return list(points(of.search, settings, spaces or list(of.search.spaces)))


def names(of: Study, **typed: Any) -> list[str]:
    return [point.name for point in found(of, **typed)]


def planned(of: Study, options: Options | None = None, **typed: Any) -> SearchPlan:
    options = options or Options()
    return plan_search(of, search_settings(of, typed, quick=options.quick), (), options)


def grown(before: list[Point], after: list[Point]) -> bool:
    """Whether every point is still there, in the same order."""
    return [point for point in after if point in before] == before
