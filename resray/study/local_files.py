"""What a study file names by its place: a folder of one's own images, a module with a network."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from resray.errors import InputError
from resray.files import user_path
from resray.models.table import runs_own_code
from resray.study.layers import normalise
from resray.study.strict import Mistake
from resray.study.yaml_file import Key, section


def images_at(text: str, folder: Path) -> Path:
    """Return where images are that a study file in ``folder`` names so; ``~`` is the home folder.

    Raises InputError for what is no path.
    """
    return folder / user_path(text, "data.folder")


def mistakes_of_local_files(document: Any, folder: Path) -> Iterator[Mistake]:
    """Yield images and modules that are not where the study file in ``folder`` says.

    Nothing is imported.
    """
    for path, recipe in _mappings(document):
        images = section(recipe, "data").get("folder")
        if isinstance(images, str) and (wrong := _lacks_images(images, folder)):
            yield Mistake((*path, "data", "folder"), wrong)
        name = section(normalise(recipe), "model").get("name")
        if isinstance(name, str) and runs_own_code(name) and not _has_module(name, folder):
            module = name.partition(":")[0]
            message = f"{name}: there is no module {module} in {folder} or in PYTHONPATH"
            key = ("model", "name") if section(recipe, "model") else ("model",)
            yield Mistake((*path, *key), message)


def _mappings(value: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """Yield every mapping of a document with its path; a recipe's part is none of text alone."""
    if isinstance(value, dict):
        yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner:
        if isinstance(part, dict | list):
            yield from _mappings(part, (*path, key))


def _lacks_images(text: str, folder: Path) -> str | None:
    try:
        place = images_at(text, folder)
        # Also of a name that is too long, or holds a null byte.
        return None if place.exists() else f"there is nothing at {place}"
    except (InputError, OSError, ValueError) as error:
        return f"{text!r}: {error}"


def _has_module(name: str, folder: Path) -> bool:
    """Whether the module's outermost package or file is there."""
    top = name.partition(":")[0].partition(".")[0]
    # This process's own module has no such specification.
    known = top in sys.modules or find_spec(top) is not None
    return known or (folder / f"{top}.py").exists() or (folder / top).is_dir()
