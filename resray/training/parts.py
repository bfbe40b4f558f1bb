"""What a training changes step by step: network, optimizer, gradient scaler, averaged weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from resray.data.splits import Splits
from resray.models.build import build_model
from resray.study.optimizer_spec import OneCycle, spans
from resray.study.recipe_spec import Recipe
from resray.training.average import Average, tensors_of
from resray.training.checkpoints import Checkpoint
from resray.training.context import Context
from resray.training.device import pick_channels_last, pick_precision
from resray.training.optimizers import build_optimizer, load_state, state_of


@dataclass(frozen=True)
class Parts:
    """The parts of one rank's training; their state is what a checkpoint holds of them."""

    network: nn.Module
    model: nn.Module
    """What training calls: the network, for several ranks in DistributedDataParallel."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Does nothing unless the precision is fp16."""
    average: Average | None
    """Exponential moving average of parameters and buffers, where the recipe has one."""
    precision: str
    channels_last: bool
    cycles: bool
    """Whether the schedule moves the momentum by step."""

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated: the averaged one, if there is one."""
        return self.network if self.average is None else self.average.network

    def weights(self) -> dict[str, Any]:
        """Return the network's state and, as ``ema``, that of the averaged one."""
        averaged = {} if self.average is None else {"ema": self.average.network.state_dict()}
        return {"model": self.network.state_dict(), **averaged}

    def progress(self) -> dict[str, Any]:
        """Return what is needed, beside the weights, to go on."""
        scaler = {"scaler": self.scaler.state_dict()} if self.scaler.is_enabled() else {}
        return {"optimizer": state_of(self.optimizer), **scaler}

    def load_weights(self, checkpoint: Checkpoint) -> None:
        """Take over what `weights` gave."""
        self.network.load_state_dict(checkpoint["model"])
        if self.average is not None:
            self.average.network.load_state_dict(checkpoint["ema"])

    def load_progress(self, checkpoint: Checkpoint) -> None:
        """Take over what `progress` gave, in whichever form the step was."""
        load_state(self.optimizer, checkpoint["optimizer"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(checkpoint["scaler"])

    def restart(self, fresh: nn.Module) -> None:
        """Let another training begin with a network's weights, in the tensors that there are."""
        with torch.no_grad():
            for own, given in zip(tensors_of(self.network), tensors_of(fresh), strict=True):
                own.copy_(given)
        if self.average is not None:
            self.average.begin()
        for tensor in _tensors_in(self.optimizer.state_dict()):
            tensor.zero_()

    def tensors(self) -> Iterator[torch.Tensor]:
        """Yield all that a step changes; some of it an optimizer makes in its first step."""
        yield from tensors_of(self.network)
        if self.average is not None:
            yield from tensors_of(self.average.network)
        yield from _tensors_in(self.optimizer.state_dict())


def _tensors_in(state: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of an optimizer's state."""
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, Mapping):
        for key, each in state.items():
            # A captured step's rates are tensors too, which the host sets.
            if key != "param_groups":
                yield from _tensors_in(each)


def moves_momentum(recipe: Recipe) -> bool:
    """Return whether the schedule moves the momentum by step."""
    parts = (part for part, *_ in spans(recipe.schedule, recipe.epochs))
    return any(isinstance(part, OneCycle) and part.cycle_momentum for part in parts)


def build_parts(
    recipe: Recipe, splits: Splits, context: Context, seed: int, *, captured: bool = False
) -> Parts:
    """Return the parts of a training that has not begun, initialised from ``seed``; ``captured``
    has an optimizer for a CUDA graph."""
    torch.manual_seed(seed)
    network = build_model(recipe.model, len(splits.class_names))
    channels_last = pick_channels_last(recipe, network, splits.image_size)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(context.device, memory_format=layout)  # type: ignore[call-overload]
    if recipe.sync_batchnorm and context.world_size > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # replaces the children in place
    average = None if recipe.ema_decay is None else Average(network, recipe.ema_decay)
    cycles = moves_momentum(recipe)
    precision = pick_precision(recipe, context.device)
    return Parts(
        network=network,
        model=_wrap(network, context),
        optimizer=build_optimizer(recipe.optimizer, network, captured=captured, cycles=cycles),
        scaler=torch.amp.GradScaler(context.device.type, enabled=precision == "fp16"),
        average=average,
        precision=precision,
        channels_last=channels_last,
        cycles=cycles,
    )


def _wrap(network: nn.Module, context: Context) -> nn.Module:
    if context.world_size == 1:
        return network
    on_gpu = context.device.type == "cuda"
    return DistributedDataParallel(
        network,
        device_ids=[context.device] if on_gpu else None,
        gradient_as_bucket_view=True,
        # BatchNorm's statistics are sent once before each evaluation, not at every step.
        broadcast_buffers=False,
    )


@torch.no_grad()
def broadcast_buffers(network: nn.Module) -> None:
    """Give all ranks rank 0's running statistics of BatchNorm, which differ by rank, as one."""
    buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    if buffers:
        flat = torch.cat([buffer.flatten() for buffer in buffers])
        torch.distributed.broadcast(flat, src=0)
        parts = flat.split([buffer.numel() for buffer in buffers])
        for buffer, part in zip(buffers, parts, strict=True):
            buffer.copy_(part.view_as(buffer))
