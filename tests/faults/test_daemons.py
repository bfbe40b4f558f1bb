"""Ray's own processes end, or whoever looks at a run goes away."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench_command import STUDY, RunningCommand, assert_every_epoch_once, bench_command

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]


def daemons(command: RunningCommand, name: str) -> list[int]:
    """Return the command's own children whose program is called so."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            program, _, rest = status.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if program == name and int(rest.split()[1]) == command.process.pid:
            found.append(int(status.parent.name))
    return found


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_daemon_that_ends_ends_the_command(tmp_path: Path, name: str, training: bool) -> None:
    with bench_command(tmp_path, "--workers", "2") as command:
        if training:
            command.wait_for_epoch(1)
        else:
            command.wait_until(lambda: bool(daemons(command, name)))
        (pid,) = daemons(command, name)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        assert command.finish(60) == 3, command.output
        # While Ray starts, nothing but Ray knows its daemons, and it waits for half a minute.
        assert time.monotonic() - killed < (30 if training else 45)
        assert command.output.count("resray: ") == 1, command.output
        assert "Traceback" not in command.output
        assert command.output.splitlines()[-1].startswith("resray: Ray")
    with bench_command(tmp_path, "--workers", "2") as command:
        assert command.finish() == 0, command.output
        assert_every_epoch_once(command)


def test_training_goes_on_when_the_reader_goes_away(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    bench = f"{sys.executable} -m resray bench ./tiny.yaml --gpus 0 --workers 2 --epochs 2"
    piped = f"{bench} | head -3; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", piped], cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 3
    assert done.stderr == ""
    assert (tmp_path / "reports" / "tiny.html").exists()


def test_training_goes_on_when_the_terminal_goes_away(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    bench = ["-m", "resray", "bench", "./tiny.yaml", "--gpus", "0", "--workers", "2"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        size = {"COLUMNS": "120", "LINES": "40", "TERM": "xterm"}
        command = [sys.executable, *bench, "--epochs", "2"]
        os.execve(sys.executable, command, {**os.environ, **size})
    with os.fdopen(terminal, "rb", buffering=0) as window:
        shown = b""
        while b"running" not in shown:
            shown += window.read(1000)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert (tmp_path / "reports" / "tiny.html").exists()
