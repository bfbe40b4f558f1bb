"""The cgroups of this process, of both versions, in whose files Linux says what they may take."""

from collections.abc import Iterator
from pathlib import Path

GROUPS, ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


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
