"""The table of layers: shapes, parameters and multiply-adds that add up to the whole."""

from io import StringIO

import pytest
import torch
from rich.console import Console

from resray.errors import InputError
from resray.model_table import layer_table, print_model
from resray.models.build import build_model
from resray.models.count import count_multiply_adds, count_parameters, multiply_adds_by_module
from resray.study.recipe_spec import Model


def printed(spec: Model, classes: int = 10, side: int = 32, depth: int = 3) -> list[list[str]]:
    """Return the lines of the printed table, split into words."""
    console = Console(file=StringIO(), width=160)
    print_model(spec, classes, side, console, depth)
    assert isinstance(console.file, StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_layers_of_resnet10_with_shared_weights() -> None:
    lines = printed(Model(name="resnet10", shared_stages=(1,)), 7)
    head = (
        "resnet10: 4,864,839 parameters, 253,431,296 multiply-adds per image of 32 x 32, 7 classes"
    )
    assert " ".join(lines[0]) == head
    rows = {line[0]: " ".join(line[1:]) for line in lines if len(line) > 2}
    assert rows["conv1"] == "Conv2d 64 × 32 × 32 1,728 1,769,472"
    assert rows["layer1.0.conv1"] == "Conv2d ×2 64 × 32 × 32 36,864 75,497,472"
    assert "layer1.0.conv2" not in rows
    assert rows["layer1.0.bn2"] == "BatchNorm2d 64 × 32 × 32 128 –"
    assert rows["layer2.0.downsample"] == "Sequential 128 × 16 × 16 8,448 2,097,152"
    assert "layer2.0.downsample.0" not in rows
    assert rows["fc"] == "Linear 7 3,591 3,584"


@pytest.mark.parametrize("name", ["resnet50", "wrn-16-2", "torchvision:squeezenet1_1"])
def test_outer_rows_add_up_to_the_whole(name: str) -> None:
    with torch.device("meta"):
        network = build_model(Model(name=name), 10)
    table = layer_table(network, 32, multiply_adds_by_module(network, 32), depth=1)
    columns = [[str(cell).replace(",", "") for cell in column.cells] for column in table.columns]
    paths, _, _, parameters, multiply_adds = columns
    assert all("." not in path for path in paths)
    assert sum(int(cell) for cell in parameters if cell != "–") == count_parameters(network)
    total = count_multiply_adds(network, 32)
    assert sum(int(cell) for cell in multiply_adds if cell != "–") == total


def test_depth_and_image_size() -> None:
    lines = printed(Model(name="wrn-16-2"), side=16, depth=2)
    rows = {line[0]: " ".join(line[1:]) for line in lines if len(line) > 2}
    assert rows["layer3.1"] == "WideBlock 128 × 4 × 4 295,424 4,718,592"
    assert max(path.count(".") for path in rows if path.startswith("layer")) == 1


def test_images_that_do_not_fit_are_the_users_mistake() -> None:
    with pytest.raises(InputError, match=r"^model: the network cannot take 8 x 8 images"):
        printed(Model(name="torchvision:squeezenet1_1"), side=8)
