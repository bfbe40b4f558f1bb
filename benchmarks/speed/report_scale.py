"""What `resray report` takes for thousands of trials, beside benchopt's page of the same epochs.

    uv run python benchmarks/speed/report_scale.py [--trials 1000] [--seeds 10] [--rounds 3]
        [--folder DIR] [--benchopt COMMAND] [--columns 1] [--chromium COMMAND]

Results are made up (many_results.py) in ``--folder``, which is used again if it holds them. Each
page is made by its command in a process of its own: wall seconds from its start to its end, seconds
of all cores, the peak of its memory (resident), and the size of the file.

``--benchopt`` names the command of an installed benchopt, which takes turns; its page holds the
first ``--columns`` of six learning curves and loads Plotly from the network, resray's holds all six
and Plotly. ``--chromium`` opens resray's page (report_in_browser.py; needs playwright).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchopt_rows import page_of, write_benchmark
from many_results import write_many
from report_in_browser import reactions


@dataclass(frozen=True)
class Made:
    """What it took to make a page."""

    seconds: float
    work: float
    """Seconds of all cores together, which other processes beside this one change less."""
    peak: float
    """Resident memory, in megabytes."""
    size: float
    """Of the page, in megabytes."""


MEASURER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
work = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, work, usage.ru_maxrss]))
"""
"""Runs a command and prints what it took. A process of its own: Linux counts into a child's peak
what its parent held when the child was made, which here may be gigabytes."""


def make(command: Sequence[str | Path], page: Path) -> Made:
    """Run a command that writes ``page``, and measure it."""
    typed = [sys.executable, "-c", MEASURER, *map(str, command)]
    said = subprocess.run(typed, stdout=subprocess.PIPE, check=True).stdout
    code, seconds, work, peak = json.loads(said)
    if code:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {code}")
    # Linux counts the peak in KiB.
    return Made(seconds, work, peak * 1024 / 1e6, page.stat().st_size / 1e6)


def tell(what: str, values: Sequence[float], unit: str) -> None:
    """Print the median, the range and the number of measurements."""
    span = f"{min(values):.2f} to {max(values):.2f}"
    print(f"{what}: {statistics.median(values):.2f} {unit} ({span}, n = {len(values)})", flush=True)


def tell_made(tool: str, made: Sequence[Made]) -> None:
    """Print what a tool's pages took."""
    tell(f"{tool}, wall", [one.seconds for one in made], "s")
    tell(f"{tool}, all cores", [one.work for one in made], "s")
    tell(f"{tool}, peak memory", [one.peak for one in made], "MB")
    tell(f"{tool}, page", [one.size for one in made], "MB")


def with_resray(results: Path, page: Path) -> Callable[[], Made]:
    """Return what makes resray's page, and measures that."""
    command = Path(sys.executable).with_name("resray")
    return lambda: make([command, "report", results, "--output", page], page)


def with_benchopt(results: Path, folder: Path, command: Path, columns: int) -> Callable[[], Made]:
    """Write the same epochs as benchopt keeps them; return what makes its page."""
    write_benchmark(results, folder, columns)
    page = page_of(folder)
    return lambda: make([command, "plot", folder, "--html", "--no-display"], page)


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--benchopt", type=Path)
    parser.add_argument("--columns", type=int, default=1)
    parser.add_argument("--chromium", type=Path)
    return parser.parse_args()


def measure(asked: argparse.Namespace, folder: Path) -> None:
    """Make results, then the pages in turns, and print what they took."""
    results = write_many(
        asked.folder or folder / "results",
        asked.trials,
        asked.epochs,
        asked.seeds,
    )
    page = folder / "report.html"
    tools = {"resray": with_resray(results, page)}
    if asked.benchopt:
        tools["benchopt"] = with_benchopt(results, folder / "b", asked.benchopt, asked.columns)
    made: dict[str, list[Made]] = {tool: [] for tool in tools}
    for _ in range(asked.rounds):
        for tool, once in tools.items():
            made[tool].append(once())
    for tool, each in made.items():
        tell_made(tool, each)
    if asked.chromium:
        for what, seconds in reactions(page, asked.chromium, asked.rounds).items():
            tell(f"in Chromium, {what}", seconds, "s")


def main() -> None:
    """Parse the command line, measure, print."""
    asked = arguments()
    print(f"{asked.trials} trials of {asked.epochs} epochs, {asked.seeds} seeds a configuration; "
          f"{os.cpu_count()} cores, Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        measure(asked, Path(folder))


if __name__ == "__main__":
    main()
