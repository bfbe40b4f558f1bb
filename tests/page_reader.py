"""Reads what a report's page holds for its script."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from typing import Any

PACKED = re.compile(
    r'<script type="application/gzip" data-name="([^"]+)">([A-Za-z0-9+/=]*)</script>'
)


def packed_in(html: str) -> dict[str, str]:
    """Return the texts that are packed in a page, by name."""
    return {name: gzip.decompress(base64.b64decode(data)).decode()
            for name, data in PACKED.findall(html)}  # fmt: skip


def without_packed(html: str) -> str:
    """Return a page without what is packed in it, Plotly's own code included."""
    return PACKED.sub("", html)


def figures_of(html: str) -> dict[str, Any]:
    """Return the payload of each figure of a page."""
    return {
        name.removeprefix("figure-"): json.loads(text)
        for name, text in packed_in(html).items()
        if name.startswith("figure-")
    }


def panels_of(payload: dict[str, Any], **chosen: str) -> list[dict[str, Any]]:
    """Return a figure's panels as the script draws them under the chosen options, each switch not
    named under its first one."""
    curves = [values_of(curve) for curve in payload["curves"]]

    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            if "$switch" in value:
                options = value["$options"]
                wanted = chosen.get(value["$switch"])
                return whole(options[wanted if wanted in options else next(iter(options))])
            if "$curve" in value:
                return curves[value["$curve"]]
            return {key: whole(item) for key, item in value.items()}
        return [whole(item) for item in value] if isinstance(value, list) else value

    return list(whole(payload["panels"]))


def values_of(curve: dict[str, Any]) -> list[float | None]:
    total, values = 0, []
    for step in curve["steps"]:
        total += step or 0
        values.append(None if step is None else curve["unit"] * total)
    return values


class Outline(HTMLParser):
    """Collects ids, addresses and elements, and notices elements that are closed wrongly."""

    EMPTY = frozenset({"meta", "link", "br", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(str(value))
            if key in ("src", "href"):
                self.addresses.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)
