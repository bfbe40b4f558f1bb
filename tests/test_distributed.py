"""Two ranks against one, over gloo without Ray: the same images, the same numbers."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from resray.results.predictions import class_indices
from resray.study.recipe_spec import Recipe
from tests.distributed_worker import gather_indices, train_epoch

# Every rank is a process of its own, but torch is imported once for all.
RANKS = multiprocessing.get_context("forkserver")
RANKS.set_forkserver_preload(["tests.distributed_worker"])


def recipe(
    images: int, batch_size: int, augment: bool = False, norm: str = "group", **changes: Any
) -> Recipe:
    return Recipe.model_validate(
        {
            "model": {"name": "resnet18", "norm": norm},
            "data": {
                "name": "embedded",
                "classes": 3,
                "images": images + 30,
                "image_size": 8,
                "validation_images": 30,
                "limit_eval": 27,
            },
            "epochs": 2,
            "batch_size": batch_size,
            "eval_batch_size": 10,
            # Steps so small that rounding does not grow from one to the next.
            "optimizer": {"lr": 1e-6},
            "augmentation": {"flip": 0.5, "crop_padding": 1}
            if augment
            else {"flip": 0, "crop_padding": 0},
            "precision": "fp32",
            **changes,
        }
    )


def run_ranks(target: Callable[..., None], *given: Any, world_size: int, folder: Path) -> None:
    """Run a function of `tests.distributed_worker` on so many ranks, to its end."""
    ranks = [
        RANKS.Process(target=target, args=(*given, rank, world_size, folder))
        for rank in range(world_size)
    ]
    try:
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join(timeout=140)
        assert [rank.exitcode for rank in ranks] == [0] * world_size
    finally:
        for rank in ranks:
            rank.kill()


def train(folder: Path, chosen: Recipe, world_size: int) -> list[dict[str, Any]]:
    """Train an epoch on ``world_size`` ranks and return each rank's record."""
    run_ranks(train_epoch, chosen, world_size=world_size, folder=folder)
    files = [folder / f"record-{world_size}-{rank}.json" for rank in range(world_size)]
    return [json.loads(file.read_text()) for file in files]


def tensors(folder: Path, what: str, world_size: int, rank: int) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(folder / f"{what}-{world_size}-{rank}.pt")
    return loaded


@pytest.mark.parametrize(
    ("images", "batch_size", "changes"),
    [
        pytest.param(96, 32, {}, id="whole batches", marks=pytest.mark.slow),
        pytest.param(
            63,
            16,
            {"accumulation": 3, "ema_decay": 0.5},
            id="steps of three batches and of an odd one, averaged weights",
        ),
        pytest.param(
            49, 16, {}, id="a last batch of one image: a rank has none", marks=pytest.mark.slow
        ),
    ],
)
def test_two_ranks_equal_one(
    tmp_path: Path, images: int, batch_size: int, changes: dict[str, Any]
) -> None:
    chosen = recipe(images, batch_size, **changes)
    (alone,) = train(tmp_path, chosen, 1)
    first, second = train(tmp_path, chosen, 2)
    for key in ("train_loss", "validation_loss", "test_loss"):
        assert first[key] == second[key] == pytest.approx(alone[key], rel=1e-4)
    assert first["images"] == second["images"] == alone["images"] == images
    for key in ("train_accuracy", "validation_accuracy", "test_accuracy"):
        assert first[key] == second[key] == pytest.approx(alone[key], abs=1e-9)
    one, two = tensors(tmp_path, "gradients", 1, 0), tensors(tmp_path, "gradients", 2, 0)
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=2e-3, atol=2e-5)
    predicted = [tensors(tmp_path, "predicted", ranks, rank)["predicted"].tolist()
                 for ranks, rank in ((1, 0), (2, 0), (2, 1))]  # fmt: skip
    assert predicted[0]
    assert predicted[0] == predicted[1] == predicted[2]


@pytest.mark.parametrize(("images", "classes"), [(7, 10), (1, 10), (6, 300)])
def test_predictions_of_two_ranks_come_in_the_images_order(
    tmp_path: Path, images: int, classes: int
) -> None:
    run_ranks(gather_indices, images, classes, world_size=2, folder=tmp_path)
    for rank in (0, 1):
        content = bytes(torch.load(tmp_path / f"gathered-{rank}.pt").numpy())
        found = class_indices(content, images, [""] * classes)
        assert found.tolist() == [classes - 1 - image for image in range(images)]


def test_augmented_images_are_the_same_however_many_ranks(tmp_path: Path) -> None:
    chosen = recipe(64, 32, augment=True)
    (alone,) = train(tmp_path, chosen, 1)
    together, _ = train(tmp_path, chosen, 2)
    assert together["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)


def test_with_batchnorm_all_ranks_evaluate_rank_zeros_network(tmp_path: Path) -> None:
    first, second = train(tmp_path, recipe(64, 32, norm="batch"), 2)
    assert first["test_loss"] == second["test_loss"]
    weights = [tensors(tmp_path, "weights", 2, rank) for rank in (0, 1)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=0, atol=0)
