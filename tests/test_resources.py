"""Sharing a machine among trials: every wish, every refusal, all without a GPU."""

import pytest

from resray.errors import ClusterError, InputError, ResrayError
from resray.run.resources import (
    Allocation,
    Machine,
    Shares,
    allocate,
    local_machine,
)

FOUR_GPUS = Machine(cpus=16, gpus=4)
LAPTOP = Machine(cpus=8, gpus=0)


def shared(machine: Machine, trials: int, **wishes: float) -> tuple[int, int, int, float]:
    """Return trials side by side, ranks, CPU cores and GPUs of one trial."""
    made = allocate(Shares(**wishes), machine, trials)  # type: ignore[arg-type]
    return made.side_by_side, made.world_size, made.cpus_per_trial, made.gpus_per_trial


@pytest.mark.parametrize(
    ("wishes", "trials", "expected"),
    [
        # Data-parallel over all GPUs by default.
        ({}, 5, (1, 4, 16, 4)),
        ({"gpus": 2}, 5, (1, 2, 16, 2)),
        # One GPU to a trial: as many side by side as there are GPUs, or trials.
        ({"gpus_per_trial": 1}, 5, (4, 1, 4, 1)),
        ({"gpus_per_trial": 1}, 3, (3, 1, 5, 1)),
        ({"gpus": 2, "gpus_per_trial": 1}, 5, (2, 1, 8, 1)),
        ({"gpus_per_trial": 2}, 5, (2, 2, 8, 2)),
        ({"gpus_per_trial": 3}, 5, (1, 3, 16, 3)),
        # Fractions pack several on one GPU; what is left of a GPU stays unused.
        ({"gpus_per_trial": 0.25}, 40, (16, 1, 1, 0.25)),
        ({"gpus": 1, "gpus_per_trial": 0.25}, 40, (4, 1, 4, 0.25)),
        ({"gpus": 2, "gpus_per_trial": 0.4}, 40, (4, 1, 4, 0.4)),
        ({"gpus": 1, "gpus_per_trial": 0.1}, 40, (10, 1, 1, 0.1)),
        ({"gpus_per_trial": 1, "cpus_per_trial": 2}, 5, (4, 1, 2, 1)),
        # The GPUs left alone.
        ({"gpus": 0}, 5, (5, 1, 3, 0)),
    ],
)
def test_four_gpus(
    wishes: dict[str, float], trials: int, expected: tuple[int, int, int, float]
) -> None:
    assert shared(FOUR_GPUS, trials, **wishes) == expected


@pytest.mark.parametrize(
    ("wishes", "trials", "expected"),
    [
        # Slots are cores; a lone trial gets them all.
        ({}, 20, (8, 1, 1, 0)),
        ({}, 3, (3, 1, 2, 0)),
        ({}, 1, (1, 1, 8, 0)),
        ({"workers": 2}, 5, (2, 1, 4, 0)),
        ({"workers": 2}, 1, (1, 1, 8, 0)),
        ({"workers": 1}, 5, (1, 1, 8, 0)),
        ({"workers_per_trial": 2}, 20, (4, 2, 2, 0)),
        ({"workers": 3, "workers_per_trial": 2}, 20, (1, 2, 8, 0)),
        ({"workers": 8, "workers_per_trial": 8}, 20, (1, 8, 8, 0)),
        ({"workers": 2, "cpus_per_trial": 3}, 5, (2, 1, 3, 0)),
    ],
)
def test_eight_cores(
    wishes: dict[str, float], trials: int, expected: tuple[int, int, int, float]
) -> None:
    assert shared(LAPTOP, trials, **wishes) == expected


@pytest.mark.parametrize(
    ("machine", "wishes", "error", "says"),
    [
        (LAPTOP, {"gpus": 4}, ClusterError, r"--gpus 4: .* 8 CPU cores and 0 GPUs; type --workers"),
        (FOUR_GPUS, {"gpus": 5}, ClusterError, r"--gpus 5: .* 4 GPUs; type --gpus 4"),
        (LAPTOP, {"gpus_per_trial": 1}, ClusterError, r"--gpus-per-trial 1: no GPU"),
        (FOUR_GPUS, {"gpus_per_trial": 5}, ClusterError, r"--gpus-per-trial 5: only 4 GPUs"),
        (FOUR_GPUS, {"gpus": 1, "gpus_per_trial": 2}, ClusterError, r"only 1 GPU to share"),
        (FOUR_GPUS, {"gpus": 0, "gpus_per_trial": 1}, ClusterError, r"--gpus-per-trial 1"),
        (FOUR_GPUS, {"gpus_per_trial": 1.5}, InputError, r"--gpus-per-trial 1.5: must be a whole"),
        (FOUR_GPUS, {"gpus_per_trial": 0}, InputError, r"--gpus-per-trial 0"),
        (FOUR_GPUS, {"gpus_per_trial": -1}, InputError, r"--gpus-per-trial -1"),
        (FOUR_GPUS, {"gpus_per_trial": float("nan")}, InputError, r"--gpus-per-trial nan"),
        (FOUR_GPUS, {"gpus_per_trial": float("inf")}, InputError, r"--gpus-per-trial inf"),
        (FOUR_GPUS, {"gpus": -1}, InputError, r"--gpus -1: must be 0 or more"),
        (FOUR_GPUS, {"workers": 2}, InputError, r"--workers .* --gpus 0"),
        (FOUR_GPUS, {"workers_per_trial": 2}, InputError, r"--workers-per-trial .* --gpus 0"),
        (LAPTOP, {"workers": 9}, ClusterError, r"--workers 9: .* type --workers 8"),
        (LAPTOP, {"workers": 0}, InputError, r"--workers 0: must be 1 or more"),
        (LAPTOP, {"workers_per_trial": 9}, ClusterError, r"only 8 workers .* type .* 8"),
        (LAPTOP, {"workers": 1, "workers_per_trial": 2}, ClusterError, r"only 1 worker to"),
        (LAPTOP, {"workers_per_trial": 0}, InputError, r"--workers-per-trial 0: must be 1"),
        (LAPTOP, {"cpus_per_trial": 0}, InputError, r"--cpus-per-trial 0: must be 1"),
        (LAPTOP, {"cpus_per_trial": 5}, ClusterError, r"8 trials at a time need 40 cores"),
        (LAPTOP, {"workers": 1, "cpus_per_trial": 9}, ClusterError, r"need 9 cores.* 8 or"),
        (LAPTOP, {"workers_per_trial": 2, "cpus_per_trial": 1}, ClusterError, r"at least 2"),
        (FOUR_GPUS, {"cpus_per_trial": 3}, ClusterError, r"4 workers needs at least 4"),
        (Machine(cpus=2, gpus=4), {}, ClusterError, r"needs a CPU core, .* --gpus-per-trial 2"),
    ],
)
def test_refusals_name_the_value_what_there_is_and_what_to_type(
    machine: Machine, wishes: dict[str, float], error: type[ResrayError], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        shared(machine, 20, **wishes)
    assert raised.value.exit_code == (3 if error is ClusterError else 2)
    assert "\n" not in str(raised.value)


def test_trials_on_gpus_need_a_core_each() -> None:
    """Ray would wait for ever for what is not there."""
    assert shared(Machine(cpus=2, gpus=4), 20, gpus_per_trial=1) == (2, 1, 1, 1)
    assert shared(Machine(cpus=8, gpus=4), 40, gpus_per_trial=0.25) == (8, 1, 1, 0.25)
    assert shared(Machine(cpus=3, gpus=4), 20, gpus_per_trial=2) == (1, 2, 3, 2)


def test_what_a_refusal_says_to_type_is_then_accepted() -> None:
    with pytest.raises(ClusterError, match="type --workers 8"):
        shared(LAPTOP, 20, workers=9)
    shared(LAPTOP, 20, workers=8)
    with pytest.raises(ClusterError, match="type --cpus-per-trial 1 or --workers 1"):
        shared(LAPTOP, 20, cpus_per_trial=5)
    shared(LAPTOP, 20, cpus_per_trial=1)
    shared(LAPTOP, 20, cpus_per_trial=5, workers=1)


def test_threads_are_the_cores_of_one_rank() -> None:
    assert Allocation(1, 2, cpus_per_trial=7, gpus_per_trial=0).threads == 3
    assert Allocation(1, 4, cpus_per_trial=2, gpus_per_trial=4).threads == 1


def test_allocations_read_like_sentences() -> None:
    assert str(allocate(Shares(), LAPTOP, 1)) == "1 trial at a time, each with 8 CPU cores"
    packed = allocate(Shares(gpus_per_trial=0.5), FOUR_GPUS, 8)
    assert str(packed) == "8 trials at a time, each with 2 CPU cores and 0.5 GPU"
    parallel = allocate(Shares(), FOUR_GPUS, 8)
    assert str(parallel) == "1 trial at a time, each with 4 ranks, 16 CPU cores and 4 GPU"


def test_this_machine_has_what_the_process_may_use() -> None:
    machine = local_machine()
    assert machine.cpus >= 1
    assert str(machine).startswith("this machine has ")
