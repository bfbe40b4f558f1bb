"""What was reduced or changed in a trial against its study's own recipe, for people to read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resray.study.datasets import EMBEDDED, dataset_size
from resray.study.layers import Layer, leaves, normalise
from resray.study.overrides import overlap
from resray.study.phases import boundaries, rescaled_epoch
from resray.study.recipe_spec import Data, Recipe, Schedule, SchedulePart
from resray.study.recipes import rescale

Path = tuple[str, ...]


def reductions(
    own: Recipe,
    run: Recipe,
    stop_after: int | None,
    *,
    quick: Sequence[Layer] = (),
    by_hand: Sequence[Layer] = (),
) -> tuple[str, ...]:
    """Name the reductions of what was run against the study's own recipe.

    Fragments of a sentence such as ``2 of 200 epochs`` or ``2,000 training images``: epochs,
    a stand-in for the model, data and image size. With other epochs, what moved with them in the
    recipe is named too, and what did not. Then what else differs where these layers touch it:
    ``batch_size 32 in place of 128`` by ``--quick``, and ``changed: optimizer.lr=0.5`` by hand.
    """
    found = _epochs(own, run, stop_after)
    if run.model.name != own.model.name:
        found.append(f"{run.model.name} in place of {own.model.name}")
    if _stands_in(own, run):
        found.append(f"embedded images in place of {own.data.name}")
    found += named_of_data(own, run).values()
    if run.epochs != own.epochs:
        found += [*_moved_schedule(own, run), *_not_rescaled(own, run)]
    return (*found, *_changes(own, run, _paths(quick), _paths(by_hand)))


def _changes(
    own: Recipe, run: Recipe, quick: Sequence[Path], by_hand: Sequence[Path]
) -> Iterator[str]:
    """Yield what differs at these paths and has no words of its own."""
    before, after = own.model_dump(mode="json"), run.model_dump(mode="json")
    different = [
        path
        for path in dict.fromkeys([*by_hand, *quick])
        if not _is_named(own, run, path) and _differs(own, run, path)
    ]
    for path in different:
        typed = any(overlap(_dotted(path), _dotted(each)) for each in by_hand)
        if not typed and not (_stands_in(own, run) and path[0] == "data"):
            yield f"{_dotted(path)} {_at(after, path)} in place of {_at(before, path)}"
    for path in different:
        if path in by_hand:
            yield f"changed: {_dotted(path)}={_at(after, path)}"


def _paths(layers: Sequence[Layer]) -> list[Path]:
    """Return the paths to what the layers change."""
    return [path for layer in layers for path, _ in leaves(normalise(layer.changes))]


def named_of_data(own: Recipe, run: Recipe) -> dict[str, str]:
    """Return what was reduced of the images, in words, by its key in ``data``."""
    before, now = without_idle_limits(own).data, without_idle_limits(run).data
    found = {}
    if before.name == "embedded" and _is_below(now.images, before.images or EMBEDDED.train):
        found["images"] = f"{now.images:,} embedded images"
    if _is_below(now.limit_train, before.limit_train):
        found["limit_train"] = f"{now.limit_train:,} training images"
    if _is_below(now.limit_eval, before.limit_eval):
        found["limit_eval"] = f"{now.limit_eval:,} images each for validation and test"
    size = dataset_size(before)
    if _is_below(now.image_size, before.image_size or (size.side if size else None)):
        found["image_size"] = f"images of {now.image_size}x{now.image_size} pixels"
    return found


def without_idle_limits(recipe: Recipe) -> Recipe:
    """Return the recipe without limits that are above what its dataset has."""
    data = recipe.data
    idle = [key for key, size in _sizes(data).items() if (getattr(data, key) or 0) >= size]
    return recipe.model_copy(update={"data": data.model_copy(update=dict.fromkeys(idle))})


def _sizes(data: Data) -> dict[str, int]:
    """Return how many images there are for each limit; nothing where only the files say it."""
    size, held_out = dataset_size(data), data.validation_images or 0
    if size is None:
        return {}
    return {"limit_train": size.train - held_out, "limit_eval": max(held_out, size.test)}


def _epochs(own: Recipe, run: Recipe, stop_after: int | None) -> list[str]:
    found = []
    if run.epochs < own.epochs:
        found.append(f"{run.epochs} of {own.epochs} epochs")
    if run.epochs > own.epochs:
        found.append(f"{run.epochs} epochs in place of {own.epochs}")
    if run.epochs != own.epochs and own.phases and run.phases:
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


def _moved_schedule(own: Recipe, run: Recipe) -> Iterator[str]:
    """Yield which of the schedule's epochs were rescaled, if any; others were set by hand."""
    before, now = _epochs_of(own.schedule), _epochs_of(run.schedule)
    scaled = _epochs_of(rescale(own, run.epochs).schedule)
    moved = [
        f"{label} {_shown(scaled[label])} instead of {_shown(epochs)}"
        for label, epochs in before.items()
        if scaled.get(label, epochs) != epochs and now.get(label) == scaled[label]
    ]
    if moved:
        yield f"schedule rescaled: {', '.join(moved)}"


def _epochs_of(schedule: Schedule) -> dict[str, tuple[float, ...]]:
    """Return the epochs that a schedule names, each with the words that lead to it."""
    found = _epochs_of_part(schedule, "")
    if schedule.parts:
        found["parts:"] = (len(schedule.parts),)
    for number, part in enumerate(schedule.parts, 1):
        found |= _epochs_of_part(part, f"part {number}'s ")
        if part.until:
            found[f"part {number} up to epoch"] = (part.until,)
    return found


def _epochs_of_part(part: SchedulePart, whose: str) -> dict[str, tuple[float, ...]]:
    return {
        f"{whose}warm-up of": (part.warmup_epochs,),
        f"{whose}period of": (part.period or 0,),
        f"{whose}milestones at": part.milestones,
    }


def _shown(epochs: Sequence[float]) -> str:
    return ", ".join(f"{epoch:.4g}" for epoch in epochs)


def _not_rescaled(own: Recipe, run: Recipe) -> Iterator[str]:
    """Yield the recipe's numbers of epochs that stay what they are, however long it is."""
    if run.early_stopping and run.early_stopping == own.early_stopping:
        yield f"not rescaled: early stopping's patience of {run.early_stopping.patience} epochs"
    if run.schedule.name == own.schedule.name == "plateau":
        yield f"not rescaled: the plateau's patience of {run.schedule.patience} epochs"


def _is_below(value: int | None, before: int | None) -> bool:
    """Whether a limit was set or lowered; None is no limit."""
    return value is not None and (before is None or value < before)


def _is_named(own: Recipe, run: Recipe, path: Path) -> bool:
    """Whether `reductions` has words of its own for a key."""
    named = {("epochs",), ("model", "name")}
    if _stands_in(own, run):
        named.add(("data", "name"))
    return path in named or path in {("data", key) for key in named_of_data(own, run)}


def _stands_in(own: Recipe, run: Recipe) -> bool:
    """Whether embedded images take the place of another dataset."""
    return run.data.name == "embedded" != own.data.name


def _differs(own: Recipe, run: Recipe, path: Path) -> bool:
    before, after = (without_idle_limits(recipe).model_dump(mode="json") for recipe in (own, run))
    lost = own.phases.keys() - run.phases.keys()
    fixed = any(overlap(setting, _dotted(path)) for setting in lost)
    return fixed or _value(before, path) != _value(after, path)


def _dotted(path: Path) -> str:
    return ".".join(path)


def _at(recipe: Mapping[str, Any], path: Path) -> str:
    """Return a recipe's value as YAML would have it on a command line."""
    value = _value(recipe, path)
    return value if isinstance(value, str) else json.dumps(value)


def _value(recipe: Any, path: Path) -> Any:
    """Return what stands at a path; None where nothing does."""
    for key in path:
        recipe = recipe.get(key) if isinstance(recipe, Mapping) else None
    return recipe
