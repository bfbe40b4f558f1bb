"""What only a whole study file shows: names that stand twice, or that nothing else has.

Works on a study file's raw content, so that these mistakes are reported together with those of its
single values. Parts that are not what they should be are passed over: validation reports them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from resray.errors import not_known
from resray.models.table import MODELS, is_known
from resray.study.claims import Statement, check_statement
from resray.study.entries import AS_RUN, entries, trial_names
from resray.study.layers import merge, recipe_layers, section
from resray.study.recipe_spec import MODEL_FORMS
from resray.study.search_mistakes import mistakes_of_space, readable_spaces
from resray.study.source import Key
from resray.study.strict import Misplaced

DEFAULT_VARIANT = "standard"


def mistakes_of_the_whole(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    """Yield each mistake in the raw or validated content of a study file, in no order."""
    yield from _names_twice(document)
    yield from _unknown_names(document)
    yield from _unknown_stand_ins(document)
    yield from _unreached_epochs(document)
    for name, space in readable_spaces(document).items():
        yield from mistakes_of_space(document, name, space)


def variant_names(document: Mapping[str, Any]) -> list[str]:
    """Return the study's variants, the default one first."""
    default = document.get("default_variant", DEFAULT_VARIANT)
    names = [default, *section(document, "variants")]
    return [str(name) for name in names] + ([AS_RUN] if document.get("as_run") else [])


def _names_twice(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    names = trial_names(document)
    if not names and not any(document.get(key) for key in ("trials", "ablate", "grid")):
        message = "a study needs trials: `trials`, `ablate` or `grid`"
        yield Misplaced(("trials",), message)
    for index, name in _repeated(names):
        yield Misplaced(_place_of_name(document, index), f"{name!r} stands there twice")
    seeds = document.get("seeds")
    if isinstance(seeds, list) and list(_repeated(seeds)):
        yield Misplaced(("seeds",), f"{seeds} holds a seed twice")
    for index, name in _repeated([claim.get("id") for claim in _mappings(document, "claims")]):
        yield Misplaced(("claims", index, "id"), f"{name!r} stands there twice")
    default, *others = variant_names(document)
    if default in others:
        message = f"{default!r} names the base recipe and a variant"
        yield Misplaced(("variants", default), message)
    if AS_RUN in section(document, "variants"):
        message = "is the variant of the trials in `as_run`; choose another name"
        yield Misplaced(("variants", AS_RUN), message)
    for entry in entries(document):
        if entry.name and entry.name.endswith(f"-{AS_RUN}") != entry.as_run:
            key, index = entry.paths[0][:2] if entry.paths else ("grid", "")
            message = f"{entry.name!r}: names of `as_run` end in -{AS_RUN}, and no others"
            yield Misplaced(
                (key, index, "name") if key in ("trials", "as_run") else (key,), message
            )


def _place_of_name(document: Mapping[str, Any], index: int) -> tuple[Key, ...]:
    """Return what the name of trial ``index`` follows from."""
    entry = entries(document)[index]
    if entry.changes:
        return ("grid",)
    key, place, *_ = entry.paths[0] if entry.paths else ("ablate", index)
    return (key, place, "name") if key in ("trials", "as_run") else ("ablate",)


def _unknown_names(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    """Yield trials and variants that variants, published figures and claims name in vain."""
    trials, variants = _known_trials(document), variant_names(document)
    sources = list(section(document, "sources"))
    for variant in section(document, "variants"):
        for trial in section(document, "variants", variant, "trials"):
            yield from _unless_known(("variants", variant, "trials", trial), trial, trials)
    for index, figure in enumerate(_mappings(document, "published")):
        for key, choices in (("trial", trials), ("variant", variants), ("source", sources)):
            yield from _unless_known(("published", index, key), figure.get(key), choices)
    for path, statement in _statements(document):
        for value in statement.values:
            yield from _unless_known(path, value.trial, trials)
            yield from _unless_known(path, value.variant, variants)


def _unknown_stand_ins(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    for model, smaller in section(document, "quick", "stand_ins").items():
        for name in (model, smaller):
            if isinstance(name, str) and not is_known(name):
                place = ("quick", "stand_ins", model)
                yield Misplaced(place, not_known(name, [*MODELS, *MODEL_FORMS]))


def _unreached_epochs(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    """Yield what names an epoch after the last one that it could mean."""
    for index, figure in enumerate(_mappings(document, "published")):
        yield from _unless_within(
            ("published", index, "epoch"), figure.get("epoch"), figure.get("epochs")
        )
    lengths = _lengths(document)
    for path, statement in _statements(document):
        for value in statement.values:
            of_trial = [
                epochs
                for (trial, variant), epochs in lengths.items()
                if trial == value.trial and value.variant in (None, variant)
            ]
            yield from _unless_within(path, value.epoch, _longest(of_trial))
    kept_at = section(document, "checkpoints").get("at")
    for index, epoch in enumerate(kept_at if isinstance(kept_at, list | tuple) else ()):
        place = ("checkpoints", "at", index)
        yield from _unless_within(place, epoch, _longest(lengths.values()))


def _unless_within(path: tuple[Key, ...], epoch: Any, epochs: Any) -> Iterator[Misplaced]:
    if isinstance(epoch, int) and isinstance(epochs, int) and epoch > epochs:
        yield Misplaced(path, f"epoch {epoch} is beyond the last one, {epochs}")


def _lengths(document: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return the epochs of each trial under each variant, as they stand there."""
    return {
        (entry.name, variant): merge(recipe_layers(document, index, variant)).get("epochs")
        for index, entry in enumerate(entries(document))
        for variant in variant_names(document)
        if entry.in_variant(variant)
    }


def _longest(lengths: Iterable[Any]) -> int | None:
    """Return the largest number of epochs; None where one is none, or there are none."""
    known = list(lengths)
    return max(known, default=None) if all(isinstance(each, int) for each in known) else None


def _known_trials(document: Mapping[str, Any]) -> list[str]:
    """Return the trials' names, or none where some are missing: then nothing is unknown."""
    names = trial_names(document)
    return names if all(names) else []


def _unless_known(path: tuple[Key, ...], name: Any, choices: list[str]) -> Iterator[Misplaced]:
    if isinstance(name, str) and choices and name not in choices:
        yield Misplaced(path, not_known(name, choices))


def _repeated(values: list[Any]) -> Iterator[tuple[int, Any]]:
    """Yield each value, with its place, that stands before it too."""
    for index, value in enumerate(values):
        if value not in (None, "") and value in values[:index]:
            yield index, value


def _mappings(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the items of a list, an empty mapping in place of what is none."""
    items = document.get(key)
    items = items if isinstance(items, list) else []
    return [item if isinstance(item, Mapping) else {} for item in items]


def _statements(document: Mapping[str, Any]) -> Iterator[tuple[tuple[Key, ...], Statement]]:
    """Yield the claims' comparisons that can be read, each with its place."""
    for index, claim in enumerate(_mappings(document, "claims")):
        check = claim.get("check")
        texts = check if isinstance(check, list) else [check]
        for place, text in enumerate(texts):
            try:
                yield ("claims", index, "check", place), check_statement(str(text))
            except ValueError:
                continue
