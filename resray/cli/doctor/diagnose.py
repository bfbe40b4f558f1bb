"""All checks, in the order in which they are printed; whatever is broken is a finding too."""

import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from resray.cli.doctor.check import Check, one_line, try_import
from resray.cli.doctor.devices import cpu, gpus, matrix_rates, step
from resray.cli.doctor.packages import git, package
from resray.cli.doctor.ray_needs import (
    memory,
    ray_address,
    ray_folder,
    ray_home,
    session_paths,
    shared_memory,
)
from resray.cli.doctor.storage import RESULTS, data_folder, decoded, disk, downloads, locks
from resray.errors import ResrayError

PACKAGES = ("torch", "torchvision", "ray", "pandas", "plotly", "pyarrow")
STEP_KINDS = ("CUDA", "ROCm", "Apple's MPS", "the CPU")


def diagnose(data_dir: Path | None, *, measure: bool = False) -> list[Check]:
    """Look at packages, devices, Ray, data, disk and git; ``data_dir`` is ``--data-dir``, if given.

    ``measure`` measures the device's matrix rates anew, in each precision that it computes.
    ``missing`` is what resray cannot run without, ``warning`` what it runs without but worse.
    """
    checks: dict[str, Callable[[], Check]] = {
        "Python": lambda: Check("ok", f"{platform.python_version()} ({sys.executable})")
    }
    checks |= {name: partial(package, name) for name in PACKAGES}
    checks |= {"GPUs": gpus, "CPU": cpu, "Memory": memory}
    checks |= {f"Step on {kind}": partial(step, kind) for kind in STEP_KINDS}
    checks |= {"Matrix rates": partial(matrix_rates, measure)}
    checks |= {"Shared memory": shared_memory, "Ray's home": ray_home}
    checks |= {"Ray's folder": session_paths, "Ray cluster": ray_address}
    checks |= {"Data folder": partial(data_folder, data_dir), "Downloaded data": downloads}
    checks |= {"Decoded data": decoded, "Locks": locks, "git": git}
    disks: dict[str, Callable[[], Path]] = {"results": RESULTS.absolute, "Ray": ray_folder}
    disks["the cache"] = lambda: try_import("resray.data.cache").cache_folder()
    checks |= {f"Disk for {what}": partial(disk, find) for what, find in disks.items()}
    return [look(name, check) for name, check in checks.items()]


def look(name: str, check: Callable[[], Check]) -> Check:
    """Do one check; what it meets on a broken machine is its finding."""
    try:
        return replace(check(), name=name)
    # A folder out of reach, no home folder, a driver that fails, a damaged dataset, no torch.
    except (OSError, RuntimeError, ValueError, ImportError, ResrayError) as error:
        return Check("warning", f"could not be looked at: {one_line(error)}", name=name)
