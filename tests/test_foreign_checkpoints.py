"""Checkpoints of other repositories: made from their key names, read to the same logits."""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from resray.data.sources import open_dataset
from resray.errors import DataError
from resray.models.build import build_own
from resray.study.model_spec import CustomModel, WideModel
from resray.training.prediction import Predictor
from resray.training.restore import Restored, load_network
from resray.training.scores import scores
from tests.command_line import Resray, assert_refused
from tests.test_data_sources import image_folder
from tests.trained_study import tiny_recipe, train_trial

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
State = dict[str, torch.Tensor]


def basic(*blocks: int, **more: Any) -> CustomModel:
    channels = tuple(8 * 2**stage for stage in range(len(blocks)))
    return CustomModel(name="resnet", blocks=blocks, channels=channels, **more)


def drawn(network: nn.Module) -> nn.Module:
    """The network with weights and statistics that all differ, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            spread = torch.rand(value.shape, generator=generator)
            value.copy_(spread + 0.5 if "running_var" in name else spread - 0.5)
    return network.eval()


def ours(model: Any, classes: int = 10) -> nn.Module:
    return drawn(build_own(model, classes))


def same_logits(restored: Restored, network: nn.Module) -> None:
    with torch.no_grad():
        assert torch.equal(restored.network(IMAGES), network(IMAGES))


# --- the repositories' names, written down from their sources -------------------------------------


def kuangliu(key: str) -> str:
    return key.replace("downsample", "shortcut").replace("fc.", "linear.")


def weiaicunzai(key: str) -> str:
    numbers = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4, "conv3": 6, "bn3": 7}
    if (block := re.fullmatch(r"layer(\d)\.(\d+)\.((?:conv|bn)\d)\.(\w+)", key)) is not None:
        stage, index, layer, leaf = block.groups()
        return f"conv{int(stage) + 1}_x.{index}.residual_function.{numbers[layer]}.{leaf}"
    key = re.sub(r"^layer(\d)", lambda found: f"conv{int(found[1]) + 1}_x", key)
    key = re.sub(r"^conv1\.", "conv1.0.", re.sub(r"^bn1\.", "conv1.1.", key))
    return key.replace("downsample", "shortcut")


def basicblock_depth(key: str) -> str:
    key = re.sub(r"^conv1\.", "input_layer.0.", re.sub(r"^bn1\.", "input_layer.1.", key))
    key = re.sub(r"\.conv(\d)\.", r".conv\1.0.", key)
    key = re.sub(r"\.bn(\d)\.", r".conv\1.1.", key)
    key = re.sub(r"^layer(\d)", lambda found: f"residual_layers.{int(found[1]) - 1}", key)
    return key.replace("downsample", "shortcut").replace("fc.", "output_layer.2.")


def wrn_cifar100(key: str) -> str:
    return re.sub(r"^layer(\d)\.", r"block\1.layer.", re.sub(r"^bn\.", "bn1.", key))


def unchanged(key: str) -> str:
    return key


BOTTLENECKS = basic(1, 2, 1, block="bottleneck")
GROUPED = basic(1, 1, block="bottleneck", groups=2, width_per_group=32)
TWICE_AS_WIDE = basic(1, 1, block="bottleneck", width_per_group=128)
SAME_WIDTH = basic(1, 1, block="bottleneck", groups=4, bottleneck_width=8)
NAMES: dict[str, tuple[Callable[[str], str], Any]] = {
    "torchvision": (unchanged, basic(2, 1, 1)),
    "torchvision, bottlenecks": (unchanged, BOTTLENECKS),
    "torchvision, groups": (unchanged, GROUPED),
    "torchvision, twice as wide": (unchanged, TWICE_AS_WIDE),
    "torchvision, imagenet stem": (unchanged, basic(1, 1, stem="imagenet")),
    "kuangliu": (kuangliu, basic(1, 2, 1, 1)),
    "kuangliu, bottlenecks": (kuangliu, BOTTLENECKS),
    "weiaicunzai": (weiaicunzai, basic(1, 2, 1, 1)),
    "weiaicunzai, bottlenecks": (weiaicunzai, BOTTLENECKS),
    "basicblock-depth": (basicblock_depth, basic(2, 1, 1, 1)),
    "wrn-cifar100": (wrn_cifar100, WideModel(name="wrn-16-2")),
    "resnext": (lambda key: key.replace("downsample", "shortcut"), SAME_WIDTH),
    "a base session of wrn-cifar100": (lambda key: key.replace("fc.", "fc.1."), basic(1, 1)),
    "resray": (unchanged, WideModel(name="wrn-10-1")),
}


@pytest.mark.parametrize("form", NAMES)
def test_each_forms_weights_give_the_same_logits(form: str, tmp_path: Path) -> None:
    rename, model = NAMES[form]
    network = ours(model)
    state = {rename(key): value for key, value in network.state_dict().items()}
    assert len(state) == len(network.state_dict())
    torch.save(state, tmp_path / "net.pth")
    restored = load_network(tmp_path / "net.pth")
    same_logits(restored, network)
    assert restored.network.state_dict().keys() == network.state_dict().keys()
    assert not restored.network.training
    assert all(value.device.type == "cpu" for value in restored.network.state_dict().values())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torchvision.models.resnet18(num_classes=10), "resnet18 in the form of torch"),
        (lambda: torchvision.models.resnext50_32x4d(num_classes=4), "resnext50_32x4d in the form"),
        (lambda: timm.create_model("resnet50", num_classes=100), "resnet50 in the form of torch"),
        (lambda: timm.create_model("resnet18", num_classes=1000), "1000 classes. .* 224 pixels"),
    ],
    ids=["resnet18", "resnext50", "timm resnet50", "timm resnet18"],
)
def test_their_own_networks_compute_the_same(
    make: Callable[[], nn.Module], said: str, tmp_path: Path
) -> None:
    network = make().eval()
    torch.save({"state_dict": network.state_dict(), "arch": "a name"}, tmp_path / "net.pth")
    restored = load_network(tmp_path / "net.pth")
    assert restored.note is not None
    assert re.search(said, restored.note)
    with torch.no_grad():
        torch.testing.assert_close(restored.network(IMAGES), network(IMAGES))


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


WRAPPED: dict[str, Callable[[State], Any]] = {
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "net": lambda state: {"net": state, "acc": 95.4, "epoch": 199},
    "model": lambda state: {"model": state, "optimizer": {"state": {0: {"step": 4}}}},
    "model_state_dict": lambda state: {"epoch": 1, "model_state_dict": state, "config": {"a": "b"}},
    "averaged": lambda state: {
        "state_dict": {key: value * 2 for key, value in state.items()}, "state_dict_ema": state,
    },
    "data parallel": lambda state: {"net": prefixed(state, "module.")},
    "compiled": lambda state: prefixed(state, "_orig_mod."),
    "both": lambda state: prefixed(state, "_orig_mod.module."),
    "without counters": lambda state: {
        key: value for key, value in state.items() if not key.endswith("num_batches_tracked")
    },
    "parameters": lambda state: {
        key: nn.Parameter(value) if value.is_floating_point() else value
        for key, value in state.items()
    },
    "double": lambda state: {key: value.double() for key, value in state.items()},
    "random state": lambda state: {"model": state, "rng": torch.get_rng_state()},
}  # fmt: skip


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_however_it_is_wrapped(wrapping: str, tmp_path: Path) -> None:
    network = ours(basic(1, 1))
    state = {kuangliu(key): value for key, value in network.state_dict().items()}
    torch.save(WRAPPED[wrapping](state), tmp_path / "net.pth")
    same_logits(load_network(tmp_path / "net.pth"), network)


def test_safetensors(tmp_path: Path) -> None:
    network = ours(basic(1, 1))
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    same_logits(load_network(tmp_path / "model.safetensors"), network)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(DataError, match=r"model\.safetensors: not a readable checkpoint"):
        load_network(tmp_path / "model.safetensors")


# --- whole modules --------------------------------------------------------------------------------


@pytest.fixture
def their_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module ``resnet`` of basicblock-depth, of which the reader must know nothing."""
    module = ModuleType("resnet")

    class BasicBlock(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                                       nn.BatchNorm2d(outputs), nn.ReLU())  # fmt: skip
            self.conv2 = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
                                       nn.BatchNorm2d(outputs))  # fmt: skip
            self.shortcut = nn.Sequential()
            if stride != 1:
                self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                              nn.BatchNorm2d(outputs))  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.conv2(self.conv1(x)) + self.shortcut(x))

    class ResNetBasicBlock(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_layer = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1, bias=False),
                                             nn.BatchNorm2d(8), nn.ReLU())  # fmt: skip
            stages = [nn.Sequential(BasicBlock(8, 8, 1), BasicBlock(8, 8, 1)),
                      nn.Sequential(BasicBlock(8, 16, 2))]  # fmt: skip
            self.residual_layers = nn.Sequential(*stages)
            self.output_layer = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                              nn.Linear(16, 10))  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.output_layer(self.residual_layers(self.input_layer(x)))

    for each in (BasicBlock, ResNetBasicBlock):
        each.__module__, each.__qualname__ = "resnet", each.__name__
        setattr(module, each.__name__, each)
    monkeypatch.setitem(sys.modules, "resnet", module)
    return module


def test_a_whole_module_is_read_without_its_code(their_module: Any, tmp_path: Path) -> None:
    network = drawn(their_module.ResNetBasicBlock())
    torch.save(network, tmp_path / "alone.pth")
    torch.save({"net": nn.DataParallel(network)}, tmp_path / "parallel.pth")
    del sys.modules["resnet"]
    for name in ("alone.pth", "parallel.pth"):
        restored = load_network(tmp_path / name)
        assert "resnet" not in sys.modules
        with torch.no_grad():
            torch.testing.assert_close(restored.network(IMAGES), network(IMAGES))
        assert restored.note == (
            f"{name}: resnet in the form of basicblock-depth, 10 classes. Assumed: cifar10, 32 "
            "pixels, mean (0.4914, 0.4822, 0.4465), std (0.2023, 0.1994, 0.201)"
        )
        assert restored.class_names[0] == "airplane"


class Runs:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def test_a_pickle_that_would_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, state = tmp_path / "marker", ours(basic(1)).state_dict()
    theirs = ModuleType("theirs")
    theirs.touch = lambda path: Path(path).touch()  # type: ignore[attr-defined]
    theirs.touch.__module__, theirs.touch.__qualname__ = "theirs", "touch"
    monkeypatch.setitem(sys.modules, "theirs", theirs)
    calls = {"posix.system": Runs(os.system, f"touch {marker}"),
             "__builtin__.eval": Runs(eval, f"open({str(marker)!r}, 'w')"),
             "__builtin__.bytearray": Runs(bytearray, 10**12),
             "theirs.touch": Runs(theirs.touch, str(marker))}  # fmt: skip
    for name, call in calls.items():
        torch.save({"net": state, "acc": call}, tmp_path / "net.pth")
        with pytest.raises(DataError) as said:
            load_network(tmp_path / "net.pth")
        assert str(said.value).startswith(f"{tmp_path / 'net.pth'}: the pickle wants '{name}', ")
        assert "\n" not in str(said.value)
    assert not marker.exists()


# --- what fits nothing ----------------------------------------------------------------------------


def changed(**values: Any) -> State:
    """kuangliu's weights of a small network, with other values; None leaves a key out."""
    state = {kuangliu(key): value for key, value in ours(basic(1, 2)).state_dict().items()}
    changes = {key.replace("__", "."): value for key, value in values.items()}
    return {key: value for key, value in {**state, **changes}.items() if value is not None}


REFUSED: dict[str, tuple[Any, str]] = {
    "another network": (
        lambda: torchvision.models.squeezenet1_1().state_dict(), "'features.0.weight' (no "
    ),
    "a deep stem": (
        lambda: timm.create_model("resnet18d", num_classes=10).state_dict(), "'conv1.1.weight' (no"
    ),
    "squeeze and excitation": (
        lambda: timm.create_model("seresnet18", num_classes=10).state_dict(),
        "'layer1.0.se.fc1.weight' (no network",
    ),
    "another shape": (
        lambda: changed(layer2__1__conv2__weight=torch.zeros(16, 16, 1, 1)),
        "'layer2.1.conv2.weight' ((16, 16, 1, 1), where resnet has (16, 16, 3, 3)",
    ),
    "a missing key": (
        lambda: changed(layer2__1__bn1__running_mean=None),
        "'layer2.1.bn1.running_mean' (resnet has it",
    ),
    "a missing stem": (lambda: changed(conv1__weight=None), "'conv1.weight' (it is missing"),
    "a missing classifier": (
        lambda: changed(linear__weight=None), "'fc.weight' (it is missing; read as kuangliu"
    ),
    "a number": (lambda: changed(bn1__bias=3), "'bn1.bias' (no network here has it"),
    "more keys": (
        lambda: changed(layer2__4__conv1__weight=torch.zeros(16, 16, 3, 3)),
        "'layer2.4.conv1.weight' ((16, 16, 3, 3), where resnet has None",
    ),
    "two of one name": (
        lambda: changed(layer2__0__downsample__0__weight=torch.zeros(16, 8, 1, 1)),
        "'layer2.0.shortcut.0.weight' (no network here has it, or not twice",
    ),
    "a scalar": (
        lambda: changed(layer1__0__conv1__weight=torch.zeros(())), "(its network cannot be built: "
    ),
    "no channels": (
        lambda: changed(layer1__0__conv3__weight=torch.zeros(0, 8, 1, 1),
                        layer2__0__conv3__weight=torch.zeros(0, 8, 1, 1)), "cannot be built: "
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_fits_nothing_is_refused_with_the_first_key(what: str, tmp_path: Path) -> None:
    make, said = REFUSED[what]
    torch.save(make(), tmp_path / "net.pth")
    with pytest.raises(DataError) as refusal:
        load_network(tmp_path / "net.pth")
    assert str(refusal.value).startswith(f"{tmp_path / 'net.pth'}: the first key that does not fit")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_tensor_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    vast = torch.zeros(1).expand(2**30, 64, 3, 3)
    torch.save(changed(layer2__0__conv1__weight=vast), tmp_path / "net.pth")
    with pytest.raises(DataError, match=r"net\.pth: would unpack to .* set RESRAY_MAX_GB"):
        load_network(tmp_path / "net.pth")


# --- from the command line ------------------------------------------------------------------------


@pytest.fixture
def two_classes(tmp_path: Path) -> Path:
    """kuangliu's checkpoint of a network for two classes."""
    network = ours(basic(1, 1), classes=2)
    state = {f"module.{kuangliu(key)}": value for key, value in network.state_dict().items()}
    torch.save({"net": state, "acc": 90.0, "epoch": 5}, tmp_path / "ckpt.pth")
    return tmp_path / "ckpt.pth"


def test_predict_says_what_it_took_the_file_for(
    two_classes: Path, tmp_path: Path, resray: Resray
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pixels)
    done = resray("predict", "ckpt.pth", "images.npy")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "ckpt.pth: resnet in the form of kuangliu/pytorch-cifar, 2 classes. Assumed: folder, 32 "
        "pixels, mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225)",
        "7 images predicted: predictions.csv",
    ]
    restored = load_network(two_classes)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (restored.mean, restored.std))
    with torch.no_grad():
        logits = restored.network((torch.tensor(pixels).permute(0, 3, 1, 2) / 255 - mean) / std)
    rows = (tmp_path / "predictions.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[1]) for row in rows] == logits.argmax(1).tolist()


def test_evaluate_measures_a_file_and_keeps_nothing(
    two_classes: Path, tmp_path: Path, resray: Resray, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passing").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "passing"))
    data = ("--data-dir", str(image_folder(tmp_path / "data", sizes=(32, 32, 32))))
    done = resray("evaluate", "ckpt.pth", "--kind", "test", "--kind", "train", *data)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("ckpt.pth: resnet in the form of kuangliu/pytorch-cifar, 2 classes")
    assert "resray report" not in done.out
    assert not list((tmp_path / "passing").iterdir())
    restored = load_network(two_classes)
    test = open_dataset(restored.recipe.data, tmp_path / "data").test
    found = scores(Predictor(restored, torch.device("cpu")).probabilities(test.images), test.labels)
    assert f"accuracy {found['accuracy']:.2f} %, loss {found['loss']:.4f}" in done.out


def test_what_is_refused_is_one_line(resray: Resray, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((2, 32, 32, 3), dtype=np.uint8))
    torch.save({"features.0.weight": torch.zeros(1)}, "net.pth")
    torch.save({"net": Runs(os.system, "touch marker")}, "evil.pth")
    for file, says in (("net.pth", "first key that does not fit is 'features.0.weight'"),
                       ("evil.pth", "the pickle wants 'posix.system', which is not")):  # fmt: skip
        assert_refused(resray("evaluate", file), 2, rf"{file}: .*{says}")
        assert_refused(resray("predict", file, "images.npy"), 2, rf"{file}: .*{says}")
    assert not Path("marker").exists()


def test_evaluate_measures_a_file_of_resrays_own(tmp_path: Path, resray: Resray) -> None:
    identity = train_trial(tmp_path / "tiny", "tiny", tiny_recipe(), 3)
    done = resray("evaluate", f"tiny/checkpoints/{identity}/best.pt", "--kind", "test")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"best\.pt, seed 3 +│ best\.pt@1 +│ test +│ accuracy", done.out)
