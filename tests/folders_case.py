"""Results folders that differ in what a test says, for the tests of comparing them."""

from pathlib import Path
from typing import Any

from tests.report_builder import epochs_of, trial, write_results

STUDY = Path(__file__).parent.parent / "benchmarks" / "depth-family.yaml"
NOISE = (0.1, -0.2, 0.3, 0.0)
"""Of the seeds, in points."""

Rows = list[dict[str, Any]]


def seeds_of(name: str = "resnet18", *accuracies: float, **changes: Any) -> Rows:
    """Return a trial for each accuracy, with the seeds 0, 1, ..."""
    return [
        trial(name, seed, test_accuracy=value, **changes) for seed, value in enumerate(accuracies)
    ]


def around(mean: float, *own: float) -> tuple[float, ...]:
    """Return accuracies around a mean: the noise of each seed, and what is a trial's own."""
    return tuple(mean + noise + shift for noise, shift in zip(NOISE, own, strict=False))


def folder(path: Path, *rows: Rows, epochs: Rows | None = None, study: Path | None = STUDY) -> Path:
    trials = [row for some in rows for row in some]
    return write_results(path, trials, epochs=epochs, study=study)


def taking(rows: Rows, seconds: float) -> Rows:
    """Return epochs of trials that took so many seconds each, a bit more for each seed."""
    return [
        epoch | {"seconds_training": seconds * (1 + 0.01 * row["seed"])}
        for row in rows
        for epoch in epochs_of(row)
    ]
