"""Ends a process with SIGKILL right before it changes files of a folder for the N-th time.

Python's audit events tell of each file that is opened to be written, renamed, linked, cut or
removed, so nothing of resray's is replaced. Right before the next change is right after the last
one, so every state in which a kill can leave the folder comes up; only a file that is half written
needs `torn`. All processes of a command count together.
"""

import json
import os
import signal
import stat
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "RESRAY_TESTS_FAILPOINT"
CHANGES = {
    "os.rename": 2,
    "os.link": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.mkdir": 1,
    "os.truncate": 1,
}
"""Audit events, and how many of their arguments are paths."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MODULE = "from tests.faults import failpoint\n\nfailpoint.arm_from_environment()\n"
"""What Python imports by the name `sitecustomize` when it starts, also in Ray's workers."""


@dataclass(frozen=True)
class Failpoint:
    """Counts the changes below ``folder`` and ends the process that comes to number ``at``.

    ``counter`` is a file that grows by a byte with each. 0 ends nobody. With ``torn`` the file that
    would be renamed is cut in half first, as a kill while it was written would leave it.
    """

    folder: str
    counter: str
    at: int = 0
    torn: bool = False

    @property
    def count(self) -> int:
        """How many changes there were so far."""
        return os.stat(self.counter).st_size

    @property
    def log(self) -> Path:
        """The file that tells what the process was ended before."""
        return Path(f"{self.counter}.ended")

    def environment(self, site: Path) -> dict[str, str]:
        """Return what arms every Python of a command; ``site`` receives a module for it."""
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(MODULE)
        root = Path(__file__).parents[2]
        return {VARIABLE: json.dumps(asdict(self)), "PYTHONPATH": f"{site}{os.pathsep}{root}"}


def arm_from_environment() -> None:
    """Arm what `Failpoint.environment` says, if it says something."""
    if VARIABLE in os.environ:
        arm(Failpoint(**json.loads(os.environ[VARIABLE])))


def arm(failpoint: Failpoint) -> None:
    """Count in this process from now on."""
    descriptor = os.open(failpoint.counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    lock, over = threading.Lock(), threading.Event()

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if over.is_set() or not any(is_below(failpoint.folder, path)
                                    for path in changed(event, arguments)):  # fmt: skip
            return
        with lock:
            os.write(descriptor, b".")
            # After an appended byte it stands behind it, whichever process wrote those before.
            number = os.lseek(descriptor, 0, os.SEEK_CUR)
        if number == failpoint.at:
            over.set()
            end(failpoint, event, arguments)

    sys.addaudithook(look)


def changed(event: str, arguments: tuple[Any, ...]) -> list[Any]:
    """Return the paths that an audit event is about to change.

    A folder that is there and is made, or a file that is not and is removed, changes nothing.
    """
    if event == "open":
        path, _, flags = arguments
        return [path] if isinstance(flags, int) and flags & WRITING else []
    paths = list(arguments[: CHANGES.get(event, 0)])
    # What `shutil.rmtree` removes is named relative to a folder that it holds open.
    folder = arguments[1] if event in ("os.remove", "os.rmdir") else -1
    if folder not in (None, -1):
        return [f"/proc/self/fd/{folder}"]
    idle = os.path.isdir if event == "os.mkdir" else is_missing
    return [] if paths and event != "os.truncate" and idle(paths[0]) else paths


def is_below(folder: str, path: Any) -> bool:
    """Return whether a path, or what an open file is called, is a folder or lies in it."""
    return f"{absolute(path)}{os.sep}".startswith(f"{folder}{os.sep}")


def absolute(path: Any) -> str:
    """Return a path, or what an open file is called, from the root; empty if it is neither."""
    if isinstance(path, int):
        path = f"/proc/self/fd/{path}"
    if not isinstance(path, str | bytes | os.PathLike):
        return ""
    text = os.fsdecode(path)
    return os.readlink(text) if text.startswith("/proc/self/fd/") else os.path.abspath(text)


def is_missing(path: Any) -> bool:
    return not os.path.lexists(path)


def end(failpoint: Failpoint, event: str, arguments: tuple[Any, ...]) -> None:
    """Say what was about to come, and die."""
    torn = failpoint.torn and event == "os.rename" and is_file(arguments[0])
    paths = [os.path.relpath(absolute(path), failpoint.folder)
             for path in changed(event, arguments)]  # fmt: skip
    failpoint.log.write_text(
        f"{event.removeprefix('os.')} {' '.join(paths)}{' (half)' if torn else ''}"
    )
    if torn:
        os.truncate(arguments[0], os.path.getsize(arguments[0]) // 2)
    os.kill(os.getpid(), signal.SIGKILL)


def is_file(path: str) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)
