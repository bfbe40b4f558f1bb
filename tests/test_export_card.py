"""What the model card says of how a trial was trained."""

from pathlib import Path
from typing import Any

import pytest

from resray.export.card import cautions, measurement
from resray.export.facts import Facts
from resray.report.aggregate import load_results
from tests.report_builder import trial, write_results


def facts_of(folder: Path, **changes: Any) -> Facts:
    """Return what is said of the best checkpoint of one trial, read from its results."""
    results = load_results(write_results(folder, [trial(**changes)]))
    row = results.trials[0]
    return Facts(results, row, "best", row["best_epoch"])


@pytest.mark.parametrize(
    ("exclusive", "told"),
    [
        (True, "the trial had the device to itself"),
        (False, "the trial shared the device"),
        (None, "whether the trial shared the device was not recorded"),
    ],
)
def test_card_tells_who_else_used_the_device(
    tmp_path: Path, exclusive: bool | None, told: str
) -> None:
    device = measurement(facts_of(tmp_path, exclusive=exclusive)).splitlines()[0]
    assert device.endswith(f"(bf16, 1 rank); {told}")


@pytest.mark.parametrize(("epochs_done", "cautioned"), [(31, True), (100, False)])
def test_card_tells_that_training_stopped_early(
    tmp_path: Path, epochs_done: int, cautioned: bool
) -> None:
    facts = facts_of(tmp_path, epochs=100, epochs_done=epochs_done, best_epoch=20)
    early = ("Stopped early.", "After epoch 31 of 100 (early stopping).")
    assert (early in list(cautions(facts))) == cautioned
