"""What pydantic found wrong, said in our words: the value, the place, the valid choices."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from resray.errors import InputError, not_known
from resray.study.strict import Mistake
from resray.study.unions import bare, child_type, members
from resray.study.yaml_file import Key

_LONGEST_VALUE = 60


def mistakes_in(kind: Any, content: Any) -> list[Mistake]:
    """Validate content as ``kind``, a model or a union of them, and return what is wrong in it."""
    try:
        TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        return find_mistakes(kind, error)
    return []


def validated(kind: Any, content: Any, told: Callable[[Mistake], str]) -> Any:
    """Return content as ``kind``; raise `InputError` with what ``told`` makes of each mistake."""
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise InputError("\n".join(map(told, find_mistakes(kind, error)))) from error


def find_mistakes(kind: Any, error: ValidationError) -> list[Mistake]:
    """Translate the errors of validating ``kind``, one for each value at fault."""
    found: dict[tuple[Key, ...], Mistake] = {}
    wishes: dict[tuple[Key, ...], list[str]] = {}
    for detail in error.errors(include_url=False):
        place = _located(kind, detail)
        if wish := _wish(detail, place.kind):
            # Each member of a union of plain values reports on its own: say once what all admit.
            every = wishes.setdefault(place.path, [])
            every += [] if wish in every else [wish]
            admitted = " or ".join(every).replace(" or be ", " or ")
            found[place.path] = Mistake(place.path, f"{_short(detail['input'])} must {admitted}")
        else:
            for mistake in _translate(detail, place):
                found.setdefault(mistake.path, mistake)
    return list(found.values())


@dataclass(frozen=True)
class _Place:
    path: tuple[Key, ...]
    kind: Any
    """The type there."""
    union: Any = None
    """The union of models of which the last key's owner is a member, and its tag."""
    tag: str = ""


def _located(kind: Any, detail: ErrorDetails) -> _Place:
    """Return an error's place without pydantic's own marks: union members, a mapping's key."""
    place = _Place((), bare(kind))
    for key in detail["loc"]:
        if member := dict(members(place.kind)).get(str(key)):
            place = _Place(place.path, member, place.kind, str(key))
            continue
        child = None if key == "[key]" else child_type(place.kind, key)
        if child is None and detail["type"] != "extra_forbidden":
            break
        if child is None:
            return _Place((*place.path, key), place.kind, place.union, place.tag)
        place = _Place((*place.path, key), child)
    return place


def _translate(detail: ErrorDetails, place: _Place) -> Iterator[Mistake]:
    path = place.path
    match detail["type"]:
        case "extra_forbidden":
            yield _unknown(place)
        case "missing":
            yield Mistake(path, "is missing", missing=True)
        case "union_tag_not_found":
            yield Mistake((*path, "name"), "is missing", missing=True)
        case "union_tag_invalid":
            path, name = (*path, "name"), detail["input"]["name"]
            yield Mistake(path, not_known(name, dict(members(place.kind))))
        case "value_error":
            cause = detail["ctx"]["error"]
            for each in getattr(cause, "found", [Mistake((), str(cause))]):
                yield each.within(path)
        case "literal_error":
            yield Mistake(path, not_known(detail["input"], map(str, get_args(place.kind))))
        case "string_pattern_mismatch":
            pattern = "is no name: letters, digits and any of _ . + - (no spaces)"
            yield Mistake(path, f"{_short(detail['input'])} {pattern}")
        case _:
            yield Mistake(path, detail["msg"])


def _unknown(place: _Place) -> Mistake:
    """Return what is wrong with a key that its owner does not have, but others may."""
    *owner, key = place.path
    able = [tag for tag, model in members(place.union) if key in model.model_fields]
    if able:
        return Mistake(place.path, f"only {' or '.join(able)} has it, not {place.tag}")
    return Mistake(place.path, not_known(key, place.kind.model_fields), shown=tuple(owner))


_KINDS = {
    "int": "a whole number",
    "number": "a number",
    "float": "a number",
    "bool": "true or false",
    "string": "text; put it in quotes",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
}
"""What is due, by the first word of pydantic's errors."""


def _wish(detail: ErrorDetails, kind: Any) -> str | None:
    """Return what a value must be or have in pydantic's words, smoothed; None where it says else.

    Of a choice the words are ours, unless it is only one of the things that the value may be.
    """
    error, _, rest = detail["type"].partition("_")
    if rest in ("type", "parsing", "from_float", "attributes_type"):
        error = "int" if error == "number" and kind is int else error
        return f"be {_KINDS[error]}"
    is_choice = get_origin(kind) is Literal
    found = re.search(r"should (be|have) (.*)", "" if is_choice else detail["msg"])
    if not found:
        return None
    wish = found[2].replace("greater than or equal to", "at least")
    wish = wish.replace("less than or equal to", "at most").replace(" after validation", "")
    return f"{found[1]} {wish}"


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "true (as YAML reads yes and on)" if value else "false (as YAML reads no and off)"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
