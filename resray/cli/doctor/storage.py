"""Where data and results lie: whether they can be read or written, and how much room is left."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from resray.cli.doctor.check import Check, if_too_little, try_import
from resray.errors import ResrayError
from resray.files import size_text

LEAST_FREE_DISK = 5 * 10**9
RESULTS = Path("results")
CIFAR = ("cifar10", "cifar100")


def data_folder(data_dir: Path | None) -> Check:
    """Say which datasets ``--data-dir`` holds, and whether they open."""
    if data_dir is None:
        return Check("ok", "no --data-dir, no RESRAY_DATA_DIR: CIFAR is downloaded once")
    sources, spec = try_import("resray.data.sources"), try_import("resray.study.data_spec")
    reader = try_import("resray.data.cifar").cifar_reader
    names = [key for key in CIFAR if (data_dir / key).is_dir() or reader(key, data_dir)]
    specs = [spec.Cifar(name=key) for key in names]
    specs = specs or [spec.Folder(name="folder", image_size=32)]
    try:
        # As a training does; what is decoded for it here is in the cache when that begins.
        found = [sources.open_dataset(spec, data_dir) for spec in specs]
    except ResrayError as error:
        advice = "give the dataset's folder, or one that holds cifar10/ and cifar100/"
        return Check("missing", str(error), advice)
    texts = [f"{each.source}: {len(each.train):,} and {len(each.test):,} images" for each in found]
    if reduced := [str(what) for each in found for what in each.reductions]:
        return Check("warning", f"{data_dir}: {'; '.join(reduced)}", "get the whole dataset")
    return Check("ok", f"{data_dir}: {'; '.join(texts)}")


def downloads() -> Check:
    """Say which datasets were downloaded."""
    folder = try_import("resray.data.sources").default_folder()
    reader = try_import("resray.data.cifar").cifar_reader
    found = [name for name in CIFAR if reader(name, folder)]
    if found:
        return Check("ok", f"{folder}: {', '.join(found)}")
    return Check("ok", f"none in {folder}; CIFAR comes there on first use")


def decoded() -> Check:
    """Say how much room the decoded datasets take."""
    folder = try_import("resray.data.cache").cache_folder()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Check("ok", f"{size_text(size)} in {folder}")


def locks() -> Check:
    """Say whether a second command is kept out of the results."""
    folder = existing(RESULTS.absolute())
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            advice = "run one command at a time there, or use --out DIR on another file system"
            return Check("warning", f"none in {folder} ({error.strerror})", advice)
    return Check("ok", f"a second command is kept out of {folder}")


def disk(find: Callable[[], Path]) -> Check:
    """Say whether a folder can be written, and how much room is left."""
    folder = find()
    if not writable(folder):
        return Check("warning", f"{folder} cannot be written", "choose another folder")
    free = shutil.disk_usage(existing(folder)).free
    advice = "checkpoints of a study can take 5 GB: make room"
    return if_too_little(free < LEAST_FREE_DISK, f"{size_text(free)} free for {folder}", advice)


def writable(folder: Path) -> bool:
    """Whether ``folder`` can be written, or made where it does not exist yet."""
    nearest = existing(folder)
    return os.path.isdir(nearest) and os.access(nearest, os.W_OK | os.X_OK)


def existing(folder: Path) -> Path:
    """Return the nearest folder above (or at) ``folder`` that exists."""
    return next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)
