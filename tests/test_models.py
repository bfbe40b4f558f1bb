"""The networks are torchvision's, with a stem of their own, and their sizes are exact."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import nn

from resray.models.build import build_model
from resray.models.count import count_multiply_adds, count_parameters
from resray.models.resnet import ResNet
from resray.models.table import MODELS, ResNetShape
from resray.study.recipe_spec import Model

# torchvision's counts at 1,000 classes, less the stem's 7x7 - 3x3 and the head's 990 classes.
PARAMETERS = {
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "resnet101": 42_512_970,
    "resnet152": 58_156_618,
}


def torchvision_model(name: str, stem: str) -> nn.Module:
    make: Callable[..., torchvision.models.ResNet] = getattr(torchvision.models, name)
    model = make(num_classes=10)
    if stem == "cifar":
        model.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    return model


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_equal_weights_give_torchvisions_outputs(name: str, stem: str) -> None:
    torch.manual_seed(0)
    theirs = torchvision_model(name, stem)
    ours = build_model(Model(name=name, stem=stem), 10)
    images = torch.randn(4, 3, 64, 64)
    ours.load_state_dict(theirs.state_dict())
    for model in (ours, theirs):
        model.train()(images)  # moves the running statistics, which are compared next
        model.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("name", MODELS)
def test_names_order_and_sizes_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(Model(name=name), 10), torchvision_model(name, "cifar")
    shapes = [[(k, v.shape) for k, v in m.state_dict().items()] for m in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert count_parameters(ours) == PARAMETERS[name]


def test_initialisation_has_torchvisions_spread() -> None:
    torch.manual_seed(0)
    ours, theirs = build_model(Model(name="resnet18"), 10), torchvision_model("resnet18", "cifar")
    wanted = theirs.state_dict()
    for name, value in ours.state_dict().items():
        if name.endswith("weight") and value.ndim == 4 and name != "conv1.weight":
            assert float(value.std()) == pytest.approx(float(wanted[name].std()), rel=0.05), name
    assert float(ours.conv1.weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)


def multiply_adds_by_hand(model: nn.Module, image_size: int) -> int:
    """Sum weights times output positions over convolutions and linear layers."""
    counts: list[int] = []

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        positions = output.numel() // output.shape[1]
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        counts.append(weight.numel() * positions)

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, image_size, image_size))
    return sum(counts)


@pytest.mark.parametrize(("name", "image_size"), [("resnet18", 32), ("resnet50", 16)])
def test_multiply_adds_are_exact(name: str, image_size: int) -> None:
    model = build_model(Model(name=name), 10)
    assert count_multiply_adds(model, image_size) == multiply_adds_by_hand(model, image_size)


def test_multiply_adds_of_resnet18() -> None:
    model = build_model(Model(name="resnet18"), 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert count_multiply_adds(model, 32) == 555_422_720
    assert count_multiply_adds(model, 8) > 0
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_multiply_adds_of_imagenet_resnet50_are_the_published_ones() -> None:
    model = build_model(Model(name="resnet50", stem="imagenet"), 1000)
    assert count_multiply_adds(model, 224) == pytest.approx(4.09e9, rel=0.01)


def test_group_norm_knows_no_batch() -> None:
    torch.manual_seed(0)
    model = build_model(Model(name="resnet18", norm="group"), 10).train()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert count_parameters(model) == PARAMETERS["resnet18"]
    images = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(images)[:2], model(images[:2]), rtol=1e-4, atol=1e-4)


def test_other_shapes_and_stages() -> None:
    model = ResNet(ResNetShape("basic", (1, 2, 1, 1), (8, 16, 24, 32)), 7)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 7)
    names = {module: name for name, module in model.named_modules()}
    assert names[model.first_stage] == "layer1"
    assert names[model.last_stage] == "layer4"


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_zero_init_residual_makes_blocks_begin_as_their_shortcut(name: str) -> None:
    torch.manual_seed(0)
    silent = build_model(Model(name=name, zero_init_residual=True), 10).eval()
    torch.manual_seed(0)
    plain = build_model(Model(name=name), 10).eval()
    x = torch.rand(2, 128 if name == "resnet18" else 512, 4, 4)
    torch.testing.assert_close(silent.get_submodule("layer2.1")(x), x, rtol=0, atol=0)
    assert not torch.equal(plain.get_submodule("layer2.1")(x), x)
