"""Killing `resray tune` while it searches: the same command goes on, and nothing is lost."""

from pathlib import Path

import pytest

from tests.bench_command import RunningCommand, tune_command
from tests.search_invariants import Tables, outcome, violations

# Each starts Ray several times over; on a busy machine that takes minutes.
pytestmark = pytest.mark.timeout(900)

POINTS = 8


def wait_for_epochs(command: RunningCommand, epochs: int) -> None:
    """Return when so many epochs are recorded in all."""
    command.wait_until(lambda: len(command.table("epochs")) >= epochs)


def search(folder: Path, scheduler: str, kill_after: tuple[int, ...] = ()) -> Tables:
    """Search, killing the command whenever so many epochs are recorded in all."""
    folder.mkdir(exist_ok=True)
    options = ("--workers", "2", "--scheduler", scheduler)
    for epochs in kill_after:
        with tune_command(folder, *options) as command:
            wait_for_epochs(command, epochs)
            command.process.kill()
            command.finish()
    with tune_command(folder, *options) as command:
        assert command.finish() == 0, command.output
    return Tables.read(folder / "results" / "tiny")


THREE_KILLS = (3, 10, 16)


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [(8,), THREE_KILLS], ids=str)
def test_asha_goes_on_after_kills(tmp_path: Path, kill_after: tuple[int, ...]) -> None:
    tables = search(tmp_path, "asha", kill_after)
    assert violations(tables, POINTS) == []
    assert max(row["attempts"] for row in tables.trials) > 1, "something was cut off"
    (confirmed,) = (row for row in tables.trials if row["role"] == "confirmation")
    assert confirmed["status"] == "completed"
    assert confirmed["test_accuracy"] is not None


# Without Ray, tests/test_campaign.py holds killed searches against unbroken ones at every run.
@pytest.mark.slow
def test_halving_finds_the_same_after_kills(tmp_path: Path) -> None:
    unbroken = search(tmp_path / "unbroken", "halving")
    killed = search(tmp_path / "killed", "halving", THREE_KILLS)
    assert violations(unbroken, POINTS) == []
    assert violations(killed, POINTS) == []
    assert outcome(killed) == outcome(unbroken)
