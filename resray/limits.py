"""How large anything may become that is unpacked from a file of somebody else's."""

import os
from pathlib import Path

from resray.errors import DataError, InputError

VARIABLE = "RESRAY_MAX_GB"
DEFAULT_GB = 8.0


def largest() -> float:
    """Return the limit in bytes: `DEFAULT_GB`, or what the environment's `VARIABLE` says.

    Raises InputError if that is no number above 0.
    """
    text = os.environ.get(VARIABLE, str(DEFAULT_GB))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = 0.0
    if not gigabytes > 0:
        raise InputError(f"{VARIABLE}={text}: expected a number of gigabytes above 0, such as 16")
    return gigabytes * 1e9


def require_size(size: float, place: Path | str) -> None:
    """Raise DataError if what ``place`` unpacks to, ``size`` bytes, is above the limit."""
    if size > (limit := largest()):
        raise DataError(
            f"{place}: would unpack to {size / 1e9:,.1f} GB, more than the {limit / 1e9:g} GB that "
            f"are allowed; set {VARIABLE} to allow more"
        )
