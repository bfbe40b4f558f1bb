"""What a study will cost before it runs: parameters, compute, and a rough time on this machine.

Compute follows the usual accounting: a multiply-add is two operations, and a training step costs
three forward passes (one forward, two backward), an evaluation one. Convolutions and linear layers
are counted, shared ones at every use; normalisation, activations and augmentation are not. Torch is
imported on use.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from resray.data.table import EMBEDDED, dataset_size
from resray.study.data_spec import Data
from resray.study.expand import PlannedTrial
from resray.study.model_spec import Model, ResNetModel
from resray.study.recipe_spec import Recipe

if TYPE_CHECKING:
    import torch

OPERATIONS_PER_MULTIPLY_ADD = 2
FORWARDS_PER_TRAINING_STEP = 3
_PROBE_BATCH_ON_CPU = 16


@dataclass(frozen=True)
class TrialCost:
    """What one trial costs; None is what cannot be known beforehand."""

    epochs: int
    """Epochs that will be trained."""
    parameters: int
    multiply_adds: int
    """Of one image's forward pass."""
    training_petaflop: float | None
    """10^15 floating point operations of all training steps."""
    seconds: float | None
    """Rough: alone on the machine whose speed was given."""


def estimate(trial: PlannedTrial, operations_per_second: float) -> TrialCost:
    """Return a trial's cost on a machine of this speed, which `probe` measures."""
    epochs = trial.stop_after or trial.recipe.epochs
    parameters, multiply_adds = network_size(trial.recipe.model, *input_of(trial.recipe.data))
    training = seconds = None
    if images := image_counts(trial.recipe.data):
        trained, evaluated = (epochs * number for number in images)
        training = trained * training_operations(multiply_adds)
        evaluating = evaluated * OPERATIONS_PER_MULTIPLY_ADD * multiply_adds
        seconds = (training + evaluating) / operations_per_second
    petaflop = None if training is None else training / 1e15
    return TrialCost(epochs, parameters, multiply_adds, petaflop, seconds)


def image_counts(data: Data) -> tuple[int, int] | None:
    """Return the images trained on and evaluated in each epoch; None for a folder's."""
    size = dataset_size(data)
    if size is None:
        return None
    limit = data.limit_eval or size.train
    held_out = data.validation_images or 0
    evaluated = min(held_out, limit) + min(size.test, limit)
    available = size.train - held_out
    return min(available, data.limit_train or size.train), evaluated


def probe(recipe: Recipe, seconds: float = 1.5) -> float:
    """Measure this machine's operations per second, for about ``seconds``, after a warm-up.

    Trains a resnet18 on random images at the recipe's precision, image size and memory layout, on
    the GPU where there is one, else with all CPU cores that it may use. Rough: other networks,
    batch sizes and input handling reach another share of the same machine.
    """
    from resray.training.device import own_device

    device, batch = own_device(), recipe.batch_size
    if device.type == "cpu":
        batch = min(batch, _PROBE_BATCH_ON_CPU)
    step = _probe_step(recipe, batch, device)
    per_image = network_size(ResNetModel(name="resnet18"), *input_of(recipe.data))[1]
    return training_operations(per_image) * batch / _fastest_step(step, seconds)


def training_operations(multiply_adds: int) -> int:
    """Return the floating point operations of training on one image once."""
    return FORWARDS_PER_TRAINING_STEP * OPERATIONS_PER_MULTIPLY_ADD * multiply_adds


def input_of(data: Data) -> tuple[int, int]:
    """Return classes and pixels a side; of a folder, which is not known yet, those of CIFAR-10."""
    size = dataset_size(data) or EMBEDDED
    return size.classes, data.image_size or size.side


def network_size(model: Model, classes: int, side: int) -> tuple[int, int]:
    """Return a network's parameters and the multiply-adds of one image, without computing."""
    return _size_of(model.model_dump_json(), classes, side)


@lru_cache
def _size_of(model: str, classes: int, side: int) -> tuple[int, int]:
    """Do the same for a model as JSON, which can be a key of the cache."""
    import torch

    from resray.models.build import build_model
    from resray.models.count import count_multiply_adds, count_parameters

    with torch.device("meta"):
        network = build_model(TypeAdapter(Model).validate_json(model), classes)
    return count_parameters(network), count_multiply_adds(network, side, classes)


def _probe_step(recipe: Recipe, batch: int, device: "torch.device") -> Callable[[], None]:
    """Return a function that does one training step of resnet18 on random images."""
    import torch
    from torch.nn import functional

    from resray.models.build import build_model
    from resray.training.device import autocast, pick_precision, wait_for
    from resray.training.optimizers import build_optimizer

    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    classes, side = input_of(recipe.data)
    network = build_model(ResNetModel(name="resnet18"), classes).to(device)
    network.to(memory_format=layout)  # type: ignore[call-overload]  # missing from torch's stubs
    optimizer = build_optimizer(recipe.optimizer, network)
    images = torch.randn(batch, 3, side, side, device=device).to(memory_format=layout)
    labels = torch.randint(classes, (batch,), device=device)
    precision = pick_precision(recipe, device)

    def step() -> None:
        with autocast(device, precision):
            logits = network(images)
        functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        wait_for(device)

    return step


def _fastest_step(step: Callable[[], None], seconds: float) -> float:
    """Return the seconds of the fastest step: the others shared the machine with other work."""
    step()
    taken: list[float] = []
    started = time.perf_counter()
    while len(taken) < 2 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        step()
        taken.append(time.perf_counter() - before)
    return min(taken)
