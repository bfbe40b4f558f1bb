"""How much memory this process may really use: the machine's, or what its container grants."""

import os
import re
from pathlib import Path

from resray.cpus import GROUPS, ROOT, cgroups

_FILES = (
    ("memory.max", "memory.current", ""),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
)
"""Of cgroups of both versions: the limit, what is used, and what begins the names of its parts."""


def usable_memory(
    groups: Path = GROUPS, root: Path = ROOT, meminfo: Path = Path("/proc/meminfo")
) -> tuple[int, int]:
    """Return the bytes of the machine and those of them that are free.

    The smallest count of the machine, the process's cgroup and all around it. None are free where
    the system does not say.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        free = 1024 * int(re.findall(r"MemAvailable: +(\d+)", meminfo.read_text())[0])
    except (OSError, IndexError):
        free = 0
    for group in cgroups("memory", groups, root):
        for limit, usage, prefix in _FILES:
            try:
                most, used = (int((group / name).read_text()) for name in (limit, usage))
                stat = (group / "memory.stat").read_text()
            except (OSError, ValueError):
                # No such file, or `max`: no limit here.
                continue
            # Cached files make room for whoever needs it.
            cached = map(int, re.findall(rf"^{prefix}(?:in)?active_file (\d+)", stat, re.MULTILINE))
            total, free = min(total, most), min(free, most - used + sum(cached))
    return total, max(0, free)
