"""What this machine computes with: GPUs, cores, memory, and what of the step works on them."""

import os
import platform
import shutil
import warnings

from resray.cli.doctor.check import Check, try_import
from resray.cpus import allowed_cpus, cpu_quota, usable_cpus
from resray.files import size_text

SECONDS_MEASURED = 1.0
"""Of each precision, by ``doctor --measure``."""


def gpus() -> Check:
    """Name the GPUs that torch sees, or say why it sees none."""
    torch = try_import("torch")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if available:
        every = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        names = [f"{gpu.name} ({size_text(gpu.total_memory)})" for gpu in every]
        return Check("ok", ", ".join(names))
    if shutil.which("nvidia-smi") is None:
        return Check("ok", "none; trials train on the CPU")
    reason = str(said[0].message).splitlines()[0] if said else f"torch is {torch.__version__}"
    advice = "install a CUDA build of torch that fits the driver (nvidia-smi tells its version)"
    return Check("warning", f"nvidia-smi is here but torch sees no GPU ({reason})", advice)


def cpu() -> Check:
    """Say what the CPU is, and how many of its cores a process may use."""
    cores, quota = f"{usable_cpus()} cores", cpu_quota()
    if quota < allowed_cpus():
        cores += f" of {allowed_cpus()}, as a quota grants {quota:g}"
    if not hasattr(os, "sched_getaffinity"):
        cores += " (this system does not tell which of them a process may use)"
    try:
        threads = try_import("torch").get_num_threads()
        model = try_import("resray.training.device").cpu_name()
    except ImportError:
        return Check("ok", f"{platform.machine()}, {cores}")
    return Check("ok", f"{model}, {cores}, torch uses {threads} threads")


def step(kind: str) -> Check:
    """Say what of the fast step works on a kind of device, and what the rest needs."""
    torch = try_import("torch")
    if kind == "Apple's MPS":
        seen = "here" if torch.backends.mps.is_available() else "not here"
        return Check("ok", f"{seen}; resray does not train on it: such trials use the CPU")
    built = "ROCm" if torch.version.hip else "CUDA"
    if kind != "the CPU" and not (kind == built and torch.cuda.is_available()):
        return Check("ok", f"not here: torch {torch.__version__} sees no such GPU")
    device = torch.device("cpu" if kind == "the CPU" else "cuda")
    needs = try_import("resray.training.step_features").obstacles(device)
    found = "works: " + ", ".join(["eager", *(name for name in needs if needs[name] is None)])
    lacking = [f"{name} (needs {need})" for name, need in needs.items() if need is not None]
    found += "; not: " * bool(lacking) + ", ".join(lacking)
    if needs["compiled"] is None:
        return Check("ok", found)
    advice = "step: auto trains eager without a compiler: apt install g++ python3-dev"
    return Check("warning", found, advice)


def matrix_rates(measure: bool) -> Check:
    """Say how fast this process's device multiplies matrices, by what was measured of it."""
    torch, rates = try_import("torch"), try_import("resray.training.matrix_rate")
    device = try_import("resray.training.device").own_device()
    threads = torch.get_num_threads()
    precisions = try_import("resray.training.step_features").precisions(device)
    known = [
        rates.measure(device, precision, threads, SECONDS_MEASURED) if measure
        else rates.kept_rate(device, precision, threads)
        for precision in precisions
    ]  # fmt: skip
    name = try_import("resray.training.device").device_name(device, threads)
    found = ", ".join(str(rate) for rate in known if rate)
    if not found:
        return Check("ok", f"{name}: not measured yet; the first trial does, or --measure")
    return Check("ok", f"{name}: {found}")
