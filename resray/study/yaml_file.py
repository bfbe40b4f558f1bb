"""Reading a YAML file so that every value's line stays known."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from resray.errors import InputError

Key = str | int

LARGEST_FILE = 1_000_000
"""Bytes; the shipped studies have up to 20,000."""
MOST_VALUES = 100_000
"""Keys and values of a file with every alias written out; the shipped studies have up to 3,000."""


@dataclass(frozen=True)
class YamlFile:
    """A YAML file's content and the nodes that it came from."""

    place: str
    """The file as the user would write it."""
    content: Any
    root: yaml.Node

    def find(self, path: Sequence[Key]) -> tuple[int, tuple[Key, ...]]:
        """Return the line, from 1, of the deepest part of a path that the file holds, and the path.

        That is without the 0 of a list of one that the file does not write as a list.
        """
        node, line, kept = self.root, self.root.start_mark.line, list[Key]()
        for depth, key in enumerate(path):
            child = _child(node, key)
            if child is None and key == 0 and not isinstance(node, yaml.SequenceNode):
                # A single value may stand for a list of one.
                continue
            if child is None:
                return line + 1, (*kept, *path[depth:])
            kept.append(key)
            line, node = child
        return line + 1, tuple(kept)


def read_text(path: Path) -> str:
    """Return a regular file's text.

    Raises `InputError` where it is none, cannot be read, is too large or is not UTF-8.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"{path}: must be a regular file, no folder, pipe or device")
        if size > LARGEST_FILE:
            raise InputError(f"{path}: {size:,} bytes; at most {LARGEST_FILE:,} are read")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8") from error


class _Loader(yaml.SafeLoader):
    """Composes plain data only, as YAML 1.2 has it: 010 is ten, 1e-3 a number, 1:30 and dates are
    text, but yes and no are still true and false. Knows the size of each node, so that aliases do
    not blow up."""

    def __init__(self, text: str) -> None:
        self.sizes: dict[yaml.Node, int] = {}
        """Of each node, once, its keys and values with every alias written out."""
        super().__init__(text)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if is_alias and node not in self.sizes:
            raise RecursionError("an anchor holds itself")
        if node is not None and not is_alias:
            self.sizes[node] = 1 + sum(self.sizes[child] for child in _children(node))
        return node


def _whole_number(_: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value, 0 if re.match("0[xo]", node.value) else 10)


_INT, _FLOAT, _DATE = (f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT, _DATE)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_NUMBERS = {
    _INT: r"[-+]?\d+|0x[\da-fA-F]+|0o[0-7]+",
    _FLOAT: r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
for _tag, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(f"^({_pattern})$"), list("-+.0123456789"))
_Loader.add_constructor(_INT, _whole_number)


class Dumper(yaml.SafeDumper):
    """Writes what `parse` reads as the same: text that looks like a number is quoted."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def parse(text: str, place: str) -> YamlFile:
    """Parse YAML safely: plain data only, of a bounded size, and nothing that is read as another.

    ``place`` is a file, or the option that the text was typed with. Raises `InputError`, one line
    for each mistake, with the place and the line.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise InputError(f"{place}: there is nothing in it")
        if loader.sizes[root] > MOST_VALUES:
            raise InputError(
                f"{place}: with its aliases written out it has {loader.sizes[root]:,} keys and "
                f"values; at most {MOST_VALUES:,} are read"
            )
        if mistakes := sorted(each for node in loader.sizes for each in _mistakes(node)):
            raise InputError("\n".join(f"{_at(place, line)}: {text}" for line, text in mistakes))
        # Composing first and constructing from the same nodes resolves merge keys in the nodes too.
        return YamlFile(place, loader.construct_document(root), root)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"the character {error.character!r} is not allowed in YAML"
        raise InputError(f"{_at(place, line)}: {message}") from error
    except yaml.MarkedYAMLError as error:
        raise InputError(_syntax_message(error, place)) from error
    except RecursionError as error:
        raise InputError(f"{place}: nested too deeply, or an anchor holds itself") from error
    except ValueError as error:
        raise InputError(f"{place}: a value cannot be read: {error}") from error


def section(document: Any, *path: Key) -> dict[str, Any]:
    """Return the mapping at a path of a file's content; empty where there is none."""
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return {}
    return document if isinstance(document, dict) else {}


def find_all(content: Any, *pattern: Key) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """Yield what stands at each path of a file's content that is like the pattern, with the path.

    In a pattern ``*`` is any key or index.
    """
    if not pattern:
        yield (), content
        return
    listed = enumerate(content) if isinstance(content, list | tuple) else ()
    for key, inner in content.items() if isinstance(content, dict) else listed:
        if pattern[0] in ("*", key):
            yield from (((key, *path), value) for path, value in find_all(inner, *pattern[1:]))


def _at(place: str, line: int) -> str:
    """Return a place with a line, which the value of an option has not."""
    return place if place.startswith("--") else f"{place}:{line}"


def _syntax_message(error: yaml.MarkedYAMLError, place: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = _at(place, mark.line + 1) if mark else place
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{where}: not valid YAML: {said}"


def _mistakes(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield keys that stand twice and halves of characters, each with its line."""
    if isinstance(node, yaml.ScalarNode) and re.search("[\ud800-\udfff]", node.value):
        line = node.start_mark.line + 1
        yield line, f"{node.value!r} holds half a character (a lone surrogate)"
    first: dict[str, int] = {}
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            yield line, f"{key.value!r} stands twice, first in line {first[name]}"
        first.setdefault(name, line)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _child(node: yaml.Node, key: Key) -> tuple[int, yaml.Node] | None:
    """Return the line of a key or list item, and its value; None where there is none."""
    if isinstance(node, yaml.SequenceNode):
        if isinstance(key, int) and key < len(node.value):
            return node.value[key].start_mark.line, node.value[key]
        return None
    if isinstance(node, yaml.MappingNode):
        # Merged entries come first and the mapping's own ones last; the last one counts.
        for name, value in reversed(node.value):
            if str(name.value) == str(key):
                return name.start_mark.line, value
    return None
