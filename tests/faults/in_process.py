"""A bench and searches in one process without Ray, for hundreds of kills in minutes.

What is written is what a real command writes: one process trains, keeps checkpoints, stores rows,
puts the tables' files together and writes the report.
"""

import os
import sys
import traceback
from pathlib import Path

from rich.console import Console

from resray.report.page import write_report
from resray.results.lock import writer_lock
from resray.results.store import ResultStore
from resray.run.bench import Bench
from resray.run.jobs import Jobs
from resray.run.plan import Planner
from resray.run.recovery import put_right
from resray.run.request import Request
from resray.run.resources import Machine, Shares
from tests.faults.failpoint import Failpoint, arm
from tests.inline_search import Engine, InlineSearch

RATES = "{optimizer.lr: {grid: [0.2, 0.05, 0.01, 0.0001]}}"
"""The search's `tests.faults.inline.POINTS`."""


def run_case(case: str, out: Path, log: Path, failpoint: Failpoint) -> None:
    """Run one of `tests.faults.inline.CASES` here; what it prints goes to a file."""
    with open(log, "ab", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    out.mkdir(exist_ok=True)
    search = InlineSearch(out, RATES, checkpoint_seconds=0)
    results = out / "results" / "small"
    arm(failpoint)
    try:
        with writer_lock(results):
            if case == "inline-bench":
                bench(search.file, out)
            else:
                search.run(scheduler=case.removeprefix("inline-"), grace=1, confirm=1)
            ResultStore(results).compact()
        write_report(results, out / "reports" / "small.html")
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def bench(study: Path, out: Path) -> None:
    """Do what `resray bench` does, one trial after another."""
    shares = Shares(gpus=0, workers=1)
    planner = Planner(Request(str(study), shares=shares, out=out, checkpoint_seconds=0))
    put_right(planner.store, Console(quiet=True))
    source = Bench(planner, planner.allocation(Machine(1, 0)), Console(quiet=True))
    source.begin()
    jobs = Jobs(source, source.recorder, source.board, max_failures=0)
    Engine(source, jobs, None, None).run()
    planner.store.compact()
