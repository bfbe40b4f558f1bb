"""How large a network is: parameters and multiply-adds."""

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters; shared ones count once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_multiply_adds(model: nn.Module, image_size: int) -> int:
    """Return the multiply-adds of the forward pass of one square image.

    Counts convolutions and linear layers, as published figures do: half the operations that
    `torch.utils.flop_counter.FlopCounterMode` sees on the meta device, so nothing is computed.
    """
    weights = {name: tensor.to("meta") for name, tensor in model.state_dict().items()}
    # Two images, because BatchNorm in training mode refuses a single value per channel.
    images = torch.empty(2, 3, image_size, image_size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        functional_call(model, weights, (images,))
    return counter.get_total_flops() // (2 * len(images))
