"""A network of a user's own whose forward pass asks for a value, which no compiler can follow."""

import torch
from torch import nn
from torch.nn import functional


class Branching(nn.Module):
    """Looks at its input before it goes on."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.last = nn.Linear(8, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = functional.relu(self.first(images)).mean((2, 3))
        if features.mean().item() > 100:
            features = features / 100
        return self.last(features)


def build(num_classes: int) -> nn.Module:
    """Return the network."""
    return Branching(num_classes)
