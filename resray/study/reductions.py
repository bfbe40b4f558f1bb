"""What was reduced in a trial against its study's own recipe, for people to read."""

from collections.abc import Sequence

from resray.study.phases import boundaries, rescaled_epoch
from resray.study.recipe_spec import Data, Recipe

_OWN_SIZES = {"cifar10": 32, "cifar100": 32, "embedded": 32}


def reductions(own: Recipe, run: Recipe, stop_after: int | None) -> tuple[str, ...]:
    """Name the reductions of what was run against the study's own recipe.

    Fragments of a sentence such as ``2 of 200 epochs`` or ``2,000 training images``: epochs,
    a stand-in for the model, data and image size. Nothing else that differs is a reduction.
    """
    found = _epochs(own, run, stop_after)
    if run.model.name != own.model.name:
        found.append(f"{run.model.name} in place of {own.model.name}")
    if run.data.name == "embedded" and own.data.name != "embedded":
        found.append(f"embedded images in place of {own.data.name}")
    found += _images(own.data, run.data)
    return tuple(found)


def changes_by_hand(overrides: Sequence[str]) -> tuple[str, ...]:
    """Name what ``--set`` changed in the recipe; the model and the data are named by `reductions`.

    Figures under a changed recipe say nothing about the study's own, so they are marked like
    reduced ones.
    """
    named = ("model=", "model.name=", "data=", "data.", "epochs=")
    return tuple(
        f"changed: {text}"
        for text in ("".join(override.split()) for override in overrides)
        if not text.startswith(named)
    )


def _epochs(own: Recipe, run: Recipe, stop_after: int | None) -> list[str]:
    found = []
    if run.epochs < own.epochs:
        found.append(f"{run.epochs} of {own.epochs} epochs")
        if own.phases and run.phases:
            found.append(_moved_phases(own, run))
    if stop_after is not None:
        found.append(f"stopped after {stop_after} of {run.epochs} epochs")
    return found


def _moved_phases(own: Recipe, run: Recipe) -> str:
    """Say where the boundaries between phases went when a recipe was rescaled."""
    before = boundaries(own.phases)
    after = [rescaled_epoch(epoch, own.epochs, run.epochs) for epoch in before]
    written = (", ".join(map(str, epochs)) for epochs in (before, after))
    return "phases rescaled: boundaries after epochs {} fall after {}".format(*written)


def _images(own: Data, run: Data) -> list[str]:
    found = []
    if own.name == "embedded" and _is_below(run.images, own.images):
        found.append(f"{run.images:,} embedded images")
    if _is_below(run.limit_train, own.limit_train):
        found.append(f"{run.limit_train:,} training images")
    if _is_below(run.limit_eval, own.limit_eval):
        found.append(f"{run.limit_eval:,} images each for validation and test")
    if _is_below(run.image_size, own.image_size or _OWN_SIZES.get(own.name)):
        found.append(f"images of {run.image_size}x{run.image_size} pixels")
    return found


def _is_below(value: int | None, before: int | None) -> bool:
    """Whether a limit was set or lowered; None is no limit."""
    return value is not None and (before is None or value < before)
