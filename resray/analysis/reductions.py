"""What the texts of a trial's reductions say; `resray.study.reductions` writes them."""

import re
from collections.abc import Collection

_LENGTH = re.compile(r"\d+ of \d+ epochs|\d+ epochs in place of \d+")
_GREW = re.compile(r"(\d+) epochs in place of (\d+)")
_RESCALED = re.compile(r".+ rescaled: ")
_SETTING = re.compile(
    r"(?:changed: )?(?!embedded images )([a-z_]+(?:\.[^ =]+)?)(?:=| .+ in place of )"
)
_OF_NETWORK = ("model", "data", "data.name", "data.classes")
"""Settings that make another network: other data may have another number of classes."""


def is_length(text: str) -> bool:
    """Return whether a text says that another number of epochs was planned than the study's."""
    return _LENGTH.match(text) is not None


def is_growth(text: str) -> bool:
    """Return whether a text says that more epochs were planned than the study's."""
    found = _GREW.match(text)
    return found is not None and int(found[1]) > int(found[2])


def reduces(texts: Collection[str]) -> bool:
    """Return whether less was trained than the study says: not if it was longer and else alike."""
    grew = any(map(is_growth, texts))
    return any(not (is_growth(text) or (grew and follows_length(text))) for text in texts)


def follows_length(text: str) -> bool:
    """Return whether a text says what followed from another number of epochs."""
    return _RESCALED.match(text) is not None


def is_stand_in(text: str, model: str) -> bool:
    """Return whether a text says that ``model`` was trained in place of the study's."""
    return text.startswith(f"{model} in place of ")


def setting_of(text: str) -> str | None:
    """Return the recipe's key in ``changed: KEY=VALUE`` or ``KEY VALUE in place of OLD``."""
    found = _SETTING.match(text)
    return found[1] if found else None


def without_old(text: str) -> str:
    """Return ``KEY VALUE`` of ``KEY VALUE in place of OLD``: the same for all trials of a command,
    whatever each had before."""
    return text.partition(" in place of ")[0] if setting_of(text) else text


def changes_network(text: str, metric: str) -> bool:
    """Return whether a reduction changes what is counted.

    Another model does; so may other images, by the number of classes, and of the multiply-adds
    their size.
    """
    size = metric == "multiply_adds"
    if key := setting_of(text):
        of_network = key in _OF_NETWORK or key.startswith("model.")
        return of_network or (size and key == "data.image_size")
    if size and text.startswith("images of "):
        return True
    other = " in place of " in text and text != "embedded images in place of cifar10"
    return other and not is_length(text)
