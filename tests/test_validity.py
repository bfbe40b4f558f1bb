"""Every verdict errs as rarely as benchmarks/validity says, by its short form."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "validity" / "rates.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the simulations to their end."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_table_of_all_pairs_errs_as_rarely_as_it_says() -> None:
    done = run("--quick", "--only", "pairs", "agreement")
    assert done.returncode == 0, done.stdout
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[-1] for row in rows] == ["ok |"] * 3
    assert rows[0][:4] == ["| pairs: any shown in a table of all pairs", "3", "10", "normal"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_rate_misses_its_goal() -> None:
    done = run("--quick")
    assert done.returncode == 0, done.stdout
    assert "paired t: no difference is shown" in done.stdout
    assert done.stderr.startswith("0 of ")
