"""What Ray needs of this machine: memory, a home folder, a folder for its sockets."""

import os
import shutil
from pathlib import Path

from resray.cli.doctor.check import Check, if_too_little
from resray.cli.doctor.storage import writable
from resray.errors import ClusterError
from resray.files import home_folder, size_text
from resray.memory import usable_memory

LEAST_FREE_MEMORY = 3 * 10**9
SHARED_MEMORY = Path("/dev/shm")
# The engine asks Ray for an object store of 200 MB, and Ray wants a little more.
LEAST_SHARED_MEMORY = 300 * 10**6
LONGEST_SOCKET_PATH = 107
SOCKET = "session_2000-01-01_00-00-00_000000_1234567/sockets/plasma_store"


def memory() -> Check:
    """Say how much memory is free."""
    total, free = usable_memory()
    found = f"{size_text(free)} free of {size_text(total)}"
    advice = "Ray and one trial need about 3 GB; close other programs or use --workers 1"
    return if_too_little(free < LEAST_FREE_MEMORY, found, advice)


def shared_memory() -> Check:
    """Say how much room there is for Ray's object store."""
    free = shutil.disk_usage(SHARED_MEMORY).free
    advice = "Ray will use its slower /tmp; in a container, start it with --shm-size=1g"
    too_little = free < LEAST_SHARED_MEMORY
    return if_too_little(too_little, f"{size_text(free)} free in {SHARED_MEMORY}", advice)


def ray_home() -> Check:
    """Say whether Ray can keep its token at home."""
    try:
        folder = home_folder() / ".ray"
    except ClusterError as error:
        return Check("missing", *str(error).split("; "))
    if writable(folder) or os.environ.get("RAY_AUTH_MODE") == "disabled":
        return Check("ok", str(folder))
    advice = "Ray keeps a token there: set HOME to a writable folder, or RAY_AUTH_MODE=disabled"
    return Check("missing", f"{folder} cannot be written", advice)


def session_paths() -> Check:
    """Say whether Ray's folder can be written, and its sockets' paths are short enough."""
    folder = ray_folder()
    length = len(os.fsencode(folder / SOCKET))
    if length > LONGEST_SOCKET_PATH:
        found = f"{folder}: paths of sockets are {length} bytes, {LONGEST_SOCKET_PATH} are allowed"
        return Check("missing", found, "set RAY_TMPDIR to a shorter path")
    if not writable(folder):
        advice = "set RAY_TMPDIR to a folder you can write"
        return Check("missing", f"{folder} cannot be written", advice)
    return Check("ok", str(folder))


def ray_folder() -> Path:
    """Return where Ray keeps its sessions: it reads RAY_TMPDIR, then TMPDIR."""
    chosen = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    return Path(chosen) / "ray"


def ray_address() -> Check:
    """Say whether a cluster is named, which no command joins unasked."""
    if not (address := os.environ.get("RAY_ADDRESS")):
        return Check("ok", "resray starts its own; --address joins a running one")
    found = f"RAY_ADDRESS is {address}; resray starts its own Ray all the same"
    return Check("ok", found, f"to join it: --address {address}")
