"""Weights that others saved: state dicts and whole modules of torch.save, and safetensors.

Nothing in a file runs: torch's own restricted reader takes it, to which the classes of modules are
stand-ins that can be given a state, but not called.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from resray.data.reading import readable
from resray.errors import DataError, InputError
from resray.training.checkpoint_file import ALLOWED, names_in, require_whole

NESTED = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "net")
"""Keys of a checkpoint under which its weights lie; averaged ones come first."""
HARMLESS = re.compile(
    rf"{ALLOWED.pattern}|torch\._utils _rebuild_parameter|torch device|__builtin__ set"
    r"|torch\.nn\.\S+ \w+|argparse Namespace"
)
LIBRARIES = {*sys.stdlib_module_names, "__builtin__", "torch", "numpy"}
"""Modules of which a pickle may name nothing else."""


class CallError(Exception):
    """A pickle would call something; the message says what."""


class Uncalled(type):
    """Makes classes that are not called."""

    def __call__(cls, *_: Any) -> Any:
        raise CallError(cls.__name__)


class StandIn(metaclass=Uncalled):
    """Stands for an object of a class that is not known: keeps its state."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_weights(path: Path) -> dict[str, Any] | None:
    """Return what a file holds under the keys of its weights, tensors on the CPU.

    None where there are none: a damaged file, one of another kind, or a checkpoint of resray's.
    Raises DataError if its pickle would call anything, InputError if safetensors is missing.
    """
    try:
        if path.resolve().suffix == ".safetensors":
            return read_safetensors(path)
        with readable(path):
            require_whole(path)
            stand_ins = [stand_in(name) for name in names_in(path) if not ALLOWED.fullmatch(name)]
            with torch.serialization.safe_globals(stand_ins):
                return weights_of(torch.load(path, map_location="cpu", weights_only=True))
    except CallError as error:
        message = f"the pickle wants {str(error)!r}, which is not allowed, so it was not opened"
        raise DataError(f"{path}: {message}; accepted are state dicts and whole modules") from None
    except DataError:
        return None


def read_safetensors(path: Path) -> dict[str, Any]:
    """Return the tensors of a safetensors file."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise InputError(f'{path}: needs safetensors; pip install "resray[hub]"') from None
    with readable(path, SafetensorError):
        return load_file(path)


def stand_in(named: str) -> Any:
    """Return what stands for something that a pickle names; torch prefers what it knows itself.

    Raises CallError for what is Python's, torch's or NumPy's and no part of a network.
    """
    name = named.replace(" ", ".")
    if name.split(".")[0] in LIBRARIES and not HARMLESS.fullmatch(named):
        raise CallError(name)
    return Uncalled(name, (StandIn,), {}), name


def weights_of(content: Any) -> dict[str, Any] | None:
    """Return the weights in a checkpoint, a state dict or a whole module, or None."""
    if isinstance(content, StandIn):
        content = dict(state_of(content, "", set()))
    if not isinstance(content, dict) or "recipe" in content:
        return None
    for key in NESTED:
        if isinstance(content.get(key), dict | StandIn):
            return weights_of(content[key])
    holds_weights = any(isinstance(value, torch.Tensor) for value in content.values())
    return {str(key): value for key, value in content.items()} if holds_weights else None


def state_of(module: "StandIn", prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield what a module's state_dict would hold; of a part that is used twice only once."""
    if id(module) in seen:
        return
    seen.add(id(module))
    for group in ("_parameters", "_buffers"):
        own = module.state[group].items()
        yield from ((f"{prefix}{name}", value) for name, value in own if value is not None)
    for name, child in module.state["_modules"].items():
        if isinstance(child, StandIn):
            yield from state_of(child, f"{prefix}{name}.", seen)
