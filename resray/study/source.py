"""Reading a YAML file so that every value's line stays known."""

import re
from collections.abc import Iterable, Iterator, Sequence
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
class Source:
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


def parse(text: str, place: str) -> Source:
    """Parse YAML safely: plain data only, of a bounded size, and nothing that is read as another.

    ``place`` is a file, or the option that the text was typed with. Raises `InputError`, one line
    for each mistake, with the place and the line.
    """
    loader = _loader(text, place)
    try:
        root = loader.get_single_node()
        if root is None:
            raise InputError(f"{place}: there is nothing in it")
        if mistakes := list(_mistakes(_nodes(root, place), loader)):
            lines = (f"{_at(place, node.start_mark.line + 1)}: {text}" for node, text in mistakes)
            raise InputError("\n".join(lines))
        # Composing first and constructing from the same nodes resolves merge keys in the nodes too.
        return Source(place, loader.construct_document(root), root)
    except yaml.MarkedYAMLError as error:
        raise InputError(_syntax_message(error, place)) from error
    except RecursionError as error:
        raise InputError(f"{place}: nested too deeply, or an anchor holds itself") from error
    except ValueError as error:
        raise InputError(f"{place}: a value cannot be read: {error}") from error
    finally:
        loader.dispose()


def _at(place: str, line: int) -> str:
    """Return a place with a line, which the value of an option has not."""
    return place if place.startswith("--") else f"{place}:{line}"


def _loader(text: str, place: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"the character {error.character!r} is not allowed in YAML"
        raise InputError(f"{_at(place, line)}: {message}") from error


def _syntax_message(error: yaml.MarkedYAMLError, place: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = _at(place, mark.line + 1) if mark else place
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{where}: not valid YAML: {said}"


def _mistakes(nodes: Iterable[yaml.Node], loader: yaml.SafeLoader) -> Iterator[tuple[Any, str]]:
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            yield from _duplicates(node)
        elif isinstance(node, yaml.ScalarNode):
            if re.search("[\ud800-\udfff]", node.value):
                yield node, f"{node.value!r} holds half a character (a lone surrogate)"
            if node.style is None and _misread(node):
                read = loader.construct_object(node)
                yield (
                    node,
                    f"YAML reads {node.value} as {read:g}: it takes a 0 at the start for octal and "
                    "a : for sixtieths; write the number without it, or text in quotes",
                )


def _misread(node: yaml.ScalarNode) -> bool:
    """Whether a plain value is a number of YAML 1.1 that nobody else reads so."""
    kind = node.tag.rpartition(":")[2]
    octal = kind == "int" and re.fullmatch(r"[-+]?0[0-7_]*[1-7][0-7_]*", node.value)
    return bool(octal) or (kind in ("int", "float") and ":" in node.value)


def _duplicates(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, str]]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            yield key, f"{key.value!r} stands twice, first in line {first[name]}"
        first.setdefault(name, line)


def _nodes(root: yaml.Node, place: str) -> list[yaml.Node]:
    """Return every node once, in the file's order, however often an alias repeats it.

    Raises InputError where the aliases, written out, would be too much to hold.
    """
    sizes: dict[yaml.Node, int] = {}
    _measure(root, sizes, inside=set())
    if sizes[root] > MOST_VALUES:
        raise InputError(
            f"{place}: with its aliases written out it has {sizes[root]:,} keys and values; at "
            f"most {MOST_VALUES:,} are read"
        )
    return list(sizes)


def _measure(node: yaml.Node, sizes: dict[yaml.Node, int], inside: set[yaml.Node]) -> None:
    if node in inside:
        raise RecursionError
    if node in sizes:
        return
    sizes[node] = 1
    inside.add(node)
    for child in _children(node):
        _measure(child, sizes, inside)
        sizes[node] += sizes[child]
    inside.remove(node)


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
