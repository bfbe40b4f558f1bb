"""A bench and searches in one process without Ray, for hundreds of kills in minutes.

What is written is what a real command writes: one process trains, keeps checkpoints, stores rows,
puts the tables' files together and writes the report.
"""

import os
import sys
import traceback
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console

from resray.report.page import write_report
from resray.results.store import ResultStore
from resray.run.asked import Bench
from resray.run.feed import FixedList
from resray.run.plan import Planner
from resray.run.recorder import Recorder, planned_row
from resray.run.resources import Machine, Request
from resray.run.run import put_right
from tests.faults.failpoint import Failpoint, arm
from tests.inline_search import Engine, InlineSearch

POINTS = 4
RATES = "{optimizer.lr: {grid: [0.2, 0.05, 0.01, 0.0001]}}"
CASES = ("inline-bench", "inline-asha", "inline-halving")
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


def run(case: str, out: Path, log: Path, failpoint: Failpoint) -> int:
    """Run a case in a process of its own, forked where torch is imported; return its exit code."""
    process = CONTEXT.Process(target=run_here, args=(case, out, log, failpoint))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def run_here(case: str, out: Path, log: Path, failpoint: Failpoint) -> None:
    """Run a case in this process; what it prints goes to a file."""
    with open(log, "ab", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    out.mkdir(exist_ok=True)
    search = InlineSearch(out, RATES, checkpoint_seconds=0)
    results = out / "results" / "small"
    arm(failpoint)
    try:
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
    planner = Planner(
        Bench(str(study), request=Request(gpus=0, workers=1), out=out, checkpoint_seconds=0)
    )
    planner.results.mkdir(parents=True, exist_ok=True)
    put_right(planner.store, Console(quiet=True))
    work, _ = planner.plan(Machine(1, 0))
    recorder = Recorder(planner.store)
    todo = [item for item in work if planner.is_todo(item.trial, item.job.trial_id)]
    for item in todo:
        recorder.plan(planned_row(item.trial, item.job, {}))
    jobs = [item.job for item in todo]
    feed: Any = FixedList(jobs, recorder, lambda *_: None)
    Engine(feed, None, None).run()
