"""Pickles from elsewhere, opened without running anything that stands in them.

A pickle is a program: it may call whatever it can name. Here it can name only the few stand-ins
below, which collect the parts of NumPy arrays. NumPy's own functions are not among them, because
a crafted dtype makes them read memory that is no array; the arrays are built from the collected
bytes afterwards, with dtypes of plain numbers only. The unpickler is the one that is written in
Python: that in C takes any memory that a file claims to need.
"""

import io
import pickle
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, Literal

import numpy as np

from resray.data.reading import readable
from resray.errors import DataError
from resray.limits import largest, require_size

NUMBERS = frozenset({"b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"})
STEP = 1000
"""Bytes that one step of a pickle counts for: it makes fewer, but takes its time too."""


def read_pickle(path: Path, keys: Container[str]) -> dict[Any, Any]:
    """Return the dict that a pickle holds, its keys as text; of ``keys`` arrays are built.

    Raises DataError if the file is damaged, holds something else, names anything that is not part
    of an array of numbers, or would unpack to more than `resray.limits` allows. Text of Python 2
    comes as bytes.
    """
    with readable(path) as file:
        try:
            content = _Unpickler(file.read(), path).load()
            if not isinstance(content, dict):
                kind = type(content).__name__
                raise DataError(f"{path}: the pickle holds a {kind}; a dict is needed")
            texts = {as_text(key): value for key, value in content.items()}
            return {
                key: value.real() if key in keys and isinstance(value, _Array) else value
                for key, value in texts.items()
            }
        except _NotAllowed as error:
            raise DataError(
                f"{path}: the pickle wants {error}, which is not allowed, so it was not opened; "
                "accepted are dict, list, str, bytes, numbers and NumPy arrays of numbers"
            ) from None


class _NotAllowed(Exception):
    """A pickle names something that is not on the list; the message says what."""


class _Dtype:
    """Stands for numpy.dtype: keeps the code, e.g. ``u1``, and the byte order."""

    def __init__(self, code: str | bytes, *_: Any) -> None:
        # Codes are short; a longer text may be there once and be meant any number of times.
        self.code, self.order = as_text(code[:8]), "|"
        if self.code.lstrip("<>|=") not in NUMBERS:
            raise _NotAllowed(f"an array of dtype {self.code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = as_text(state[1][:8])

    def real(self) -> np.dtype[Any]:
        """Return NumPy's dtype."""
        return np.dtype(self.code).newbyteorder(self.order)


class _Array:
    """Stands for numpy.ndarray: keeps shape, dtype and bytes."""

    def __init__(self, *_: Any) -> None:
        """Begin empty, as NumPy's ``_reconstruct`` does; the state follows."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, fortran, self.data = state
        self.memory_order: Literal["F", "C"] = "F" if fortran else "C"

    def real(self) -> np.ndarray:
        """Return the array."""
        if not isinstance(self.data, bytes):
            raise _NotAllowed("an array of objects")
        values = np.frombuffer(self.data, self.dtype.real())
        whole = np.ndarray(self.shape, values.dtype, self.data, order=self.memory_order)
        if whole.size != values.size:
            raise ValueError(f"{values.size} values do not fill an array of shape {whole.shape}")
        return whole


def _from_buffer(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    """Stand for NumPy's ``_frombuffer``, which protocol 5 uses."""
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    """Stand for NumPy's ``scalar``: a single number."""
    return np.frombuffer(data, dtype.real())[0].item()


def _empty_bytes() -> bytes:
    """Stand for ``bytes``, with which Python 3 writes empty bytes below protocol 3."""
    return b""


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("builtins", "bytes"): _empty_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
}
# NumPy 2 renamed numpy.core to numpy._core.
for _core in ("numpy.core", "numpy._core"):
    _STAND_INS[f"{_core}.multiarray", "_reconstruct"] = _Array
    _STAND_INS[f"{_core}.multiarray", "scalar"] = _scalar
    _STAND_INS[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Dict(dict[Any, Any]):
    """A dict of keys that are hashed at once: tuples of tuples may take for ever."""

    def __setitem__(self, key: Any, value: Any) -> None:
        small = isinstance(key, int) and key.bit_length() < 61
        if not small and not isinstance(key, str | bytes):
            raise _NotAllowed(f"a key of type {type(key).__name__}")
        super().__setitem__(key, value)


class _Unpickler(pickle._Unpickler):
    """An unpickler that finds nothing but the stand-ins, and counts what it takes."""

    stack: list[Any]

    def __init__(self, content: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.path, self.taken, self.allowed = path, 0, largest()
        self.unencoded = len(content)
        self.stand_ins = {**_STAND_INS, ("_codecs", "encode"): self.encode}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name; raise _NotAllowed if nothing does."""
        if (module, name) not in self.stand_ins:
            raise _NotAllowed(repr(f"{module}.{name}"))
        return self.stand_ins[module, name]

    def encode(self, text: str, encoding: str) -> bytes:
        """Stand for ``_codecs.encode``, with which Python 3 writes bytes below protocol 3."""
        if encoding != "latin1":
            raise _NotAllowed("bytes in another encoding than latin1")
        # Each text once: one that stands there once may be meant any number of times.
        self.unencoded -= len(text)
        if self.unencoded < 0:
            raise _NotAllowed("the same bytes many times")
        return text.encode("latin1")

    def load_dict(self) -> None:
        """Push an empty dict: keys and values follow."""
        if self.pop_mark():  # type: ignore[attr-defined]
            raise _NotAllowed("a dict in one piece")
        self.stack.append(_Dict())


def _counted(step: Callable[[Any], None]) -> Callable[[Any], None]:
    def counted(unpickler: _Unpickler) -> None:
        unpickler.taken += STEP
        if unpickler.taken > unpickler.allowed:
            require_size(unpickler.taken, unpickler.path)
        step(unpickler)

    return counted


_STEPS: dict[int, Callable[[Any], None]] = {
    **pickle._Unpickler.dispatch,
    pickle.EMPTY_DICT[0]: lambda unpickler: unpickler.stack.append(_Dict()),
    pickle.DICT[0]: _Unpickler.load_dict,
    # Python makes room for a bytearray of any size before it sees how long the file is.
    pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]],
}
for _set in (pickle.EMPTY_SET, pickle.FROZENSET, pickle.ADDITEMS):
    del _STEPS[_set[0]]
_Unpickler.dispatch = {code: _counted(step) for code, step in _STEPS.items()}


def as_text(entry: Any) -> Any:
    """Return an entry, as text if it is bytes."""
    return entry.decode("utf-8", "replace") if isinstance(entry, bytes) else entry
