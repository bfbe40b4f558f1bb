"""What of the fast training step a device does, and why it does not do the rest."""

from collections.abc import Mapping

import torch

from resray.training.device import computes_bf16, computes_tf32, cpu_computes_fp16
from resray.training.energy import energy_counter
from resray.training.step_choice import capture_obstacle, compile_obstacle

HARDWARE = "hardware for it, else it is slow"


def obstacles(device: torch.device) -> Mapping[str, str | None]:
    """Return the features of the step: None for one that works here, else what it needs."""
    of_gpus = None if device.type == "cuda" else "a GPU"
    counted = energy_counter(device) is not None
    return {
        "captured": capture_obstacle(device.type),
        "compiled": compile_obstacle(device.type),
        "bf16": None if computes_bf16(device) else HARDWARE,
        "fp16": of_gpus and (None if cpu_computes_fp16() else HARDWARE),
        "tf32": None if computes_tf32(device) else "an NVIDIA GPU since Ampere",
        "channels-last": None,
        "pinned memory": of_gpus,
        "deterministic": None,
        "memory cap": of_gpus,
        "energy counter": None if counted else energy_obstacle(device),
    }


def precisions(device: torch.device) -> list[str]:
    """Return the precisions that the device computes in hardware."""
    found = obstacles(device)
    return ["fp32", *(name for name in ("tf32", "bf16", "fp16") if found[name] is None)]


def energy_obstacle(device: torch.device) -> str:
    """Return what reading an energy counter needs."""
    if device.type != "cuda":
        return "RAPL, which this user cannot read"
    return "an NVIDIA GPU" if torch.version.hip else "the package nvidia-ml-py"
