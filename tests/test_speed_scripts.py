"""The scripts of benchmarks/speed/ that train run, on toys."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPTS = Path(__file__).parent.parent / "benchmarks" / "speed"


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_ratio_that_is_too_low_fails_with_all_ratios(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.parquet"
    small = ("--embedded", "--models", "resnet18", "--images", 8, "--batch-size", 4, "--pairs", 2)
    done = run("training_step.py", *small, "--peers", "bare", "plain", "--output", pairs)
    assert done.returncode == 0, done.stderr
    assert list(pd.read_parquet(pairs)["peer"]) == ["bare", "plain"] * 2
    slow = run("training_step.py", *small, "--peers", "bare", "--at-least", 1000)
    assert slow.returncode == 1
    assert "of the images/s of bare, under 1000.0 (ratios " in slow.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_a_gpu_is_to_measure_runs_here_and_failures_are_rows(tmp_path: Path) -> None:
    only = ("--only", "matrix-rate", "resnet18-cifar10", "resnet18-captured", "loaders")
    for part in (1, 2):
        known = [name for name in only if (name == "loaders") == (part == 2) or name == "--only"]
        done = run("gpu.py", "--part", part, "--tiny", "--out", tmp_path, *known)
        assert done.returncode == 0, done.stderr
    late = run("gpu.py", "--part", 2, "--tiny", "--out", tmp_path, "--seconds", 0,
               "--only", "packing")  # fmt: skip
    assert late.returncode == 0, late.stderr
    assert set(pd.read_parquet(tmp_path / "packing-2.parquet")["error"]) == {"no time was left"}
    assert len(pd.read_parquet(tmp_path / "training-resnet18-1.parquet")) == 2
    assert run("gpu_report.py", tmp_path, "--out", tmp_path / "page").returncode == 0
    page = (tmp_path / "page" / "README.md").read_text()
    assert "| depth-family | resnet18 |" in page
    assert "| packing | no time was left |" in page
