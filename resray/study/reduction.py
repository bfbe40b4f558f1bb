"""One way in which a trial was reduced or changed against its study's own recipe.

The trials table keeps them as a JSON list of objects. Up to version 6 of the schema it kept the
words instead, of which `migrated` makes objects.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from string import Formatter
from typing import Any

WORDS = {
    "fewer_epochs": "{value:d} of {before:d} epochs",
    "more_epochs": "{value:d} epochs in place of {before:d}",
    "stopped": "stopped after {value:d} of {before:d} epochs",
    "not_rescaled": "not rescaled: {value}",
    "rescaled": "{key} rescaled: {value}",
    "dataset": "embedded images in place of {before}",
    "images": "{value:,} embedded images",
    "limit_train": "{value:,} training images",
    "limit_eval": "{value:,} images each for validation and test",
    "image_size": "images of {value:d}x{value:d} pixels",
    "training_images": "{key} with {value:,} instead of {before:,} training images",
    "test_images": "{key} with {value:,} instead of {before:,} test images",
    "memory": "out of memory: {value}",
    "set": "changed: {key}={value}",
    "quick": "{key} {value} in place of {before}",
    "model": "{value} in place of {before}",
    "ended_early": "ended early",
    "evaluated": "evaluated on {value:,} of {before:,} images",
    "other": "{value}",
}
"""What each kind is in words, the first that fits a sentence being its kind."""
_OF_NETWORK = ("model", "data", "data.name", "data.classes")
"""Settings that make another network: other data may have another number of classes."""


@dataclass(frozen=True)
class Reduction:
    """What was reduced or changed, and against what; not each kind has all fields."""

    kind: str
    """One of `WORDS`."""
    value: int | str | None = None
    """What it is now."""
    before: int | str | None = None
    """What it is in the study's own recipe, or in the whole dataset."""
    key: str | None = None
    """The recipe's dotted key, the part that was rescaled, or the dataset."""

    def __str__(self) -> str:
        """Return it in words, a part of a sentence."""
        words = WORDS[self.kind]
        if self.before is None:
            words = words.partition(" in place of ")[0]
        return words.format(**asdict(self))

    @property
    def of_length(self) -> bool:
        """Whether another number of epochs was planned than the study's."""
        return self.kind in ("fewer_epochs", "more_epochs")

    @property
    def follows_length(self) -> bool:
        """Whether it is what another number of epochs changed, or left, in the recipe."""
        return self.kind in ("rescaled", "not_rescaled")

    @property
    def setting(self) -> str | None:
        """The recipe's key that ``--set`` or ``--quick`` changed."""
        return self.key if self.kind in ("set", "quick") else None

    @property
    def asked(self) -> "Reduction":
        """The same for all trials of a command, whatever a setting was in each before."""
        return replace(self, before=None) if self.kind == "quick" else self

    def changes_network(self, metric: str) -> bool:
        """Return whether it changes the ``parameters`` or ``multiply_adds`` that are counted.

        Another model does; so may other images, by the number of classes, and of the multiply-adds
        their size.
        """
        if key := self.setting:
            of_network = key in _OF_NETWORK or key.startswith("model.")
            return of_network or (metric, key) == ("multiply_adds", "data.image_size")
        if self.kind == "image_size":
            return metric == "multiply_adds"
        return self.kind == "model" or (self.kind == "dataset" and self.before != "cifar10")


def reduces(reductions: Collection[Reduction]) -> bool:
    """Return whether less was trained than the study says: not if it was longer and else alike."""
    grew = any(each.kind == "more_epochs" for each in reductions)
    return any(
        not (each.kind == "more_epochs" or (grew and each.follows_length)) for each in reductions
    )


def as_json(reductions: Iterable[Reduction]) -> str:
    """Return what the trials table keeps: a JSON list of objects without empty fields."""
    filled = ({name: value for name, value in asdict(each).items() if value is not None}
              for each in reductions)  # fmt: skip
    return json.dumps(list(filled))


def from_json(text: str | None) -> list[Reduction]:
    """Return what `as_json` wrote; an item that it did not write is of the kind ``other``."""
    try:
        items = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return [_read(item) for item in items] if isinstance(items, list) else []


def migrated(text: str | None) -> str | None:
    """Return the JSON of objects that a JSON list of sentences up to version 6 says."""
    try:
        sentences = json.loads(text or "")
    except (ValueError, RecursionError):
        return text
    return as_json(map(of_words, sentences)) if isinstance(sentences, list) else text


def of_words(sentence: object) -> Reduction:
    """Return the reduction that is this in words."""
    for kind, words in WORDS.items():
        if found := _pattern(words).fullmatch(str(sentence)):
            numbers = {field for _, field, form, _ in Formatter().parse(words) if form}
            fields: dict[str, Any] = {
                name: int(part.replace(",", "")) if name in numbers else part
                for name, part in found.groupdict().items()
            }
            return Reduction(kind, **fields)
    raise AssertionError("`other` fits every sentence")


@cache
def _pattern(words: str) -> re.Pattern[str]:
    """Return what fits all that one of `WORDS` may say."""
    forms = {"d": r"\d+", ",": r"[\d,]+", "": ".*"}
    pattern = ""
    for literal, field, form, _ in Formatter().parse(words):
        pattern += re.escape(literal)
        if field and f"<{field}>" in pattern:
            pattern += f"(?P={field})"
        elif field:
            pattern += f"(?P<{field}>{'[^ =]+' if field == 'key' else forms[form or '']})"
    return re.compile(pattern, re.DOTALL)


def _read(item: object) -> Reduction:
    try:
        made = Reduction(**item)  # type: ignore[arg-type]
        # Each raises an error for fields that no reduction has.
        _ = str(made), hash(made), (made.key or "").partition(".")
    except (TypeError, ValueError, LookupError, AttributeError):
        return Reduction("other", str(item))
    return made
