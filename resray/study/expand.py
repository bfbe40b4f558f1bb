"""From a study and the user's options to the trials that will run."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from resray.errors import InputError, unknown
from resray.models.table import require_trust
from resray.study.entries import AS_RUN, ablation_steps, entries
from resray.study.layers import Layer, merge, recipe_layers
from resray.study.mistakes import validated
from resray.study.overrides import (
    QUICK,
    data_layers,
    limit_layers,
    mistake_message,
    quick_recipe_layer,
    set_layer,
    without_phases,
)
from resray.study.recipe_spec import Recipe
from resray.study.recipes import only_as_run, rescale
from resray.study.reduction import Reduction
from resray.study.reductions import reductions
from resray.study.spec import Study


@dataclass(frozen=True)
class Options:
    """What the user chose on the command line."""

    select: tuple[str, ...] = ()
    """Globs on trial names; none selects all."""
    ablate: tuple[str, ...] = ()
    """Forms of the study's ablation (chain, add, remove) whose trials are wanted; none: all."""
    variant: str | None = None
    """None takes the study's default variant."""
    seeds: tuple[int, ...] | None = None
    """None takes the study's seeds."""
    overrides: tuple[str, ...] = ()
    """``--set``: dotted keys of the recipe and YAML values, e.g. ``optimizer.lr=0.01``."""
    quick: bool = False
    data_given: bool = False
    """Whether ``--data-dir`` or ``RESRAY_DATA_DIR`` was given."""
    epochs: int | None = None
    """The recipe is rescaled to this many epochs."""
    stop_after: int | None = None
    """Only the first epochs of the unchanged recipe are trained."""
    limit_train: int | None = None
    limit_eval: int | None = None
    trusted: bool = False
    """Whether a network may be a function of somebody's own, which planning and training call."""


@dataclass(frozen=True)
class PlannedTrial:
    """One recipe with one seed, and how it came about."""

    study: str
    name: str
    variant: str
    seed: int
    recipe: Recipe
    stop_after: int | None
    reductions: tuple[Reduction, ...]
    """What was reduced or changed against the study's own recipe, e.g. ``2 of 200 epochs``."""


def expand(study: Study, options: Options) -> list[PlannedTrial]:
    """Return the trials that the options select, for every seed, in the study's order.

    Precedence of what shapes a recipe: base, trial, variant, the variant's trial, ``--quick``,
    ``--epochs`` and limits, ``--set``. Raises `InputError` for an option that is wrong or that
    leaves two trials with the same recipe.
    """
    variant, seeds = chosen_variant(study, options), chosen_seeds(study, options)
    planned: list[PlannedTrial] = []
    for index, name in _selected(study, options, variant):
        own = Recipe.model_validate(merge(recipe_layers(study.document, index, variant)))
        planned += plan_trials(study, name, own, options, variant=variant, seeds=seeds)
    _refuse_equal_trials(planned)
    return planned


def all_reductions(trials: Sequence[PlannedTrial]) -> list[str]:
    """Return what was reduced or changed in any of the trials, in words, each once."""
    return list(dict.fromkeys(str(each) for trial in trials for each in trial.reductions))


def chosen_variant(study: Study, options: Options) -> str:
    """Return the wanted variant's name. Raises `InputError` for an unknown one."""
    variant = study.default_variant if options.variant is None else options.variant
    if variant not in study.variant_names:
        raise InputError(unknown("--variant", variant, study.variant_names))
    return variant


def chosen_seeds(study: Study, options: Options) -> tuple[int, ...]:
    """Return the wanted seeds, or the study's. Raises `InputError` for one that is none."""
    seeds = tuple(study.seeds) if options.seeds is None else options.seeds
    for index, seed in enumerate(seeds):
        if not 0 <= seed < 2**32:
            raise InputError(f"--seeds: {seed} must be from 0 to {2**32 - 1}")
        if seed in seeds[:index]:
            raise InputError(f"--seeds: {seed} stands there twice")
    if not seeds:
        raise InputError("--seeds: give at least one seed")
    return seeds


def matching(names: Sequence[str], globs: Sequence[str], option: str) -> list[str]:
    """Return the names that one of the globs matches; without a glob, all.

    Raises `InputError`, naming the option, for a glob that matches nothing.
    """
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise InputError(unknown(option, glob, names))
    return [name for name in names if any(fnmatchcase(name, glob) for glob in globs or ("*",))]


def _selected(study: Study, options: Options, variant: str) -> list[tuple[int, str]]:
    every = [
        (index, entry.name)
        for index, entry in enumerate(entries(study.document))
        if entry.in_variant(variant)
    ]
    chosen = set(matching([name for _, name in every], options.select, "--select"))
    if options.ablate:
        chosen &= _ablation_names(study, options.ablate)
    if not chosen:
        raise InputError("--ablate and --select together leave no trial; leave out one of them")
    return [(index, name) for index, name in every if name in chosen]


def _ablation_names(study: Study, forms: tuple[str, ...]) -> set[str]:
    if study.ablate is None:
        raise InputError(f"--ablate {forms[0]}: {study.name} has no ablation")
    for form in forms:
        if form not in study.ablate.forms:
            raise InputError(unknown("--ablate", form, study.ablate.forms))
    changes = list(study.ablate.changes)
    return {step.name for form in forms for step in ablation_steps(changes, form)}


def plan_trials(
    study: Study,
    name: str,
    own: Recipe,
    options: Options,
    *,
    variant: str,
    seeds: Sequence[int],
    searched: Sequence[str] = (),
) -> list[PlannedTrial]:
    """Return a trial for each seed, from the study's own recipe and what the options make of it.

    ``searched`` are dotted keys that a search gives values, which ``--quick`` leaves alone. Raises
    `InputError` for an option that does not fit the recipe, and for a network of one's own that is
    not trusted.
    """
    layers = _option_layers(study, own, options, searched)
    merged = merge(layers)
    recipe = validated(Recipe, merged, partial(mistake_message, layers))
    for mistake in () if variant == AS_RUN else only_as_run(merged):
        raise InputError(mistake_message(layers, mistake))
    place = f"{study.name}, {name}: model.name"
    require_trust(recipe.model.name, options.trusted, place, study.folder)
    stop_after = _stop_after(options, recipe, name)
    quick = [layer for layer in layers if layer.label == QUICK]
    by_hand = [set_layer(text) for text in options.overrides]
    reduced = reductions(own, recipe, stop_after, quick=quick, by_hand=by_hand)
    return [
        PlannedTrial(study.name, name, variant, seed, recipe, stop_after, reduced) for seed in seeds
    ]


def _stop_after(options: Options, recipe: Recipe, name: str) -> int | None:
    stop = options.stop_after
    if stop is not None and not 1 <= stop <= recipe.epochs:
        raise InputError(f"--stop-after: {stop} must be from 1 to {name}'s {recipe.epochs} epochs")
    # At its last epoch a trial is complete, not stopped.
    return None if stop == recipe.epochs else stop


def _option_layers(
    study: Study, own: Recipe, options: Options, searched: Sequence[str]
) -> list[Layer]:
    sets = [set_layer(text) for text in options.overrides]
    for layer in sets:
        if options.epochs is not None and "epochs" in layer.changes:
            wish = "gives epochs too; leave out one of them"
            raise InputError(f"--epochs {options.epochs}: {layer.label} {wish}")
    layers = [Layer(without_phases(_rescaled(study, own, options).model_dump(), sets))]
    if options.quick:
        layers.append(quick_recipe_layer(study, searched))
        if smaller := study.quick.stand_ins.get(own.model.name):
            layers.append(Layer({"model": {"name": smaller}}, label=QUICK))
    layers += data_layers(study, own.data, sets, quick=options.quick, data_given=options.data_given)
    return layers + limit_layers(options.limit_train, options.limit_eval) + sets


def _rescaled(study: Study, own: Recipe, options: Options) -> Recipe:
    if options.epochs is not None:
        if options.epochs < 1:
            raise InputError(f"--epochs: {options.epochs} must be at least 1")
        return rescale(own, options.epochs)
    quick_epochs = study.quick.recipe.get("epochs", own.epochs) if options.quick else own.epochs
    return rescale(own, min(int(quick_epochs), own.epochs))


def _refuse_equal_trials(planned: list[PlannedTrial]) -> None:
    """Refuse trials with one recipe and seed: their results would be the same file."""
    names: dict[tuple[str, int], str] = {}
    for trial in planned:
        first = names.setdefault((trial.recipe.model_dump_json(), trial.seed), trial.name)
        if first != trial.name:
            raise InputError(
                f"{first} and {trial.name} have the same recipe with these options; "
                f"choose one of them with --select"
            )
