"""The house colours, light and dark, for what is drawn outside a page."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

THEMES = ("light", "dark")

_ROOT = re.compile(r":root[^{]*\{(.*?)\}", re.DOTALL)
_DARK = re.compile(r"@media[^{]*prefers-color-scheme: dark[^{]*\{(.*?\})\s*\}", re.DOTALL)
_VARIABLE = re.compile(r"--([a-z0-9-]+):\s*([^;]+);")
_COLOUR_KEY = re.compile(r"color(scale)?$", re.IGNORECASE)
_HEX = re.compile(r"#(..)(..)(..)")


@cache
def style_sheet() -> str:
    """Return the style sheet that sets the colours, which the page uses too."""
    return files("resray.figures").joinpath("colours.css").read_text(encoding="utf-8")


@cache
def palette(theme: str) -> dict[str, str]:
    """Return the value of each of the style sheet's variables, by its name without the hyphens.

    ``theme`` is one of `THEMES`; what the dark one does not change is as in the light one.
    """
    assert theme in THEMES
    light, dark = variables(_ROOT.search(style_sheet())), _DARK.search(style_sheet())
    assert dark is not None, "the style sheet has a dark theme"
    return light if theme == "light" else light | variables(_ROOT.search(dark[1]))


def variables(block: re.Match[str] | None) -> dict[str, str]:
    assert block is not None, "the style sheet sets its colours on :root"
    return {name: value.strip() for name, value in _VARIABLE.findall(block[1])}


def coloured(value: Any, colours: dict[str, str], key: str = "") -> Any:
    """Return a part of a figure with every token such as ``@series-0`` replaced by its colour.

    As in the page, a colour stands under a key that ends in ``color`` or ``colorscale``, alone or
    in lists; anywhere else such text is text. ``@series-0/20`` is 20 % opaque.
    """
    if isinstance(value, dict):
        return {name: coloured(item, colours, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [coloured(item, colours, key) for item in value]
    if isinstance(value, str) and value.startswith("@") and _COLOUR_KEY.search(key):
        return colour_of(value, colours)
    return value


def colour_of(token: str, colours: dict[str, str]) -> str:
    """Return the colour of ``@name`` or ``@name/20``; what is no such token stays."""
    name, _, percent = token[1:].partition("/")
    value = colours.get(name, token)
    parts = _HEX.fullmatch(value)
    if not percent or not parts:
        return value
    red, green, blue = (int(part, 16) for part in parts.groups())
    return f"rgba({red},{green},{blue},{int(percent) / 100:g})"
