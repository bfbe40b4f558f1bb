"""What only a whole study file shows: names that stand twice, or that nothing else has.

Works on a study file's raw content, so that these mistakes are reported together with those of its
single values. Parts that are not what they should be are passed over: validation reports them.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from resray.errors import not_known
from resray.models.table import MODELS, is_known
from resray.study.claims import Statement, check_statement
from resray.study.entries import AS_RUN, entries, trial_names
from resray.study.layers import merge, recipe_layers
from resray.study.model_spec import MODEL_FORMS
from resray.study.strict import Mistake, as_list
from resray.study.yaml_file import Key, find_all, section

Document = Mapping[str, Any]


def mistakes_of_the_whole(document: Document) -> Iterator[Mistake]:
    """Yield each mistake in the raw content of a study file, in no order."""
    yield from _names_twice(document)
    yield from _as_run_names(document)
    yield from _unknown_names(document)
    yield from _mixed_kinds(document)
    yield from _unreached_epochs(document)


def _variant_names(document: Document) -> list[str]:
    names = [document.get("default_variant", "standard"), *section(document, "variants")]
    return [str(name) for name in names] + ([AS_RUN] if document.get("as_run") else [])


def _names_twice(document: Document) -> Iterator[Mistake]:
    every = entries(document)
    has_trials = any(document.get(key) for key in ("trials", "ablate", "grid"))
    if not has_trials and all(entry.as_run for entry in every):
        message = "a study needs trials: `trials`, `ablate` or `grid`"
        yield Mistake(("trials",), message)
    # The default variant, and as-run, are named elsewhere.
    default, *others = _variant_names(document)
    variants = [(("default_variant",), default), *((("variants", name), name) for name in others)]
    for named, what in (
        ([(entry.place, entry.name) for entry in every], "stands there twice"),
        (list(find_all(document, "claims", "*", "id")), "stands there twice"),
        (list(find_all(document, "seeds", "*")), "stands there twice"),
        (variants, "names two variants"),
    ):
        names = [name for _, name in named]
        for index, (place, name) in enumerate(named):
            if name not in (None, "") and name in names[:index]:
                yield Mistake(place, f"{name!r} {what}")


def _as_run_names(document: Document) -> Iterator[Mistake]:
    for entry in entries(document):
        if entry.name and entry.name.endswith(f"-{AS_RUN}") != entry.as_run:
            message = f"{entry.name!r}: names of `as_run` end in -{AS_RUN}, and no others"
            yield Mistake(entry.place, message)


def _unknown_names(document: Document) -> Iterator[Mistake]:
    """Yield trials, variants, sources and models that are named in vain."""
    trials, variants = trial_names(document), _variant_names(document)
    stated = trial_names(document, as_run=False)
    # Where a name is missing, nothing is unknown.
    trials, stated = (names if all(trials) else [] for names in (trials, stated))
    choices = {
        "trial": trials, "variant": variants, "source": list(section(document, "sources"))
    }  # fmt: skip
    named: list[tuple[tuple[Key, ...], Any, list[str]]] = [
        (path, path[-1], stated) for path, _ in find_all(document, "variants", "*", "trials", "*")
    ]
    for key, known in choices.items():
        for part in ("published", "trials", "as_run"):
            named += [(path, name, known) for path, name in find_all(document, part, "*", key)]
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


def _mixed_kinds(document: Document) -> Iterator[Mistake]:
    """Yield figures and claims that name a trial as run under a stated variant, or the reverse.

    Claims may hold the two kinds against each other: they are not judged, and say why.
    """

    def runs(trial: Any) -> bool:
        return str(trial).endswith(f"-{AS_RUN}")

    for path, variant in find_all(document, "published", "*", "variant"):
        trial = section(document, *path[:-1]).get("trial")
        if variant is not None and runs(trial) != (variant == AS_RUN):
            yield Mistake(path, f"{trial} is no trial of the variant {variant}")
    for path, statement in _statements(document):
        for value in statement.values:
            if value.variant and runs(value.trial) != (value.variant == AS_RUN):
                yield Mistake(path, f"{value}: no trial of that variant")


def _unreached_epochs(document: Document) -> Iterator[Mistake]:
    """Yield what names an epoch after the last one that it could mean."""
    lengths = {
        (entry.name, variant): merge(recipe_layers(document, index, variant)).get("epochs")
        for index, entry in enumerate(entries(document))
        for variant in _variant_names(document)
        if entry.in_variant(variant)
    }
    named: list[tuple[tuple[Key, ...], Any, Any]] = [
        (path, epoch, section(document, *path[:-1]).get("epochs"))
        for path, epoch in find_all(document, "published", "*", "epoch")
    ]
    for path, statement in _statements(document):
        for value in statement.values:
            of_trial = [
                epochs
                for (trial, variant), epochs in lengths.items()
                if trial == value.trial and value.variant in (None, variant)
            ]
            named.append((path, value.epoch, _longest(of_trial)))
    for path, epoch in find_all(document, "checkpoints", "at", "*"):
        named.append((path, epoch, _longest(lengths.values())))
    for path, epoch, epochs in named:
        if isinstance(epoch, int) and isinstance(epochs, int) and epoch > epochs:
            yield Mistake(path, f"epoch {epoch} is beyond the last one, {epochs}")


def _longest(lengths: Iterable[Any]) -> int | None:
    """Return the largest number of epochs; None where one is none, or there are none."""
    known = list(lengths)
    return max(known, default=None) if all(isinstance(each, int) for each in known) else None


def _statements(document: Document) -> Iterator[tuple[tuple[Key, ...], Statement]]:
    """Yield the claims' comparisons that can be read, each with its place."""
    for path, check in find_all(document, "claims", "*", "check"):
        for index, text in enumerate(as_list(check)):
            with suppress(ValueError):
                yield (*path, index), check_statement(str(text))
