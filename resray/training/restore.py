"""From a checkpoint's file to the trained network: for evaluation, prediction and export."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from resray.data.splits import USUAL_STATISTICS, Channels
from resray.data.table import CIFAR
from resray.errors import DataError
from resray.models.build import build_model
from resray.models.foreign import recognise
from resray.models.own_code import require_code
from resray.models.table import require_trust
from resray.results.folders import no_checkpoint
from resray.study.recipe_spec import Recipe
from resray.training.checkpoint_file import Checkpoint, read_checkpoint, read_recipe
from resray.training.foreign_file import read_weights

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
HAVE_OTHER_STD = ("kuangliu/pytorch-cifar", "basicblock-depth")
OTHER_STD = (0.2023, 0.1994, 0.2010)
"""By which these forms' repositories normalise CIFAR-10."""
IMAGENET_STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


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
    """The epoch after which the checkpoint was written, from 1; 0 in a file of somebody else's."""
    note: str | None = None
    """What a file of somebody else's was taken for."""


def load_network(path: Path, *, trusted: bool = False, own_code: str | None = None) -> Restored:
    """Return the network of a checkpoint that `resray.training` wrote (best.pt, last.pt ...), or
    of weights in a form that `resray.models.foreign` knows.

    Takes the moving average of the weights where the recipe has one. Loads tensors and plain values
    only. A network of the form ``module:function`` is built by calling what the checkpoint names,
    so that is done only where ``trusted`` says that its author may choose it, and only with the
    source files of the training; ``own_code`` is their hash where the checkpoint has none.

    Raises DataError if the file is missing, damaged or of no form that is known, and InputError
    for a function that is not trusted, or whose source files are others.
    """
    try:
        checkpoint = read_checkpoint(path)
    except DataError:
        weights = read_weights(path)
        if weights is None:
            raise
        return restore_foreign(weights, path)
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


def restore_foreign(weights: Mapping[str, Any], path: Path) -> Restored:
    """Return the network of somebody else's weights, used as it is there, or else as is usual.

    Raises DataError for the first key that does not fit.
    """
    form, model, network = recognise(weights, str(path))
    classes = len(network.get_parameter("fc.bias"))
    known = next((name for name, size in CIFAR.items() if size.classes == classes), "folder")
    names = CIFAR10_CLASSES if known == "cifar10" else tuple(map(str, range(classes)))
    mean, std = USUAL_STATISTICS.get(known, IMAGENET_STATISTICS)
    std = OTHER_STD if known == "cifar10" and form in HAVE_OTHER_STD else std
    size = 224 if known == "folder" and getattr(model, "stem", None) == "imagenet" else 32
    data = {"name": known, "image_size": size, "validation_images": 0, "mean": mean, "std": std}
    recipe = {"model": model.model_dump(), "data": data, "epochs": 1, "precision": "fp32"}
    note = (
        f"{path.name}: {model.name} in the form of {form}, {classes} classes. Assumed: "
        f"{known}, {size} pixels, mean {mean}, std {std}"
    )
    return Restored(
        network, {}, Recipe.model_validate(recipe), names, mean, std, size, epoch=0, note=note
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
