"""The networks are torchvision's, with a stem of their own, and their sizes are exact."""

import pytest
import torch
import torchvision
from torch import nn

from resray.errors import InputError
from resray.models.build import build_model, outer_stages
from resray.models.count import count_multiply_adds, count_parameters
from resray.models.resnet import ResNet
from resray.models.table import MODELS, ResNetShape
from resray.study.model_spec import Model
from tests.studies import made

# torchvision's counts at 1,000 classes, less the stem's 7x7 - 3x3 and the head's 990 classes; the
# last three are study 5's (published as 4.90M, 4,994,730 and 4.99M).
PARAMETERS = {
    "resnet10": 4_903_242,
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "resnet101": 42_512_970,
    "resnet152": 58_156_618,
    "resnext50_32x4d": 22_992_714,
    "resnet10-b": 4_903_242,
    "resnet40-b": 4_994_730,
    "resnet102-b": 4_997_658,
}
OF_TORCHVISION = [name for name, shape in MODELS.items() if shape.channels == (64, 128, 256, 512)]


def torchvision_model(name: str, stem: str) -> nn.Module:
    if name.startswith("resnet10") and name != "resnet101":
        block = torchvision.models.resnet.BasicBlock
        model = torchvision.models.ResNet(block, [1, 1, 1, 1], num_classes=10)
    else:
        model = torchvision.models.get_model(name, num_classes=10)
    if stem == "cifar":
        model.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    return model


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("resnet18", "cifar"),
        ("resnet18", "imagenet"),
        ("resnet50", "cifar"),
        ("resnet50", "imagenet"),
        ("resnext50_32x4d", "imagenet"),
    ],
)
def test_equal_weights_give_torchvisions_outputs(name: str, stem: str) -> None:
    torch.manual_seed(0)
    theirs = torchvision_model(name, stem)
    ours = build_model(made(Model, name=name, stem=stem), 10)
    images = torch.randn(4, 3, 48, 48)
    ours.load_state_dict(theirs.state_dict())
    for model in (ours, theirs):
        model.train()(images)  # moves the running statistics, which are compared next
        model.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=0)
    theirs.load_state_dict(ours.state_dict())


def tensors(model: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, tensor.shape) for name, tensor in model.state_dict().items()]


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_names_order_and_shapes_are_torchvisions(name: str) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(made(Model, name=name), 10), torchvision_model(name, "cifar")
    assert tensors(ours) == tensors(theirs)


@pytest.mark.parametrize("name", MODELS)
def test_parameter_counts(name: str) -> None:
    with torch.device("meta"):
        assert count_parameters(build_model(made(Model, name=name), 10)) == PARAMETERS[name]


def test_resnet_spelled_out_is_the_named_one() -> None:
    spec = made(
        Model,
        name="resnet",
        block="bottleneck",
        blocks=(3, 4, 6, 3),
        channels=(64, 128, 256, 512),
        groups=32,
        width_per_group=4,
    )
    with torch.device("meta"):
        spelled, named = build_model(spec, 7), build_model(made(Model, name="resnext50_32x4d"), 7)
    assert tensors(spelled) == tensors(named)


def test_initialisation_has_torchvisions_spread() -> None:
    torch.manual_seed(0)
    ours, theirs = (
        build_model(made(Model, name="resnet18"), 10),
        torchvision_model("resnet18", "cifar"),
    )
    wanted = theirs.state_dict()
    for name, value in ours.state_dict().items():
        if name.endswith("weight") and value.ndim == 4 and name != "conv1.weight":
            assert float(value.std()) == pytest.approx(float(wanted[name].std()), rel=0.05), name
    stem = ours.get_parameter("conv1.weight").detach()
    assert float(stem.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)


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
    model = build_model(made(Model, name=name), 10)
    assert count_multiply_adds(model, image_size) == multiply_adds_by_hand(model, image_size)


def test_multiply_adds_of_resnet18() -> None:
    model = build_model(made(Model, name="resnet18"), 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert count_multiply_adds(model, 32) == 555_422_720
    assert count_multiply_adds(model, 8) > 0
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_multiply_adds_of_imagenet_resnet50_are_the_published_ones() -> None:
    model = build_model(made(Model, name="resnet50", stem="imagenet"), 1000)
    assert count_multiply_adds(model, 224) == pytest.approx(4.09e9, rel=0.01)


def test_group_norm_knows_no_batch() -> None:
    torch.manual_seed(0)
    model = build_model(made(Model, name="resnet18", norm="group"), 10).train()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert count_parameters(model) == PARAMETERS["resnet18"]
    images = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model(images)[:2], model(images[:2]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("blocks", [(2,), (1, 2, 1), (1, 2, 1, 1, 1)])
def test_any_number_of_stages_each_half_as_large(block: str, blocks: tuple[int, ...]) -> None:
    channels = (8, 16, 24, 32, 40)[: len(blocks)]
    model = build_model(
        made(Model, name="resnet", block=block, blocks=blocks, channels=channels), 7
    )
    assert isinstance(model, ResNet)
    sides: list[int] = []
    for stage in model.stages:
        stage.register_forward_hook(lambda _, __, output: sides.append(output.shape[-1]))
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 7)
    assert sides == [32, 16, 8, 4, 2][: len(blocks)]
    assert [len(list(stage.children())) for stage in model.stages] == list(blocks)
    assert outer_stages(model) == (model.stages[0], model.stages[-1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            made(Model, name="resnet102-b", norm="group"),
            "model.norm: group needs channels in multiples of 32, not 16; use batch",
        ),
        (
            made(Model, name="resnet", blocks=(1,), channels=(64,), groups=32),
            "model.groups: 32 needs bottleneck blocks, these are basic",
        ),
        (
            made(Model, name="resnet", blocks=(1,), channels=(64,), width_per_group=4),
            "model.width_per_group: 4 needs bottleneck blocks, these are basic",
        ),
        (
            made(
                Model,
                name="resnet",
                block="bottleneck",
                blocks=(1,),
                channels=(16,),
                width_per_group=3,
            ),
            "model.width_per_group: 3 leaves a stage of 16 channels without any",
        ),
    ],
)
def test_what_cannot_be_built_is_the_users_mistake(spec: Model, message: str) -> None:
    with pytest.raises(InputError) as error:
        build_model(spec, 10)
    assert str(error.value) == message


def test_images_that_are_too_small_are_the_users_mistake() -> None:
    model = ResNet(ResNetShape("basic", (1,), (8,)), 10)
    with pytest.raises(InputError, match=r"^model: the network cannot take 0 x 0 images: "):
        count_multiply_adds(model, 0)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_zero_init_residual_makes_blocks_begin_as_their_shortcut(name: str) -> None:
    torch.manual_seed(0)
    silent = build_model(made(Model, name=name, zero_init_residual=True), 10).eval()
    torch.manual_seed(0)
    plain = build_model(made(Model, name=name), 10).eval()
    x = torch.rand(2, 128 if name == "resnet18" else 512, 4, 4)
    torch.testing.assert_close(silent.get_submodule("layer2.1")(x), x, rtol=0, atol=0)
    assert not torch.equal(plain.get_submodule("layer2.1")(x), x)
