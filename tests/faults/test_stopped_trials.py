"""Trials of two ranks, each stopped after its first epoch: nothing of them stays behind."""

import time
from pathlib import Path

import pytest
import ray
from ray.util.placement_group import placement_group_table

from resray.run.asked import Bench
from resray.run.cluster import connect
from resray.run.engine import run_jobs
from resray.run.feed import FixedList, Message
from resray.run.plan import Planner, Work
from resray.run.recorder import Recorder, planned_row
from resray.run.resources import Allocation, Machine, Request
from resray.run.slots import Slots
from resray.study.expand import Options
from tests.bench_command import STUDY

TWO_CORES = Machine(cpus=2, gpus=0)


class StoppedEarly(FixedList):
    """A list of jobs that are all stopped when they have recorded an epoch."""

    stopped = 0

    def message(self, trial_id: str, message: Message) -> bool:
        super().message(trial_id, message)
        return message["kind"] == "epoch"

    def ended(self, trial_id: str) -> None:
        super().ended(trial_id)
        self.stopped += 1


def two_rank_trials(folder: Path, count: int) -> tuple[Planner, list[Work], Allocation]:
    """Plan so many trials, one at a time, of two ranks on two cores."""
    study = folder / "tiny.yaml"
    study.write_text(STUDY)
    options = Options(select=("first",), seeds=tuple(range(count)))
    request = Request(gpus=0, workers=2, workers_per_trial=2)
    planner = Planner(Bench(study=str(study), options=options, request=request, out=folder))
    work, allocation = planner.plan(TWO_CORES)
    return planner, work, allocation


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
    planner, work, allocation = two_rank_trials(tmp_path, count)
    recorder = Recorder(planner.store)
    for item in work:
        recorder.plan(planned_row(item.trial, item.job, {}))
    feed = StoppedEarly([item.job for item in work], recorder, lambda trial_id, message: None)
    with connect(None, TWO_CORES, tmp_path / "ray.log"):
        slots = Slots(allocation, planner.request, address=None)
        run_jobs(feed, allocation, slots, storage=tmp_path / ".ray", max_failures=0)
        states = {group["state"] for group in placement_group_table().values()}
        assert cores_become_free(TWO_CORES.cpus)
    assert feed.stopped == count
    assert {
        row["epochs_done"] for item in work if (row := planner.store.trial(item.job.trial_id))
    } == {1}
    assert states == {"REMOVED"}
