"""Decoded datasets, kept once per machine so that parallel trials do not each decode them.

An entry is a file of PyTorch's, which all processes map from the same memory. It appears by rename,
hence whole or not at all.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from resray.data.dataset import Images, checksum
from resray.data.raw import Decoded
from resray.data.reading import DAMAGE
from resray.errors import ClusterError, StorageError
from resray.files import home_folder, user_path, whole_file

VERSION = 2
"""Part of an entry's name; raised when files are decoded otherwise than before."""


@dataclass(frozen=True)
class Entry:
    """A decoded dataset with its checksum."""

    decoded: Decoded
    checksum: str


def cache_home() -> Path:
    """Return ``$XDG_CACHE_HOME/resray``, by default ``~/.cache/resray``."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else home_folder() / ".cache") / "resray"


def cache_root() -> Path:
    """Return the folder of what can be made again: ``$RESRAY_CACHE_DIR``, else `cache_home`."""
    chosen = os.environ.get("RESRAY_CACHE_DIR")
    return user_path(chosen, "RESRAY_CACHE_DIR") if chosen else cache_home()


def cache_folder() -> Path:
    """Return the folder of decoded datasets."""
    return cache_root() / "decoded"


def cached(keys: tuple[str, ...], read: Callable[[], Decoded]) -> Entry:
    """Return the entry under the first of ``keys`` that has a good one, else read and store it.

    ``keys`` are the dataset's fingerprint and the fingerprint with the recipe's image size: an
    entry whose images were resized while decoding is stored under the last, any other under the
    first. Where the cache cannot be written, the dataset is read without it.
    """
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{keys[0]}.lock").acquire()
    except (OSError, ClusterError):
        return _entry(read())
    with lock:
        found = next((entry for key in keys if (entry := load(folder / key))), None)
        return found or _build(folder, keys, read())


def _entry(decoded: Decoded) -> Entry:
    return Entry(decoded, checksum(*decoded.parts))


def _build(folder: Path, keys: tuple[str, ...], decoded: Decoded) -> Entry:
    entry = _entry(decoded)
    target = folder / (keys[-1] if decoded.resized else keys[0])
    with suppress(OSError, StorageError):
        with whole_file(_file(target)) as file:
            torch.save(entry, file)
        # The mapped file takes the place of this process's own copy.
        return load(target) or entry
    return entry


def load(target: Path) -> Entry | None:
    """Return the entry at ``target``, mapped and verified; None if it is absent or damaged."""
    try:
        with torch.serialization.safe_globals([Entry, Decoded, Images]):
            entry = torch.load(_file(target), mmap=True, weights_only=True)
        found = checksum(*entry.decoded.parts)
    except DAMAGE:
        return None
    return entry if found == entry.checksum else None


def _file(target: Path) -> Path:
    return target.with_suffix(f".{VERSION}.pt")
