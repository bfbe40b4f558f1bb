"""From a recipe's model to the network."""

from resray.models.resnet import ResNet
from resray.models.table import MODELS
from resray.study.recipe_spec import Model


def build_model(spec: Model, num_classes: int) -> ResNet:
    """Return the network that ``spec`` names, initialised from torch's global generator."""
    return ResNet(
        MODELS[spec.name],
        num_classes,
        stem=spec.stem,
        norm=spec.norm,
        zero_init_residual=spec.zero_init_residual,
    )
