"""What pydantic found wrong, said in our words: the value, the place, the valid choices."""

import re
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from resray.errors import InputError, not_known
from resray.study.source import Key
from resray.study.strict import Misplaced

_LONGEST_VALUE = 60

Part = TypeVar("Part", bound=BaseModel)


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a document."""

    path: tuple[Key, ...]
    """Of the value at fault, or of the unknown key."""
    shown: tuple[Key, ...]
    """The part of the path that the message starts with."""
    message: str
    missing: bool = False


def dotted(path: Sequence[Key]) -> str:
    """Return ``trials[2].recipe.optimizer.lr`` for the path of keys and indices."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def mistakes_in(model: type[BaseModel], content: Any) -> list[Mistake]:
    """Validate content as ``model`` and return what is wrong in it."""
    try:
        model.model_validate(content)
    except ValidationError as error:
        return find_mistakes(model, error)
    return []


def validated(kind: type[Part], content: Any, told: Callable[[Mistake], str]) -> Part:
    """Return content as ``kind``; raise `InputError` with what ``told`` makes of each mistake."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(map(told, find_mistakes(kind, error)))) from error


def find_mistakes(model: type[BaseModel], error: ValidationError) -> list[Mistake]:
    """Translate the errors of validating ``model``, one for each value at fault."""
    found: dict[tuple[Key, ...], Mistake] = {}
    for detail in error.errors(include_url=False):
        path, kind = _locate(model, detail)
        # Each member of a union reports the value on its own: say once what all of them admit.
        message = _describe_wrong(detail["input"], kind) if path in found else None
        mistake = _translate(model, detail, path, kind)
        found[path] = Mistake(path, path, message) if message else mistake
    return list(found.values())


def _locate(model: type[BaseModel], detail: ErrorDetails) -> tuple[tuple[Key, ...], Any]:
    """Return an error's path without pydantic's own marks (union members, a mapping's key), and the
    type there."""
    kind: Any = model
    path: list[Key] = []
    for key in detail["loc"]:
        child = None if key == "[key]" else child_type(kind, key)
        if child is None and detail["type"] != "extra_forbidden":
            break
        path.append(key)
        kind = kind if child is None else child
    return tuple(path), kind


def _translate(
    model: type[BaseModel], detail: ErrorDetails, path: tuple[Key, ...], kind: Any
) -> Mistake:
    if detail["type"] == "extra_forbidden":
        return Mistake(path, path[:-1], not_known(path[-1], kind.model_fields))
    if detail["type"] == "missing":
        return Mistake(path, path, "is missing", missing=True)
    if detail["type"] == "value_error":
        cause = detail["ctx"]["error"]
        path = path + (cause.path if isinstance(cause, Misplaced) else ())
        return Mistake(path, path, str(cause))
    return Mistake(path, path, _say(detail, kind))


def _say(detail: ErrorDetails, kind: Any) -> str:
    value, error = detail["input"], detail["type"]
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if choices:
        return not_known(value, map(str, choices))
    if error == "string_pattern_mismatch":
        return f"{_short(value)} is no name: letters, digits and any of _ . + - (no spaces)"
    if error == "string_type":
        return f"{_short(value)} must be text; put it in quotes"
    if re.search(r"_(type|parsing|from_float|attributes_type)$", error):
        return _describe_wrong(value, kind)
    wish = detail["msg"].replace("Input should be", "must be").replace("should have", "must have")
    wish = wish.replace("greater than or equal to", "at least")
    wish = wish.replace("less than or equal to", "at most").replace(" after validation", "")
    wish = re.sub(r"^(List|Tuple|Dictionary|String|Value) (?=must)", "", wish)
    return f"{_short(value)} {wish[:1].lower()}{wish[1:]}"


def _describe_wrong(value: Any, kind: Any) -> str:
    return f"{_short(value)} must be {_describe(kind)}"


def _describe(kind: Any) -> str:
    kind = _bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_describe(member) for member in get_args(kind))
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    simple = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if kind in simple:
        return simple[kind]
    return "a list" if get_origin(kind) in (list, tuple) else "a mapping of keys to values"


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "true (as YAML reads yes and on)" if value else "false (as YAML reads no and off)"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _bare(kind: Any) -> Any:
    """Strip annotations and the None of an optional value."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        members = [member for member in get_args(kind) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else Union[tuple(members)]  # noqa: UP007
    return kind


def child_type(kind: Any, key: Key) -> Any:
    """Return the type that a key or index leads to, or None where it leads nowhere."""
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(key))
        return _bare(field.annotation) if field else None
    members = get_args(kind)
    if get_origin(kind) is dict:
        return _bare(members[1])
    if get_origin(kind) is list or (get_origin(kind) is tuple and members[-1] is Ellipsis):
        return _bare(members[0])
    if get_origin(kind) is tuple and isinstance(key, int) and key < len(members):
        return _bare(members[key])
    return None


def unknown_key(kind: Any, keys: Sequence[str], first: Sequence[str]) -> tuple[int, str] | None:
    """Return the depth of the first key that leads nowhere from a type, and what is wrong with it.

    ``first`` are what could stand at depth 0 beside the type's own. None: all lead somewhere.
    """
    for depth, key in enumerate(keys):
        child = child_type(kind, key)
        if child is None:
            choices = [*getattr(kind, "model_fields", ()), *([] if depth else first)]
            return depth, not_known(key, choices) if choices else f"has no {key!r} in it"
        kind = child
    return None
