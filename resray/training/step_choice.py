"""Which form the training step takes where the recipe leaves it open."""

from typing import NamedTuple

from resray.study.recipe_spec import Recipe
from resray.training.step_obstacles import compile_obstacle


class Measured(NamedTuple):
    """What compiling a network gains on a CPU, from `benchmarks/speed/compiled_step.py`."""

    images_per_second: float
    """Of the eager step."""
    gain: float
    """Images per second of the compiled step, divided by that."""
    seconds: float
    """Of compiling training and evaluation, without any cache."""


ON_CPU: dict[str, Measured] = {}
"""In bf16 and channels-last, on 2 cores of an AMD EPYC, torch 2.13, 30 November 2026."""

WORTH_IT = 1.5
"""How many times the seconds of compiling a run has to save by it."""


def choose_step(recipe: Recipe, *, use_gpu: bool, world_size: int, images: int) -> str:
    """Return the form of a trial's training step, where an epoch has so many ``images``.

    A recipe's ``auto`` is captured on a single GPU, compiled on a CPU where that was measured to
    pay within the trial's epochs and there is a C++ compiler, and else eager.
    """
    if recipe.step != "auto":
        return recipe.step
    if recipe.deterministic:
        return "eager"
    if use_gpu:
        return "captured" if world_size == 1 and recipe.precision != "fp16" else "eager"
    known = ON_CPU.get(recipe.model.name)
    if known is None or compile_obstacle("cpu") is not None:
        return "eager"
    saved = images * recipe.epochs / known.images_per_second * (1 - 1 / known.gain)
    return "compiled" if saved > WORTH_IT * known.seconds else "eager"
