"""From a recipe's model to the network."""

from torch import nn

from resray.models.outside import build_outside
from resray.models.resnet import ResNet
from resray.models.stages import set_dropout, set_stochastic_depth
from resray.models.table import MODELS, ResNetShape, is_outside, is_wide, wide_shape
from resray.models.wideresnet import WideResNet
from resray.study.recipe_spec import Model


def build_model(spec: Model, num_classes: int) -> nn.Module:
    """Return the network that ``spec`` names, initialised from torch's global generator.

    Raises InputError if the network cannot be built as ``spec`` says: weights shared in a stage
    that has none to share, an unknown torchvision name, a function that returns no module ...
    """
    if is_outside(spec.name):
        return build_outside(spec, num_classes)
    network = build_own(spec, num_classes)
    set_dropout(network, spec.dropout)
    set_stochastic_depth(network, spec.stochastic_depth)
    return network


def build_own(spec: Model, num_classes: int) -> ResNet | WideResNet:
    """Return one of resray's own networks, without dropout or stochastic depth."""
    if is_wide(spec.name):
        return WideResNet(*wide_shape(spec.name), num_classes)
    return ResNet(
        shape_of(spec),
        num_classes,
        stem=spec.stem,
        norm=spec.norm,
        zero_init_residual=spec.zero_init_residual,
        shared_stages=spec.shared_stages,
    )


def shape_of(spec: Model) -> ResNetShape:
    """Return a residual network's shape: the table's, or for ``resnet`` the one spelled out."""
    if spec.name != "resnet":
        return MODELS[spec.name]
    return ResNetShape(spec.block, spec.blocks, spec.channels, spec.groups, spec.width_per_group)
