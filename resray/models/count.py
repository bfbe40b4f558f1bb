"""How large a network is: parameters and multiply-adds."""

from copy import deepcopy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resray.errors import InputError

# BatchNorm in training mode refuses a single value per channel.
_IMAGES = 2


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters; shared ones count once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_multiply_adds(model: nn.Module, image_size: int, num_classes: int | None = None) -> int:
    """Return the multiply-adds of the forward pass of one square image.

    Counts convolutions, linear layers and attention, as published figures do; weights that are
    shared count at every use. Raises InputError as `multiply_adds_by_module` does.
    """
    return multiply_adds_by_module(model, image_size, num_classes)[""]


def multiply_adds_by_module(
    model: nn.Module, image_size: int, num_classes: int | None = None
) -> dict[str, int]:
    """Return the multiply-adds of one image by module path, with all that is beneath it.

    The whole network is ``""``; modules that multiply nothing are left out. These are half the
    operations that `torch.utils.flop_counter.FlopCounterMode` sees, on the meta device, so nothing
    is computed; only a network from elsewhere that cannot run there runs where it is.

    Raises InputError if the network cannot take images of this size, or gives something else than
    logits (n, num_classes).
    """
    own_device = next(model.parameters()).device
    try:
        counter = _count_on(torch.device("meta"), model, image_size, num_classes)
    except (RuntimeError, ValueError, AssertionError):
        counter = _count_where_it_is(own_device, model, image_size, num_classes)
    counts = {name: sum(operations.values()) for name, operations in counter.flop_counts.items()}
    root = type(model).__name__
    paths = {name.removeprefix(f"{root}."): count for name, count in counts.items() if name != root}
    paths[""] = paths.pop("Global", 0)
    return {path: count // (2 * _IMAGES) for path, count in paths.items()}


def _count_on(
    device: torch.device, model: nn.Module, image_size: int, num_classes: int | None
) -> FlopCounterMode:
    """Run a copy of the model on ``device``; the model itself does not change."""
    replica = _copy_to(device, model)
    images = torch.zeros(_IMAGES, 3, image_size, image_size, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = replica(images)
    _check_logits(logits, num_classes)
    return counter


def _copy_to(device: torch.device, model: nn.Module) -> nn.Module:
    """Return a copy of the model whose tensors, also shared ones, are on ``device``.

    `torch.func.functional_call` would not do: of a module that is used under two names it leaves
    the replaced weight behind.
    """
    copies: dict[int, object] = {}
    for parameter in model.parameters():
        tensor = parameter.detach().to(device, copy=True)
        copies[id(parameter)] = nn.Parameter(tensor, parameter.requires_grad)
    for buffer in model.buffers():
        copies[id(buffer)] = buffer.to(device, copy=True)
    return deepcopy(model, copies)


def _count_where_it_is(
    device: torch.device, model: nn.Module, image_size: int, num_classes: int | None
) -> FlopCounterMode:
    try:
        return _count_on(device, model, image_size, num_classes)
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        message = f"the network cannot take {image_size} x {image_size} images: {reason}"
        raise InputError(f"model: {message}") from error


def _check_logits(logits: object, num_classes: int | None) -> None:
    """Raise InputError if a network's result is not one row of logits for each image."""
    if not isinstance(logits, torch.Tensor):
        kind = type(logits).__name__
        raise InputError(f"model: the network gives {kind} in training, not a tensor of logits")
    wanted = (_IMAGES, num_classes if num_classes is not None else logits.shape[-1])
    if tuple(logits.shape) != wanted:
        shape = " x ".join(str(size) for size in logits.shape[1:])
        classes = "one row of logits" if num_classes is None else f"{num_classes} logits"
        raise InputError(f"model: the network gives {shape or 'one number'}, not {classes}")
