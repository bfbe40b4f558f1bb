"""Killing what can be killed, with SIGKILL and Ctrl-C: nothing recorded is lost or doubled."""

import os
import signal
from pathlib import Path

import pytest

from tests.bench_command import assert_every_epoch_once, bench_command

# Each starts Ray several times over; on a busy machine that takes minutes.
pytestmark = pytest.mark.timeout(900)


def statuses(trials: object) -> dict[str, str]:
    return dict(zip(trials["name"], trials["status"], strict=True))  # type: ignore[index]


@pytest.mark.slow
def test_a_killed_trial_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    with bench_command(tmp_path, "--workers", "2") as command:
        command.wait_for_epoch(2)
        command.kill_trial("first")
        assert command.finish() == 0, command.output
        assert_every_epoch_once(command)
        trials = command.table("trials").set_index("name")
        assert trials.loc["first", "attempts"] == 2
        assert trials.loc["second", "attempts"] == 1
        assert set(trials["status"]) == {"completed"}
        events = command.table("events")
        of_first = events[events["name"] == "first"].sort_values("time")["event"].tolist()
        assert of_first == ["started", "died", "resumed", "completed"]
        assert "raylet" not in command.output, "Ray's chatter belongs in the log"


@pytest.mark.slow
def test_a_trial_that_may_not_fail_fails_alone(tmp_path: Path) -> None:
    with bench_command(tmp_path, "--workers", "2", "--max-failures", "0") as command:
        command.wait_for_epoch(1)
        command.kill_trial("first")
        assert command.finish() == 1, command.output
        trials = command.table("trials")
        assert statuses(trials) == {"first": "failed", "second": "completed"}
        failed = trials.set_index("name").loc["first"]
        assert failed["error_class"]
        assert failed["error_message"]
        assert failed["epochs_done"] >= 1
    with bench_command(tmp_path, "--workers", "2") as command:
        assert command.finish() == 0, command.output
        assert_every_epoch_once(command)


def test_after_a_killed_command_the_next_one_finishes_what_is_missing(tmp_path: Path) -> None:
    with bench_command(tmp_path, "--workers", "1") as command:
        command.wait_for_epoch(2, "second")
        command.process.kill()
        command.finish()
        recorded = command.table("epochs")
        assert len(recorded) >= 8, "what was recorded is readable"
        before = command.table("trials").set_index("name").loc["first"]
        assert before["status"] == "completed"
    with bench_command(tmp_path, "--workers", "1") as command:
        assert command.finish() == 0, command.output
        assert_every_epoch_once(command)
        trials = command.table("trials").set_index("name")
        assert trials.loc["first", "attempts"] == 1
        assert trials.loc["first", "ended"] == before["ended"], "finished trials are left alone"
        assert trials.loc["second", "attempts"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_end_is_safe_and_the_same_command_goes_on(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with bench_command(tmp_path, "--workers", "2") as command:
        command.wait_for_epoch(1)
        if ending == signal.SIGINT:
            # A terminal sends it to all processes of the command.
            os.killpg(command.process.pid, ending)
        else:
            command.process.send_signal(ending)
        assert command.finish() == 130, command.output
        assert "the same command goes on from there" in command.output
        assert "Traceback" not in command.output
        assert "interrupted" in statuses(command.table("trials")).values()
        assert (tmp_path / "reports" / "tiny.html").exists()
    with bench_command(tmp_path, "--workers", "2") as command:
        assert command.finish() == 0, command.output
        assert_every_epoch_once(command)


@pytest.mark.slow
def test_a_killed_rank_of_a_ray_train_run_goes_on(tmp_path: Path) -> None:
    options = ("--workers", "2", "--workers-per-trial", "2", "--select", "first")
    with bench_command(tmp_path, *options) as command:
        command.wait_for_epoch(2)
        command.kill_trial("first")
        assert command.finish() == 0, command.output
        assert_every_epoch_once(command)
        (trial,) = command.table("trials").to_dict("records")
        assert (trial["world_size"], trial["batch_per_rank"]) == (2, 16)
        assert trial["attempts"] == 2
        assert set(command.table("epochs")["images"]) == {640}, "every image exactly once"
