"""Optimizers: parameter groups, what a step sets, and Muon against torch's own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from resray.errors import InputError
from resray.models.build import build_model
from resray.study.model_spec import Model
from resray.study.optimizer_spec import Optimizer
from resray.training.optimizers import (
    build_optimizer,
    hidden_matrices,
    momentum_in_force,
    set_learning_rate,
    set_momentum,
    set_weight_decay,
)
from tests.studies import made
from tests.training_case import TINY

MUON = {"name": "muon", "lr": 0.02, "momentum": 0.95, "nesterov": True, "weight_decay": 0.1}


def tiny_network(**changes: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_model(made(Model, {**TINY, **changes}), 4)


def backward(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(8, 3, 8, 8, generator=generator)
    network.zero_grad()
    functional.cross_entropy(network(images), torch.arange(8) % 4).backward()


def test_weight_decay_may_spare_norms_and_biases() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    everything = build_optimizer(made(Optimizer, weight_decay=0.1), model).param_groups
    assert [group["weight_decay"] for group in everything] == [0.1]
    spared = build_optimizer(made(Optimizer, weight_decay=0.1, decay_norm_and_bias=False), model)
    decayed, free = spared.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert {parameter.ndim for parameter in decayed["params"]} == {2, 4}
    assert {parameter.ndim for parameter in free["params"]} == {1}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_another_weight_decay_reaches_the_groups_that_decay(name: str) -> None:
    spec = made(Optimizer, name=name, weight_decay=0, decay_norm_and_bias=False)
    optimizer = build_optimizer(spec, tiny_network())
    set_weight_decay(optimizer, spec.model_copy(update={"weight_decay": 0.3}))
    for group in optimizer.param_groups:
        decays = {parameter.ndim > 1 for parameter in group["params"]}
        assert group["weight_decay"] == (0.3 if decays == {True} else 0.0)


@pytest.mark.parametrize("changes", [{}, {"momentum": 0}, {"nesterov": True}])
def test_sgd_is_the_plain_rule(changes: dict[str, Any]) -> None:
    spec = made(Optimizer, name="sgd", lr=0.1, weight_decay=0.01, **changes)
    parameter = nn.Parameter(torch.tensor([1.0, -2.0]))
    model = nn.ParameterList([parameter])
    optimizer = build_optimizer(spec, model)
    weight, velocity = parameter.detach().clone(), torch.zeros(2)
    for gradient in (torch.tensor([1.0, 3.0]), torch.tensor([-2.0, 0.5])):
        parameter.grad = gradient.clone()
        optimizer.step()
        decayed = gradient + 0.01 * weight
        velocity = spec.momentum * velocity + decayed
        weight -= 0.1 * (decayed + spec.momentum * velocity if spec.nesterov else velocity)
        torch.testing.assert_close(parameter.detach(), weight)


def test_rates_and_momentum_are_set_for_each_group() -> None:
    spec = made(Optimizer, {**MUON, "companion_lr": 0.003})
    optimizer = build_optimizer(spec, tiny_network())
    set_learning_rate(optimizer, spec, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.0015]
    set_momentum(optimizer, spec, 0.85)
    assert momentum_in_force(optimizer) == 0.85
    assert optimizer.param_groups[1]["betas"] == (0.85, 0.999)
    set_momentum(optimizer, spec, None)
    assert momentum_in_force(optimizer) == 0.95
    assert optimizer.param_groups[1]["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_every_optimizer_lowers_a_loss(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1))
    inputs = torch.randn(64, 8)
    targets = inputs.sum(dim=1, keepdim=True)
    spec = made(Optimizer, {"name": name, "lr": 0.02, "weight_decay": 0})
    optimizer = build_optimizer(spec, model)
    losses = []
    for _ in range(150):
        loss = functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_muon_takes_hidden_weights_and_adamw_the_rest() -> None:
    network = tiny_network()
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    optimizer = build_optimizer(made(Optimizer, MUON), network)
    hidden, others = optimizer.param_groups
    assert {names[id(parameter)] for parameter in hidden["params"]} == {
        "layer1.0.conv1.weight",
        "layer1.0.conv2.weight",
        "layer2.0.conv1.weight",
        "layer2.0.conv2.weight",
        "layer2.0.downsample.0.weight",
    }
    assert len(hidden["params"]) + len(others["params"]) == len(names)
    rest = {names[id(parameter)] for parameter in others["params"]}
    assert {"conv1.weight", "fc.weight", "fc.bias", "bn1.weight"} <= rest


def test_a_shared_module_is_updated_once() -> None:
    network = tiny_network(shared_stages=(1,))
    hidden = hidden_matrices(network)
    assert len(hidden) == 4
    backward(network, 0)
    shared = network.get_parameter("layer1.0.conv2.weight")
    other = tiny_network(shared_stages=(1,))
    backward(other, 0)
    before = shared.detach().clone()
    build_optimizer(made(Optimizer, MUON), network).step()
    matrix = nn.Parameter(before.flatten(1).clone())
    matrix.grad = other.get_parameter("layer1.0.conv2.weight").grad.flatten(1)
    torch.optim.Muon([matrix], lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True).step()
    torch.testing.assert_close(shared.flatten(1), matrix, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("nesterov", [False, True])
def test_muon_is_pytorchs_on_flattened_weights(nesterov: bool) -> None:
    network = tiny_network()
    spec = made(Optimizer, {**MUON, "nesterov": nesterov})
    optimizer = build_optimizer(spec, network)
    weight = network.get_parameter("layer2.0.conv1.weight")
    scale = network.get_parameter("layer2.0.bn1.weight")
    matrix = nn.Parameter(weight.detach().reshape(16, 8 * 9).clone())
    vector = nn.Parameter(scale.detach().clone())
    muon = torch.optim.Muon([matrix], lr=0.02, momentum=0.95, nesterov=nesterov, weight_decay=0.1)
    adamw = torch.optim.AdamW([vector], lr=0.001, weight_decay=0.1)
    for seed in range(3):
        backward(network, seed)
        assert weight.grad is not None
        matrix.grad, vector.grad = weight.grad.reshape(16, 8 * 9).clone(), scale.grad
        optimizer.step()
        muon.step()
        adamw.step()
        torch.testing.assert_close(weight.reshape(16, 8 * 9), matrix, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(scale, vector)


def test_muons_update_is_nearly_orthogonal() -> None:
    network = tiny_network()
    optimizer = build_optimizer(made(Optimizer, {**MUON, "weight_decay": 0}), network)
    backward(network, 0)
    weight = network.get_parameter("layer1.0.conv1.weight")
    before = weight.detach().clone()
    optimizer.step()
    update = (before - weight.detach()).flatten(1) / 0.02
    values = torch.linalg.svdvals(update)
    assert values.min() > 0.3, "singular values come near 1, whatever the gradient's are"
    assert values.max() < 1.3


def test_muon_in_channels_last_shares_the_weights_memory() -> None:
    plain, last = tiny_network(), tiny_network()
    last.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for network in (plain, last):
        optimizer = build_optimizer(made(Optimizer, MUON), network)
        backward(network, 0)
        optimizer.step()
    for one, other in zip(plain.parameters(), last.parameters(), strict=True):
        # The iteration is in bfloat16 and sums columns in another order.
        torch.testing.assert_close(one, other, rtol=0, atol=2e-3)


def test_muon_goes_on_from_its_state() -> None:
    unbroken, broken = tiny_network(), tiny_network()
    spec = made(Optimizer, MUON)
    first, second = build_optimizer(spec, unbroken), build_optimizer(spec, broken)
    for seed in range(4):
        if seed == 2:
            state = second.state_dict()
            second = build_optimizer(spec, broken)
            second.load_state_dict(state)
        for network, optimizer in ((unbroken, first), (broken, second)):
            backward(network, seed)
            optimizer.step()
    for one, other in zip(unbroken.parameters(), broken.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_muon_needs_a_hidden_matrix() -> None:
    with pytest.raises(InputError, match="muon needs a hidden weight matrix"):
        build_optimizer(made(Optimizer, MUON), nn.Linear(3, 2))


UNFUSED: dict[str, Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda own: torch.optim.SGD(own, 0.1, momentum=0.9, weight_decay=0.1, fused=False),
    "nesterov": lambda own: torch.optim.SGD(
        own, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True, fused=False
    ),
    "momentum that onecycle brings": lambda own: torch.optim.SGD(
        own, 0.1, momentum=0.95, weight_decay=0.1, fused=False
    ),
    "adam": lambda own: torch.optim.Adam(own, 0.1, weight_decay=0.1, fused=False),
    "adamw": lambda own: torch.optim.AdamW(own, 0.1, weight_decay=0.1, fused=False),
}
OVERFLOWING: dict[str, dict[str, Any]] = {
    "sgd": {"lr": 0.1, "weight_decay": 0.1},
    "nesterov": {"lr": 0.1, "weight_decay": 0.1, "nesterov": True},
    "momentum that onecycle brings": {"lr": 0.1, "weight_decay": 0.1, "momentum": 0},
    "adam": {"name": "adam", "lr": 0.1, "weight_decay": 0.1},
    "adamw": {"name": "adamw", "lr": 0.1, "weight_decay": 0.1},
    "muon": MUON,
}


@pytest.fixture
def unfilled_memory_is_nan() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("unfilled_memory_is_nan")
@pytest.mark.parametrize("name", OVERFLOWING)
def test_a_training_whose_first_step_overflows_is_the_unfused_one(name: str) -> None:
    """At the scale of 65536 that is routine. Muon has no unfused form: it leaves the step out."""
    spec = made(Optimizer, OVERFLOWING[name])
    network, other = tiny_network(), tiny_network()
    optimizer = build_optimizer(spec, network)
    build = UNFUSED.get(name, lambda _: build_optimizer(spec, other))
    reference = build(other.parameters())
    if name == "momentum that onecycle brings":
        set_momentum(optimizer, spec, 0.95)
    scaler = torch.amp.GradScaler("cpu")
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for step in range(4):
        for each, model in ((optimizer, network), (reference, other)):
            backward(model, step)
            if each is optimizer:
                # What scaling the loss does, so that stepping can take the scale away again.
                scale = float(scaler.scale(torch.ones(1)))
                for parameter in model.parameters():
                    assert parameter.grad is not None
                    parameter.grad *= scale if step else torch.inf
                scaler.unscale_(each)
                scaler.step(each)
                scaler.update()
            elif step:
                each.step()
        if step == 0:
            assert scaler.get_scale() == 32768.0
            for old, new in zip(before, network.parameters(), strict=True):
                torch.testing.assert_close(old, new, rtol=0, atol=0)
    for ours, theirs in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
