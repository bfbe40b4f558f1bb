"""Every verdict errs as rarely as benchmarks/validity says, by its short form."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "validity" / "rates.py"


@pytest.mark.timeout(300)
def test_no_rate_misses_its_goal() -> None:
    command = [sys.executable, str(SCRIPT), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| paired t: no difference is shown | 3 |" in done.stdout
    assert done.stderr.startswith("0 of ")
