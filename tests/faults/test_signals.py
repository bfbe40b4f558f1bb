"""Ctrl-C and SIGTERM at any moment: exit code 130, one line, and a report of what was recorded."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resray.run.signals import interruptible, signals_waiting
from tests.bench_command import bench_command, tune_command
from tests.faults.interrupting import POINTS
from tests.report_builder import trial, write_results

pytestmark = pytest.mark.timeout(400)

ONE_EPOCH = ("--select", "first", "--epochs", "1", "--workers", "1")
ALWAYS = "after-training SIGINT"
"""The others are run with the slow tests."""
EVERYWHERE = [
    pytest.param(point, name, id=f"{point} {name}",
                 marks=[] if f"{point} {name}" == ALWAYS else pytest.mark.slow)
    for point in POINTS
    for name in ("SIGINT", "SIGTERM")
]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_what_is_imported_is_there(number: signal.Signals) -> None:
    """A compiled module that it met would swallow it."""
    imported = []

    def import_something() -> None:
        with interruptible():
            with signals_waiting():
                os.kill(os.getpid(), number)
                imported.append(True)
            pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        import_something()
    assert imported


@pytest.mark.parametrize(("point", "name"), EVERYWHERE)
def test_a_signal_is_never_lost(tmp_path: Path, point: str, name: str) -> None:
    program = ("-m", "tests.faults.interrupting", point, name)
    with bench_command(tmp_path, *ONE_EPOCH, program=program) as command:
        assert command.finish() == 130, command.output
    assert "Traceback" not in command.output
    last = command.output.splitlines()[-1]
    assert last.startswith("resray: interrupted"), command.output
    assert command.output.count("resray: ") == 1
    assert "the same command goes on from there" in last
    trials = command.table("trials")
    statuses = set(trials["status"]) if len(trials) else set()
    if point.endswith("start"):
        assert statuses == set(), "nothing was begun"
    elif point == "before-training":
        assert statuses <= {"pending", "interrupted"}
        assert "1 of 1 trials are unfinished" in last
    else:
        assert statuses == {"completed"}
    assert (tmp_path / "reports" / "tiny.html").exists() == bool(statuses)


@pytest.mark.slow
@pytest.mark.parametrize("point", ["after-start", "after-training", "before-report"])
def test_a_search_ends_in_the_same_way(tmp_path: Path, point: str) -> None:
    program = ("-m", "tests.faults.interrupting", point, "SIGTERM")
    options = ("--epochs", "2", "--workers", "2", "--space", "rates")
    with tune_command(tmp_path, *options, program=program) as command:
        assert command.finish() == 130, command.output
    assert command.output.splitlines()[-1].startswith("resray: interrupted"), command.output
    with tune_command(tmp_path, *options) as command:
        assert command.finish() == 0, command.output


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_other_commands_end_in_one_line_too(tmp_path: Path, name: str) -> None:
    write_results(tmp_path / "results" / "tiny", [trial("first")])
    command = [sys.executable, "-m", "tests.faults.interrupting", "before-report", name]
    done = subprocess.run(
        [*command, "report", str(tmp_path / "results" / "tiny")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (130, "resray: interrupted\n")
