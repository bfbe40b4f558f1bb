"""Trials of two ranks, each stopped after its first epoch: nothing of them stays behind."""

import time
from pathlib import Path

import pytest
import ray
from ray.util.placement_group import placement_group_table
from rich.console import Console

from resray.run.bench import Bench
from resray.run.cluster import connect
from resray.run.engine import run_jobs
from resray.run.jobs import Jobs, Message
from resray.run.plan import Planner
from resray.run.request import Request
from resray.run.resources import Allocation, Machine, Shares
from resray.run.slots import Slots
from resray.search.jobs import PlannedJob
from resray.study.expand import Options
from tests.bench_command import STUDY

TWO_CORES = Machine(cpus=2, gpus=0)


class StoppedEarly(Bench):
    """A bench whose trials are all stopped when they have recorded an epoch."""

    stopped = 0

    def after_message(self, job: PlannedJob, message: Message) -> str | None:  # type: ignore[override]
        return "enough" if message["kind"] == "epoch" else None

    def ended(self, job: PlannedJob) -> None:
        self.stopped += 1


def two_rank_trials(folder: Path, count: int) -> tuple[StoppedEarly, Allocation]:
    """Plan so many trials, one at a time, of two ranks on two cores."""
    study = folder / "tiny.yaml"
    study.write_text(STUDY)
    options = Options(select=("first",), seeds=tuple(range(count)))
    shares = Shares(gpus=0, workers=2, workers_per_trial=2)
    planner = Planner(Request(study=str(study), options=options, shares=shares, out=folder))
    allocation = planner.allocation(TWO_CORES)
    return StoppedEarly(planner, allocation, Console(quiet=True)), allocation


def cores_become_free(cores: int, seconds: float = 30) -> bool:
    """Return whether so many are free before long: Ray's count lags behind."""
    deadline = time.monotonic() + seconds
    while ray.available_resources().get("CPU") != cores and time.monotonic() < deadline:
        time.sleep(0.2)
    return ray.available_resources().get("CPU") == cores


# If a single group or process kept its cores, the next trial would wait for ever.
@pytest.mark.timeout(1500)
@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 20])
def test_stopped_trials_leave_every_core_free(tmp_path: Path, count: int) -> None:
    bench, allocation = two_rank_trials(tmp_path, count)
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    bench.begin()
    jobs = Jobs(bench, bench.recorder, bench.board, max_failures=0)
    slots = Slots(allocation, bench.planner.shares, None)
    with connect(None, TWO_CORES, tmp_path / "ray.log"):
        run_jobs(jobs, allocation, slots, storage=tmp_path / ".ray", stall_timeout=None)
        states = {group["state"] for group in placement_group_table().values()}
        assert cores_become_free(TWO_CORES.cpus)
    assert bench.stopped == count
    assert {row["epochs_done"] for row in bench.store.trials()} == {1}
    assert states == {"REMOVED"}
