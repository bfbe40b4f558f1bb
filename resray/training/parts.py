"""What a training changes step by step: network, optimizer, gradient scaler, averaged weights."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resray.data.splits import Splits
from resray.models.build import build_model
from resray.study.recipe_spec import Recipe
from resray.training.checkpoints import Checkpoint
from resray.training.context import Context
from resray.training.device import pick_channels_last, pick_precision
from resray.training.optimizers import build_optimizer


@dataclass(frozen=True)
class Parts:
    """The parts of one rank's training; their state is what a checkpoint holds of them."""

    network: nn.Module
    model: nn.Module
    """What training calls: the network, for several ranks in DistributedDataParallel."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Does nothing unless the precision is fp16."""
    average: AveragedModel | None
    """Exponential moving average of parameters and buffers, where the recipe has one."""
    precision: str
    channels_last: bool

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated: the averaged one, if there is one."""
        return self.network if self.average is None else self.average.module

    def weights(self) -> dict[str, Any]:
        """Return the network's state and, as ``ema``, that of the averaged one."""
        averaged = {} if self.average is None else {"ema": self.average.module.state_dict()}
        return {"model": self.network.state_dict(), **averaged}

    def progress(self) -> dict[str, Any]:
        """Return what is needed, beside the weights, to go on."""
        scaler = {"scaler": self.scaler.state_dict()} if self.scaler.is_enabled() else {}
        return {"optimizer": self.optimizer.state_dict(), **scaler}

    def load_weights(self, checkpoint: Checkpoint) -> None:
        """Take over what `weights` gave."""
        self.network.load_state_dict(checkpoint["model"])
        if self.average is not None:
            self.average.module.load_state_dict(checkpoint["ema"])
            # At 0 the next update would copy the weights instead of averaging.
            self.average.n_averaged.fill_(1)

    def load_progress(self, checkpoint: Checkpoint) -> None:
        """Take over what `progress` gave."""
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(checkpoint["scaler"])


def build_parts(recipe: Recipe, splits: Splits, context: Context, seed: int) -> Parts:
    """Return the parts of a training that has not begun, initialised from ``seed``."""
    torch.manual_seed(seed)
    network = build_model(recipe.model, len(splits.class_names))
    channels_last = pick_channels_last(recipe, network, splits.image_size)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(context.device, memory_format=layout)  # type: ignore[call-overload]
    if recipe.sync_batchnorm and context.world_size > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # replaces the children in place
    average = _average(network, recipe.ema_decay)
    precision = pick_precision(recipe, context.device)
    return Parts(
        network=network,
        model=_wrap(network, context),
        optimizer=build_optimizer(recipe.optimizer, network),
        scaler=torch.amp.GradScaler(context.device.type, enabled=precision == "fp16"),
        average=average,
        precision=precision,
        channels_last=channels_last,
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


def _average(network: nn.Module, decay: float | None) -> AveragedModel | None:
    if decay is None:
        return None
    average = get_ema_multi_avg_fn(decay)
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
