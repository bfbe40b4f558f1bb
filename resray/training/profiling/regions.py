"""Named regions of a training, which a profiler shows; without one they cost nothing."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

REGIONS = (
    "gather and augment",
    "forward",
    "backward",
    "optimizer",
    "metrics",
    "evaluation",
    "checkpoint",
)

_profiled = False
"""Whether this process is within `profiled`."""


def region(name: str) -> AbstractContextManager[object]:
    """Return the context of what belongs to the region ``name``, one of `REGIONS`."""
    return record_function(name) if _profiled else nullcontext()


@contextmanager
def profiled(device: torch.device, trace: Path) -> Iterator[None]:
    """Profile what this process does meanwhile, and write a Chrome trace with its regions."""
    global _profiled
    # Else its library prints when it starts and stops, and that there is no GPU.
    os.environ.setdefault("KINETO_LOG_LEVEL", "5")
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    _profiled = True
    try:
        with profile(activities=activities, acc_events=True) as profiler:
            yield
    finally:
        _profiled = False
    profiler.export_chrome_trace(str(trace))
