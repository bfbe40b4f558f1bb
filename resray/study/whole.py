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
from resray.study.model_spec import MODEL_FORMS
from resray.study.source import Key
from resray.study.strict import Mistake

Document = Mapping[str, Any]


def mistakes_of_the_whole(document: Document) -> Iterator[Mistake]:
    """Yield each mistake in the raw content of a study file, in no order."""
    yield from _names_twice(document)
    yield from _as_run_names(document)
    yield from _unknown_names(document)
    yield from _unreached_epochs(document)


def _variant_names(document: Document) -> list[str]:
    names = [document.get("default_variant", "standard"), *section(document, "variants")]
    return [str(name) for name in names] + ([AS_RUN] if document.get("as_run") else [])


def _names_twice(document: Document) -> Iterator[Mistake]:
    every = entries(document)
    if not every and not any(document.get(key) for key in ("trials", "ablate", "grid")):
        message = "a study needs trials: `trials`, `ablate` or `grid`"
        yield Mistake(("trials",), message)
    for index, name in _repeated([entry.name for entry in every]):
        yield Mistake(every[index].place, f"{name!r} stands there twice")
    for index, name in _repeated([claim.get("id") for claim in _mappings(document, "claims")]):
        yield Mistake(("claims", index, "id"), f"{name!r} stands there twice")
    if isinstance(seeds := document.get("seeds"), list) and list(_repeated(seeds)):
        yield Mistake(("seeds",), f"{seeds} holds a seed twice")
    for _, name in _repeated(_variant_names(document)):
        yield Mistake(("variants", str(name)), f"{name!r} names two variants")


def _as_run_names(document: Document) -> Iterator[Mistake]:
    for entry in entries(document):
        if entry.name and entry.name.endswith(f"-{AS_RUN}") != entry.as_run:
            message = f"{entry.name!r}: names of `as_run` end in -{AS_RUN}, and no others"
            yield Mistake(entry.place, message)


def _unknown_names(document: Document) -> Iterator[Mistake]:
    """Yield trials, variants, sources and models that are named in vain."""
    trials, variants = trial_names(document), _variant_names(document)
    # Where a name is missing, nothing is unknown.
    trials = trials if all(trials) else []
    sources = list(section(document, "sources"))
    named: list[tuple[tuple[Key, ...], Any, list[str]]] = [
        (("variants", variant, "trials", trial), trial, trials)
        for variant, content in section(document, "variants").items()
        for trial in section(content, "trials")
    ]
    choices = {"trial": trials, "variant": variants, "source": sources}
    for key in ("published", "trials", "as_run"):
        for index, entry in enumerate(_mappings(document, key)):
            named += [((key, index, of), entry.get(of), choices[of]) for of in choices]
    for path, statement in _statements(document):
        named += [(path, value.trial, trials) for value in statement.values]
        named += [(path, value.variant, variants) for value in statement.values]
    for path, name, known in named:
        if isinstance(name, str) and known and name not in known:
            yield Mistake(path, not_known(name, known))
    for model, smaller in section(document, "quick", "stand_ins").items():
        for name in (model, smaller):
            if isinstance(name, str) and not is_known(name):
                message = not_known(name, [*MODELS, *MODEL_FORMS])
                yield Mistake(("quick", "stand_ins", model), message)


def _unreached_epochs(document: Document) -> Iterator[Mistake]:
    """Yield what names an epoch after the last one that it could mean."""
    lengths = {
        (entry.name, variant): merge(recipe_layers(document, index, variant)).get("epochs")
        for index, entry in enumerate(entries(document))
        for variant in _variant_names(document)
        if entry.in_variant(variant)
    }
    named: list[tuple[tuple[Key, ...], Any, Any]] = [
        (("published", index, "epoch"), figure.get("epoch"), figure.get("epochs"))
        for index, figure in enumerate(_mappings(document, "published"))
    ]
    for path, statement in _statements(document):
        for value in statement.values:
            of_trial = [
                epochs
                for (trial, variant), epochs in lengths.items()
                if trial == value.trial and value.variant in (None, variant)
            ]
            named.append((path, value.epoch, _longest(of_trial)))
    kept = section(document, "checkpoints").get("at")
    for index, epoch in enumerate(kept if isinstance(kept, list) else ()):
        named.append((("checkpoints", "at", index), epoch, _longest(lengths.values())))
    for path, epoch, epochs in named:
        if isinstance(epoch, int) and isinstance(epochs, int) and epoch > epochs:
            yield Mistake(path, f"epoch {epoch} is beyond the last one, {epochs}")


def _longest(lengths: Iterable[Any]) -> int | None:
    """Return the largest number of epochs; None where one is none, or there are none."""
    known = list(lengths)
    return max(known, default=None) if all(isinstance(each, int) for each in known) else None


def _repeated(values: list[Any]) -> Iterator[tuple[int, Any]]:
    """Yield each value, with its place, that stands before it too."""
    for index, value in enumerate(values):
        if value not in (None, "") and value in values[:index]:
            yield index, value


def _mappings(document: Document, key: str) -> list[Mapping[str, Any]]:
    """Return the items of a list, an empty mapping in place of what is none."""
    items = document.get(key)
    items = items if isinstance(items, list) else []
    return [item if isinstance(item, Mapping) else {} for item in items]


def _statements(document: Document) -> Iterator[tuple[tuple[Key, ...], Statement]]:
    """Yield the claims' comparisons that can be read, each with its place."""
    for index, claim in enumerate(_mappings(document, "claims")):
        check = claim.get("check")
        for place, text in enumerate(check if isinstance(check, list) else [check]):
            try:
                yield ("claims", index, "check", place), check_statement(str(text))
            except ValueError:
                continue
