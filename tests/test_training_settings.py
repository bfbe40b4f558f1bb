"""What a recipe's settings do to a training: accumulation, averaging, fp16, mixing, phases."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from resray.data.per_image import PerImageLoader
from resray.errors import InputError
from resray.study.optimizer_spec import Schedule
from resray.study.recipe_spec import Recipe
from resray.training.checkpoint_file import read_checkpoint
from resray.training.evaluation import evaluate
from resray.training.fit import Trainer, fit
from resray.training.schedules import plateau_factor
from resray.training.stopping import ending_of, epochs_without_rise
from tests.prepared_batches import prepared
from tests.studies import made
from tests.training_case import (
    DATA,
    TINY,
    job_of,
    messages_of,
    tiny_recipe,
    train,
    trainer_of,
    without_clocks,
)

EVERYTHING: dict[str, dict[str, Any]] = {
    "muon": {"optimizer": {"name": "muon", "lr": 0.02, "nesterov": True}},
    "onecycle": {"schedule": {"name": "onecycle"}, "optimizer": {"name": "adamw", "lr": 0.01}},
    "plateau": {"schedule": {"name": "plateau", "patience": 0, "gamma": 0.5}},
    "sequence": {
        "schedule": {
            "name": "sequence",
            "parts": [{"name": "onecycle", "until": 2}, {"name": "cosine"}],
        }
    },
    "averaging": {"ema_decay": 0.7},
    "accumulation": {"accumulation": 2, "batch_size": 16, "clip_gradient_norm": 0.5},
    "fp16": {"precision": "fp16"},
    "mixing": {"mixing": {"mixup_alpha": 0.4, "cutmix_alpha": 1.0}},
    "per-image loader": {"loader": "per-image"},
    "phases": {
        "model": {**TINY, "dropout": 0.2, "stochastic_depth": 0.1},
        "phases": {
            "model.dropout": {"1-2": 0.2, "3": 0.4},
            "mixing.mixup_alpha": {"1": 0.4, "2-3": 0},
            "augmentation": {"1": {"flip": 0}, "2-3": {"crop_padding": 1}},
            "optimizer.weight_decay": {"1-2": 0.01, "3": 0},
        },
    },
}


@pytest.mark.parametrize("settings", EVERYTHING.values(), ids=EVERYTHING)
def test_a_resumed_training_equals_an_unbroken_one(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    recipe = tiny_recipe(**settings)
    _, unbroken = train(recipe, folder=tmp_path / "unbroken")
    first = list(fit(trainer_of(recipe, tmp_path / "broken"), stop_after=2))
    again = trainer_of(recipe, tmp_path / "broken")
    again.resume()
    assert without_clocks(first + list(fit(again))) == without_clocks(unbroken)
    whole, parts = (read_checkpoint(tmp_path / name / "last.pt") for name in ("unbroken", "broken"))
    assert whole is not None
    assert parts is not None
    for weights in ("model", "ema") if recipe.ema_decay else ("model",):
        for name, tensor in whole[weights].items():
            torch.testing.assert_close(parts[weights][name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("batch", [16, 24], ids=["even batches", "a step of 24 and 8 images"])
def test_accumulated_batches_equal_a_larger_one(batch: int) -> None:
    settings: dict[str, Any] = {
        "model": {**TINY, "channels": (32, 64), "norm": "group"},
        "augmentation": {"flip": 0, "crop_padding": 0},
        "clip_gradient_norm": 1.0,
        "schedule": {"name": "onecycle"},
    }
    split, accumulated = train(tiny_recipe(**settings, batch_size=batch, accumulation=2))
    whole, at_once = train(tiny_recipe(**settings, batch_size=2 * batch))
    for one, other in zip(accumulated, at_once, strict=True):
        assert one["learning_rate"] == other["learning_rate"], "steps are the optimizer's"
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        norms = [row["gradient_norm_first_stage"] for row in (one, other)]
        assert norms[0] == pytest.approx(norms[1], rel=1e-3)
    for name, weight in whole.network.state_dict().items():
        torch.testing.assert_close(split.network.state_dict()[name], weight, rtol=1e-3, atol=1e-5)


def test_averaged_weights_are_evaluated() -> None:
    settings: dict[str, Any] = {"batch_size": 80}
    plain = trainer_of(tiny_recipe(**settings))
    average: dict[str, torch.Tensor] = {}
    for _ in fit(plain):
        for name, weight in plain.network.state_dict().items():
            now = weight.clone().float()
            average[name] = torch.lerp(average.get(name, now), now, 0.2)
    trainer, records = train(tiny_recipe(**settings, ema_decay=0.8))
    averaged = trainer.parts.evaluated.state_dict()
    assert [row["train_loss"] for row in records] == [row["train_loss"] for row in plain.records]
    for name, weight in trainer.network.named_parameters():
        torch.testing.assert_close(averaged[name], average[name])
        assert not torch.equal(weight, averaged[name])
    torch.testing.assert_close(averaged["bn1.running_mean"], average["bn1.running_mean"])
    assert trainer.test_loader is not None
    loss, _ = evaluate(
        trainer.parts.evaluated,
        trainer.test_loader,
        device=torch.device("cpu"),
        precision="fp32",
    )
    assert records[-1]["test_loss"] == loss != plain.records[-1]["test_loss"]


def test_fp16_scales_gradients_and_comes_near_fp32(tmp_path: Path) -> None:
    recipe = tiny_recipe(precision="fp16")
    trainer, records = train(recipe, folder=tmp_path / "fp16")
    assert trainer.precision == "fp16"
    _, exact = train(tiny_recipe())
    for one, other in zip(records, exact, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=0.02)
        norms = [row["gradient_norm_last_stage"] for row in (one, other)]
        assert norms[0] == pytest.approx(norms[1], rel=0.05), "norms are those without the scale"
    list(fit(trainer_of(recipe, tmp_path / "stopped"), stop_after=1))
    checkpoint = read_checkpoint(tmp_path / "stopped" / "last.pt")
    assert checkpoint is not None
    assert checkpoint["scaler"]["_growth_tracker"] == 3


def test_steps_whose_fp16_gradients_overflow_are_skipped() -> None:
    trainer = trainer_of(tiny_recipe(precision="fp16", clip_gradient_norm=1.0))
    state = trainer.parts.scaler.state_dict()
    trainer.parts.scaler.load_state_dict({**state, "scale": 2.0**100})
    before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    record = next(fit(trainer))
    assert trainer.parts.scaler.get_scale() == 2.0**97, "halved at each of three steps"
    for old, new in zip(before, trainer.network.parameters(), strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=0)
    assert record["gradient_norm_first_stage"] is None, "not measured"
    assert record["train_loss"] > 0


PHASES: dict[str, tuple[dict[str, Any], Any]] = {
    "label_smoothing": ({}, 0.2),
    "clip_gradient_norm": ({"clip_gradient_norm": 100.0}, 0.01),
    "model.dropout": ({}, 0.5),
    "model.stochastic_depth": ({}, 0.5),
    "optimizer.weight_decay": ({}, 0.5),
    "mixing.mixup_alpha": ({}, 1.0),
    "mixing": ({}, {"cutmix_alpha": 1.0}),
    "augmentation": ({"augmentation": {"flip": 0, "crop_padding": 0}}, {"crop_padding": 2}),
    "augmentation.flip": ({"augmentation": {"flip": 0, "crop_padding": 0}}, 1.0),
}


@pytest.mark.parametrize(("setting", "case"), PHASES.items(), ids=PHASES)
def test_a_phase_changes_the_training_in_its_epoch(setting: str, case: Any) -> None:
    base, later = case
    plain = tiny_recipe(**base)
    value: Any = plain.model_dump()
    for key in setting.split("."):
        value = value[key]
    _, without = train(plain)
    _, unchanged = train(tiny_recipe(**base, phases={setting: {"1-3": value}}))
    assert without_clocks(unchanged) == without_clocks(without)
    _, changed = train(tiny_recipe(**base, phases={setting: {"1": value, "2-3": later}}))
    assert without_clocks(changed[:1]) == without_clocks(without[:1])
    assert changed[1]["train_loss"] != without[1]["train_loss"]


def test_the_record_holds_the_settings_of_its_epoch() -> None:
    phases = {
        "model.dropout": {"1-2": 0.3, "3": 0.1},
        "mixing.mixup_alpha": {"1": 0.2, "2-3": 0},
        "label_smoothing": {"1-2": 0.1, "3": 0.05},
        "augmentation": {"1-2": {"cutout": {"size": 2}}, "3": {"cutout": None}},
    }
    _, records = train(tiny_recipe(phases=phases, mixing={"cutmix_alpha": 1.0}))
    assert [row["dropout"] for row in records] == [0.3, 0.3, 0.1]
    assert [row["mixup_alpha"] for row in records] == [0.2, 0, 0]
    assert [row["cutmix_alpha"] for row in records] == [1, 1, 1]
    assert [row["label_smoothing"] for row in records] == [0.1, 0.1, 0.05]
    settings = [json.loads(row["settings"]) for row in records]
    assert settings[1]["augmentation.cutout.size"] == 2
    assert settings[2]["augmentation.cutout"] is None
    assert [found["model.dropout"] for found in settings] == [0.3, 0.3, 0.1]


def test_onecycle_moves_rate_and_momentum() -> None:
    recipe = tiny_recipe(
        epochs=4, batch_size=80, schedule={"name": "onecycle", "rise": 0.5}, optimizer={"lr": 0.1}
    )
    _, records = train(recipe)
    momenta = [row["momentum"] for row in records]
    assert momenta == pytest.approx([0.95, 0.85, 0.9, 0.95], abs=0.026)
    assert momenta[1] == 0.85, "lowest where the rate is highest"
    assert records[1]["learning_rate"] == 0.1


def test_plateau_follows_the_recorded_accuracies() -> None:
    recipe = tiny_recipe(
        epochs=5, schedule={"name": "plateau", "patience": 0, "gamma": 0.5, "end": 0.2}
    )
    _, records = train(recipe)
    accuracies = [row["validation_accuracy"] for row in records]
    schedule, lr = made(Schedule, recipe.schedule.model_dump()), recipe.optimizer.lr
    expected = [lr * plateau_factor(schedule, lr, accuracies[:epoch]) for epoch in range(5)]
    assert [row["learning_rate"] for row in records] == pytest.approx(expected)
    assert expected[-1] < lr, "the accuracy did fall at some epoch"


def test_mixed_batches_count_both_labels() -> None:
    recipe = tiny_recipe(mixing={"mixup_alpha": 1.0})
    _, mixed = train(recipe)
    _, plain = train(tiny_recipe())
    assert mixed[0]["train_loss"] != plain[0]["train_loss"]
    counts = [row["train_accuracy"] * 80 / 100 for row in mixed]
    assert any(abs(count - round(count)) > 1e-3 for count in counts), "weighted by the labels"
    assert all(0 < row["train_accuracy"] < 100 for row in mixed)


def test_the_per_image_loader_takes_its_options() -> None:
    loader = {"name": "per-image", "workers": 1, "pinned_memory": True}
    trainer = trainer_of(tiny_recipe(loader=loader))
    assert isinstance(trainer.train_loader, PerImageLoader)
    assert trainer.train_loader.workers == 1


def test_epochs_without_rise() -> None:
    accuracies = [10.0, 12.0, 12.0, 12.5, 11.0]
    assert [epochs_without_rise(accuracies[:n], 0.0) for n in range(6)] == [0, 0, 0, 1, 0, 1]
    assert [epochs_without_rise(accuracies[:n], 1.0) for n in range(6)] == [0, 0, 0, 1, 2, 3]


def test_early_stopping_completes_a_trial_for_good(tmp_path: Path) -> None:
    stopping = {"patience": 2, "min_delta": 100.0}
    recipe = tiny_recipe(epochs=9, batch_size=80, early_stopping=stopping)
    messages = messages_of(job_of(recipe, tmp_path))
    assert [message["kind"] for message in messages] == ["started", *["epoch"] * 3, "finished"]
    reason = "early stopping: no better validation accuracy for 2 epochs"
    assert (messages[-1]["status"], messages[-1]["reason"]) == ("completed", reason)
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert checkpoint is not None
    assert checkpoint["finished"]
    assert "optimizer" not in checkpoint
    again = messages_of(job_of(recipe, tmp_path))
    assert [message["kind"] for message in again] == ["started", "finished"]
    assert again[-1]["reason"] == reason


AS_RUN: dict[str, Any] = {"selection": "test", "data": {**DATA, "validation_images": 0}}


def test_test_selects_where_the_recipe_says_so(tmp_path: Path) -> None:
    recipe = tiny_recipe(**AS_RUN, epochs=6, optimizer={"lr": 0.1})
    trainer, records = train(recipe, folder=tmp_path)
    accuracies = [row["test_accuracy"] for row in records]
    highest = accuracies.index(max(accuracies)) + 1
    assert highest < 6, "the last epoch would be taken without a selection"
    best = read_checkpoint(tmp_path / "best.pt")
    assert best is not None
    summary = json.loads((tmp_path / "metrics.json").read_text())["summary"]
    assert best["epoch"] == summary["best_epoch"] == highest
    with pytest.raises(InputError, match="selection: test needs test"):
        Trainer(recipe, trainer.splits, trainer.context, seed=0, evaluate_test=False)


def test_what_selects_is_what_the_plateau_watches() -> None:
    plateau = {"name": "plateau", "patience": 0, "gamma": 0.5}
    recipe = tiny_recipe(**AS_RUN, epochs=5, schedule=plateau)
    _, records = train(recipe)
    accuracies = [row["test_accuracy"] for row in records]
    schedule, lr = made(Schedule, recipe.schedule.model_dump()), recipe.optimizer.lr
    expected = [lr * plateau_factor(schedule, lr, accuracies[:epoch]) for epoch in range(5)]
    assert [row["learning_rate"] for row in records] == expected
    assert expected[-1] < lr


def test_a_training_ends_at_its_target(tmp_path: Path) -> None:
    _, records = train(tiny_recipe(**AS_RUN, epochs=9))
    accuracies = [row["test_accuracy"] for row in records]
    reached = next(place for place, value in enumerate(accuracies, 1) if value > accuracies[0])
    target = accuracies[reached - 1]
    recipe = tiny_recipe(**AS_RUN, epochs=9, early_stopping={"target": target})
    messages = messages_of(job_of(recipe, tmp_path))
    assert messages[-1]["epoch"] == reached
    reason = f"early stopping: test accuracy reached {target:g} %"
    assert (messages[-1]["status"], messages[-1]["reason"]) == ("completed", reason)


def ends(recipe: Recipe, accuracies: list[float]) -> int | None:
    """After how many epochs with these accuracies a training ends early."""
    records = [{"validation_accuracy": value} for value in accuracies]
    ended = (n for n in range(1, len(records) + 1) if ending_of(recipe, records[:n]))
    return next(ended, None)


def test_patience_may_count_from_the_last_restart() -> None:
    falling = [50.0 - epoch for epoch in range(30)]
    stopping = {"patience": 4, "after_restart": True}
    restarts = {"name": "cosine_restarts", "period": 3, "period_factor": 2}
    parts = [{**restarts, "until": 4}, {"name": "cosine"}]

    def recipe(**changes: Any) -> Recipe:
        common = {"schedule": restarts, "early_stopping": stopping}
        return tiny_recipe(epochs=60, **{**common, **changes})

    assert ends(recipe(early_stopping={"patience": 4}), falling) == 5, "the first is the best"
    assert ends(recipe(), falling) == 7, "restarts after 3, 9, 21 epochs"
    assert ends(recipe(), [*falling[:6], *[60.0] * 20]) == 13, "the 7th is the best, 9 is later"
    assert ends(recipe(schedule={"name": "sequence", "parts": parts}), falling) == 8
    in_steps = {"name": "cosine_restarts", "period": 3, "unit": "steps"}
    assert ends(recipe(schedule=in_steps), falling) == 5


def test_evaluation_may_be_fp32() -> None:
    _, exact = train(tiny_recipe(epochs=1, precision="bf16", eval_precision="fp32"))
    trainer, rough = train(tiny_recipe(epochs=1, precision="bf16"))
    assert exact[0]["train_loss"] == rough[0]["train_loss"]
    assert exact[0]["test_loss"] != rough[0]["test_loss"]
    assert trainer.test_loader is not None
    loss, _ = evaluate(
        trainer.network, trainer.test_loader, device=torch.device("cpu"), precision="fp32"
    )
    assert exact[0]["test_loss"] == loss


@pytest.mark.parametrize("loader", ["device", "per-image"])
def test_the_order_may_be_the_datasets_own(loader: str) -> None:
    recipe = tiny_recipe(loader={"name": loader, "shuffle": False}, augmentation={"flip": 0.5})
    trainer = trainer_of(recipe)
    first, second = (list(prepared(trainer.train_loader, epoch)) for epoch in (1, 2))
    labels = torch.cat([batch.labels for batch in first])
    assert torch.equal(labels, trainer.splits.train.labels)
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0].images, second[0].images), "augmentation is drawn by epoch"
