"""What only a whole study file shows: names that stand twice, or that nothing else has.

Works on a study file's raw content, so that these mistakes are reported together with those of its
single values. Parts that are not what they should be are passed over: validation reports them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from resray.errors import not_known
from resray.models.table import MODELS, is_known
from resray.study.claims import Statement, check_statement
from resray.study.entries import trial_names
from resray.study.layers import section
from resray.study.recipe_spec import MODEL_FORMS
from resray.study.source import Key
from resray.study.strict import Misplaced

DEFAULT_VARIANT = "standard"


def mistakes_of_the_whole(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    """Yield each mistake in the raw or validated content of a study file, in no order."""
    yield from _names_twice(document)
    yield from _unknown_in_variants(document)
    yield from _unknown_in_published(document)
    yield from _unknown_in_claims(document)
    yield from _unknown_stand_ins(document)
    yield from _seeds_twice(document)


def variant_names(document: Mapping[str, Any]) -> list[str]:
    """Return the study's variants, the default one first."""
    default = document.get("default_variant", DEFAULT_VARIANT)
    return [str(name) for name in (default, *section(document, "variants"))]


def _names_twice(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    names = trial_names(document)
    listed = len(_mappings(document, "trials"))
    if not names and not any(document.get(key) for key in ("trials", "ablate", "grid")):
        message = "a study needs trials: `trials`, `ablate` or `grid`"
        yield Misplaced(("trials",), message)
    for index, name in _repeated(names):
        path: tuple[Key, ...] = ("trials", index, "name") if index < listed else ("trials",)
        yield Misplaced(path, f"{name!r} stands there twice")
    for index, name in _repeated([claim.get("id") for claim in _mappings(document, "claims")]):
        yield Misplaced(("claims", index, "id"), f"{name!r} stands there twice")
    default, *others = variant_names(document)
    if default in others:
        message = f"{default!r} names the base recipe and a variant"
        yield Misplaced(("default_variant",), message)


def _unknown_in_variants(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    for variant in section(document, "variants"):
        for trial in section(document, "variants", variant, "trials"):
            place = ("variants", variant, "trials", trial)
            yield from _unless_known(place, trial, _known_trials(document))


def _unknown_in_published(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    trials, variants = _known_trials(document), variant_names(document)
    for index, figure in enumerate(_mappings(document, "published")):
        yield from _unless_known(("published", index, "trial"), figure.get("trial"), trials)
        yield from _unless_known(("published", index, "variant"), figure.get("variant"), variants)


def _unknown_in_claims(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    trials, variants = _known_trials(document), variant_names(document)
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


def _seeds_twice(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    seeds = document.get("seeds")
    if isinstance(seeds, list) and list(_repeated(seeds)):
        yield Misplaced(("seeds",), f"{seeds} holds a seed twice")


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
