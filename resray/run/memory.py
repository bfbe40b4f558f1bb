"""``--gpus-per-trial auto``: how many trials one GPU holds, by measuring the largest of them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError

from resray.errors import ClusterError, first_line
from resray.run.resources import Machine, Shares, counted
from resray.training.step_memory import StepMemory, measure_step
from resray.training.trial import Job

A = TypeVar("A")
T = TypeVar("T")

MARGIN = 1.1
"""Room for what one step does not show: fragmentation, other kernels, later phases."""


def pack(shares: Shares, jobs: Iterable[Job], machine: Machine) -> tuple[Shares, str]:
    """Return ``shares`` with a number in place of ``auto``, and what was found, as text.

    Trains a step of the largest of ``jobs`` in a Ray task that takes one whole GPU, which must be
    free. Ray must be connected. Raises ClusterError if that step cannot be trained.
    """
    waiting = list(jobs)
    job = largest(waiting)
    return packed(shares, measured(job), machine, trials=len(waiting), name=job.name)


def largest(jobs: Iterable[Job]) -> Job:
    """Return the job with the most multiply-adds in a batch: it takes about the most memory."""
    return max(jobs, key=multiply_adds_of_a_batch)


def multiply_adds_of_a_batch(job: Job) -> int:
    """Return the multiply-adds of a forward pass over one batch; the planner has counted them."""
    assert job.multiply_adds is not None, f"{job.name}: multiply-adds were not counted"
    return job.multiply_adds * int(job.recipe["batch_size"])


def measured(job: Job) -> StepMemory:
    """Return what a trial takes of a GPU, measured where Ray has one free."""
    try:
        return in_a_task(measure_in_task, job.to_dict(), use_gpu=job.use_gpu)
    except RayError as error:
        cause = getattr(error, "cause", None) or error
        raise ClusterError(
            f"--gpus-per-trial auto: a step of {job.name} could not be measured "
            f"({first_line(cause)}); give a number, such as 1"
        ) from error


def in_a_task(function: Callable[[A], T], argument: A, *, use_gpu: bool) -> T:
    """Return what a function gives in a process of Ray's that has a whole GPU to itself."""
    # A process that has ended holds nothing of the GPU.
    task = ray.remote(num_cpus=1, num_gpus=int(use_gpu), max_calls=1)(function)
    result: T = ray.get(task.remote(argument))
    return result


def measure_in_task(job: dict[str, Any]) -> StepMemory:
    """Measure a job that came to a Ray worker as plain values."""
    return measure_step(Job(**job))


def packed(
    shares: Shares, memory: StepMemory, machine: Machine, *, trials: int, name: str
) -> tuple[Shares, str]:
    """Return ``shares`` with the share of a GPU that a trial takes, and the reckoning as text.

    A GPU holds as many trials as fit into its memory with `MARGIN`, one at least, but no more than
    there are CPU cores or trials for.
    """
    gpus = machine.gpus if shares.gpus is None else shares.gpus
    needed = memory.needed * MARGIN
    fitting = max(1, int(memory.total / needed))
    of_cores = max(1, machine.cpus // (gpus * (shares.cpus_per_trial or 1)))
    of_trials = max(1, -(-trials // gpus))
    on_each = min(fitting, of_cores, of_trials)
    text = (
        f"--gpus-per-trial auto: one trial ({name}) needs {gibibytes(needed)} of "
        f"{gibibytes(memory.total)}: {on_each} on a GPU"
    )
    if on_each < fitting:
        text += f" ({fitting} would fit; {counted(trials, 'trial')}, {machine})"
    return replace(shares, gpus_per_trial=1 / on_each), text


def gibibytes(number: float) -> str:
    """Return ``2.1 GiB``."""
    return f"{number / 2**30:.1f} GiB"
