"""A finding of `resray doctor`, and what all checks need."""

import warnings
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it is, and what to do if it is not well."""

    state: Literal["ok", "warning", "missing"]
    found: str
    advice: str = ""
    name: str = ""


def try_import(name: str) -> ModuleType:
    """Return the module; raise ImportError, whatever it was that kept it from importing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except Exception as error:  # A broken package can raise anything while it is try_import.
        raise ImportError(f"{name} does not import ({one_line(error)})") from error


def one_line(error: BaseException) -> str:
    """Return an error as one line: its class, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def if_too_little(too_little: bool, found: str, advice: str) -> Check:
    """Return the finding of something that there is enough of, or a warning."""
    return Check("warning", found, advice) if too_little else Check("ok", found)
