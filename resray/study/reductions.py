"""What was reduced or changed in a trial against its study's own recipe."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from resray.data.table import EMBEDDED, dataset_size
from resray.study.layers import Layer, leaves, normalise
from resray.study.optimizer_spec import Schedule, spans
from resray.study.overrides import overlap
from resray.study.phases import boundaries, rescaled_epoch
from resray.study.recipe_spec import Recipe
from resray.study.recipes import rescale
from resray.study.reduction import Reduction

Path = tuple[str, ...]


def reductions(
    own: Recipe,
    run: Recipe,
    stop_after: int | None,
    *,
    quick: Sequence[Layer] = (),
    by_hand: Sequence[Layer] = (),
) -> tuple[Reduction, ...]:
    """Return the reductions of what was run against the study's own recipe.

    Such as ``2 of 200 epochs`` or ``2,000 training images``: epochs, a stand-in for the model, data
    and image size. With other epochs, what moved with them in the
    recipe is named too, and what did not. Then what else differs where these layers touch it:
    ``batch_size 32 in place of 128`` by ``--quick``, and ``changed: optimizer.lr=0.5`` by hand.
    """
    if run == own and stop_after is None:
        return ()
    found = list(_epochs(own, run, stop_after))
    if run.model.name != own.model.name:
        found.append(Reduction("model", run.model.name, own.model.name))
    if _stands_in(own, run):
        found.append(Reduction("dataset", before=own.data.name))
    found += named_of_data(own, run)
    if run.epochs != own.epochs:
        found += [*_moved_schedule(own, run), *_not_rescaled(own, run)]
    return (*found, *_changes(own, run, _paths(quick), _paths(by_hand)))


def named_of_data(own: Recipe, run: Recipe) -> list[Reduction]:
    """Return what was reduced of the images; each kind is its key in ``data``."""
    before, now = without_idle_limits(own).data, without_idle_limits(run).data
    size = dataset_size(before)
    side = before.image_size or (size.side if size else None)
    whole = {
        "images": getattr(before, "images", None) or EMBEDDED.train,
        "limit_train": before.limit_train,
        "limit_eval": before.limit_eval,
        "image_size": side,
    }
    if before.name != "embedded":
        del whole["images"]
    found = {key: getattr(now, key, None) for key in whole}
    return [
        Reduction(key, value)
        for key, value in found.items()
        if value is not None and ((most := whole[key]) is None or value < most)
    ]


def without_idle_limits(recipe: Recipe) -> Recipe:
    """Return the recipe without limits that are above what its dataset has."""
    data, size = recipe.data, dataset_size(recipe.data)
    if size is None:
        # Only the files say it.
        return recipe
    held_out = data.validation_images or 0
    sizes = {"limit_train": size.train - held_out, "limit_eval": max(held_out, size.test)}
    idle = [key for key, most in sizes.items() if (getattr(data, key) or 0) >= most]
    return recipe.model_copy(update={"data": data.model_copy(update=dict.fromkeys(idle))})


def _epochs(own: Recipe, run: Recipe, stop_after: int | None) -> Iterator[Reduction]:
    if run.epochs != own.epochs:
        kind = "fewer_epochs" if run.epochs < own.epochs else "more_epochs"
        yield Reduction(kind, run.epochs, own.epochs)
    if run.epochs != own.epochs and own.phases and run.phases:
        before = boundaries(own.phases)
        after = [rescaled_epoch(epoch, own.epochs, run.epochs) for epoch in before]
        told = (", ".join(map(str, epochs)) for epochs in (before, after))
        moved = "boundaries after epochs {} fall after {}".format(*told)
        yield Reduction("rescaled", moved, key="phases")
    if stop_after is not None:
        yield Reduction("stopped", stop_after, run.epochs)


def _moved_schedule(own: Recipe, run: Recipe) -> Iterator[Reduction]:
    """Yield which of the schedule's epochs were rescaled, if any; others were set by hand."""
    before, now, scaled = (
        dict(_epochs_of(recipe.schedule)) for recipe in (own, run, rescale(own, run.epochs))
    )
    moved = [
        f"{key} {scaled[key]} instead of {value}"
        for key, value in before.items()
        if scaled.get(key, value) != value and now.get(key) == scaled[key]
    ]
    if moved:
        yield Reduction("rescaled", ", ".join(moved), key="schedule")


def _epochs_of(schedule: Schedule) -> Iterator[tuple[str, str]]:
    """Yield what a schedule counts in epochs, as text, with its place."""
    parts = getattr(schedule, "parts", None)
    if parts:
        yield "parts:", str(len(parts))
    for number, part in enumerate(parts or [schedule], 1):
        whose = f"part {number}'s " if parts else ""
        for key in ("warmup_epochs", "period", "length", "milestones", "until"):
            if value := getattr(part, key, None):
                several = value if isinstance(value, tuple) else (value,)
                yield f"{whose}{key}", ", ".join(f"{each:.4g}" for each in several)


def _not_rescaled(own: Recipe, run: Recipe) -> Iterator[Reduction]:
    """Yield the recipe's numbers of epochs that stay what they are, however long it is."""
    stopping, schedule = run.early_stopping, run.schedule
    if stopping and stopping.patience and stopping == own.early_stopping:
        patience = f"early stopping's patience of {stopping.patience} epochs"
        yield Reduction("not_rescaled", patience)
    if schedule.name == own.schedule.name == "plateau":
        yield Reduction("not_rescaled", f"the plateau's patience of {schedule.patience} epochs")
    parts = [part for part, _, _ in spans(schedule, run.epochs)]
    if any(getattr(part, "unit", "epochs") == "steps" for part in parts):
        yield Reduction("not_rescaled", "the schedule counts steps")


def _changes(
    own: Recipe, run: Recipe, quick: Sequence[Path], by_hand: Sequence[Path]
) -> Iterator[Reduction]:
    """Yield what differs at these paths and is no other kind."""
    before, after = (without_idle_limits(each).model_dump(mode="json") for each in (own, run))
    stands_in, lost = _stands_in(own, run), own.phases.keys() - run.phases.keys()
    named = {
        ("epochs",),
        ("model", "name"),
        *(("data", each.kind) for each in named_of_data(own, run)),
    }
    if stands_in:
        named.add(("data", "name"))
    different = [
        path
        for path in dict.fromkeys([*by_hand, *quick])
        if path not in named
        and (_at(before, path) != _at(after, path) or _lie_in(path, [(each,) for each in lost]))
    ]
    for path in different:
        if not _lie_in(path, by_hand) and not (stands_in and path[0] == "data"):
            yield Reduction("quick", _at(after, path), _at(before, path), ".".join(path))
    for path in different:
        if path in by_hand:
            yield Reduction("set", _at(after, path), key=".".join(path))


def _lie_in(path: Path, others: Sequence[Path]) -> bool:
    return any(overlap(".".join(path), ".".join(other)) for other in others)


def _paths(layers: Sequence[Layer]) -> list[Path]:
    """Return the paths to what the layers change."""
    return [path for layer in layers for path, _ in leaves(normalise(layer.changes))]


def _stands_in(own: Recipe, run: Recipe) -> bool:
    """Whether embedded images take the place of another dataset."""
    return run.data.name == "embedded" != own.data.name


def _at(recipe: Any, path: Path) -> str:
    """Return what stands at a path as YAML would have it on a command line; null for nothing."""
    for key in path:
        recipe = recipe.get(key) if isinstance(recipe, dict) else None
    return recipe if isinstance(recipe, str) else json.dumps(recipe)
