"""The three forms of the training step give the same numbers, and warming up changes nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch

from resray.study.recipe_spec import Recipe
from resray.training.checkpoints import CheckpointFolder
from resray.training.context import LocalContext
from resray.training.fit import Trainer, fit
from resray.training.reuse import REUSABLE
from resray.training.step import micro_batches
from resray.training.step_choice import compile_obstacle
from resray.training.step_forms import preserved
from tests.test_augment_batches import SINGLE
from tests.test_training_settings import EVERYTHING
from tests.training_case import TINY, splits_of, tiny_recipe, trainer_of, without_clocks

MORE: dict[str, dict[str, Any]] = {
    "nesterov": {"optimizer": {"lr": 0.02, "nesterov": True}},
    "adam": {"optimizer": {"name": "adam", "lr": 0.01}},
    "onecycle with sgd": {"schedule": {"name": "onecycle"}},
    "onecycle with nesterov": {
        "schedule": {"name": "onecycle"},
        "optimizer": {"lr": 0.02, "nesterov": True},
    },
    "onecycle with muon": {
        "schedule": {"name": "onecycle"},
        "optimizer": {"name": "muon", "lr": 0.02},
    },
    "no decay of norms": {"optimizer": {"lr": 0.02, "decay_norm_and_bias": False}},
    "smoothing and clipping": {"label_smoothing": 0.1, "clip_gradient_norm": 0.3},
    "averaging of accumulated batches": {"ema_decay": 0.7, "accumulation": 2},
    "everything that augments": {"augmentation": SINGLE},
    "a last batch left out": {"loader": {"drop_last": True}},
}
CAPTURABLE = {name: each for name, each in {**EVERYTHING, **MORE}.items() if name != "fp16"}


def trainer_in(form: str, recipe: Recipe, device: str = "cpu") -> Trainer:
    context = LocalContext(torch.device(device))
    return Trainer(recipe, splits_of(recipe), context, seed=0, step=form)


def assert_same_training(one: Trainer, other: Trainer, tolerance: float = 2e-4) -> None:
    for ours, theirs in zip(fit(one), fit(other), strict=True):
        for key in ("train_loss", "validation_loss", "learning_rate", "momentum", "images",
                    "gradient_norm_first_stage", "gradient_norm_last_stage"):  # fmt: skip
            assert ours[key] == pytest.approx(theirs[key], rel=10 * tolerance, abs=tolerance), key
        assert_same_weights(one, other, tolerance)


def assert_same_weights(one: Trainer, other: Trainer, tolerance: float) -> None:
    pairs = zip(one.parts.tensors(), other.parts.tensors(), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance, check_dtype=False)


@pytest.mark.parametrize("settings", CAPTURABLE.values(), ids=CAPTURABLE)
def test_what_is_captured_trains_as_eager_does(settings: dict[str, Any]) -> None:
    """On the CPU the function that a GPU captures runs from the same buffers, uncaptured."""
    recipe = tiny_recipe(**settings)
    eager, captured = (trainer_in(form, recipe) for form in ("eager", "captured"))
    # Muon orthogonalises in bfloat16, which makes more of what is rounded.
    assert_same_training(captured, eager, 5e-3 if "muon" in str(settings) else 1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("settings", CAPTURABLE.values(), ids=CAPTURABLE)
def test_a_graph_trains_as_eager_does(settings: dict[str, Any]) -> None:
    recipe = tiny_recipe(**settings)
    eager, captured = (trainer_in(form, recipe, "cuda") for form in ("eager", "captured"))
    captured.prepare()
    assert captured.step == "captured", captured.remark
    # Kernels are chosen anew for each, and add up in another order.
    assert_same_training(captured, eager, 5e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own compiler has some
@pytest.mark.skipif(compile_obstacle("cpu") is not None, reason="no C++ compiler")
def test_compiled_trains_as_eager_does() -> None:
    """Dropout would draw other numbers; the last batch is smaller, and so is eager."""
    recipe = tiny_recipe(ema_decay=0.7, mixing={"mixup_alpha": 0.2}, epochs=2)
    eager, compiled = (trainer_in(form, recipe) for form in ("eager", "compiled"))
    compiled.prepare()
    assert compiled.remark is None
    assert compiled.step == "compiled"
    assert compiled.seconds_compiling > 0
    assert_same_training(compiled, eager, tolerance=1e-4)
    records = compiled.records
    assert records[0]["seconds_compiling"] > records[0]["seconds_training"]
    assert records[1]["seconds_compiling"] < 0.5


def test_warming_up_changes_nothing() -> None:
    recipe = tiny_recipe(optimizer={"name": "adamw"}, ema_decay=0.9, model={**TINY, "dropout": 0.3})
    trainer, untouched = trainer_of(recipe), trainer_of(recipe)
    expected = torch.random.get_rng_state()
    step = trainer.form.step
    batch = micro_batches([32], [32], 1, 1)[0]
    with preserved(trainer.parts):
        step(batch, step.example(32), measured=True)
        ours, theirs = (each.parts.weights()["model"] for each in (trainer, untouched))
        assert not torch.equal(ours["conv1.weight"], theirs["conv1.weight"])
    assert torch.equal(torch.random.get_rng_state(), expected)
    step.tally.clear()
    assert_same_training(trainer, untouched, tolerance=0)


def test_places_of_an_epoch() -> None:
    """10 batches of 8 in steps of 4, the last of 5 images, on the first of 3 ranks."""
    sizes = [8] * 9 + [5]
    found = micro_batches(sizes, [3] * 9 + [2], 4, 3)
    assert [batch.begins for batch in found] == [True, *[False] * 3] * 2 + [True, False]
    assert [batch.ends for batch in found] == [*[False] * 3, True] * 2 + [False, True]
    assert found[0].weight == 3 * 3 / 32
    assert (found[8].weight, found[9].weight) == (3 * 3 / 13, 2 * 3 / 13)


def test_a_network_that_cannot_be_compiled_is_trained_eagerly() -> None:
    recipe = tiny_recipe(model="tests.breaking_network:build")
    compiled, eager = (trainer_in(form, recipe) for form in ("compiled", "eager"))
    compiled.prepare()
    assert compiled.step == "eager"
    assert compiled.remark is not None
    assert compiled.remark.startswith("step: compiled does not suit the network (")
    assert compiled.remark.endswith("at breaking_network.py:18): eager")
    assert "\n" not in compiled.remark
    assert_same_training(compiled, eager, tolerance=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": {"name": "adamw", "lr": 0.01}, "ema_decay": 0.7},
        {"optimizer": {"lr": 0.02}, "schedule": {"name": "onecycle"}},
    ],
    ids=["adamw and averaging", "onecycle"],
)
def test_the_next_trial_goes_on_with_what_was_captured(settings: dict[str, Any]) -> None:
    """Another seed, rate and length in the tensors of the trial before: as in a fresh process."""
    recipe = tiny_recipe(**settings)
    splits = splits_of(recipe)

    def trainer(recipe: Recipe, seed: int) -> Trainer:
        return Trainer(recipe, splits, LocalContext(), seed=seed, step="captured")

    following = tiny_recipe(
        **{**settings, "optimizer": {**settings["optimizer"], "lr": 0.005}, "epochs": 2}
    )
    fresh = trainer(following, 7)
    expected = list(fit(fresh))
    REUSABLE.step = None
    before = trainer(recipe, 3)
    list(fit(before))
    after = trainer(following, 7)
    assert after.form is before.form
    assert without_clocks(list(fit(after))) == without_clocks(expected)
    assert_same_weights(after, fresh, 0)


@pytest.mark.parametrize(
    "changes", [{"batch_size": 16}, {"label_smoothing": 0.1}, {"model": {**TINY, "dropout": 0.1}}]
)
def test_another_network_or_batch_is_captured_anew(changes: dict[str, Any]) -> None:
    recipe = tiny_recipe()
    splits = splits_of(recipe)
    before = Trainer(recipe, splits, LocalContext(), seed=0, step="captured")
    list(fit(before))
    after = Trainer(tiny_recipe(**changes), splits, LocalContext(), seed=0, step="captured")
    assert after.form is not before.form
    assert REUSABLE.step is None


@pytest.mark.parametrize("forms", [("captured", "eager"), ("eager", "captured")])
@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_a_checkpoint_goes_on_in_the_other_form(
    tmp_path: Path, forms: tuple[str, str], name: str
) -> None:
    recipe = tiny_recipe(optimizer={"name": name, "lr": 0.01}, schedule={"name": "onecycle"})
    first, second = (
        Trainer(
            recipe,
            splits_of(recipe),
            LocalContext(),
            seed=0,
            step=form,
            checkpoints=CheckpointFolder(tmp_path),
        )
        for form in forms
    )
    list(fit(first, stop_after=1))
    second.resume()
    assert second.epochs_done == 1
    unbroken = trainer_in("eager", recipe)
    list(fit(unbroken))
    list(fit(second))
    assert_same_weights(second, unbroken, 5e-3 if name == "muon" else 1e-4)
