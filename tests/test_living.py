"""Living with a study: how far it is, what its checkpoints take, whether they fit the disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from resray.errors import StorageError
from resray.files import link_file
from resray.results.status import read_status
from resray.run.disk import Take, checkpoints_fit, kept_epochs, take_of
from resray.study.expand import Options, expand
from resray.study.load import load_study
from resray.study.spec import CheckpointPolicy
from tests.command_line import Resray, assert_refused
from tests.report_builder import trial, write_results
from tests.test_watch import HOLD_LOCK


def times_of_change(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_status_beside_a_writer_and_after_it_was_killed(tmp_path: Path) -> None:
    rows = [
        trial(name, trial_id=name, status=status, epochs=4, epochs_done=done,
              seconds_compiling=0.0, seconds_training=10.0 * done, seconds_evaluating=0.0,
              seconds_saving=0.0)
        for name, status, done in (("a", "running", 1), ("b", "pending", 0))
    ]  # fmt: skip
    write_results(tmp_path, rows)
    said = tmp_path / "checkpoints" / "a" / "progress.json"
    said.parent.mkdir(parents=True)
    said.write_text('{"epoch": 3, "images": 50, "of": 100, "seconds": 5, "time": 0}')
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        running = read_status(tmp_path)
        holder.kill()
    assert running.is_running
    first, second = running.trials
    assert (first.state, first.done, first.seconds_left) == ("running", 2.5, 15)
    assert (second.state, second.seconds_left) == ("pending", 40), "as the model's other trial"
    assert running.seconds_left == 55
    before = times_of_change(tmp_path)
    killed = read_status(tmp_path)
    assert not killed.is_running
    assert [each.state for each in killed.trials] == ["killed", "pending"]
    assert times_of_change(tmp_path) == before, "status only reads"


def test_what_status_prints(resray: Resray, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "made"
    rows = [
        trial(name, status=status, epochs=4, epochs_done=done, seconds_training=60.0 * done)
        for name, status, done in (("a", "completed", 4), ("b", "running", 1), ("c", "pending", 0))
    ]
    failed = trial("d", status="failed", epochs=4, epochs_done=0)
    failed |= {"error_class": "ValueError", "error_message": "no such layer"}
    write_results(folder, [*rows, failed])
    out = resray("status").out
    assert "no command runs; 1 killed, 1 failed, 1 pending, 1 completed" in out
    assert "the same command goes on" in out
    assert "d (seed 0): ValueError: no such layer" in out
    assert resray("status", "results/made").out == out
    assert_refused(resray("status", "results"), 2, "results: no results here")


def test_trials_of_one_name_are_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    write_results(tmp_path, [trial("a", seed=seed) for seed in (2, 0, 10, 1)])
    assert [each.row["seed"] for each in read_status(tmp_path).trials] == [0, 1, 2, 10]


KEPT = ("best.pt", "last.pt")


def with_checkpoints(folder: Path) -> dict[str, Path]:
    """Write a study of one trial in each of these states; return its checkpoint folders."""
    statuses = ("completed", "interrupted", "failed")
    rows = [trial(each, trial_id=each, status=each, epochs=4, epochs_done=2) for each in statuses]
    write_results(folder, rows)
    folders = {each: folder / "checkpoints" / each for each in statuses}
    for each in folders.values():
        each.mkdir(parents=True)
        for name in (*KEPT, "previous.pt", "epoch-0001.pt", "last.pt.damaged"):
            (each / name).write_bytes(bytes(10**6))
        (each / "metrics.json").write_text("{}")
        link_file(each / "epoch-0002.pt", each / "best.pt")
    return folders


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pt*"))


def test_clean_tells_and_removes_when_told_to(resray: Resray, tmp_path: Path) -> None:
    folders = with_checkpoints(tmp_path / "results" / "made")
    before = times_of_change(tmp_path)
    told = resray("clean")
    assert "7.0 MB of checkpoints stay, 8.0 MB can go" in told.out
    assert "add --yes" in told.out
    assert times_of_change(tmp_path) == before
    assert "Removed" in resray("clean", "results/made", "--yes").out
    assert names_in(folders["completed"]) == names_in(folders["failed"]) == [*KEPT]
    assert names_in(folders["interrupted"]) == [*KEPT, "previous.pt"], "to go on from"
    assert (folders["completed"] / "metrics.json").exists()
    assert "0.0 MB can go" in resray("clean").out


def test_clean_keeps_what_a_running_command_needs(resray: Resray, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "made"
    folders = with_checkpoints(folder)
    everything = names_in(folders["interrupted"])
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        resray("clean", "--yes")
        assert names_in(folders["interrupted"]) == everything
        assert names_in(folders["completed"]) == [*KEPT]
        holder.communicate("\n")


def test_dry_run_says_what_checkpoints_take(resray: Resray) -> None:
    out = resray("bench", "depth-family", "--quick", "--dry-run", "--select", "resnet18").out
    says = "checkpoints take up to 89.4 MB, 0.3 GB while they are written"
    assert says in " ".join(out.split())


def test_what_cannot_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere: checkpoints take up to 1e?.* GB are free"):
        checkpoints_fit([Take(10**18, 10**18)], 1, tmp_path / "nowhere")
    begun = tmp_path / "begun"
    begun.mkdir()
    with (begun / "last.pt").open("wb") as file:
        file.truncate(10**12)
    assert "1000.0 GB" in checkpoints_fit([Take(10**12, 10**12)], 1, tmp_path, [begun])


def test_bytes_of_a_trial() -> None:
    study = load_study("depth-family")

    def weights(**options: object) -> tuple[float, float]:
        (planned,) = expand(study, Options(select=("resnet18",), **options))  # type: ignore[arg-type]
        taken = take_of(planned, CheckpointPolicy())
        network = 4 * 11_173_962
        return taken.left / network, taken.writing / network

    assert weights() == (2, 7)
    assert weights(stop_after=3) == (5, 7)
    assert weights(overrides=("optimizer.momentum=0", "optimizer.nesterov=false")) == (2, 4)
    assert weights(overrides=("optimizer={name: adamw}",)) == (2, 10)
    assert weights(overrides=("ema_decay=0.9",)) == (4, 11)
    policy = CheckpointPolicy(every=2, at=(1, 4, 50), keep_last=2)
    assert kept_epochs(policy, 10) == len({1, 4, 8, 10})
