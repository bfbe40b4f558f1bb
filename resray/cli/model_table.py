"""`resray model`: a network layer by layer, with shapes, parameters, multiply-adds and memory.

torchinfo sees the layers, their shapes and parameters. The multiply-adds are our own count, so that
they are those of the results and of `resray show`: torchinfo adds the weights of norms and the
biases (0.002 % of a resnet18) and leaves out attention (86 % of torchvision's vit_b_16 at 32 x 32).
Sizes in MB are reckoned as torchsummary does, whose figures papers print: every result of a layer
twice, for its value and its gradient. What hands on its input takes none: in torchsummary's own
count an activation in place does.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod

import torch
import torchinfo
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import nn
from torchinfo.layer_info import LayerInfo
from torchvision.ops import StochasticDepth

from resray.models.build import build_model
from resray.models.count import count_parameters, multiply_adds_by_module
from resray.study.model_spec import Model

_NONE = "–"


def print_model(
    spec: Model,
    num_classes: int,
    image_size: int,
    console: Console,
    depth: int = 3,
    *,
    flat: bool = False,
) -> None:
    """Print a network's layers down to ``depth`` levels of modules, or ``flat``, and its totals.

    ``image_size`` is in pixels a side; shapes are those of one image. Nothing is computed for
    networks of resray's own. Raises InputError if the network cannot be built or cannot take images
    of this size. A network of one's own runs its code: ask `require_trust` before.
    """
    with torch.device("meta"):
        network = build_model(spec, num_classes)
    multiply_adds = multiply_adds_by_module(network, image_size, num_classes)
    layers = layers_in_use(network, image_size)
    images = f"one image of {image_size} x {image_size}, {num_classes} classes"
    console.print(Text(f"{spec.name}: {images}"))
    console.print(
        flat_table(layers) if flat else layer_table(network, layers, multiply_adds, depth)
    )
    console.print(totals_table(network, layers, image_size, multiply_adds[""]))


def layer_table(
    network: nn.Module, layers: Sequence[LayerInfo], multiply_adds: dict[str, int], depth: int
) -> Table:
    """Return a row for each module in the order of use; figures include all that is beneath it.

    A module that is used more than once has one row, whose multiply-adds are those of all uses.
    """
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("Module", "Type"):
        table.add_column(column, overflow="fold")
    for column in ("Output shape", "Parameters", "Multiply-adds"):
        table.add_column(column, justify="right")
    paths = {id(module): path for path, module in network.named_modules()}
    uses = Counter(layer.layer_id for layer in layers if layer.executed)
    for module_id, layer in {layer.layer_id: layer for layer in layers}.items():
        path = paths[module_id]
        if 1 <= layer.depth <= depth and not does_nothing(layer.module):
            table.add_row(*layer_cells(layer, path, uses[module_id], multiply_adds.get(path, 0)))
    return table


def flat_table(layers: Sequence[LayerInfo]) -> Table:
    """Return a row for each result that a layer keeps, numbered, as torchsummary prints them.

    Parameters are those that no row above has: a layer's own, and what it uses of layers that are
    never called themselves; of one that is used again they stand in its first row.
    """
    table = Table("Layer (type)", box=box.SIMPLE_HEAD)
    for column in ("Output shape", "Parameters"):
        table.add_column(column, justify="right")
    counted: set[int] = set()
    for number, layer in enumerate(kept_results(layers), 1):
        own = {id(p): p.numel() for p in layer.module.parameters()}
        shape = str([-1, *layer.output_size[1:]])
        parameters = sum(size for key, size in own.items() if key not in counted)
        table.add_row(Text(f"{layer.class_name}-{number}"), Text(shape), f"{parameters:,}")
        counted |= own.keys()
    return table


def totals_table(
    network: nn.Module, layers: Sequence[LayerInfo], image_size: int, multiply_adds: int
) -> Table:
    """Return the whole network's parameters, multiply-adds and memory in MB (of 1024^2 bytes)."""
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(justify="right")
    trained = count_parameters(network)
    total = sum(parameter.numel() for parameter in network.parameters())
    counts = {"Trainable parameters": trained, "Other parameters": total - trained,
              "Multiply-adds": multiply_adds}  # fmt: skip
    for name, number in counts.items():
        table.add_row(name, f"{number:,}")
    for name, size in megabytes(layers, image_size, total).items():
        table.add_row(f"{name}, MB", f"{size:.2f}")
    return table


def megabytes(layers: Sequence[LayerInfo], image_size: int, parameters: int) -> dict[str, float]:
    """Return the memory that one image takes in fp32, by what takes it, and the total."""
    results = sum(prod(layer.output_size[1:]) for layer in kept_results(layers))
    numbers = {"Input": 3 * image_size**2, "Forward/backward pass": 2 * results,
               "Parameters": parameters}  # fmt: skip
    numbers["Total"] = sum(numbers.values())
    return {name: 4 * count / 2**20 for name, count in numbers.items()}


def kept_results(layers: Sequence[LayerInfo]) -> Iterator[LayerInfo]:
    """Yield the calls whose results are tensors of their own, in the order in which they end."""
    under_way: list[LayerInfo] = []
    for layer in layers[1:]:
        while under_way and under_way[-1].depth >= layer.depth:
            yield under_way.pop()
        container = isinstance(layer.module, nn.Sequential | nn.ModuleList)
        in_place = getattr(layer.module, "inplace", False)
        if layer.executed and not (container or in_place or does_nothing(layer.module)):
            under_way.append(layer)
    yield from reversed(under_way)


def does_nothing(module: nn.Module) -> bool:
    """Return whether a module only hands on its input: an identity, or dropout that is off."""
    if isinstance(module, nn.Dropout | StochasticDepth):
        return float(module.p) == 0
    return isinstance(module, nn.Identity)


def layers_in_use(network: nn.Module, image_size: int) -> list[LayerInfo]:
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
