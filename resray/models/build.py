"""From a recipe's model to the network; its outer stages and regularisers, for training."""

from torch import nn
from torchvision.ops import StochasticDepth

from resray.errors import InputError
from resray.models.initialisation import initialise
from resray.models.outside import build_outside
from resray.models.resnet import ResNet
from resray.models.table import MODELS, ResNetShape, wide_shape
from resray.models.wideresnet import WideResNet
from resray.study.model_spec import CustomModel, Model, OutsideModel, OwnModel, ResNetModel


def build_model(spec: Model, num_classes: int) -> nn.Module:
    """Return the network that ``spec`` names, initialised from torch's global generator.

    Raises InputError if the network cannot be built as ``spec`` says: weights shared in a stage
    that has none to share, an unknown torchvision name, a function that returns no module ...
    """
    if isinstance(spec, OutsideModel):
        return build_outside(spec, num_classes)
    network = build_own(spec, num_classes)
    initialise(network, spec.initialisation, spec.classifier_initialisation)
    set_dropout(network, spec.dropout)
    set_stochastic_depth(network, spec.stochastic_depth)
    return network


def build_own(spec: OwnModel, num_classes: int) -> ResNet | WideResNet:
    """Return one of resray's own networks as PyTorch's layers draw it, without dropout."""
    if not isinstance(spec, ResNetModel):
        return WideResNet(*wide_shape(spec.name), num_classes)
    return ResNet(
        shape_of(spec),
        num_classes,
        stem=spec.stem,
        norm=spec.norm,
        zero_init_residual=spec.zero_init_residual,
        shared_stages=spec.shared_stages,
        shortcut=spec.shortcut == "projection",
    )


def shape_of(spec: ResNetModel) -> ResNetShape:
    """Return a residual network's shape: the table's, or for ``resnet`` the one spelled out."""
    if not isinstance(spec, CustomModel):
        return MODELS[spec.name]
    widths = spec.groups, spec.width_per_group, spec.bottleneck_width
    return ResNetShape(spec.block, spec.blocks, spec.channels, *widths)


def outer_stages(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return the stages next to the input and next to the output, for gradient norms.

    Of a network from elsewhere these are its ``first_stage`` and ``last_stage`` where it has them,
    else ``layer1`` and ``layer4`` (torchvision's and timm's name for them), else its first and last
    child with parameters, else the network itself.
    """
    if isinstance(network, ResNet | WideResNet):
        return network.stages[0], network.stages[-1]
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
    Networks with Stochastic Depth" (2016), except that the first block is never skipped. Raises
    InputError where blocks have no shortcut, so that nothing would be left of a skipped one.
    """
    if isinstance(network, ResNet | WideResNet):
        skips = [module for module in network.modules() if isinstance(module, StochasticDepth)]
        if p and not skips:
            message = f"{p:g} skips blocks, which needs their shortcut; model.shortcut is none"
            raise InputError(f"model.stochastic_depth: {message}")
        for index, skip in enumerate(skips):
            skip.p = p * index / max(1, len(skips) - 1)
