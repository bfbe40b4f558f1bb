"""Networks from torchvision, timm and a user's own module: built without a download, or refused."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from resray.errors import InputError
from resray.models.build import build_model, outer_stages
from resray.models.count import count_multiply_adds, count_parameters
from resray.study.model_spec import Model
from tests.studies import made

OWN_MODULE = """
import torch
from torch import nn

width = 5

class Shifted(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = torch.ones(1)  # no buffer: it stays behind when the module moves to meta

    def forward(self, images):
        return images.mean(dim=(2, 3)) + self.shift

def small(num_classes, width=4, rate=0.5):
    float(torch.linspace(0, rate, 3)[1].item())  # needs numbers: impossible on meta
    return nn.Sequential(Shifted(), nn.Linear(3, width), nn.ReLU(), nn.Linear(width, num_classes))

def nothing(num_classes):
    return None

def untrained(num_classes):
    return nn.Flatten()

def wrong_head(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(192, num_classes + 1))
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_networks.py").write_text(OWN_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_networks", raising=False)
    return "my_networks"


def test_torchvision_network_with_arguments() -> None:
    spec = made(
        Model, name="torchvision:resnet18", arguments={"replace_stride_with_dilation": None}
    )
    torch.manual_seed(0)
    ours = build_model(spec, 10)
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=10)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    first, last = outer_stages(ours)
    assert (first, last) == (ours.get_submodule("layer1"), ours.get_submodule("layer4"))


def test_stages_of_other_networks_are_their_outer_children() -> None:
    network = build_model(made(Model, name="torchvision:squeezenet1_1"), 10)
    children = network.get_submodule("features"), network.get_submodule("classifier")
    assert outer_stages(network) == children
    linear = nn.Linear(2, 2)
    assert outer_stages(linear) == (linear, linear)
    assert outer_stages(nn.Sequential(nn.Flatten(), linear)) == (linear, linear)


def test_timm_network() -> None:
    pytest.importorskip("timm", reason="timm is an optional extra")
    network = build_model(
        made(Model, name="timm:resnet10t.c3_in1k", arguments={"drop_rate": 0.1}), 7
    )
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert outer_stages(network)[1] is network.get_submodule("layer4")


def test_timm_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError) as error:
        build_model(made(Model, name="timm:resnet18"), 10)
    assert str(error.value) == (
        "model.name: timm:resnet18 needs timm, which is not installed: pip install 'resray[timm]'"
    )


def test_own_function_builds_and_counts_where_meta_tensors_fail(own_module: str) -> None:
    with torch.device("meta"):
        network = build_model(made(Model, name=f"{own_module}:small", arguments={"width": 6}), 10)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    assert count_parameters(network) == 3 * 6 + 6 + 6 * 10 + 10
    assert count_multiply_adds(network, 8, 10) == 3 * 6 + 6 * 10


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "torchvision:resnet19",
            {},
            "model.name: torchvision has no network 'resnet19'; close to it: resnet18, ",
        ),
        ("torchvision:xyz", {}, "model.name: torchvision has no network 'xyz'"),
        (
            "my_networks:smal",
            {},
            "model.name: my_networks has no function 'smal'; close to it: small",
        ),
        ("my_networks:width", {}, "model.name: my_networks has no function 'width'"),
        ("my_network:small", {}, "model.name: cannot import my_network (No module named "),
        (
            "my_networks:nothing",
            {},
            "model.name: my_networks:nothing returns NoneType, not a torch.nn.Module",
        ),
        ("my_networks:untrained", {}, "model.name: my_networks:untrained has no parameter"),
        (
            "my_networks:small",
            {"depth": 3},
            "model.arguments: my_networks:small refuses them: small() got an unexpected keyword",
        ),
        ("my_networks:small", {"num_classes": 3}, "model.arguments: num_classes is the dataset's"),
        (
            "torchvision:resnet18",
            {"weights": "DEFAULT"},
            "model.arguments: weights would load weights; networks begin without",
        ),
    ],
)
@pytest.mark.usefixtures("own_module")
def test_mistakes(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        build_model(made(Model, name=name, arguments=arguments), 10)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_networks:wrong_head", "model: the network gives 11, not 10 logits"),
        ("torchvision:squeezenet1_1", "model: the network cannot take 8 x 8 images: "),
    ],
)
@pytest.mark.usefixtures("own_module")
def test_networks_that_do_not_fit_the_images(name: str, message: str) -> None:
    network = build_model(made(Model, name=name), 10)
    with pytest.raises(InputError) as error:
        count_multiply_adds(network, 8, 10)
    assert str(error.value).startswith(message)
