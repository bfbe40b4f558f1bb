"""Within an epoch nothing waits for the device: a step asks it for no value, and brings it none
from the host's memory.

On the CPU, tensors of torch's meta device stand in for a GPU's: they have no values, so that to ask
for one is an error, and every operation is looked at for a tensor of the host. PyTorch's own fused
and capturable optimizers do not run there. On a GPU torch itself watches, all of an epoch.
"""

import importlib
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from resray.data.loader import TrainLoader
from resray.models.build import build_model
from resray.study.optimizer_spec import Optimizer
from resray.study.recipe_spec import Recipe
from resray.training.average import Average
from resray.training.context import LocalContext
from resray.training.fit import Trainer
from resray.training.optimizers import (
    GroupedMuon,
    build_optimizer,
    enter_as_tensors,
    set_learning_rate,
    set_momentum,
)
from resray.training.parts import Parts
from resray.training.step import TrainingStep, micro_batches
from tests.studies import made
from tests.test_augment_batches import SINGLE
from tests.test_step_forms import CAPTURABLE
from tests.training_case import TINY, splits_of, tiny_recipe

META = torch.device("meta")

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "no augmentation": {"augmentation": {"flip": 0, "crop_padding": 0}},
    "flip alone": {"augmentation": {"crop_padding": 0}},
    **{name: {"augmentation": {name: spec}} for name, spec in SINGLE.items()},
    "a black hole": {"augmentation": {"cutout": {"size": 4, "fill": 0, "holes": [1, 3]}}},
}
MIXINGS: dict[str, dict[str, Any]] = {
    "mixup": {"mixing": {"mixup_alpha": 0.2}},
    "cutmix": {"mixing": {"cutmix_alpha": 1.0, "probability": 0.5}},
    "both": {"mixing": {"mixup_alpha": 0.2, "cutmix_alpha": 1.0}},
}
OTHERS: dict[str, dict[str, Any]] = {
    "dropout and stochastic depth": {"model": {**TINY, "dropout": 0.2, "stochastic_depth": 0.2}},
    "smoothing, clipping, averaging, accumulation": {
        "label_smoothing": 0.1, "clip_gradient_norm": 1.0, "ema_decay": 0.9, "accumulation": 2,
    },
}  # fmt: skip
CASES = {**AUGMENTATIONS, **MIXINGS, **OTHERS}


class HostTensors(TorchDispatchMode):
    """Notes each operation that takes or makes a tensor of the host's memory."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves((args, kwargs, result)) if torch.is_tensor(each)]
        if any(tensor.device.type == "cpu" for tensor in tensors):
            self.found.append(str(func))
        return result


def without_values(recipe: Recipe) -> TrainingStep:
    """Return the step of a training on the meta device."""
    splits = splits_of(recipe)
    network = build_model(recipe.model, len(splits.class_names)).to(META)
    parts = Parts(
        network=network.train(),
        model=network,
        optimizer=torch.optim.SGD(network.parameters()),
        scaler=torch.amp.GradScaler("cuda", enabled=False),
        average=Average(network, recipe.ema_decay) if recipe.ema_decay else None,
        precision="fp32",
        channels_last=False,
        cycles=False,
    )
    loader = TrainLoader(
        splits.train,
        batch_size=recipe.batch_size,
        seed=0,
        device=META,
        augmentation=recipe.augmentation,
        mean=splits.mean,
        std=splits.std,
    )
    return TrainingStep(recipe, parts, loader)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_a_step_neither_asks_nor_brings(settings: dict[str, Any]) -> None:
    recipe = tiny_recipe(**settings)
    step = without_values(recipe)
    inputs = step.example(32)
    with HostTensors() as host:
        for batch in micro_batches([32, 32], [32, 32], recipe.accumulation, 1):
            step(batch, inputs, measured=True)
            step.norms.keep()
    assert host.found == []


@pytest.mark.parametrize(
    "changes",
    [{}, {"nesterov": True}, {"name": "adam"}, {"name": "adamw"}],
    ids=["sgd", "nesterov", "adam", "adamw"],
)
def test_an_update_with_a_cycling_momentum_neither_asks_nor_brings(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Adam's form for a CUDA graph knows no meta device by itself.
    adam = importlib.import_module("torch.optim.adam")
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda: ["meta"])
    spec = made(Optimizer, {"lr": 0.1, **changes})
    network = nn.Linear(8, 4, device=META)
    optimizer = build_optimizer(spec, network, captured=True, cycles=True)
    assert found_in_an_update(optimizer, network, spec) == []


@pytest.mark.parametrize("nesterov", [False, True])
def test_an_update_of_muon_neither_asks_nor_brings(nesterov: bool) -> None:
    network = nn.Linear(8, 4, device=META)
    optimizer = GroupedMuon([network.weight], nesterov=nesterov)
    enter_as_tensors(optimizer, META, cycles=True)
    spec = made(Optimizer, {"name": "muon", "lr": 0.1})
    assert found_in_an_update(optimizer, network, spec) == []


def found_in_an_update(
    optimizer: torch.optim.Optimizer, network: nn.Module, spec: Optimizer
) -> list[str]:
    """Return the operations on the host's tensors in an optimizer's second step."""
    for parameter in network.parameters():
        parameter.grad = torch.empty_like(parameter)
    optimizer.step()
    with HostTensors() as host:
        set_learning_rate(optimizer, spec, 0.5)
        set_momentum(optimizer, spec, 0.9)
        optimizer.step()
    return host.found


def test_what_would_wait_is_found() -> None:
    with HostTensors() as host:
        torch.ones(3).to(META)
    assert host.found
    with pytest.raises(RuntimeError, match="meta"):
        torch.ones(3, device=META).sum().item()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("form", ["eager", "captured"])
@pytest.mark.parametrize("settings", CAPTURABLE.values(), ids=CAPTURABLE)
def test_an_epoch_on_a_gpu_does_not_wait(settings: dict[str, Any], form: str) -> None:
    recipe = tiny_recipe(**settings)
    trainer = Trainer(
        recipe, splits_of(recipe), LocalContext(torch.device("cuda")), seed=0, step=form
    )
    trainer.prepare()
    assert trainer.step == form
    epoch = trainer._epoch(1)
    batches = list(zip(epoch.batches, epoch._inputs(), strict=True))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for index, (batch, inputs) in enumerate(batches):
            epoch._train_on(index, batch, inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")
