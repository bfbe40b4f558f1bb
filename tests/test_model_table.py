"""The table of layers: shapes, parameters and multiply-adds that add up, and memory."""

from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from resray.cli.model_table import flat_table, layer_table, layers_in_use, print_model, totals_table
from resray.errors import InputError
from resray.models.build import build_model
from resray.models.count import count_multiply_adds, count_parameters, multiply_adds_by_module
from resray.study.model_spec import Model
from tests.studies import made

DOCUMENTS = Path(__file__).parents[2] / "shared" / "documents"


def printed(
    spec: Model, classes: int = 10, side: int = 32, depth: int = 3, *, flat: bool = False
) -> list[list[str]]:
    """Return the lines that are printed, split into words."""
    console = Console(file=StringIO(), width=160)
    print_model(spec, classes, side, console, depth, flat=flat)
    assert isinstance(console.file, StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_layers_of_resnet10_with_shared_weights() -> None:
    lines = printed(made(Model, name="resnet10", shared_stages=(1,)), 7)
    assert " ".join(lines[0]) == "resnet10: one image of 32 x 32, 7 classes"
    assert ["Trainable", "parameters", "4,864,839"] in lines
    assert ["Multiply-adds", "253,431,296"] in lines
    rows = {line[0]: " ".join(line[1:]) for line in lines if len(line) > 2}
    assert rows["conv1"] == "Conv2d 64 × 32 × 32 1,728 1,769,472"
    assert rows["layer1.0.conv1"] == "Conv2d ×2 64 × 32 × 32 36,864 75,497,472"
    assert "layer1.0.conv2" not in rows
    assert rows["layer1.0.bn2"] == "BatchNorm2d 64 × 32 × 32 128 –"
    assert "layer1.0.skip" not in rows, "it does nothing"
    assert rows["layer2.0.downsample"] == "Sequential 128 × 16 × 16 8,448 2,097,152"
    assert "layer2.0.downsample.0" not in rows
    assert rows["fc"] == "Linear 7 3,591 3,584"


@pytest.mark.parametrize("name", ["resnet50", "wrn-16-2", "torchvision:squeezenet1_1"])
def test_outer_rows_add_up_to_the_whole(name: str) -> None:
    with torch.device("meta"):
        network = build_model(made(Model, name=name), 10)
    layers, by_module = layers_in_use(network, 32), multiply_adds_by_module(network, 32)
    table = layer_table(network, layers, by_module, depth=1)
    columns = [[str(cell).replace(",", "") for cell in column.cells] for column in table.columns]
    paths, _, _, parameters, multiply_adds = columns
    assert all("." not in path for path in paths)
    assert sum(int(cell) for cell in parameters if cell != "–") == count_parameters(network)
    total = count_multiply_adds(network, 32)
    assert sum(int(cell) for cell in multiply_adds if cell != "–") == total


def test_depth_and_image_size() -> None:
    lines = printed(made(Model, name="wrn-16-2"), side=16, depth=2)
    rows = {line[0]: " ".join(line[1:]) for line in lines if len(line) > 2}
    assert rows["layer3.1"] == "WideBlock 128 × 4 × 4 295,424 4,718,592"
    assert max(path.count(".") for path in rows if path.startswith("layer")) == 1


def test_images_that_do_not_fit_are_the_users_mistake() -> None:
    with pytest.raises(InputError, match=r"^model: the network cannot take 8 x 8 images"):
        printed(made(Model, name="torchvision:squeezenet1_1"), side=8)


def figures(lines: list[list[str]]) -> dict[str, str]:
    """Return the totals that are printed, by their names."""
    return {" ".join(line[:-1]): line[-1] for line in lines[-8:] if line}


def test_totals_of_resnet40_are_those_in_its_authors_document() -> None:
    assert figures(printed(made(Model, name="resnet40-b"))) == {
        "Trainable parameters": "4,994,730",
        "Other parameters": "0",
        "Multiply-adds": "346,917,376",
        "Input, MB": "0.01",
        "Forward/backward pass, MB": "13.29",
        "Parameters, MB": "19.05",
        "Total, MB": "32.35",
    }


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason=f"no documents in {DOCUMENTS}")
def test_flat_rows_of_resnet40_are_those_in_its_authors_document() -> None:
    text = (DOCUMENTS / "basicblock-depth.txt").read_text()
    wanted = [line.split("\t") for line in text.splitlines() if "\t[-1, " in line]
    lines = printed(made(Model, name="resnet40-b"), flat=True)
    assert len(wanted) == 106
    assert [line for line in lines if "[-1," in line] == [" ".join(row).split() for row in wanted]


def test_flat_rows_count_parameters_that_are_used_twice_once() -> None:
    lines = printed(made(Model, name="resnet10", shared_stages=(1,)), flat=True)
    rows = {line[0]: line[-1] for line in lines if "[-1," in line}
    assert (rows["Conv2d-3"], rows["Conv2d-5"]) == ("36,864", "0")
    assert sum(int(size.replace(",", "")) for size in rows.values()) == 4_903_242 - 36_864


def test_dropout_takes_memory_only_where_it_is_on() -> None:
    assert not any(
        line[0].startswith("Dropout") for line in printed(made(Model, name="wrn-16-2")) if line
    )
    rows = [
        line[0] for line in printed(made(Model, name="wrn-16-2", dropout=0.3), flat=True) if line
    ]
    assert sum(row.startswith("Dropout-") for row in rows) == 6


def test_frozen_parameters_are_counted_apart() -> None:
    with torch.device("meta"):
        network = build_model(made(Model, name="resnet10"), 10)
    network.get_parameter("conv1.weight").requires_grad_(False)
    table = totals_table(network, layers_in_use(network, 32), 32, 0)
    assert list(table.columns[1].cells)[:2] == ["4,901,514", "1,728"]
    assert list(table.columns[1].cells)[-2] == "18.70", "in memory they are too"


@pytest.mark.parametrize("name", ["torchvision:swin_t", "torchvision:squeezenet1_1"])
def test_flat_rows_of_networks_from_elsewhere_add_up(name: str) -> None:
    network = build_model(made(Model, name=name), 10)
    table = flat_table(layers_in_use(network, 64))
    sizes = [int(str(size).replace(",", "")) for size in table.columns[-1].cells]
    assert sum(sizes) == count_parameters(network)
