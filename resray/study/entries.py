"""The trials of a study: those it lists, and those that follow from ``ablate`` and ``grid``.

Works on a study file's raw content, so that a mistake in a change is reported at its line.

An ablation's trials are named by what is switched on: ``plain``, ``plain+batch`` (one change),
``plain+batch+loader`` (a chain's step), ``full``, ``full-batch`` (all but one). A trial that two
forms share, such as a chain's first step, is there once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from resray.study.strict import Mistake, Mistakes, as_list
from resray.study.yaml_file import Key, find_all, section

ABLATION_FORMS = ("chain", "add", "remove")
PLAIN, FULL = "plain", "full"
AS_RUN = "as-run"
"""The variant that stands for the trials of ``as_run``, whose names end in ``-as-run``."""
MOST_TRIALS, MOST_CHANGES = 2000, 100
"""Of a grid and of an ablation: each trial is checked before anything starts."""


@dataclass(frozen=True)
class Entry:
    """One trial: its name, and the places in the study file that change its recipe, in order."""

    name: str
    place: tuple[Key, ...]
    """What the name follows from."""
    paths: tuple[tuple[Key, ...], ...] = ()
    """Of mappings in the file."""
    changes: tuple[tuple[str, Any], ...] = ()
    """Dotted keys and values of a grid's point."""

    @property
    def as_run(self) -> bool:
        """Whether it is one of ``as_run``."""
        return self.place[0] == "as_run"

    def in_variant(self, variant: str) -> bool:
        """Whether the variant has this trial: as-run ones have a variant of their own."""
        return self.as_run == (variant == AS_RUN)


@dataclass(frozen=True)
class Step:
    """One trial of an ablation's form."""

    name: str
    change: str | None
    """What it switches against the step before (chain), the plain (add) or the full recipe."""
    applied: tuple[str, ...]
    """The changes that are on."""


def entries(document: Any) -> list[Entry]:
    """Return a study's trials, from the raw or validated content of its file, as-run ones last.

    Parts that are not what they should be are passed over: validation reports them. Raises
    Mistakes where there are too many.
    """
    return [
        *_listed(document, "trials"),
        *_of_ablation(document.get("ablate")),
        *_of_grid(document.get("grid")),
        *_listed(document, "as_run"),
    ]


def trial_names(document: Any, *, as_run: bool = True) -> list[str]:
    """Return the names of a study's trials, with those of ``as_run`` or without."""
    return [entry.name for entry in entries(document) if as_run or not entry.as_run]


def ablation_steps(changes: list[str], form: str) -> list[Step]:
    """Return the trials of a form (chain, add or remove) over changes, its reference first.

    A chain goes from plain to full; add ends and remove begins with the full recipe.
    """
    steps: list[tuple[str | None, Sequence[str]]]
    if form == "chain":
        steps = [(change, changes[: number + 1]) for number, change in enumerate(changes)]
        steps = [(None, ()), *steps]
    elif form == "add":
        steps = [(None, ()), *((change, [change]) for change in changes), (None, changes)]
    else:
        without = [(change, [each for each in changes if each != change]) for change in changes]
        steps = [(None, changes), *without, (None, ())]
    return [Step(_name(applied, changes), change, tuple(applied)) for change, applied in steps]


def _name(applied: Sequence[str], changes: Sequence[str]) -> str:
    missing = [change for change in changes if change not in applied]
    if not missing:
        return FULL
    if len(missing) == 1 and len(changes) > 2:
        return f"{FULL}-{missing[0]}"
    return "+".join((PLAIN, *applied))


def _listed(document: Mapping[str, Any], key: str) -> list[Entry]:
    found = []
    for path, entry in find_all(document, key, "*"):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        text = name if isinstance(name, str) else ""
        found.append(Entry(text, (*path, "name"), ((*path, "recipe"),)))
    return found


def _of_ablation(ablate: Any) -> list[Entry]:
    names = [str(name) for name in section(ablate, "changes")]
    if not names:
        return []
    if len(names) > MOST_CHANGES:
        message = f"more than {MOST_CHANGES} changes"
        raise Mistakes([Mistake(("ablate", "changes"), message)])
    forms = [
        form for form in as_list(ablate.get("forms", ABLATION_FORMS)) if form in ABLATION_FORMS
    ]
    steps = {step.name: step for form in forms for step in ablation_steps(names, form)}
    return [
        Entry(name, ("ablate",), tuple(("ablate", "changes", each) for each in step.applied))
        for name, step in steps.items()
    ]


def _of_grid(grid: Any) -> list[Entry]:
    if not isinstance(grid, Mapping) or not all(isinstance(v, list) for v in grid.values()):
        return []
    if prod(map(len, grid.values())) > MOST_TRIALS:
        raise Mistakes([Mistake(("grid",), f"more than {MOST_TRIALS:,} trials")])
    points = (dict(zip(grid, values, strict=True)) for values in product(*grid.values()))
    return [Entry(point_name(point), ("grid",), (), tuple(point.items())) for point in points]


def point_name(values: Mapping[str, Any]) -> str:
    """Return the name of a grid's or a search's point: its values, e.g. ``resnet18-sgd-0.1``."""
    return "-".join(_shown(value) for value in values.values())


def _shown(value: Any) -> str:
    """Return a point's value as a part of a trial's name."""
    if isinstance(value, Mapping):
        return "_".join(f"{_shown(key)}_{_shown(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return "_".join(_shown(part) for part in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(letter if letter.isalnum() or letter in "_.+-" else "_" for letter in text)
