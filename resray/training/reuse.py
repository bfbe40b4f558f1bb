"""A step that was compiled or captured, used again by the next training in the process.

Compiled code and graphs belong to the tensors that they were made with, so these go on as they are
and take over the values of the next training.
"""

from dataclasses import dataclass

import torch

from resray.data.loader import TrainLoader
from resray.data.per_image import PerImageLoader
from resray.data.splits import Splits
from resray.models.build import build_model
from resray.study.recipe_spec import Recipe
from resray.training.parts import Parts, moves_momentum
from resray.training.step_forms import Eager, fixed_settings


@dataclass(frozen=True)
class ReusableStep:
    """The tensors of a training that has ended, and the step that was made ready for them."""

    recipe: Recipe
    train: torch.Tensor
    """The images that it was trained on."""
    parts: Parts
    loader: TrainLoader | PerImageLoader
    form: Eager

    def suits(self, recipe: Recipe, splits: Splits, form: str) -> bool:
        """Return whether a training of this recipe may go on with them."""
        same_step = fixed_settings(self.recipe) == fixed_settings(recipe)
        same_images = self.train is splits.train.images
        return (
            same_step
            and same_images
            and self.form.name == form
            and self.parts.cycles == moves_momentum(recipe)
        )

    def restart(self, recipe: Recipe, splits: Splits, seed: int) -> None:
        """Set everything to what a training of this seed begins with."""
        torch.manual_seed(seed)
        self.parts.restart(build_model(recipe.model, len(splits.class_names)))
        self.loader.seed = seed


class LastStep:
    """Holds the step of the last training of this process, if another may go on with it."""

    step: ReusableStep | None = None

    def take(self, recipe: Recipe, splits: Splits, form: str) -> ReusableStep | None:
        """Return what suits a training; anything else is let go, as its memory is needed."""
        step, self.step = self.step, None
        return step if step and step.suits(recipe, splits, form) else None


REUSABLE = LastStep()
