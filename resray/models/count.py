"""How large a network is: parameters and multiply-adds."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
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
    operations that `torch.utils.flop_counter.FlopCounterMode` sees in `try_forward`.

    Raises InputError if the network cannot take images of this size, or gives something else than
    logits (n, num_classes).
    """
    counters: list[FlopCounterMode] = []

    def counting() -> FlopCounterMode:
        counters.append(FlopCounterMode(display=False))
        return counters[-1]

    _check_logits(try_forward(model, image_size, attempt=counting), num_classes)
    counter = counters[-1]
    counts = {name: sum(operations.values()) for name, operations in counter.flop_counts.items()}
    root = type(model).__name__
    paths = {name.removeprefix(f"{root}."): count for name, count in counts.items() if name != root}
    paths[""] = paths.pop("Global", 0)
    return {path: count // (2 * _IMAGES) for path, count in paths.items()}


class _LargestOutput(TorchDispatchMode):
    """Notes how many numbers the largest result of an operation has."""

    numbers = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


def largest_output(model: nn.Module, image_size: int) -> int:
    """Return the numbers of the largest result of an operation on one image; see `try_forward`."""
    attempts = []

    def watching() -> _LargestOutput:
        attempts.append(_LargestOutput())
        return attempts[-1]

    try_forward(model, image_size, attempt=watching)
    return attempts[-1].numbers // _IMAGES


def can_forward(
    model: nn.Module,
    image_size: int,
    images: int = _IMAGES,
    layout: torch.memory_format = torch.contiguous_format,
) -> bool:
    """Return whether `try_forward` succeeds.

    In channels-last, code that flattens with ``view`` cannot run, as most published CIFAR code
    does; of a single image, BatchNorm has one value where a layer's output is one pixel.
    """
    try:
        try_forward(model, image_size, images, layout)
    except InputError:
        return False
    return True


def try_forward(
    model: nn.Module,
    image_size: int,
    images: int = _IMAGES,
    layout: torch.memory_format = torch.contiguous_format,
    attempt: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> object:
    """Return what a copy of the model gives in training for ``images`` square images.

    On the meta device, so nothing is computed. A network from elsewhere that cannot run there runs
    where it is, and so does any in another ``layout``, of which the meta device knows nothing. Each
    try is in a context of its own, from ``attempt``. The model itself does not change. Raises
    InputError if it cannot take them.
    """
    reason = ""
    devices = [torch.device("meta"), next(model.parameters()).device]
    for device in devices if layout == torch.contiguous_format else devices[1:]:
        batch = torch.zeros(images, 3, image_size, image_size, device=device)
        try:
            replica = _copy_to(device, model).train()
            replica.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs lack it
            with attempt(), torch.no_grad():
                return replica(batch.contiguous(memory_format=layout))
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = " ".join(str(error).split())
    message = f"the network cannot take {image_size} x {image_size} images: {reason}"
    raise InputError(f"model: {message}")


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
