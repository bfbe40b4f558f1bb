"""Runs of resray without Ray, each in a process forked where torch is imported already."""

from multiprocessing import get_context
from pathlib import Path

from tests.faults.failpoint import Failpoint

CASES = ("inline-bench", "inline-asha", "inline-halving")
POINTS = 4
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.in_process"])


def run(case: str, out: Path, log: Path, failpoint: Failpoint) -> int:
    """Run a case in a process of its own and return that one's exit code."""
    process = CONTEXT.Process(target=child, args=(case, out, log, failpoint))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def child(case: str, out: Path, log: Path, failpoint: Failpoint) -> None:
    """Be that process."""
    # Whoever starts it has no need of torch.
    from tests.faults.in_process import run_case

    run_case(case, out, log, failpoint)
