"""What training asks of a network: its outer stages, and regularisers that change by epoch."""

from torch import nn
from torchvision.ops import StochasticDepth

from resray.models.resnet import ResNet
from resray.models.wideresnet import WideResNet


def outer_stages(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return the stages next to the input and next to the output, for gradient norms.

    These are the network's ``first_stage`` and ``last_stage`` where it has them, else ``layer1``
    and ``layer4`` (torchvision's and timm's name for them), else its first and last child with
    parameters, else the network itself.
    """
    for first, last in (("first_stage", "last_stage"), ("layer1", "layer4")):
        stages = getattr(network, first, None), getattr(network, last, None)
        if isinstance(stages[0], nn.Module) and isinstance(stages[1], nn.Module):
            return stages[0], stages[1]
    trained = [child for child in network.children() if list(child.parameters())] or [network]
    return trained[0], trained[-1]


def set_dropout(network: nn.Module, p: float) -> None:
    """Set the dropout probability of a network of resray's own; others are left as they are."""
    if isinstance(network, ResNet | WideResNet):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = p


def set_stochastic_depth(network: nn.Module, p: float) -> None:
    """Let the last block be skipped with probability ``p``, falling linearly to 0 at the first.

    Applies to networks of resray's own; others are left as they are. Source: Huang et al., "Deep
    Networks with Stochastic Depth" (2016), except that the first block is never skipped.
    """
    if isinstance(network, ResNet | WideResNet):
        skips = [module for module in network.modules() if isinstance(module, StochasticDepth)]
        for index, skip in enumerate(skips):
            skip.p = p * index / max(1, len(skips) - 1)
