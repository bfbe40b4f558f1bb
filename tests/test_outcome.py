"""What `bench` prints of its trials is what its tables and its report hold of them."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

from resray.cli.studies import failure
from tests.bench_command import STUDY

WILD = "  - {name: wild, recipe: {optimizer: {lr: 1.0e+12}}}\n"


def test_printed_numbers_are_those_of_the_trials(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY + WILD)
    command = [sys.executable, "-m", "resray", "bench", "./tiny.yaml", "--epochs", "2"]
    done = subprocess.run(
        [*command, "--gpus", "0", "--workers", "2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    trials = pd.read_parquet(tmp_path / "results" / "tiny" / "trials").set_index("name")
    table = {
        cells[0]: cells[1:]
        for line in done.stdout.splitlines()
        if len(cells := re.split(r"\s{2,}", line.strip())) == 6
    }
    page = (tmp_path / "reports" / "tiny.html").read_text()
    for name in ("first", "second"):
        row = trials.loc[name]
        accuracy = f"{row['test_accuracy']:.2f}"
        assert table[name][:3] == ["1", accuracy, "–"]
        assert table[name][4] == f"{row['images_per_second']:.0f}"
        assert accuracy in page
        said = [line for line in done.stdout.splitlines() if line.startswith(f"{name} (seed 0): e")]
        best = f"best validation {row['validation_accuracy']:.2f} % (epoch {row['best_epoch']:.0f})"
        assert f"{best}, its test {accuracy} %, {table[name][4]} images/s, " in said[-1]
        assert f"utilisation {100 * row['utilisation']:.0f} %" in said[-1]
    assert table["wild"] == ["0", "–", "–", "–", "–"]
    text = " ".join(done.stdout.split())
    assert "These are reduced runs: 2 of 6 epochs" in text
    assert "have the highest" in text or "has the highest" in text or "share the highest" in text
    assert "Logs of Ray's workers: " in text
    assert re.search(r"^wild \(seed 0\): DivergedError: ", done.stdout, re.MULTILINE)


def test_a_failure_names_cause_and_traceback() -> None:
    row = {"name": "a", "seed": 1, "error_class": "ValueError", "error_message": "no"}
    assert failure(row) == "a (seed 1): ValueError: no"
    said = failure(row | {"traceback": "/out/traceback.txt"})
    assert said == "a (seed 1): ValueError: no (traceback: /out/traceback.txt)"
