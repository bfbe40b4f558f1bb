"""The shape of a study file: pydantic models that know every key, its type and its bounds.

A *recipe* (`resray.study.recipe_spec`) is everything that shapes one training. A *study* is a base
recipe, the trials that change it, and what was published about them.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator

from resray.errors import not_known
from resray.study.claims import check_statement
from resray.study.entries import AS_RUN, trial_names
from resray.study.metrics import EPOCH_METRICS, METRICS, TRIAL_METRICS
from resray.study.search_spec import Search
from resray.study.strict import Count, Finite, Mistake, Name, Percent, Seed, Strict, as_list

GridValues = Annotated[list[Any], Field(min_length=1)]


class TrialEntry(Strict):
    """One line of a study's list: a name, and what it changes in the base recipe."""

    name: Name
    recipe: dict[str, Any] = {}
    source: str | None = None
    """The source of what this trial changes, a name of the study's ``sources``."""
    note: str | None = None
    """What else a reader has to know about it, such as how a training that broke off ended."""


class Source(Strict):
    """Where figures and settings come from."""

    title: str
    author: str
    address: str
    commit: str | None = None
    """The version that was read, of a repository."""
    licence: str | None = None
    taken: list[str] = []
    """Dotted keys of the recipe whose values come from it; a key stands for all below it."""


class Variant(Strict):
    """The same trials under another recipe: changes for all of them, then for single ones."""

    description: str
    recipe: dict[str, Any] = {}
    trials: dict[str, dict[str, Any]] = {}


AblationForm = Literal["chain", "add", "remove"]
AblationForms = Annotated[list[AblationForm], BeforeValidator(as_list), Field(min_length=1)]


class Ablate(Strict):
    """Changes that are switched one by one between a plain recipe (the base) and the full one.

    The trials follow from it: see `resray.study.entries`.
    """

    forms: AblationForms = ["chain", "add", "remove"]
    """chain: cumulative, in the order of the changes; add: each alone on the plain recipe; remove:
    each taken from the full one."""
    changes: Annotated[dict[Name, dict[str, Any]], Field(min_length=2)]
    """Each change's name, and what it changes in the recipe."""


class CheckpointPolicy(Strict):
    """Which checkpoints stay beside the last, the best and the final one."""

    every: Count | None = None
    """Every so many epochs."""
    at: tuple[Count, ...] = ()
    """At these epochs."""
    keep_last: Count | None = None
    """Only this many of the periodic ones stay; null keeps all. Those of ``at`` always stay."""

    def mistakes(self) -> Iterator[Mistake]:
        if self.keep_last is not None and self.every is None:
            yield Mistake(("keep_last",), "needs `every`: it is about those")


class Quick(Strict):
    """What ``--quick`` changes, so that a study ends within minutes on two CPU cores."""

    recipe: dict[str, Any] = {}
    """Applied always."""
    embedded: dict[str, Any] = {}
    """Keys of ``data``, applied when embedded images stand in for the dataset."""
    real: dict[str, Any] = {}
    """Keys of ``data``, applied when ``--data-dir`` was given."""
    stand_ins: dict[str, str] = {}
    """Models that smaller ones stand in for, e.g. ``wrn-28-10: wrn-16-2``."""


class Published(Strict):
    """One figure that somebody published, with how it came about."""

    trial: str
    metric: str
    value: Finite
    unit: str = ""
    epochs: Count | None = None
    """Epochs of the published training."""
    epoch: Count | None = None
    """Epoch after which the figure was taken, where that is not the training's end."""
    variant: str | None = None
    """Variant of the study that the figure belongs to; null goes with any."""
    protocol: str
    device: Annotated[str, Field(min_length=1)]
    """Model of the device, or ``any`` or ``unstated``."""
    not_comparable: Annotated[str, Field(min_length=1)] | None = None
    """Why the figure must not be compared with ours, where its protocol alone forbids it."""
    source: str
    """A name of the study's ``sources``, or in words where it has none."""

    @field_validator("metric")
    @classmethod
    def metric_is_known(cls, metric: str) -> str:
        if metric not in METRICS:
            raise ValueError(not_known(metric, METRICS))
        return metric

    def mistakes(self) -> Iterator[Mistake]:
        allowed = TRIAL_METRICS if self.epoch is None else EPOCH_METRICS
        if self.metric not in allowed:
            when = "of an epoch (`epoch`)" if self.epoch is None else "of the whole training"
            yield Mistake(("metric",), f"{self.metric} is a figure {when}")


class Claim(Strict):
    """A statement of the study's author, to be tested."""

    id: str
    text: str
    check: Annotated[list[str], BeforeValidator(as_list)] = []
    """Comparisons over trials that must all hold (`resray.study.claims`), e.g.
    ``test_accuracy[resnet152] - test_accuracy[resnet18] < 5``."""
    untested: str | None = None
    """Why no comparison can test it."""

    def mistakes(self) -> Iterator[Mistake]:
        for index, text in enumerate(self.check):
            try:
                check_statement(text)
            except ValueError as error:
                yield Mistake(("check", index), str(error))
        if bool(self.check) == (self.untested is not None):
            yield Mistake((), "needs `check`, or `untested` with the reason, and not both")


Headline = Literal[
    "accuracy_against_cost", "learning_curves", "published_against_measured", "time_to_accuracy",
    "generalisation_gap", "robustness", "ablation", "search_history",
]  # fmt: skip


class Study(Strict):
    """One study file."""

    name: Annotated[Name, Field(pattern=r"^[A-Za-z0-9_-]*$")]
    title: str
    question: str
    description: str = ""
    recipe: dict[str, Any]
    """The base recipe; each trial's complete recipe is validated as a `Recipe`."""
    trials: list[TrialEntry] = []
    as_run: list[TrialEntry] = []
    """What the study's author really ran, by code and logs, beside what was stated: trials whose
    names end in ``-as-run``, run by ``--variant as-run`` in place of the others."""
    ablate: Ablate | None = None
    """Trials from changes that are switched one by one."""
    grid: Annotated[dict[str, GridValues], Field(min_length=1)] | None = None
    """Trials from every combination of values of dotted recipe keys."""
    exclusive: bool = False
    """One trial at a time has the device (on CPU: the machine) to itself, so that times compare."""
    checkpoints: CheckpointPolicy = CheckpointPolicy()
    default_variant: str = "standard"
    """The name of the base recipe among the variants."""
    default_description: str = ""
    variants: dict[str, Variant] = {}
    target_accuracy: Percent | None = None
    """Accuracy in percent to which the time is given, and which curves show."""
    sources: dict[Name, Source] = {}
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]
    pairing: Literal["none", "seed"] = "none"
    """Whether configurations are compared within seeds (of `seed`), as what a seed does to one it
    does to all, or by their means. Where seeds do not go together, pairs show less."""
    headline: Headline | None = None
    """The figure that answers the question, at the top of the report; else the best fitting one."""
    quick: Quick = Quick()
    search: Search | None = None
    """What `resray tune` searches."""
    published: list[Published] = []
    claims: list[Claim] = []
    assumed: dict[str, str] = {}
    """Recipe keys that the source leaves unstated, each with the reason for our choice."""
    _folder: Path = PrivateAttr(Path())

    @property
    def folder(self) -> Path:
        """The folder of the study's file, from which relative paths and own modules are found."""
        return self._folder

    def found_in(self, folder: Path) -> Self:
        """Say where the study's file lies; without that, it is the working folder."""
        self._folder = folder
        return self

    @cached_property
    def document(self) -> dict[str, Any]:
        """The content of the study's file, defaults written out."""
        return self.model_dump()

    @property
    def trial_names(self) -> list[str]:
        """The names of all trials: listed, then those of ``ablate``, ``grid`` and ``as_run``."""
        return trial_names(self.document)

    @property
    def figures(self) -> list[Published]:
        """The published figures, their sources by title."""
        titles = {name: source.title for name, source in self.sources.items()}
        return [
            figure.model_copy(update={"source": titles.get(figure.source, figure.source)})
            for figure in self.published
        ]

    @property
    def variant_names(self) -> list[str]:
        """The study's variants, the default one first."""
        return [self.default_variant, *self.variants, *([AS_RUN] if self.as_run else [])]
