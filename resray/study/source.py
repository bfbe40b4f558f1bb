"""Reading a YAML file so that every value's line stays known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from resray.errors import InputError

Key = str | int


@dataclass(frozen=True)
class Source:
    """A YAML file's content and the nodes that it came from."""

    place: str
    """The file as the user would write it."""
    content: Any
    root: yaml.Node

    def line(self, path: Sequence[Key]) -> int:
        """Return the line, from 1, of the deepest part of ``path`` that the file holds."""
        node, line = self.root, self.root.start_mark.line
        for key in path:
            child = _child(node, key)
            if child is None and key == 0:
                # A single value may stand for a list of one.
                continue
            if child is None:
                break
            line, node = child
        return line + 1

    def as_written(self, path: Sequence[Key]) -> tuple[Key, ...]:
        """Return ``path`` without the 0 of a list of one that the file does not write as a list."""
        node, kept = self.root, list[Key]()
        for depth, key in enumerate(path):
            child = _child(node, key)
            if child is None and key == 0 and not isinstance(node, yaml.SequenceNode):
                continue
            if child is None:
                return (*kept, *path[depth:])
            kept.append(key)
            _, node = child
        return tuple(kept)


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises `InputError` where it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8") from error


def parse(text: str, place: str) -> Source:
    """Parse YAML safely: plain data only, no duplicate keys, no anchor inside itself.

    Raises `InputError`, one line for each mistake, with the place and the line.
    """
    loader = _loader(text, place)
    try:
        root = loader.get_single_node()
        if root is None:
            raise InputError(f"{place}: the file is empty")
        _refuse_duplicates(root, place)
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


def _loader(text: str, place: str) -> yaml.SafeLoader:
    try:
        return yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"the character {error.character!r} is not allowed in YAML"
        raise InputError(f"{place}:{line}: {message}") from error


def _syntax_message(error: yaml.MarkedYAMLError, place: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{place}:{mark.line + 1}" if mark else place
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{where}: not valid YAML: {said}"


def _refuse_duplicates(root: yaml.Node, place: str) -> None:
    mistakes: list[str] = []
    for node in _mappings(root):
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if str(key.value) in seen:
                first = seen[str(key.value)]
                mistakes.append(
                    f"{place}:{line}: {key.value!r} stands twice, first in line {first}"
                )
            seen.setdefault(str(key.value), line)
    if mistakes:
        raise InputError("\n".join(mistakes))


def _mappings(root: yaml.Node) -> list[yaml.MappingNode]:
    """Return every mapping once, in the file's order, however often an alias repeats it."""
    found: dict[int, yaml.Node] = {}
    _collect(root, found, inside=set())
    return [node for node in found.values() if isinstance(node, yaml.MappingNode)]


def _collect(node: yaml.Node, found: dict[int, yaml.Node], inside: set[int]) -> None:
    if id(node) in inside:
        raise RecursionError
    if id(node) in found:
        return
    found[id(node)] = node
    inside.add(id(node))
    for child in _children(node):
        _collect(child, found, inside)
    inside.remove(id(node))


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
