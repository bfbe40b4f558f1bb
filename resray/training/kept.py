"""What a training leaves in its process for the next one: a network that is compiled or captured.

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
from resray.training.step_forms import Eager, baked


@dataclass(frozen=True)
class Kept:
    """The tensors of a training that has ended, and the step that was made ready for them."""

    recipe: Recipe
    train: torch.Tensor
    """The images that it was trained on."""
    parts: Parts
    loader: TrainLoader | PerImageLoader
    form: Eager

    def suits(self, recipe: Recipe, splits: Splits, step: str) -> bool:
        """Return whether a training of this recipe may go on with them."""
        same = baked(self.recipe) == baked(recipe) and self.train is splits.train.images
        return same and self.form.name == step and self.parts.cycles == moves_momentum(recipe)

    def restart(self, recipe: Recipe, splits: Splits, seed: int) -> None:
        """Set everything to what a training of this seed begins with."""
        torch.manual_seed(seed)
        self.parts.restart(build_model(recipe.model, len(splits.class_names)))
        self.loader.seed = seed


class Shelf:
    """Holds the last training of this process that another may go on with."""

    kept: Kept | None = None

    def take(self, recipe: Recipe, splits: Splits, step: str) -> Kept | None:
        """Return what suits a training; anything else is let go, as its memory is needed."""
        kept, self.kept = self.kept, None
        return kept if kept and kept.suits(recipe, splits, step) else None


SHELF = Shelf()
