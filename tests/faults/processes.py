"""Processes below this one, and what commands leave of them. Linux only.

This process becomes the parent of all whose own parent dies, so whatever a command started is
always found below it. Nothing else is ever signalled.
"""

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BECOME_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


@dataclass(frozen=True)
class Process:
    """A process; with the moment of its start, as numbers are used again."""

    pid: int
    started: int

    @property
    def command_line(self) -> str:
        """How it was called, or calls itself."""
        try:
            raw = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return raw.replace(b"\0", b" ").decode(errors="replace").strip()

    @property
    def program(self) -> str:
        """The name of its program's file."""
        return Path(self.command_line.split(" ")[0]).name

    @property
    def is_agent(self) -> bool:
        """Whether it is one of Ray's agents, which look for their raylet once a minute only."""
        return "Agent" in self.command_line or "agent" in self.command_line

    def signal(self, number: int) -> bool:
        """Send a signal; return whether the process was still there."""
        if self not in descendants(os.getpid()):
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def __str__(self) -> str:
        return f"{self.pid} {self.command_line[:60]}"


def adopt_orphans() -> None:
    """Become the parent of all below this process whose own parent dies."""
    if ctypes.CDLL(None, use_errno=True).prctl(BECOME_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def descendants(root: int) -> set[Process]:
    """Return the living processes below another one."""
    parents = {process: parent for process, parent, state in table() if state != "Z"}
    found: set[Process] = set()
    level = {root}
    while level:
        below = {process for process, parent in parents.items() if parent in level}
        found |= below
        level = {process.pid for process in below}
    return found


def table() -> Iterable[tuple[Process, int, str]]:
    """Yield every process of this machine, its parent's number and its state's letter."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        # Its second field, in brackets, may hold anything.
        with suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            yield Process(int(entry.parent.name), int(fields[19])), int(fields[1]), fields[0]


def bury() -> None:
    """Let the dead go that were adopted. Not while a child is waited for elsewhere."""
    for process, parent, state in table():
        if state == "Z" and parent == os.getpid():
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)


class Remains:
    """What commands have left running, and by when it must be gone."""

    SECONDS = 70
    """A minute, after which Ray's agents notice that they are alone, and time for their end."""

    def __init__(self) -> None:
        self._watched: list[tuple[float, object, set[Process]]] = []

    def watch(self, owner: object, processes: set[Process]) -> None:
        """Expect that these end."""
        self._watched.append((time.monotonic() + self.SECONDS, owner, processes))

    def overdue(self, *, wait: bool = False) -> list[tuple[object, str]]:
        """Kill who is still there after its time, and say who it was; ``wait`` for all times."""
        found = []
        for deadline, owner, processes in list(self._watched):
            while (left := processes & descendants(os.getpid())) and wait:
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.5)
            if left and time.monotonic() < deadline:
                continue
            self._watched.remove((deadline, owner, processes))
            found += [(owner, str(process)) for process in left]
            kill(left)
        return found


def kill(processes: Iterable[Process]) -> None:
    """Send SIGKILL to each that is still there."""
    for process in processes:
        process.signal(signal.SIGKILL)
