"""From a recipe to the loaders of its splits, on a rank's device."""

from typing import Any

from torch import nn

from resray.data.loader import EvalLoader, TrainLoader
from resray.data.per_image import PerImageLoader
from resray.data.sources import Images
from resray.data.splits import Splits
from resray.models.count import largest_output
from resray.study.recipe_spec import Recipe
from resray.training.context import Context
from resray.training.device import eval_batch


def train_loader_of(
    recipe: Recipe, splits: Splits, context: Context, *, seed: int, channels_last: bool
) -> TrainLoader | PerImageLoader:
    """Return the loader that the recipe names, of the training images."""
    loader = recipe.loader
    options: dict[str, Any] = {
        "batch_size": recipe.batch_size,
        "seed": seed,
        "augmentation": recipe.augmentation,
        "shuffle": loader.shuffle,
        "drop_last": loader.drop_last,
        **_of_rank(splits, context, channels_last),
    }
    if loader.name == "device":
        return TrainLoader(splits.train, **options)
    return PerImageLoader(
        splits.train, workers=loader.workers, pinned_memory=loader.pinned_memory, **options
    )


def eval_loader_of(
    images: Images,
    recipe: Recipe,
    splits: Splits,
    context: Context,
    *,
    network: nn.Module,
    channels_last: bool,
) -> EvalLoader:
    """Return the loader of a split's images, in batches as large as the device has room for."""
    size = eval_batch(recipe, context.device, lambda: largest_output(network, splits.image_size))
    return EvalLoader(images, batch_size=size, **_of_rank(splits, context, channels_last))


def _of_rank(splits: Splits, context: Context, channels_last: bool) -> dict[str, Any]:
    """Return what all loaders need to know: where images go, and in which form."""
    return {
        "device": context.device,
        "mean": splits.mean,
        "std": splits.std,
        "rank": context.rank,
        "world_size": context.world_size,
        "channels_last": channels_last,
    }
