"""What study files are made of: bounded numbers, and models that refuse what they do not know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError


def no_boolean(value: Any) -> Any:
    """Refuse true and false where a number is due: pydantic takes them for 1 and 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "is no number")
    return value


NUMBER = BeforeValidator(no_boolean)
LARGEST_COUNT = 100_000_000
LONGEST_NAME = 100
"""Letters: with what is put before and after it, a name is one of a file."""

Finite = Annotated[float, Field(allow_inf_nan=False), NUMBER]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), NUMBER]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), NUMBER]
Fraction = Annotated[float, Field(ge=0, le=1), NUMBER]
Share = Annotated[float, Field(ge=0, lt=1), NUMBER]
Percent = Annotated[float, Field(gt=0, le=100), NUMBER]
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT), NUMBER]
Size = Annotated[int, Field(ge=0, le=LARGEST_COUNT), NUMBER]
Seed = Annotated[int, Field(ge=0, lt=2**32), NUMBER]
Name = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_NAME, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"),
]
ChannelValues = tuple[Finite, Finite, Finite]
ChannelScales = tuple[Positive, Positive, Positive]


def dotted(path: Sequence[str | int]) -> str:
    """Return ``trials[2].recipe.optimizer.lr`` for the path of keys and indices."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a document."""

    path: tuple[str | int, ...]
    """Of the value at fault, or of the unknown key."""
    message: str
    shown: tuple[str | int, ...] | None = None
    """The part of the path that the message starts with, where that is not all of it."""
    missing: bool = False

    @property
    def prefix(self) -> tuple[str | int, ...]:
        """What the message starts with."""
        return self.path if self.shown is None else self.shown

    @property
    def with_place(self) -> str:
        """The message after what it starts with."""
        return f"{dotted(self.prefix)}: {self.message}" if self.prefix else self.message

    def within(self, start: tuple[str | int, ...]) -> "Mistake":
        """Return it as one of a document in which what it is about stands at ``start``."""
        shown = None if self.shown is None else start + self.shown
        return replace(self, path=start + self.path, shown=shown)


class Mistakes(ValueError):
    """Some of them, raised at once."""

    def __init__(self, found: list[Mistake]) -> None:
        super().__init__("; ".join(each.message for each in found))
        self.found = found


class Strict(BaseModel):
    """Base of all parts of a study: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        """Raise the `mistakes`, if there are any."""
        if found := list(self.mistakes()):
            raise Mistakes(found)
        return self

    def mistakes(self) -> Iterator[Mistake]:
        """Yield what is wrong between values of which each is what it should be."""
        yield from ()


class Named(Strict):
    """Base of the members of a union, which their names tell apart."""

    name: str


def named(default: str | None = None) -> BeforeValidator:
    """Let a union's value be its name alone (``model: resnet18``), or lack the default name."""
    return BeforeValidator(partial(_with_name, default))


def _with_name(default: str | None, value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    lacks = default is not None and isinstance(value, Mapping) and "name" not in value
    return {"name": default, **value} if lacks else value


def as_list(value: Any) -> Any:
    """Let a single value stand for a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def first_mistake(error: ValidationError) -> str:
    """Return the first thing that is wrong, with its place, on one line."""
    reason = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, reason["loc"]))
    return f"{place}: {reason['msg']}" if place else str(reason["msg"])
