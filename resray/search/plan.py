"""From a study's search and the user's options to the trials of its points."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from resray.errors import InputError, unknown
from resray.search.points import Point, grid_size, points
from resray.study.axes import point_layers
from resray.study.entries import AS_RUN
from resray.study.expand import (
    Options,
    PlannedTrial,
    chosen_seeds,
    chosen_variant,
    matching,
    plan_trials,
)
from resray.study.layers import Layer, flatten, leaves, merge
from resray.study.load import study_files
from resray.study.mistakes import validated
from resray.study.overrides import overlap, set_layer
from resray.study.recipe_spec import Recipe
from resray.study.search_spec import Search, SearchSettings
from resray.study.spec import Study
from resray.study.strict import Mistake
from resray.study.yaml_file import parse, read_text

DECIDING = {
    "asha": ("grace", "reduction_factor", "rung_schedule"),
    "halving": ("grace", "reduction_factor", "rung_schedule"),
    "median": ("grace",),
}
"""Settings that decide, with a scheduler, which trials are stopped; with all others none does."""


@dataclass(frozen=True)
class SearchTrial:
    """A point and the trial that finds out how good it is."""

    point: Point
    trial: PlannedTrial


@dataclass(frozen=True)
class SearchPlan:
    """What a search trains."""

    trials: list[SearchTrial]
    """In the order in which they start; of method tpe none, it proposes them one by one."""
    wanted: int
    """Points that the settings ask for."""
    found: int
    """Different points that there are for these; 0 for tpe."""

    @property
    def dropped(self) -> int:
        """Points whose recipe is that of an earlier one, e.g. since ``--quick`` made them equal."""
        return self.found - len(self.trials)

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of points that are not trained, for people to read."""
        notes = []
        if self.found and self.found < self.wanted:
            notes.append(f"{self.found} of {self.wanted} points: there are no more different ones")
        if self.dropped:
            notes.append(f"{self.dropped} of {self.found} points have the recipe of another one")
        return tuple(notes)


def search_settings(study: Study, typed: Mapping[str, Any], *, quick: bool) -> SearchSettings:
    """Return how a study is searched: as it says, as it says for ``--quick``, as was typed.

    ``typed`` holds options by their names in `SearchSettings`; None was not typed. Raises
    `InputError` for a value that is wrong, and for a study without a search.
    """
    search = search_of(study)
    settings = search.model_dump(include=set(SearchSettings.model_fields))
    if quick:
        settings |= search.quick.model_dump(exclude_none=True)
    given = {name: value for name, value in typed.items() if value is not None}
    assert given.keys() <= settings.keys(), given

    def told(mistake: Mistake) -> str:
        option = str(mistake.path[0])
        return f"--{option.replace('_', '-')} {given[option]}: {mistake.message}"

    return validated(SearchSettings, settings | given, told)


def search_of(study: Study) -> Search:
    """Return the study's search. Raises `InputError` where it has none."""
    if study.search is None:
        texts = {name: read_text(path) for name, path in study_files().items()}
        able = [name for name, text in texts.items() if "search" in parse(text, name).content]
        raise InputError(f"{study.name} has no search space; studies with one: {', '.join(able)}")
    return study.search


def plan_search(
    study: Study, settings: SearchSettings, spaces: Sequence[str], options: Options
) -> SearchPlan:
    """Return the trials of the spaces that the globs select, none selecting all.

    Each has the first of the seeds. Points whose recipes are equal (under ``--quick``, for one) are
    trained once. Raises `InputError` for a glob that selects nothing and an option that is wrong.
    """
    search = search_of(study)
    chosen = matching(list(search.spaces), spaces, "--space")
    # What is wrong with an option shows on any points: random ones stand for those to be proposed.
    drawn = settings.model_copy(update={"method": "random"}) if settings.proposes else settings
    found = list(points(search, drawn, chosen))
    seed = chosen_seeds(study, options)[0]
    trials = [SearchTrial(point, plan_point(study, point, options, seed)) for point in found]
    _refuse_late_grace(settings, trials)
    if settings.proposes:
        return SearchPlan([], settings.samples, 0)
    return SearchPlan(_different(trials), grid_size(search, settings, chosen), len(found))


def plan_point(study: Study, point: Point, options: Options, seed: int) -> PlannedTrial:
    """Return the trial of a point.

    Precedence of what shapes its recipe: base, the trial of axis ``trial``, variant, the variant's
    trial, the space's recipe, the axes in the file's order, then what the options change, as in
    `resray.study.expand.expand`. Raises `InputError` for a point that is none of the study's, and
    for an option that does not fit it.
    """
    variant = chosen_variant(study, options)
    if variant == AS_RUN:
        raise InputError(
            f"--variant {AS_RUN}: selects on test, and a search must not; leave it out"
        )
    layers = _own_layers(study, point, variant)
    place = f"point {point.name} of space {point.space}"
    own = validated(Recipe, merge(layers), lambda each: f"{place}: {each.with_place}")
    axes = (layer for layer in layers if layer.path[3:4] == ("axes",))
    searched = [".".join(path) for layer in axes for path, _ in leaves(layer.changes)]
    _refuse_set_axes(options, searched, point)
    # A search decides itself how long a trial is.
    whole = replace(options, stop_after=None)
    (trial,) = plan_trials(
        study, point.name, own, whole, variant=variant, seeds=[seed], searched=searched
    )
    if trial.recipe.data.validation_images == 0:
        raise InputError("data.validation_images 0: leaves a search nothing to select by")
    return trial


def _refuse_set_axes(options: Options, searched: Sequence[str], point: Point) -> None:
    """Raise `InputError` for ``--set`` of what an axis sets: a point would not be what it says."""
    for layer in map(set_layer, options.overrides):
        for key in flatten(layer.changes):
            if any(overlap(key, axis) for axis in searched):
                raise InputError(
                    f"{layer.label}: {key} is searched in space {point.space}; leave it out, or "
                    "choose other spaces with --space"
                )


def _own_layers(study: Study, point: Point, variant: str) -> list[Layer]:
    """Return the layers of a point's recipe as the study has it, before any option."""
    space = search_of(study).spaces.get(point.space)
    if space is None:
        raise InputError(unknown("space", point.space, search_of(study).spaces))
    try:
        return point_layers(study.document, point.space, space, point.values, variant)
    except LookupError as error:
        message = f"is none of space {point.space} as {study.name} has it now: {error.args[0]}"
        raise InputError(f"point {point.name} {message}") from None


def _different(trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    """Return the trials without those whose recipe stands before them."""
    first: dict[str, SearchTrial] = {}
    for each in trials:
        first.setdefault(each.trial.recipe.model_dump_json(), each)
    return list(first.values())


def _refuse_late_grace(settings: SearchSettings, trials: Sequence[SearchTrial]) -> None:
    shortest = min(trials, key=lambda each: each.trial.recipe.epochs).trial
    if settings.scheduler in DECIDING and settings.grace >= shortest.recipe.epochs:
        raise InputError(
            f"grace {settings.grace} is not below the {shortest.recipe.epochs} epochs of "
            f"{shortest.name}, so nothing is ever stopped; type a smaller --grace, more --epochs, "
            "or --scheduler none"
        )


def refuse_contradictions(
    search: Search, settings: SearchSettings, spaces: Sequence[str], typed: Collection[str]
) -> None:
    """Raise InputError for settings that contradict each other, or say nothing.

    ``typed`` holds the names of the settings that were typed: what a study has for another
    scheduler or method stands there for those who take these.
    """
    scheduler, method = settings.scheduler, settings.method
    if settings.proposes and scheduler == "halving":
        raise InputError(
            f"--method {method}: proposes point after point, but --scheduler halving compares all "
            "at each rung; choose --scheduler asha, median or none"
        )
    if settings.rung_schedule == "rescaled" and scheduler == "asha":
        raise InputError(
            "--rung-schedule rescaled: ASHA stops trials while they train, and each rescaled rung "
            "is a training of its own; choose --scheduler halving"
        )
    decides = (*DECIDING.get(scheduler, ()), *(["audit"] if scheduler != "none" else []))
    for name in ("grace", "reduction_factor", "rung_schedule", "audit"):
        if name in typed and name not in decides:
            option = f"--{name.replace('_', '-')} {getattr(settings, name)}"
            raise InputError(
                f"{option}: says nothing with --scheduler {scheduler}; leave one of them out"
            )
    if "samples" in typed and method == "grid" and not draws(search, spaces):
        raise InputError(
            f"--samples {settings.samples}: these spaces are grids, of which nothing is drawn; "
            "leave it out, or choose --method random or tpe"
        )
    if "method" in typed and "samples" not in typed and method not in ("grid", search.method):
        raise InputError(f"--method {method}: say with --samples how many points")


def draws(search: Search, spaces: Sequence[str]) -> bool:
    """Whether the spaces have an axis whose values are drawn."""
    axes = (axis for name in spaces for each in search.spaces[name].axes.values() for axis in each)
    return any(axis.form != "grid" for axis in axes)


def search_key(settings: SearchSettings, changed: Sequence[str] = ()) -> str:
    """Return, as canonical JSON, what decides which trials are stopped.

    Searches of one results folder with the same key share their rungs. ``changed`` is what options
    changed in every trial: a quick one does not compare with the study's own. Points that were
    proposed belong to the search that proposed them.
    """
    names = ("scheduler", *DECIDING.get(settings.scheduler, ()))
    deciding: dict[str, Any] = {name: getattr(settings, name) for name in names}
    if changed:
        deciding["options"] = list(changed)
    if settings.proposes:
        deciding |= {"method": settings.method, "seed": settings.seed}
    return json.dumps(deciding, sort_keys=True, separators=(",", ":"))
