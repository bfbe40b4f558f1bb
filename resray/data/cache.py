"""Decoded datasets, kept once per machine so that parallel trials do not each decode them.

An entry is a folder: four .npy files, which all processes map from the same memory, and meta.json
with what else is known and the checksum. It appears by rename, hence whole or not at all.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from resray.data.dataset import Images, checksum
from resray.data.raw import Decoded
from resray.errors import ClusterError
from resray.files import home_folder, user_path

VERSION = 1
PARTS = ("train", "test")


@dataclass(frozen=True)
class Entry:
    """A decoded dataset with its checksum."""

    decoded: Decoded
    checksum: str


def cache_home() -> Path:
    """Return ``$XDG_CACHE_HOME/resray``, by default ``~/.cache/resray``."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else home_folder() / ".cache") / "resray"


def cache_folder() -> Path:
    """Return the folder of decoded datasets: below ``$RESRAY_CACHE_DIR`` or `cache_home`."""
    chosen = os.environ.get("RESRAY_CACHE_DIR")
    return (user_path(chosen, "RESRAY_CACHE_DIR") if chosen else cache_home()) / "decoded"


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
    return Entry(decoded, checksum(decoded.train, decoded.test))


def _build(folder: Path, keys: tuple[str, ...], decoded: Decoded) -> Entry:
    entry = _entry(decoded)
    target = folder / (keys[-1] if decoded.resized else keys[0])
    with suppress(OSError):
        store(entry, target)
        # The mapped files take the place of this process's own copy.
        return load(target) or entry
    return entry


def store(entry: Entry, target: Path) -> None:
    """Write an entry beside ``target`` and rename it there, in place of a damaged one.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        decoded = entry.decoded
        for name, part in zip(PARTS, (decoded.train, decoded.test), strict=True):
            np.save(temporary / f"{name}_images.npy", part.images.numpy())
            np.save(temporary / f"{name}_labels.npy", part.labels.numpy())
        meta = {
            "version": VERSION,
            "checksum": entry.checksum,
            "class_names": decoded.class_names,
            "formats": decoded.formats,
            "resized": decoded.resized,
        }
        (temporary / "meta.json").write_text(json.dumps(meta))
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load(folder: Path) -> Entry | None:
    """Return the entry in ``folder``, mapped and verified; None if it is absent or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        if meta["version"] != VERSION:
            return None
        train, test = (_map(folder, name) for name in PARTS)
        names, formats = tuple(meta["class_names"]), tuple(meta["formats"])
        entry = Entry(Decoded(train, test, names, formats, meta["resized"]), meta["checksum"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if checksum(train, test) == entry.checksum else None


def _map(folder: Path, name: str) -> Images:
    # Copy-on-write: torch wants arrays it may write to, and no process writes to these.
    images, labels = (
        torch.from_numpy(np.load(folder / f"{name}_{what}.npy", mmap_mode="c"))
        for what in ("images", "labels")
    )
    return Images(images, labels)
