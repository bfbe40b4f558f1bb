"""What study files are made of: bounded numbers, and models that refuse what they do not know."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
ChannelValues = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
ChannelScales = tuple[Positive, Positive, Positive]


class Misplaced(ValueError):
    """A mistake that only the whole shows; ``path`` leads from there to the value at fault."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Strict(BaseModel):
    """Base of all parts of a study: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    def differs(self, keys: Iterable[str]) -> list[str]:
        """Return those of ``keys`` whose value is not the default."""
        fields = type(self).model_fields
        return [key for key in keys if getattr(self, key) != fields[key].default]

    def only_with(self, keys: Iterable[str], where: str) -> None:
        """Raise Misplaced if one of ``keys``, which mean something in ``where`` only, is set."""
        for key in self.differs(keys):
            raise Misplaced((key,), f"only {where} has it, not {getattr(self, 'name', 'this')}")

    def only_those_of(self, options: Mapping[str, tuple[str, ...]]) -> None:
        """Raise Misplaced if an option is set that, by this table, others have but not this."""
        for key, names in options.items():
            if key in type(self).model_fields and getattr(self, "name", "") not in names:
                self.only_with([key], " or ".join(names))


def name_shorthand(value: Any) -> Any:
    """Let ``model: resnet18`` stand for ``model: {name: resnet18}``."""
    return {"name": value} if isinstance(value, str) else value
