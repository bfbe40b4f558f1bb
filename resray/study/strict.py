"""What study files are made of: bounded numbers, and models that refuse what they do not know."""

from collections.abc import Iterable, Iterator, Mapping
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
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT), NUMBER]
Size = Annotated[int, Field(ge=0, le=LARGEST_COUNT), NUMBER]
Seed = Annotated[int, Field(ge=0, lt=2**32), NUMBER]
Name = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_NAME, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"),
]
ChannelValues = tuple[Finite, Finite, Finite]
ChannelScales = tuple[Positive, Positive, Positive]


class Misplaced(ValueError):
    """A mistake that only the whole shows; ``path`` leads from there to the value at fault."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Strict(BaseModel):
    """Base of all parts of a study: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        """Raise the first of the `mistakes`."""
        for mistake in self.mistakes():
            raise mistake
        return self

    def mistakes(self) -> Iterator[Misplaced]:
        """Yield what is wrong between values of which each is what it should be."""
        yield from ()

    def differs(self, keys: Iterable[str]) -> list[str]:
        """Return those of ``keys`` whose value is not the default."""
        fields = type(self).model_fields
        return [key for key in keys if getattr(self, key) != fields[key].default]

    def only_with(self, keys: Iterable[str], where: str) -> Iterator[Misplaced]:
        """Yield those of ``keys`` that are set, which mean something in ``where`` only."""
        for key in self.differs(keys):
            yield Misplaced((key,), f"only {where} has it, not {getattr(self, 'name', 'this')}")

    def only_those_of(self, options: Mapping[str, tuple[str, ...]]) -> Iterator[Misplaced]:
        """Yield the options that are set and that, by this table, others have but not this."""
        for key, names in options.items():
            if key in type(self).model_fields and getattr(self, "name", "") not in names:
                yield from self.only_with([key], " or ".join(names))


def name_shorthand(value: Any) -> Any:
    """Let ``model: resnet18`` stand for ``model: {name: resnet18}``."""
    return {"name": value} if isinstance(value, str) else value


def first_mistake(error: ValidationError) -> str:
    """Return the first thing that is wrong, with its place, on one line."""
    reason = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, reason["loc"]))
    return f"{place}: {reason['msg']}" if place else str(reason["msg"])
