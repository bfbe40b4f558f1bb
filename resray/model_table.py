"""`resray model`: a network layer by layer, with shapes, parameters and multiply-adds.

torchinfo sees the layers, their shapes and parameters. The multiply-adds are our own count, so that
they are those of the results and of `resray show`: torchinfo adds the weights of norms and the
biases (0.002 % of a resnet18) and leaves out attention (86 % of torchvision's vit_b_16 at 32 x 32).
"""

from collections import Counter

import torch
import torchinfo
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torchinfo.layer_info import LayerInfo

from resray.models.build import build_model
from resray.models.count import count_parameters, multiply_adds_by_module
from resray.study.recipe_spec import Model

_NONE = "–"


def print_model(
    spec: Model,
    num_classes: int,
    image_size: int,
    console: Console,
    depth: int = 3,
) -> None:
    """Print a network's layers down to ``depth`` levels of modules, after a line of totals.

    ``image_size`` is in pixels a side; shapes are those of one image. Nothing is computed for
    networks of resray's own; a function of one's own is called, so ask `require_trust` before.
    Raises InputError if the network cannot be built, or cannot take images of this size.
    """
    with torch.device("meta"):
        network = build_model(spec, num_classes)
    multiply_adds = multiply_adds_by_module(network, image_size, num_classes)
    console.print(
        Text(
            f"{spec.name}: {count_parameters(network):,} parameters, {multiply_adds['']:,} "
            f"multiply-adds per image of {image_size} x {image_size}, {num_classes} classes"
        )
    )
    console.print(layer_table(network, image_size, multiply_adds, depth))


def layer_table(
    network: torch.nn.Module, image_size: int, multiply_adds: dict[str, int], depth: int
) -> Table:
    """Return a row for each module in the order of use; figures include all that is beneath it.

    A module that is used more than once has one row, whose multiply-adds are those of all uses.
    """
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("Module", "Type"):
        table.add_column(column)
    for column in ("Output shape", "Parameters", "Multiply-adds"):
        table.add_column(column, justify="right")
    paths = {id(module): path for path, module in network.named_modules()}
    layers = layers_in_use(network, image_size)
    uses = Counter(layer.layer_id for layer in layers if layer.executed)
    for module_id, layer in {layer.layer_id: layer for layer in layers}.items():
        path = paths[module_id]
        if 1 <= layer.depth <= depth:
            table.add_row(*layer_cells(layer, path, uses[module_id], multiply_adds.get(path, 0)))
    return table


def layers_in_use(network: torch.nn.Module, image_size: int) -> list[LayerInfo]:
    """Return torchinfo's account of every call of a module in one forward pass.

    In training mode and with two images (BatchNorm refuses one), as the multiply-adds are counted.
    """
    summary = torchinfo.summary(
        network,
        input_size=(2, 3, image_size, image_size),
        device=next(network.parameters()).device,
        mode="train",
        verbose=0,
        cache_forward_pass=False,
    )
    return summary.summary_list


def layer_cells(layer: LayerInfo, path: str, uses: int, multiply_adds: int) -> tuple[Text, ...]:
    """Return a row's cells: text from other people's code is shown as it stands."""
    kind = layer.class_name if uses < 2 else f"{layer.class_name} ×{uses}"
    shape = " × ".join(str(size) for size in layer.output_size[1:])
    figures = (f"{figure:,}" if figure else _NONE for figure in
               (layer.trainable_params, multiply_adds))  # fmt: skip
    return tuple(Text(cell) for cell in (path, kind, shape or _NONE, *figures))
