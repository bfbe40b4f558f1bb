"""The result store, killed at its storage's operations: readable, whole, and it goes on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_operation_loses_and_doubles_nothing(tmp_path: Path, every: int) -> None:
    command = [sys.executable, "-m", "tests.faults.store_session", str(tmp_path), str(every)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kills = re.fullmatch(r"killed (\d+) times\n", done.stdout)
    assert kills is not None
    assert int(kills[1]) * every > 100
