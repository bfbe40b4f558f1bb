"""How many trials run side by side, and what each of them gets. Plain arithmetic: no Ray here."""

import math
from dataclasses import dataclass
from typing import Literal

from resray.cpus import usable_cpus
from resray.errors import ClusterError, InputError


@dataclass(frozen=True)
class Machine:
    """What there is: of this machine, or of the whole cluster."""

    cpus: int
    gpus: int
    place: str = "this machine"
    node_cpus: int | None = None
    """Cores of the largest node of a cluster; None for a single machine."""

    def __str__(self) -> str:
        return f"{self.place} has {counted(self.cpus, 'CPU core')} and {counted(self.gpus, 'GPU')}"


def local_machine() -> Machine:
    """Return the CPU cores that this process may use and the GPUs that it sees."""
    # It takes seconds to import, and arithmetic does not need it.
    import torch

    return Machine(cpus=usable_cpus(), gpus=torch.cuda.device_count())


@dataclass(frozen=True)
class Shares:
    """What the user asked for of the machine; None is the default."""

    gpus: int | None = None
    gpus_per_trial: float | Literal["auto"] | None = None
    """auto: what `resray.run.memory` measures; one whole GPU until then."""
    workers: int | None = None
    workers_per_trial: int | None = None
    cpus_per_trial: int | None = None
    exclusive: bool = False
    """Without GPUs: one trial at a time, unless ``workers`` says otherwise."""
    most_ranks: int | None = None
    """What a trial's batch is large enough for: more GPUs it gets only where it is asked for."""


@dataclass(frozen=True)
class Allocation:
    """What every trial gets, and how many run at a time."""

    side_by_side: int
    world_size: int
    cpus_per_trial: int
    gpus_per_trial: float

    @property
    def threads(self) -> int:
        """CPU threads of one rank."""
        return max(1, self.cpus_per_trial // self.world_size)

    @property
    def memory_share(self) -> float:
        """How much of its GPU, or of the machine, the memory of one rank may be."""
        if self.use_gpu:
            return min(1.0, self.gpus_per_trial)
        return 1 / (self.side_by_side * self.world_size)

    @property
    def use_gpu(self) -> bool:
        """Whether trials train on GPUs."""
        return self.gpus_per_trial > 0

    def __str__(self) -> str:
        ranks = f"{self.world_size} ranks, " if self.world_size > 1 else ""
        gpus = f" and {self.gpus_per_trial:g} GPU" if self.use_gpu else ""
        return (
            f"{counted(self.side_by_side, 'trial')} at a time, each with {ranks}"
            f"{counted(self.cpus_per_trial, 'CPU core')}{gpus}"
        )


def counted(number: int, noun: str) -> str:
    """Return ``1 GPU`` or ``2 GPUs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def allocate(shares: Shares, machine: Machine, trials: int) -> Allocation:
    """Share ``machine`` among ``trials`` as ``shares`` says.

    Raises ClusterError when the machine has less than what was asked for, and InputError when the
    wishes contradict each other.
    """
    check_positive(shares)
    gpus = machine.gpus if shares.gpus is None else shares.gpus
    if gpus > machine.gpus:
        raise ClusterError(
            f"--gpus {gpus}: {machine}; "
            + (
                f"type --gpus {machine.gpus}"
                if machine.gpus
                else f"type --workers {machine.cpus} instead to train on the CPU"
            )
        )
    if gpus > 0:
        return on_gpus(shares, machine, gpus, trials)
    if shares.gpus_per_trial is not None:
        raise ClusterError(
            f"--gpus-per-trial {shown(shares.gpus_per_trial)}: no GPU to train on ({machine}); "
            "leave it out to train on the CPU"
        )
    return on_cpus(shares, machine, trials)


def shown(share: float | Literal["auto"]) -> str:
    """Return ``0.25``, ``2`` or ``auto``, as it was typed."""
    return share if share == "auto" else f"{share:g}"


def check_positive(shares: Shares) -> None:
    """Raise InputError for a number that can never be right."""
    for name, lowest in (
        ("gpus", 0),
        ("workers", 1),
        ("workers_per_trial", 1),
        ("cpus_per_trial", 1),
    ):
        value = getattr(shares, name)
        if value is not None and value < lowest:
            raise InputError(f"--{name.replace('_', '-')} {value}: must be {lowest} or more")


def on_gpus(shares: Shares, machine: Machine, gpus: int, trials: int) -> Allocation:
    """Share ``gpus`` GPUs: whole ones make ranks, fractions pack trials on one."""
    if shares.workers is not None or shares.workers_per_trial is not None:
        raise InputError(
            "--workers and --workers-per-trial are for training on the CPU; use --gpus and "
            "--gpus-per-trial, or --gpus 0 to leave the GPUs alone"
        )
    share = asked_share(shares, gpus)
    if not math.isfinite(share) or share <= 0 or (share > 1 and not share.is_integer()):
        raise InputError(
            f"--gpus-per-trial {share:g}: must be a whole number, or a fraction below 1 to pack "
            "several trials on one GPU"
        )
    if share > gpus:
        raise ClusterError(f"--gpus-per-trial {share:g}: only {counted(gpus, 'GPU')} to share out")
    world_size = max(1, int(share))
    if world_size > machine.cpus:
        raise ClusterError(
            f"--gpus-per-trial {share:g}: each GPU's rank needs a CPU core, but {machine}; "
            f"type --gpus-per-trial {machine.cpus}"
        )
    per_gpu = math.floor(1 / share + 1e-9) if share < 1 else 0
    slots = gpus * per_gpu if share < 1 else gpus // world_size
    side_by_side = min(slots, trials, machine.cpus // world_size)
    cpus = cpus_for_each(shares, machine, side_by_side, world_size)
    return Allocation(side_by_side, world_size, cpus_per_trial=cpus, gpus_per_trial=share)


def asked_share(shares: Shares, gpus: int) -> float:
    """Return how much of a GPU, or how many, a trial gets.

    By default all ``gpus``; if its batch is too small for that, a part of them that leaves none
    over: the rest trains other trials.
    """
    if shares.gpus_per_trial == "auto":
        return 1.0
    if shares.gpus_per_trial is not None:
        return float(shares.gpus_per_trial)
    most = gpus if shares.most_ranks is None else max(1, min(gpus, shares.most_ranks))
    return float(next(share for share in range(most, 0, -1) if gpus % share == 0))


def on_cpus(shares: Shares, machine: Machine, trials: int) -> Allocation:
    """Share the CPU cores: ``--workers`` slots of one process each."""
    alone = shares.workers_per_trial or 1
    slots = shares.workers or (alone if shares.exclusive else machine.cpus)
    if slots > machine.cpus:
        raise ClusterError(f"--workers {slots}: {machine}; type --workers {machine.cpus}")
    world_size = shares.workers_per_trial or 1
    if world_size > slots:
        raise ClusterError(
            f"--workers-per-trial {world_size}: only {counted(slots, 'worker')} to share out "
            f"({machine}); type --workers-per-trial {slots}"
        )
    side_by_side = min(slots // world_size, trials)
    cpus = cpus_for_each(shares, machine, side_by_side, world_size)
    return Allocation(side_by_side, world_size, cpus_per_trial=cpus, gpus_per_trial=0)


def cpus_for_each(shares: Shares, machine: Machine, side_by_side: int, world_size: int) -> int:
    """Return the cores of one trial: those asked for, or an equal share of all."""
    if shares.cpus_per_trial is None:
        # A rank cannot have more than the largest node does.
        most = world_size * (machine.node_cpus or machine.cpus)
        return min(machine.cpus // side_by_side, most)
    if shares.cpus_per_trial < world_size:
        raise ClusterError(
            f"--cpus-per-trial {shares.cpus_per_trial}: a trial of {world_size} workers needs at "
            f"least {world_size}"
        )
    needed = shares.cpus_per_trial * side_by_side
    if needed > machine.cpus:
        raise ClusterError(
            f"--cpus-per-trial {shares.cpus_per_trial}: {counted(side_by_side, 'trial')} at a "
            f"time need {needed} cores, but {machine}; type --cpus-per-trial "
            f"{max(1, machine.cpus // side_by_side)} or --workers 1"
        )
    return shares.cpus_per_trial
