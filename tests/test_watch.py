"""`resray report --watch`: a page for each change, the last one when all trials have ended."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from resray.cli.watch import watch
from resray.errors import InputError
from resray.results.lock import is_held, writer_lock
from tests.report_builder import trial, write_results

SOON = 0.02
"""Seconds between pages."""
HOLD_LOCK = """
import sys
from pathlib import Path
from resray.results.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


class Watcher:
    """Watches folders, and changes the results whenever a line was said."""

    def __init__(self, folder: Path, *changes: Callable[[], object]) -> None:
        self.folder = folder
        self.changes = list(changes)
        self.pages: list[int | None] = []
        self.lines: list[str] = []

    def write(self, live: int | None) -> Path:
        self.pages.append(live)
        return Path("page.html")

    def say(self, line: str) -> None:
        self.lines.append(line.partition(" ")[2] if line[0].isdigit() else line)
        if self.changes:
            self.changes.pop(0)()

    def run(self) -> None:
        watch([self.folder], self.write, self.say, SOON)


def states(folder: Path, *names: str) -> Callable[[], Path]:
    """Return what writes a trial in each of these states."""
    rows = [trial(seed=seed, status=status, epochs_done=2) for seed, status in enumerate(names)]
    return lambda: write_results(folder, rows)


def without_time(lines: Sequence[str]) -> list[str]:
    return [line.rpartition(" (")[0] for line in lines]


def test_a_page_follows_each_change_and_the_last_is_not_live(tmp_path: Path) -> None:
    states(tmp_path, "running", "pending")()
    watcher = Watcher(
        tmp_path, states(tmp_path, "completed", "running"), states(tmp_path, "completed", "failed")
    )
    watcher.run()
    assert watcher.pages == [1, 1, None]
    assert without_time(watcher.lines) == [
        "page.html: 1 running, 1 pending",
        "page.html: 1 completed, 1 running",
        "page.html: 1 completed, 1 failed",
    ]


def test_ended_results_are_one_page(tmp_path: Path) -> None:
    watcher = Watcher(states(tmp_path, "completed", "interrupted", "stopped")())
    watcher.run()
    assert watcher.pages == [None]


def test_an_empty_folder_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: x")
    (tmp_path / "ray.log").write_text("INFO: Started a local Ray instance")
    (tmp_path / ".lock").write_text("")

    def begin() -> None:
        (tmp_path / "study.yaml").unlink()
        states(tmp_path, "completed")()

    watcher = Watcher(tmp_path, begin)
    watcher.run()
    assert watcher.lines[0] == f"Waiting for the first results in {tmp_path}"
    assert watcher.pages == [None]


def test_between_two_rungs_all_have_ended_and_the_search_goes_on(tmp_path: Path) -> None:
    """While a process holds the folder, more trials may follow; its end is a change."""
    states(tmp_path, "completed")()
    command = [sys.executable, "-c", HOLD_LOCK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        watcher = Watcher(tmp_path, lambda: process.communicate(b"\n"))
        watcher.run()
    assert watcher.pages == [1, None]


@pytest.mark.parametrize("left", ["", "no number", "-1", "its own", "another one"])
def test_a_lock_that_nobody_holds_does_not_keep_the_page_live(tmp_path: Path, left: str) -> None:
    """The number of a process that has ended may be another one's: here the parent's."""
    numbers = {"its own": os.getpid(), "another one": os.getppid()}
    (tmp_path / ".lock").write_text(str(numbers.get(left, left)))
    watcher = Watcher(states(tmp_path, "completed")())
    watcher.run()
    assert watcher.pages == [None]


def test_looking_never_keeps_a_writer_out(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        assert is_held(tmp_path)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_held(tmp_path)
            # A thousand times as often as --watch does.
            stop.wait(SOON / 20)

    lookers = [threading.Thread(target=look, daemon=True) for _ in range(2)]
    for looker in lookers:
        looker.start()
    for _ in range(100):
        with writer_lock(tmp_path):
            pass
    stop.set()
    for looker in lookers:
        looker.join()
    assert not is_held(tmp_path)


def test_interrupted_it_writes_the_last_page(tmp_path: Path) -> None:
    def interrupt() -> Any:
        raise KeyboardInterrupt

    watcher = Watcher(states(tmp_path, "running")(), interrupt)
    watcher.run()
    assert watcher.pages == [1, None]
    assert watcher.lines[-1] == "Interrupted; the last page is page.html"


def test_interrupted_before_any_result_it_writes_nothing(tmp_path: Path) -> None:
    def interrupt() -> Any:
        raise KeyboardInterrupt

    watcher = Watcher(tmp_path, interrupt)
    watcher.run()
    assert watcher.pages == []


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "depth-family").mkdir()
    with pytest.raises(InputError, match="did you mean 'depth-family'"):
        Watcher(tmp_path / "depht-family").run()
    with pytest.raises(InputError, match="no such folder; start the run"):
        Watcher(tmp_path / "x" / "y").run()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    states(tmp_path / "results" / "depth-family", "completed")()
    with pytest.raises(InputError, match="no results here"):
        Watcher(tmp_path / "results").run()


def test_files_that_are_replaced_while_they_are_looked_at_do_no_harm(tmp_path: Path) -> None:
    write = states(tmp_path, *["running"] * 5)
    write()
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for path in (tmp_path / "trials").glob("[!.]*.parquet"):
                copy = path.with_name(f".{path.name}")
                copy.write_bytes(path.read_bytes())
                copy.replace(path)

    def end() -> None:
        stop.set()
        writer.join()
        states(tmp_path, *["completed"] * 5)()

    writer = threading.Thread(target=replace, daemon=True)
    writer.start()
    watcher = Watcher(tmp_path, *[lambda: None] * 3, end)
    watcher.run()
    assert watcher.pages[-1] is None
    assert len(watcher.pages) >= 5
