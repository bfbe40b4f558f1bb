"""From a recipe's optimizer to PyTorch's, fused where PyTorch can."""

from collections.abc import Iterator

import torch
from torch import nn

from resray.study.recipe_spec import Optimizer


def build_optimizer(spec: Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer for ``model``'s parameters as ``spec`` says."""
    groups = list(parameter_groups(spec, model))
    if spec.name == "sgd":
        return torch.optim.SGD(
            groups,
            lr=spec.lr,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            fused=True,
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.name]
    return kind(groups, lr=spec.lr, betas=spec.betas, fused=True)


def parameter_groups(spec: Optimizer, model: nn.Module) -> Iterator[dict[str, object]]:
    """Yield one group with weight decay and, if the recipe frees them, one without.

    Parameters of one dimension are biases and the scales and shifts of normalisation layers.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if spec.decay_norm_and_bias:
        yield {"params": trainable, "weight_decay": spec.weight_decay}
        return
    matrices = [parameter for parameter in trainable if parameter.ndim > 1]
    vectors = [parameter for parameter in trainable if parameter.ndim <= 1]
    yield {"params": matrices, "weight_decay": spec.weight_decay}
    yield {"params": vectors, "weight_decay": 0.0}
