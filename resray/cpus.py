"""How many CPU cores this process may really use: by its affinity, and by its container's quota."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS, ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cpus() -> int:
    """Return the whole cores that are worth a process each, at least one."""
    return max(1, int(min(allowed_cpus(), cpu_quota())))


def allowed_cpus() -> int:
    """Return the cores of the process's affinity; all where the system has no such thing."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def cpu_quota(groups: Path = GROUPS, root: Path = ROOT) -> float:
    """Return the cores' worth of time that the process's cgroups (v1 or v2) grant it.

    The smallest counts of its own cgroup and all around it; infinite without a limit.
    """
    granted = (quota for each in cgroups("cpu", groups, root) for quota in _granted(each))
    return min(granted, default=math.inf)


def _granted(cgroup: Path) -> Iterator[float]:
    """Yield what one cgroup grants, if it limits the time."""
    try:
        if (v2 := cgroup / "cpu.max").exists():
            quota, period = v2.read_text().split()
        else:
            quota, period = (
                (cgroup / f"cpu.cfs_{key}_us").read_text() for key in ("quota", "period")
            )
        if float(quota) > 0:
            yield float(quota) / float(period)
    except (OSError, ValueError):
        # No such file, or `max`: no limit here.
        return


def cgroups(controller: str, groups: Path, root: Path) -> Iterator[Path]:
    """Yield the folders of the process's own cgroup and all around it; some may not be there."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and controller not in controllers.split(","):
            continue
        # Within a container the path may be the host's, and the root the container's own cgroup.
        for mount in (root / controllers, root / controller):
            inner = mount / path.lstrip("/")
            yield from (inner, *inner.parents)
