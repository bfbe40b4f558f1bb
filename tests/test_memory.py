"""--gpus-per-trial auto: what a trial takes, and how many of them a GPU then holds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from resray.errors import ClusterError
from resray.run.environment import prepare_environment
from resray.run.memory import largest, measured, packed
from resray.run.resources import Machine, Shares, allocate
from resray.training.step_memory import StepMemory, measure_step
from tests.training_case import DATA, TINY, job_of, tiny_recipe

GIB = 2**30
H200 = Machine(cpus=16, gpus=1)


@pytest.fixture
def _local_ray() -> Iterator[None]:
    prepare_environment()
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.parametrize(
    ("needed", "wishes", "machine", "trials", "on_each"),
    [
        # 10 % more than was measured: 40 / 4.4 = 9.09, where 10 would fit without.
        (4 * GIB, {}, H200, 40, 9),
        (2 * GIB, {}, H200, 40, 16),  # 18 would fit, but there are 16 cores.
        (2 * GIB, {"cpus_per_trial": 4}, H200, 40, 4),
        (2 * GIB, {}, H200, 5, 5),
        (2 * GIB, {}, Machine(cpus=64, gpus=4), 10, 3),
        (2 * GIB, {"gpus": 2}, Machine(cpus=64, gpus=4), 10, 5),
        # One at least, even if that one may not fit, or has no core of its own.
        (39 * GIB, {}, H200, 40, 1),
        (60 * GIB, {}, H200, 40, 1),
        (2 * GIB, {}, Machine(cpus=2, gpus=4), 40, 1),
    ],
)
def test_a_gpu_holds_what_fits(
    needed: int, wishes: dict[str, int], machine: Machine, trials: int, on_each: int
) -> None:
    request = Shares(**wishes, gpus_per_trial="auto")  # type: ignore[arg-type]
    memory = StepMemory(needed, total=40 * GIB)
    made, text = packed(request, memory, machine, trials=trials, name="resnet50")
    assert text.startswith("--gpus-per-trial auto: one trial (resnet50) needs ")
    assert f" of 40.0 GiB: {on_each} on a GPU" in text
    gpus = wishes.get("gpus", machine.gpus)
    allocation = allocate(made, machine, trials)
    assert allocation.side_by_side == min(gpus * on_each, trials, machine.cpus)
    assert allocation.world_size == 1


def test_the_reckoning_is_stated() -> None:
    request, memory = Shares(gpus_per_trial="auto"), StepMemory(2 * GIB, total=139 * GIB)
    assert packed(request, memory, H200, trials=24, name="resnet18")[1] == (
        "--gpus-per-trial auto: one trial (resnet18) needs 2.2 GiB of 139.0 GiB: 16 on a GPU "
        "(63 would fit; 24 trials, this machine has 16 CPU cores and 1 GPU)"
    )


def test_auto_is_a_whole_gpu_until_it_is_measured() -> None:
    allocation = allocate(Shares(gpus_per_trial="auto"), Machine(cpus=8, gpus=4), trials=9)
    assert (allocation.side_by_side, allocation.gpus_per_trial) == (4, 1)
    with pytest.raises(ClusterError, match="--gpus-per-trial auto: no GPU to train on"):
        allocate(Shares(gpus_per_trial="auto"), Machine(cpus=8, gpus=0), trials=9)


def test_the_largest_job_has_most_work_in_a_batch(tmp_path: Path) -> None:
    wide = job_of(tiny_recipe(), tmp_path, name="wide", multiply_adds=500)
    batched = job_of(tiny_recipe(batch_size=128), tmp_path, name="batched", multiply_adds=200)
    assert largest([wide, batched]).name == "batched"


def test_what_does_not_fit_needs_all_there_is(tmp_path: Path) -> None:
    recipe = tiny_recipe(model={**TINY, "channels": (10**6, 10**6)})
    memory = measure_step(job_of(recipe, tmp_path))
    assert memory.needed == memory.total


@pytest.mark.usefixtures("_local_ray")
def test_a_job_is_measured_in_a_process_of_rays(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        data={**DATA, "images": 296, "image_size": 64},
        model={**TINY, "channels": (16, 16)},
        batch_size=256,
    )
    memory = measured(job_of(recipe, tmp_path))
    values_of_a_layer = 256 * 16 * 64 * 64 * 4
    assert 3 * values_of_a_layer < memory.needed < memory.total
    assert list(tmp_path.iterdir()) == [], "measuring leaves no checkpoint"
    other_data = job_of(recipe, tmp_path, dataset_checksum="0" * 64)
    with pytest.raises(ClusterError, match=r"a step of resnet18 could not be measured \(.*checks"):
        measured(other_data)
