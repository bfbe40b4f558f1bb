"""Files: each appears whole or not at all, and a full disk is told in one line."""

import errno
import glob
import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from socket import gethostname
from typing import Any, BinaryIO

from resray.errors import ClusterError, DataError, InputError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def user_path(path: str | Path, option: str) -> Path:
    """Return the path that was given with ``option``; ``~`` is the home folder.

    Raises InputError for a URI, which no option supports, for a home folder that nobody has, and
    for bytes that are no text, which neither Parquet nor a page can name.
    """
    if re.search("[\ud800-\udfff]", str(path)):
        raise InputError(f"{option} {path}: must be text in UTF-8")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", str(path)):
        raise InputError(f"{option} {path}: is a URI; give a file or folder that is mounted here")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{option} {path}: there is no such home folder") from error


def require_folder(path: Path, option: str) -> None:
    """Raise DataError unless the folder that was given with ``option`` exists."""
    if not path.is_dir():
        raise DataError(f"{option}: {path} is not a folder that exists")


def home_folder() -> Path:
    """Return the user's home folder; raise ClusterError if there is none."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise ClusterError(
            "this user has no home folder; set HOME to a folder that can be written"
        ) from error


@contextmanager
def whole_file(
    path: Path, scratch: Path | None = None, keep: Path | None = None
) -> Iterator[BinaryIO]:
    """Give a file to write bytes to, which is ``path`` once all is written.

    It is on the disk before it takes the place of an older one, so neither a kill nor a power cut
    leaves half a file. Until then it lies in the folder ``scratch``, by default beside ``path``; if
    writing fails nothing of it stays. The older file is kept as ``keep``, if that is named. Raises
    StorageError where the disk is full or read-only.
    """
    temporary = (scratch or path.parent) / f".{path.name}.{gethostname()}.{os.getpid()}.half"
    with storage_errors(path.parent):
        try:
            for folder in (path.parent, temporary.parent):
                folder.mkdir(parents=True, exist_ok=True)
            remove_left(temporary.parent, path.name)
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if keep is not None and path.exists():
                path.replace(keep)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def remove_left(folder: Path, name: str) -> None:
    """Remove the half files of that name that killed processes of this machine have left."""
    for half in folder.glob(f".{glob.escape(f'{name}.{gethostname()}')}.*.half"):
        number = half.name.removesuffix(".half").rpartition(".")[2]
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            half.unlink(missing_ok=True)
        except (ValueError, OverflowError, PermissionError):
            continue


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """Do the same for a path that the user gave: links, pipes and devices are written through."""
    if path.exists() and not path.is_file():
        with storage_errors(path), path.open("wb") as file:
            yield file
    else:
        with whole_file(path.resolve()) as file:
            yield file


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as JSON for people and programs, by rename; times become ISO 8601."""
    text = json.dumps(content, indent=2, default=datetime.isoformat, allow_nan=False)
    with whole_file(path) as file:
        file.write(f"{text}\n".encode())


def require_regular(path: Path) -> None:
    """Raise ValueError for a pipe, device or folder, OSError if nothing can be found there."""
    # Looked at once, as it may go meanwhile.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; OSError if it cannot be read, ValueError if it is none."""
    require_regular(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Raise StorageError, one line with the folder and what to do, where the disk refuses."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            message = f"no space left on {folder}; make room, the same command goes on"
        elif error.errno in _CLOSED:
            message = f"{folder}: cannot be written ({error.strerror})"
        else:
            raise
        raise StorageError(message) from error


def plain(value: Any) -> Any:
    """Return a value of JSON in plain types, also of NumPy's: None for what is not finite, ISO 8601
    for a time."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date) else value
