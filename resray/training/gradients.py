"""Gradient norms of a network's first and last stage, sampled so that they cost next to nothing."""

import torch
from torch import nn

SAMPLE_EVERY = 10


def gradient_norm(stage: nn.Module) -> torch.Tensor:
    """Return the L2 norm of the gradient of all of a stage's parameters, a scalar tensor.

    NaN for a stage without one, such as a frozen stage of a network of the user's own.
    """
    gradients = [parameter.grad for parameter in stage.parameters() if parameter.grad is not None]
    if not gradients:
        return torch.full((), torch.nan, device=next(stage.parameters()).device)
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))


class GradientNorms:
    """The mean norm over every tenth step of an epoch, beginning with its first.

    Norms are taken before clipping. With several ranks the gradients are those of the global batch.
    """

    def __init__(self, first_stage: nn.Module, last_stage: nn.Module) -> None:
        self.stages = first_stage, last_stage
        device = next(first_stage.parameters()).device
        self.newest = torch.zeros(2, device=device)
        """Norms of the stages at the step that was measured last."""
        self.samples: list[torch.Tensor] = []

    @staticmethod
    def are_sampled(step: int) -> bool:
        """Return whether ``step`` (0-based within the epoch) is one of those to be measured."""
        return step % SAMPLE_EVERY == 0

    def measure(self) -> None:
        """Measure after the backward passes of a step."""
        torch.stack([gradient_norm(stage) for stage in self.stages], out=self.newest)

    def keep(self) -> None:
        """Let the step that was measured last count."""
        self.samples.append(self.newest.clone())

    def means(self) -> tuple[float | None, float | None]:
        """Return the mean norms of the first and the last stage.

        Steps whose fp16 gradients overflowed are left out; None if none remains.
        """
        samples = torch.stack(self.samples)
        samples = samples[samples.isfinite().all(dim=1)]
        if len(samples) == 0:
            return None, None
        first, last = samples.mean(dim=0).tolist()
        return first, last
