"""Dropout, stochastic depth and shared weights: what they do, and where they leave things alone."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from resray.errors import InputError
from resray.models.blocks import BasicBlock, Bottleneck
from resray.models.build import build_model, set_dropout, set_stochastic_depth
from resray.models.count import count_multiply_adds, count_parameters
from resray.models.resnet import shares_weights
from resray.models.wideresnet import WideBlock
from resray.study.model_spec import Model
from tests.studies import made

SMALL: dict[str, Any] = {"name": "resnet", "blocks": (2, 2), "channels": (8, 16)}


def skip_probabilities(network: nn.Module) -> list[float]:
    return [module.p for module in network.modules() if isinstance(module, StochasticDepth)]


def dropouts(network: nn.Module) -> list[float]:
    return [module.p for module in network.modules() if isinstance(module, nn.Dropout)]


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("resnet18", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ("wrn-16-2", [0.0, 0.14, 0.28, 0.42, 0.56, 0.7]),
    ],
)
def test_stochastic_depth_rises_linearly_over_the_blocks(name: str, rates: list[float]) -> None:
    with torch.device("meta"):
        network = build_model(made(Model, name=name, stochastic_depth=0.7), 10)
    assert skip_probabilities(network) == pytest.approx(rates)
    set_stochastic_depth(network, 0.0)
    assert skip_probabilities(network) == [0.0] * len(rates)


def make_block(kind: str) -> BasicBlock | Bottleneck | WideBlock:
    if kind == "wide":
        return WideBlock(8, 8, 1)
    if kind == "bottleneck":
        return Bottleneck(8, 2, 1, nn.BatchNorm2d, width=2)
    return BasicBlock(8, 8, 1, nn.BatchNorm2d)


@pytest.mark.parametrize("kind", ["basic", "bottleneck", "wide"])
def test_stochastic_depth_draws_for_each_image(kind: str) -> None:
    torch.manual_seed(0)
    block = make_block(kind)
    x = torch.rand(400, 8, 4, 4)
    residuals: list[Tensor] = []
    assert block.skip is not None
    block.skip.register_forward_pre_hook(lambda _, inputs: residuals.append(inputs[0].clone()))
    block.skip.p = 0.25
    with torch.no_grad():
        out = block(x)
    whole = x + residuals[0] / 0.75
    whole = whole if kind == "wide" else whole.relu()
    kept = torch.isclose(out, whole, atol=1e-5).all(dim=(1, 2, 3))
    skipped = torch.isclose(out, x, atol=1e-5).all(dim=(1, 2, 3))
    assert bool((kept ^ skipped).all())
    assert 240 < int(kept.sum()) < 360  # 300 expected, standard deviation 8.7


@pytest.mark.parametrize("spec", [SMALL, {"name": "wrn-10-1"}])
def test_evaluation_knows_neither_dropout_nor_stochastic_depth(spec: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = build_model(made(Model, **spec, dropout=0.5, stochastic_depth=0.5), 10)
    plain = build_model(made(Model, **spec), 10)
    images = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        assert not torch.equal(network(images), network(images))
        plain.load_state_dict(network.state_dict())
        torch.testing.assert_close(network.eval()(images), plain.eval()(images), rtol=0, atol=0)


@pytest.mark.parametrize("spec", [SMALL, {"name": "wrn-10-1"}])
def test_switched_off_they_draw_no_random_number(spec: dict[str, Any]) -> None:
    network = build_model(made(Model, **spec), 10)
    assert skip_probabilities(network)
    assert dropouts(network)
    before = torch.get_rng_state()
    network.train()(torch.randn(2, 3, 8, 8, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("spec", "dropout", "after"),
    [(SMALL, "dropout", "fc"), ({"name": "wrn-10-1"}, "layer2.0.dropout", "layer2.0.conv2")],
)
def test_place_and_strength_of_dropout(spec: dict[str, Any], dropout: str, after: str) -> None:
    torch.manual_seed(0)
    network = build_model(made(Model, **spec, dropout=0.2), 10)
    seen: list[Tensor] = []
    for name in (dropout, after):
        module = network.get_submodule(name)
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    network(torch.randn(64, 3, 8, 8))
    before, dropped = (values[seen[0] != 0] for values in seen)
    kept = dropped != 0
    assert float(kept.float().mean()) == pytest.approx(0.8, abs=0.05)
    torch.testing.assert_close(dropped[kept], before[kept] / 0.8)


def test_dropout_of_a_built_network_changes() -> None:
    network = build_model(made(Model, name="wrn-10-1"), 10)
    set_dropout(network, 0.3)
    assert dropouts(network) == [0.3] * 3


def test_networks_from_elsewhere_keep_their_own_rates() -> None:
    network = build_model(made(Model, name="torchvision:squeezenet1_1"), 10)
    set_dropout(network, 0.0)
    set_stochastic_depth(network, 0.0)
    assert dropouts(network) == [0.5]


def test_sharing_saves_parameters_and_no_multiply_adds() -> None:
    with torch.device("meta"):
        plain = build_model(made(Model, name="resnet10"), 10)
        shared = build_model(made(Model, name="resnet10", shared_stages=(1,)), 10)
        many = build_model(made(Model, name="resnet18", shared_stages=(1, 2)), 10)
    assert count_parameters(plain) - count_parameters(shared) == 64 * 64 * 9
    assert count_multiply_adds(plain, 32) == count_multiply_adds(shared, 32) == 253_432_832
    blocks = [name for name, block in many.named_modules() if shares_weights(block)]
    assert blocks == ["layer1.0", "layer1.1", "layer2.1"]


def test_one_weight_gets_the_gradients_of_both_uses() -> None:
    torch.manual_seed(0)
    shared = build_model(made(Model, **SMALL, shared_stages=(1,)), 10)
    plain = build_model(made(Model, **SMALL), 10)
    plain.load_state_dict(shared.state_dict())
    images = torch.randn(4, 3, 8, 8)
    for network in (shared, plain):
        network(images).square().sum().backward()
    one = shared.get_parameter("layer1.0.conv1.weight")
    uses = [plain.get_parameter(f"layer1.0.{name}.weight").grad for name in ("conv1", "conv2")]
    assert one is shared.get_parameter("layer1.0.conv2.weight")
    assert one.grad is not None
    assert uses[0] is not None
    assert uses[1] is not None
    torch.testing.assert_close(one.grad, uses[0] + uses[1])
    assert shared.get_submodule("layer1.0.bn1") is not shared.get_submodule("layer1.0.bn2")


def test_counting_leaves_shared_weights_as_they_were() -> None:
    network = build_model(made(Model, **SMALL, shared_stages=(1,)), 10)
    before = dict(network.named_parameters())
    count_multiply_adds(network, 8)
    after = dict(network.named_parameters())
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)
    assert shares_weights(deepcopy(network).get_submodule("layer1.0"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"name": "resnet18", "shared_stages": (1, 5)},
            "there is no stage 5 (1, 2, 3, 4)",
        ),
        (
            {"name": "resnet10", "shared_stages": (2,)},
            "stage 2 has no basic block with two convolutions of one shape",
        ),
        (
            {"name": "resnet50", "shared_stages": (1,)},
            "stage 1 has no basic block with two convolutions of one shape",
        ),
    ],
)
def test_nothing_to_share_is_the_users_mistake(spec: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(InputError) as error:
        build_model(made(Model, **spec), 10)
    assert str(error.value) == f"model.shared_stages: {message}"
