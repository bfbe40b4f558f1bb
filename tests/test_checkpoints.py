"""Checkpoints: which are written, which stay, what stands beside them, and using them again."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from resray.errors import DataError
from resray.study.recipe_spec import Recipe
from resray.training.checkpoints import CheckpointFolder, read_checkpoint
from resray.training.evaluation import evaluate
from resray.training.fit import fit
from resray.training.restore import load_network
from tests.training_case import tiny_recipe, train, trainer_of


def test_checkpoints_last_and_best(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    records = list(fit(trainer_of(recipe, tmp_path), stop_after=2))
    last, best = (read_checkpoint(tmp_path / name) for name in ("last.pt", "best.pt"))
    assert last is not None
    assert best is not None
    assert last["epoch"] == 2
    assert "optimizer" in last
    accuracies = [record["validation_accuracy"] for record in records]
    assert best["epoch"] == accuracies.index(max(accuracies)) + 1
    assert "optimizer" not in best
    assert not list(tmp_path.glob(".*")), "temporary files are renamed away"


def test_a_finished_trial_keeps_no_optimizer_and_resumes_to_nothing(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=1)
    list(fit(trainer_of(recipe, tmp_path)))
    again = trainer_of(recipe, tmp_path)
    again.resume()
    assert again.epochs_done == 1
    assert again.finished
    assert list(fit(again)) == []
    assert "optimizer" not in (read_checkpoint(tmp_path / "last.pt") or {})


def test_a_damaged_or_foreign_checkpoint_is_explained(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=2)
    list(fit(trainer_of(recipe, tmp_path), stop_after=1))
    with pytest.raises(DataError, match="another recipe or seed"):
        trainer_of(recipe, tmp_path, seed=1).resume()
    (tmp_path / "last.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(DataError, match=r"last\.pt: not a readable checkpoint"):
        trainer_of(recipe, tmp_path).resume()


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "pwned",))

    buffer = io.BytesIO()
    torch.save({"model": Evil()}, buffer)
    (tmp_path / "last.pt").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="not a readable checkpoint"):
        read_checkpoint(tmp_path / "last.pt")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ({}, []),
        ({"every": 2}, [2, 4, 6]),
        ({"at": (1, 5)}, [1, 5]),
        ({"every": 1, "keep_last": 2}, [5, 6]),
        ({"every": 2, "at": (2, 3), "keep_last": 1}, [2, 3, 6]),
    ],
)
def test_the_policy_says_which_checkpoints_stay(
    tmp_path: Path, policy: dict[str, Any], kept: list[int]
) -> None:
    train(tiny_recipe(epochs=6, batch_size=80), folder=tmp_path, policy=policy)
    expected = [f"epoch-{epoch:04d}.pt" for epoch in kept]
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == expected
    for epoch, name in zip(kept, expected, strict=True):
        checkpoint = read_checkpoint(tmp_path / name)
        assert checkpoint is not None
        assert checkpoint["epoch"] == len(checkpoint["records"]) == epoch
        assert "optimizer" not in checkpoint
    assert (tmp_path / "last.pt").exists()
    assert (tmp_path / "best.pt").exists()


def test_pruning_goes_on_after_a_resume(tmp_path: Path) -> None:
    recipe, policy = tiny_recipe(epochs=4, batch_size=80), {"every": 1, "keep_last": 2}
    list(fit(trainer_of(recipe, tmp_path, policy=policy), stop_after=2))
    again = trainer_of(recipe, tmp_path, policy=policy)
    again.resume()
    list(fit(again))
    names = sorted(path.name for path in tmp_path.glob("epoch-*"))
    assert names == ["epoch-0003.pt", "epoch-0004.pt"]


def test_metrics_stand_beside_the_checkpoints(tmp_path: Path) -> None:
    trainer, records = train(tiny_recipe(), folder=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["records"] == records == trainer.records
    accuracies = [record["validation_accuracy"] for record in records]
    best = accuracies.index(max(accuracies))
    assert metrics["summary"]["best_epoch"] == best + 1
    assert metrics["summary"]["test_accuracy"] == records[best]["test_accuracy"]


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    for name in (".last.pt.17", ".metrics.json.17", ".config.json.17", "last.pt"):
        (tmp_path / name).write_text("half")
    CheckpointFolder(tmp_path).clear_remains()
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("decay", [None, 0.5], ids=["plain", "averaged"])
def test_a_restored_network_is_the_one_that_was_evaluated(
    tmp_path: Path, decay: float | None
) -> None:
    trainer, records = train(tiny_recipe(ema_decay=decay), folder=tmp_path)
    restored = load_network(tmp_path / "last.pt")
    assert not restored.network.training
    assert (restored.recipe, restored.epoch) == (trainer.recipe, 3)
    assert restored.class_names == trainer.splits.class_names
    assert (restored.mean, restored.std) == (trainer.splits.mean, trainer.splits.std)
    assert restored.image_size == 8
    assert trainer.test_loader is not None
    loss, _ = evaluate(
        restored.network, trainer.test_loader, device=torch.device("cpu"), precision="fp32"
    )
    assert loss == pytest.approx(records[-1]["test_loss"], rel=1e-6)


def test_what_cannot_be_restored_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    with pytest.raises(DataError, match=r"best\.pt: there is no such checkpoint"):
        load_network(path)
    contents: tuple[Any, ...] = ({"model": {}}, torch.zeros(2))
    for content in contents:
        torch.save(content, path)
        with pytest.raises(DataError, match=r"best\.pt: no checkpoint of resray's \(.*epoch"):
            load_network(path)
    train(tiny_recipe(epochs=1), folder=tmp_path)
    checkpoint = read_checkpoint(path)
    assert checkpoint is not None
    other = Recipe.model_validate_json(checkpoint["recipe"]).model_dump()
    other["model"]["channels"] = (8, 24)
    torch.save({**checkpoint, "recipe": Recipe.model_validate(other).model_dump_json()}, path)
    with pytest.raises(DataError, match="its weights do not fit its recipe's network"):
        load_network(path)
    torch.save({**checkpoint, "recipe": "{}"}, path)
    with pytest.raises(DataError, match="its recipe is not one of this version"):
        load_network(path)


@pytest.mark.parametrize(
    "content",
    [b"#!/bin/sh\nexit 0\n", b"", b"\x80\x02}q\x00.", b"PK\x03\x04", b"cos\nsystem\n."],
)
def test_any_other_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"run\.pt: (not a readable|no) checkpoint"):
        load_network(path)
