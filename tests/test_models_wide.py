"""WideResNets: sizes, the order of operations within a block, initialisation, stages."""

from typing import cast

import pytest
import torch
from torch import nn
from torch.nn import functional

from resray.models.build import build_model, outer_stages
from resray.models.count import count_multiply_adds, count_parameters
from resray.models.wideresnet import WideBlock, WideResNet
from resray.study.model_spec import Model
from tests.studies import made


def wide(name: str, classes: int = 10) -> WideResNet:
    return cast(WideResNet, build_model(made(Model, name=name), classes))


# The paper's tables say 36.5M, 52.5M, 55.8M, 2.7M and 0.7M.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("wrn-28-10", 36_479_194),
        ("wrn-28-12", 52_517_850),
        ("wrn-40-10", 55_841_754),
        ("wrn-16-4", 2_748_890),
        ("wrn-16-2", 691_674),
    ],
)
def test_parameter_counts(name: str, parameters: int) -> None:
    with torch.device("meta"):
        network = wide(name)
        assert count_parameters(network) == parameters
        assert count_parameters(wide(name, 100)) == parameters + 90 * (network.fc.in_features + 1)


def test_multiply_adds_of_wrn_28_10_are_the_published_ones() -> None:
    with torch.device("meta"):
        # 5.2 billion in the literature on CIFAR.
        assert count_multiply_adds(wide("wrn-28-10"), 32) == pytest.approx(5.25e9, rel=0.01)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(6, 6, 1), (6, 8, 1), (6, 6, 2)])
def test_a_block_is_preactivated(inputs: int, outputs: int, stride: int) -> None:
    torch.manual_seed(0)
    block = WideBlock(inputs, outputs, stride).eval()
    for norm in (block.bn1, block.bn2):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(2, inputs, 8, 8)
    scale = (1 + block.bn1.eps) ** -0.5  # running mean 0 and variance 1
    first = x * scale * block.bn1.weight.view(-1, 1, 1) + block.bn1.bias.view(-1, 1, 1)
    hidden = functional.conv2d(first.relu(), block.conv1.weight, stride=stride, padding=1)
    second = hidden * scale * block.bn2.weight.view(-1, 1, 1) + block.bn2.bias.view(-1, 1, 1)
    residual = functional.conv2d(second.relu(), block.conv2.weight, padding=1)
    shortcut = x
    if (inputs, stride) != (outputs, 1):
        assert block.shortcut is not None
        shortcut = functional.conv2d(first.relu(), block.shortcut.weight, stride=stride)
    torch.testing.assert_close(block(x), shortcut + residual)


def test_stages_and_logits() -> None:
    network = wide("wrn-16-2", 7)
    assert outer_stages(network) == (network.layer1, network.layer3)
    sides: list[torch.Size] = []
    for stage in (network.layer1, network.layer2, network.layer3):
        assert len(stage) == 2
        stage.register_forward_hook(lambda _, __, output: sides.append(output.shape[1:]))
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 7)
    assert sides == [(32, 16, 16), (64, 8, 8), (128, 4, 4)]


def test_initialisation() -> None:
    torch.manual_seed(0)
    network = wide("wrn-16-4")
    weight = network.get_parameter("layer3.1.conv2.weight").detach()
    assert float(weight.std()) == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)
    assert not network.fc.bias.any()
