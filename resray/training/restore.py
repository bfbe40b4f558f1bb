"""From a checkpoint's file to the trained network: for evaluation, prediction and export."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from resray.data.splits import Channels
from resray.errors import DataError
from resray.models.build import build_model
from resray.models.own_code import require_code
from resray.models.table import require_trust
from resray.results.folders import no_checkpoint
from resray.study.recipe_spec import Recipe
from resray.training.checkpoint_file import Checkpoint, read_checkpoint, read_recipe


@dataclass(frozen=True)
class Restored:
    """A trained network, and what is needed to use it as it was trained."""

    network: nn.Module
    """In eval mode, float32, on the CPU; maps normalised images (n, 3, h, w) to logits."""
    checkpoint: Checkpoint
    """All that the file holds, also ``records`` and ``seed``."""
    recipe: Recipe
    class_names: tuple[str, ...]
    mean: Channels
    std: Channels
    """Normalisation of pixel values in [0, 1]."""
    image_size: int
    epoch: int
    """The epoch after which the checkpoint was written, from 1."""


def load_network(path: Path, *, trusted: bool = False, own_code: str | None = None) -> Restored:
    """Return the network of a checkpoint that `resray.training` wrote (best.pt, last.pt ...).

    Takes the moving average of the weights where the recipe has one. Loads tensors and plain values
    only. A network of the form ``module:function`` is built by calling what the checkpoint names,
    so that is done only where ``trusted`` says that its author may choose it, and only with the
    source files of the training; ``own_code`` is their hash where the checkpoint has none.

    Raises DataError if the file is missing, damaged or no checkpoint of resray's, and InputError
    for a function that is not trusted, or whose source files are others.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint is None:
        raise no_checkpoint(path)
    recipe = read_recipe(checkpoint, path)
    require_trust(recipe.model.name, trusted, str(path))
    require_code(recipe.model.name, checkpoint.get("own_code") or own_code, str(path))
    class_names = tuple(checkpoint["class_names"])
    network = build_model(recipe.model, len(class_names))
    load_weights(network, checkpoint, path)
    return Restored(
        network=network.eval(),
        checkpoint=checkpoint,
        recipe=recipe,
        class_names=class_names,
        mean=tuple(checkpoint["mean"]),
        std=tuple(checkpoint["std"]),
        image_size=checkpoint["image_size"],
        epoch=checkpoint["epoch"],
    )


def load_weights(network: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Load the averaged weights, or else the plain ones; DataError if they do not fit."""
    weights = checkpoint["ema"] if "ema" in checkpoint else checkpoint["model"]
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        message = f"{path}: its weights do not fit its recipe's network ({reason})"
        raise DataError(message) from error
