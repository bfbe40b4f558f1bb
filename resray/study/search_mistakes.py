"""What only a whole search shows: axes that are none, conditions in vain, recipes that are wrong.

Works on a study file's raw content. Spaces that are not what they should be are passed over:
validation reports them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from pydantic import ValidationError

from resray.errors import not_known
from resray.study.axes import alternatives_of, is_same, point_layers, sample_points, wished
from resray.study.entries import point_name, trial_names
from resray.study.layers import Layer, in_document, layer_at_fault, merge
from resray.study.mistakes import mistakes_in
from resray.study.recipe_spec import Recipe
from resray.study.recipes import only_as_run
from resray.study.search_spec import MOST_POINTS, RANGES, TRIAL_AXIS, Axis, Space
from resray.study.strict import Mistake
from resray.study.unions import unknown_key
from resray.study.yaml_file import Key, section


def mistakes_of_search(document: Mapping[Any, Any]) -> list[Mistake]:
    """Return each mistake in the axes of each space, else in the recipes that these make."""
    found: list[Mistake] = []
    trials = trial_names(document, as_run=False)
    for name, content in section(document, "search", "spaces").items():
        try:
            space = Space.model_validate(content)
        except ValidationError:
            continue
        # A value that is misspelt is blamed, and not the condition that waits for it.
        place = ("search", "spaces", str(name))
        found += (
            [each.within(place) for each in _of_axes(space, trials)]
            or _of_points(document, str(name), space)
            or [each.within(place) for each in _in_vain(space)]
        )
    return found


def _of_axes(space: Space, trials: Sequence[str]) -> Iterator[Mistake]:
    """Yield axes that are none, else conditions that cannot be."""
    grids = [
        [len(one.options) for one in axis if one.form == "grid"] for axis in space.axes.values()
    ]
    if prod(max(sizes, default=1) for sizes in grids) > MOST_POINTS:
        yield Mistake((), f"more than {MOST_POINTS:,} points")
    every = list(alternatives_of(space))
    unknown = [
        each.within(place) for place, axis in every for each in _unknown(place[1], axis, trials)
    ]
    yield from unknown or (
        Mistake((*place, "when", other), message)
        for place, axis in every
        for other in axis.when
        if (message := _wrong_condition(space, place[1], other))
    )


def _unknown(key: str, axis: Axis, trials: Sequence[str]) -> Iterator[Mistake]:
    if key == TRIAL_AXIS and (axis.named or not axis.options):
        yield Mistake((axis.form,), "must be a list of the study's trials, as grid or choice")
    elif key == TRIAL_AXIS:
        for index, value in enumerate(axis.options):
            if value not in trials:
                yield Mistake((axis.form, index), not_known(value, trials))
    elif not axis.named and (wrong := unknown_key(Recipe, key.split("."), [TRIAL_AXIS])):
        hint = "; an axis of another name needs named changes of the recipe as values"
        yield Mistake((), wrong[1] + ("" if wrong[0] else hint))


def _wrong_condition(space: Space, key: str, other: str) -> str | None:
    """Return why an axis cannot depend on another one, None if it can."""
    names = list(space.axes)
    before = names[: names.index(key)]
    if other in names and other not in before:
        return f"must be written before {key}, which depends on it"
    if other not in before:
        return not_known(other, before) if before else f"{key} has no axis before it"
    forms = {each.form for each in space.axes[other]}
    if forms.intersection(RANGES):
        return "is drawn from a range; a condition needs an axis that lists values"
    if forms != {"grid"} and any(each.form == "grid" for each in space.axes[key]):
        return f"is drawn, and {key} has a grid: only a grid can decide about a grid"
    return None


def _in_vain(space: Space) -> Iterator[Mistake]:
    """Yield each value that a condition waits for in vain, else alternatives that never apply."""
    blamed = set()
    for place, axis in alternatives_of(space):
        for other, wishes in axis.when.items():
            values = [value for each in space.axes[other] for value in each.options]
            for wish in wished(wishes):
                if not any(is_same(wish, value) for value in values):
                    blamed.add(place)
                    yield Mistake((*place, "when", other), not_known(wish, map(str, values)))
    for place, _, point in sample_points(space):
        if point is None and place not in blamed:
            blamed.add(place)
            yield Mistake(place, "never applies: `when` cannot hold, or one before it always does")


def _of_points(document: Mapping[Any, Any], name: str, space: Space) -> list[Mistake]:
    """Return the mistakes in the recipes of some points, each once."""
    if not isinstance(document.get("recipe"), dict):
        return []
    found: dict[tuple[Key, ...], Mistake] = {}
    lengths: dict[Any, str] = {}
    for _, _, values in sample_points(space):
        if values is not None:
            layers, point = point_layers(document, name, space, values, ""), point_name(values)
            lengths.setdefault(merge(layers).get("epochs"), point)
            for mistake in _of_point(layers, name, point):
                found.setdefault(mistake.path, mistake)
    return list(found.values()) or list(_late_grace(document, lengths))


def _of_point(layers: list[Layer], name: str, point: str) -> Iterator[Mistake]:
    recipe = merge(layers)
    mistakes = [*mistakes_in(Recipe, recipe), *only_as_run(recipe)]
    if not mistakes and section(recipe, "data").get("validation_images") == 0:
        place = ("data", "validation_images")
        mistakes = [Mistake(place, "0 leaves a search nothing to select by")]
    if not mistakes:
        return
    start = [layer for layer in layers if layer.path[0] != "search"]
    # The trial's recipe, or the base's, is reported as such.
    known = [mistake for mistake in mistakes_in(Recipe, merge(start)) if not mistake.missing]
    for mistake in mistakes:
        if mistake not in known:
            layer = layer_at_fault(layers, mistake.path)
            changed = merge([*start, layer])
            alone = mistake in [*mistakes_in(Recipe, changed), *only_as_run(changed)]
            where = "" if alone else f" (at the point {point})"
            placed = replace(mistake, message=mistake.message + where)
            if layer.path[0] == "search" and mistake.path[0] in layer.changes:
                yield in_document(layer, placed)
            else:
                yield Mistake(("search", "spaces", name), placed.with_place)


def _late_grace(document: Mapping[Any, Any], lengths: Mapping[Any, str]) -> Iterator[Mistake]:
    """Yield a first rung that is at or beyond the end of a training."""
    search = section(document, "search")
    shortest = min((epochs for epochs in lengths if isinstance(epochs, int)), default=None)
    short = section(document, "quick", "recipe").get("epochs", shortest)
    quick = ("quick", "grace") if "grace" in section(search, "quick") else ("grace",)
    for key, epochs, whose in (
        (("grace",), shortest, f"point {lengths.get(shortest)}"),
        (quick, short, "`--quick`"),
    ):
        grace = section(search, *key[:-1]).get("grace", 1)
        known = isinstance(grace, int) and isinstance(epochs, int)
        if known and search.get("scheduler") != "none" and grace >= epochs:
            message = f"{grace} must be below the {epochs} epochs of {whose}"
            yield Mistake(("search", *key), message)
