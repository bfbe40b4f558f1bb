"""NumPy's files from elsewhere, read without `numpy.load`, which trusts what a header promises."""

import io
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from resray.data.reading import readable
from resray.errors import DataError
from resray.limits import require_size

DAMAGE = (ValueError, TypeError, LookupError, EOFError, MemoryError, OverflowError, RecursionError,
          SyntaxError, RuntimeError, TokenError, zipfile.BadZipFile, zlib.error)  # fmt: skip
"""What is raised where a file was cut, encrypted, or its parts do not fit each other."""
WRITTEN_BY_NUMPY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npy(path: Path) -> np.ndarray:
    """Return the array of an .npy file; DataError if it is damaged or holds Python objects."""
    with readable(path, *DAMAGE) as file:
        return _array(file.read(), str(path))


def read_npz(path: Path, groups: Collection[Collection[str]]) -> dict[str, np.ndarray | None]:
    """Return the arrays of an .npz file by key: of each group the first one; None for all others.

    Raises:
        DataError: an array is damaged, encrypted, holds Python objects, or would unpack to more
            than `resray.limits` allows.
    """
    with readable(path, *DAMAGE) as file, zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        used = {next((key for key in group if key in members), None) for group in groups}
        return {
            key: _member(archive, info, f"{path}: {key}") if key in used else None
            for key, info in members.items()
        }


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> np.ndarray:
    if info.compress_type not in WRITTEN_BY_NUMPY:
        raise DataError(f"{place}: is compressed in a way that NumPy does not write")
    require_size(info.file_size, place)
    with archive.open(info) as member:
        # Asked for so many bytes it unpacks no more, whatever else was packed.
        return _array(member.read(info.file_size), place)


def _array(content: bytes, place: str) -> np.ndarray:
    """Return the array whose header and values are ``content``, without a copy."""
    file = io.BytesIO(content)
    headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, fortran, dtype = headers[npy.read_magic(file)](file)
    if dtype.hasobject:
        raise DataError(f"{place}: holds Python objects, which are not opened")
    return np.ndarray(shape, dtype, content, file.tell(), order="F" if fortran else "C")
