"""The exponential moving average of a network's weights."""

import copy

import torch
from torch import nn


class Average:
    """A network whose parameters and buffers follow another's.

    They are those of the other after the training's first step, and move by ``1 - decay`` of the
    difference with each further one. What is no floating-point number is the other's.
    """

    def __init__(self, followed: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(followed)
        pairs = list(zip(tensors_of(self.network), tensors_of(followed), strict=True))
        self.floating = [pair for pair in pairs if pair[0].is_floating_point()]
        self.others = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Follow after a step."""
        averages, values = (list(each) for each in zip(*self.floating, strict=True))
        torch._foreach_lerp_(averages, values, 1 - self.decay)
        for average, value in self.others:
            average.copy_(value)

    @torch.no_grad()
    def begin(self) -> None:
        """Take over all of the followed network, after the training's first step."""
        for average, value in (*self.floating, *self.others):
            average.copy_(value)


def tensors_of(network: nn.Module) -> list[torch.Tensor]:
    """Return a network's parameters and buffers, also those that no checkpoint holds."""
    return [*(parameter.detach() for parameter in network.parameters()), *network.buffers()]
