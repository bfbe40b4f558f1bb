"""Energy counters of the device, where it has some: NVML on NVIDIA GPUs, RAPL on CPUs."""

from pathlib import Path

import torch

RAPL = Path("/sys/class/powercap")


def energy_counter(device: torch.device, rapl: Path = RAPL) -> float | None:
    """Return joules counted since some fixed moment, or None where the device does not tell.

    A GPU's counter needs the package nvidia-ml-py. A CPU's counter is that of the whole machine and
    is readable by root only on most systems; it starts again at 0 now and then.
    """
    return gpu_counter(device) if device.type == "cuda" else cpu_counter(rapl)


def gpu_counter(device: torch.device) -> float | None:
    """Return the joules that NVML counts for ``device`` since its driver was loaded."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
    except pynvml.NVMLError:
        return None


def cpu_counter(rapl: Path) -> float | None:
    """Return the joules that RAPL counts over all CPU packages."""
    # intel-rapl:0 is a package (on AMD too); intel-rapl:0:0 is a part of it.
    packages = [path for path in rapl.glob("intel-rapl:*") if path.name.count(":") == 1]
    try:
        counts = [int((path / "energy_uj").read_text()) for path in packages]
    except (OSError, ValueError):
        return None
    return sum(counts) / 1e6 if counts else None


def energy_between(before: float | None, after: float | None) -> float | None:
    """Return the joules between two readings; None if one is missing or the counter wrapped."""
    if before is None or after is None or after < before:
        return None
    return after - before
