"""Pickles from elsewhere, opened without running anything that stands in them.

A pickle is a program: it may call whatever it can name. Here it can name only the few stand-ins
below, which collect the parts of NumPy arrays. NumPy's own functions are not among them, because
a crafted dtype makes them read memory that is no array; the arrays are built from the collected
bytes afterwards, with dtypes of plain numbers only.
"""

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from resray.errors import DataError

NUMBERS = frozenset({"b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"})


def read_pickle(path: Path) -> Any:
    """Return what a pickle holds: arrays, dict, list, tuple, set, str, bytes and numbers.

    Text of Python 2 comes as bytes. Raises DataError if the file is damaged, or names anything
    that is not part of an array of numbers.
    """
    try:
        with path.open("rb") as file:
            return _with_arrays(_Unpickler(file, encoding="bytes").load())
    except _NotAllowed as error:
        raise DataError(
            f"{path}: the pickle wants {error}, which is not allowed, so it was not opened; "
            "accepted are dict, list, str, bytes, numbers and NumPy arrays of numbers"
        ) from None
    except (pickle.UnpicklingError, *_BROKEN) as error:
        raise DataError(
            f"{path}: is no readable pickle ({type(error).__name__}: {error})"
        ) from error


# What Python's unpickler raises where the file was cut, or its parts do not fit each other.
_BROKEN = (OSError, EOFError, AttributeError, LookupError, TypeError, ValueError, MemoryError,
           OverflowError, RecursionError)  # fmt: skip


class _NotAllowed(Exception):
    """A pickle names something that is not on the list; the message says what."""


class _Dtype:
    """Stands for numpy.dtype: keeps the code, e.g. ``u1``, and the byte order."""

    def __init__(self, code: str | bytes, *_: Any) -> None:
        self.code = _text(code)
        self.order = "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = _text(state[1])

    def real(self) -> np.dtype[Any]:
        """Return NumPy's dtype; raise _NotAllowed unless it is one of plain numbers."""
        if self.code.lstrip("<>|=") not in NUMBERS or self.order not in ("<", ">", "|", "="):
            raise _NotAllowed(f"an array of dtype {self.code!r}")
        return np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]


class _Array:
    """Stands for numpy.ndarray: keeps shape, dtype and bytes."""

    def __init__(self, *_: Any) -> None:
        """Begin empty, as NumPy's ``_reconstruct`` does; the state follows."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, fortran, self.data = state
        self.memory_order = "F" if fortran else "C"

    def real(self) -> np.ndarray:
        """Return the array."""
        if not isinstance(self.data, bytes | bytearray):
            raise _NotAllowed("an array of objects")
        values = np.frombuffer(self.data, self.dtype.real())
        if any(side < 0 for side in self.shape) or math.prod(self.shape) != values.size:
            raise ValueError(f"{values.size} values do not fill an array of shape {self.shape}")
        return values.reshape(self.shape, order=self.memory_order)  # type: ignore[call-overload]


def _from_buffer(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    """Stand for NumPy's ``_frombuffer``, which protocol 5 uses."""
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", bytes(data)))
    return array


def _scalar(dtype: _Dtype, data: bytes | str) -> Any:
    """Stand for NumPy's ``scalar``: a single number."""
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype.real())[0].item()


def _encode(text: str, encoding: str) -> bytes:
    """Stand for ``_codecs.encode``, with which Python 3 writes bytes below protocol 3."""
    if encoding != "latin1":
        raise _NotAllowed(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _empty_bytes(*arguments: Any) -> bytes:
    """Stand for ``bytes``, with which Python 3 writes empty bytes below protocol 3."""
    if arguments:
        raise _NotAllowed("bytes made from an object")
    return b""


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _empty_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
}
# NumPy 2 renamed numpy.core to numpy._core.
for _core in ("numpy.core", "numpy._core"):
    _STAND_INS[f"{_core}.multiarray", "_reconstruct"] = _Array
    _STAND_INS[f"{_core}.multiarray", "scalar"] = _scalar
    _STAND_INS[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    """An unpickler that finds nothing but the stand-ins."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise _NotAllowed(repr(f"{module}.{name}")) from None


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _with_arrays(value: Any) -> Any:
    """Return a mapping's values, or a single value, with real arrays for the stand-ins."""
    if isinstance(value, dict):
        return {key: _with_arrays(entry) for key, entry in value.items()}
    return value.real() if isinstance(value, _Array) else value
