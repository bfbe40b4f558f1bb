"""What `resray tune` searches: the spaces of a study and how trials are stopped early.

A *space* has axes; a *point* gives each axis that applies one value. A study's spaces form a union:
each is searched on its own, and all of their points compete.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from resray.errors import not_known
from resray.models.table import runs_own_code
from resray.study.strict import NUMBER, Count, Finite, Mistake, Name, Seed, Size, Strict

RungSchedule = Literal["full", "rescaled"]
AfterSearch = Literal["tta", "ensemble", "corruptions"]

TRIAL_AXIS = "trial"
"""The axis whose values are names of the study's trials: a point starts from that trial's recipe.
Without it a point starts from the base recipe."""

MOST_POINTS = 10_000


def named_or_own(*names: str) -> AfterValidator:
    """Return what takes one of the names, or ``module:function`` for what that function returns."""

    def checked(value: str) -> str:
        if value not in names and not runs_own_code(value):
            choices = not_known(value, [*names, "module:function"])
            raise PydanticCustomError("unknown_name", "{choices}", {"choices": choices})
        return value

    return AfterValidator(checked)


SearchMethod = Annotated[str, named_or_own("grid", "random", "tpe")]
SchedulerName = Annotated[str, named_or_own("asha", "halving", "median", "none")]

RANGES = ("uniform", "loguniform", "int")
FORMS = ("grid", "choice", *RANGES)
"""How an axis says its values; exactly one of them."""


def as_alternatives(value: Any) -> Any:
    """Let a single form stand for a list of one.

    Raises ValueError for values without a form.
    """
    alternatives = value if isinstance(value, list | tuple) else [value]
    plain = [each for each in alternatives if isinstance(each, str | float | int | None)]
    if plain and len(plain) == len(alternatives):
        raise ValueError(f"values need a form around them: write {{grid: {json.dumps(plain)}}}")
    return alternatives


def _kind_of_values(value: Any) -> str:
    return "named" if isinstance(value, Mapping) else "listed"


Values = Annotated[
    Annotated[list[Any], Tag("listed")] | Annotated[dict[str, dict[str, Any]], Tag("named")],
    Discriminator(_kind_of_values),
]


class Axis(Strict):
    """One way in which an axis takes its values, and when it applies.

    ``grid`` and ``choice`` hold a list of values of the recipe key that the axis is named after, or
    a mapping from names to changes of the recipe (the axis then has a name of its own, e.g.
    ``policy: {choice: {plain: {}, auto: {augmentation: {auto_augment: {}}}}}``). A value that is a
    mapping needs such a name: a point says it in a word.
    """

    when: dict[str, Any] = {}
    """Applies only where these axes, written before this one, have this value, or one of a list."""
    grid: Values | None = None
    """Every one of these, in combination with every other grid."""
    choice: Values | None = None
    """One of these, each as likely."""
    uniform: tuple[Finite, Finite] | None = None
    """A number between these, each as likely."""
    loguniform: tuple[Finite, Finite] | None = None
    """A number between these, above 0, whose logarithm is uniform."""
    int: tuple[Size, Size] | None = None
    """A whole number from the first to the last, both included."""

    def mistakes(self) -> Iterator[Mistake]:
        if len(self.forms) != 1:
            given = " and ".join(self.forms) or "none"
            yield Mistake((), f"needs exactly one of {', '.join(FORMS)}; it has {given}")
        if self.form in RANGES:
            low, high = self.bounds
            if low >= high:
                yield Mistake((self.form,), f"{low:g} must be below {high:g}")
            if self.form == "loguniform" and low <= 0:
                yield Mistake(("loguniform", 0), f"{low:g} must be above 0")
        elif not self.options:
            yield Mistake((self.form,), "needs at least one value")
        for index, value in enumerate(self.options):
            if value in self.options[:index]:
                yield Mistake((self.form, index), f"{value!r} stands there twice")
            if isinstance(value, dict):
                message = "a mapping needs a name: {NAME: {changes of the recipe}, ...}"
                yield Mistake((self.form, index), message)

    @property
    def forms(self) -> list[str]:
        """The forms that are given: one, in a valid axis."""
        return [form for form in FORMS if getattr(self, form) is not None]

    @property
    def form(self) -> str:
        """How the axis says its values."""
        return self.forms[0]

    @property
    def named(self) -> dict[str, dict[str, Any]]:
        """The changes of the recipe by the name that stands for them; empty where values do."""
        values = self.grid or self.choice
        return values if isinstance(values, dict) else {}

    @property
    def options(self) -> list[Any]:
        """What ``grid`` and ``choice`` list: names or values; empty for a range."""
        return list(self.grid or self.choice or ())

    @property
    def bounds(self) -> tuple[float, float]:
        """The first and the last value of a range."""
        bounds = self.uniform or self.loguniform or self.int
        assert bounds is not None, self.form
        return bounds


Alternatives = Annotated[list[Axis], BeforeValidator(as_alternatives), Field(min_length=1)]


class Space(Strict):
    """Axes that are combined with each other, on top of some fixed changes."""

    recipe: dict[str, Any] = {}
    """Changes of the recipe at every point of the space."""
    axes: Annotated[dict[str, Alternatives], Field(min_length=1)]
    """Each axis: a dotted key of the recipe, `TRIAL_AXIS`, or a free name (see `Axis`). Of several
    alternatives the first whose ``when`` holds applies; if none does, the axis is left out."""


class SearchSettings(Strict):
    """How the spaces are searched. Options of `resray tune` of the same names take precedence."""

    method: SearchMethod = "grid"
    """grid: every combination of the grid axes, with ``samples`` draws of the others for each;
    random: ``samples`` points, grid axes drawn too; tpe: the same number proposed by Optuna;
    ``module:function``: by the Ray `Searcher` that it returns."""
    samples: Annotated[int, Field(ge=1, le=MOST_POINTS), NUMBER] = 1
    seed: Seed = 0
    """Of drawing, of the order and of the audit; trainings have the study's first seed."""
    scheduler: SchedulerName = "asha"
    """Who stops trials: Ray's ASHA or median stopping rule, synchronous halving, nobody, or the Ray
    `TrialScheduler` that ``module:function`` returns."""
    grace: Count = 1
    """Epochs before the first decision: the first rung."""
    reduction_factor: Annotated[int, Field(ge=2), NUMBER] = 3
    """asha and halving: one of so many goes on at each rung; each rung is so many times longer."""
    rung_schedule: RungSchedule = "full"
    """full: a trial keeps the schedule of its full length, and goes on from its checkpoint;
    rescaled (halving): each rung is a training of its own, rescaled to the rung's epochs."""
    confirm: Annotated[int, Field(ge=0, le=MOST_POINTS), NUMBER] = 3
    """Fresh seeds with which the winner is trained in full and tested."""
    audit: Size = 0
    """Stopped trials, drawn at random, that are trained to the end after all."""
    evaluate: tuple[AfterSearch, ...] = ()
    """What `resray evaluate` measures on the confirmations at the end."""

    @property
    def rescaled(self) -> bool:
        """Whether each rung is a training of its own."""
        return self.rung_schedule == "rescaled" and self.scheduler == "halving"

    @property
    def proposes(self) -> bool:
        """Whether points are proposed one by one, learning from those before."""
        return self.method not in ("grid", "random")


class QuickSearch(Strict):
    """What ``--quick`` changes in the settings."""

    method: SearchMethod | None = None
    samples: Count | None = None
    grace: Count | None = None
    reduction_factor: Annotated[int, Field(ge=2), NUMBER] | None = None
    confirm: Size | None = None


class Search(SearchSettings):
    """A study's search."""

    spaces: Annotated[dict[Name, Space], Field(min_length=1)]
    """A union: each name's space is searched."""
    quick: QuickSearch = QuickSearch()
