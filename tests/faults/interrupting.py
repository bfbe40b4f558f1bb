"""Runs resray with arguments, sending itself a signal at a point that its test names.

    python -m tests.faults.interrupting POINT SIGNAL COMMAND...

The signal comes where Ray, or the report, has just been called or is about to return.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

POINTS = {
    "before-start": ("ray", "init", True),
    "after-start": ("ray", "init", False),
    "before-training": ("ray.tune", "Tuner.fit", True),
    "after-training": ("ray.tune", "Tuner.fit", False),
    "while-ray-ends": ("ray._private.node", "Node.kill_all_processes", True),
    "before-report": ("resray.report.page", "write_report", True),
    "after-report": ("resray.report.page", "write_report", False),
}
"""The function at each point, and whether the signal comes before it or after."""


def interrupt_at(point: str, number: int) -> None:
    """Let the function at a point be called, or return, with a signal."""
    importlib.import_module("resray.run")  # which says how ray is to be imported
    module_name, path, before = POINTS[point]
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module_name)
    for each in owners:
        owner = getattr(owner, each)
    function: Callable[..., Any] = getattr(owner, name)

    def interrupting(*arguments: Any, **options: Any) -> Any:
        if before:
            os.kill(os.getpid(), number)
        found = function(*arguments, **options)
        if not before:
            os.kill(os.getpid(), number)
        return found

    setattr(owner, name, interrupting)


if __name__ == "__main__":
    from resray.cli import main

    point, number = sys.argv[1:3]
    interrupt_at(point, signal.Signals[number])
    del sys.argv[1:3]
    main()
