"""Ray nodes on this machine, each with its own processes and working directory."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OWN_MOUNTS = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"])
"""Ways of running a command with mounts that nobody else sees."""

COVERED = 'mount -t tmpfs none "$0" && exec "$@"'
"""Shell script: with an empty folder over its first argument, run the others as a command."""


@dataclass(frozen=True)
class RayNode:
    """A `ray start --block`, with a session of its own that all its processes belong to."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def output(self) -> str:
        """What it has printed."""
        return (self.folder / "node.txt").read_text()

    def runs(self, pid: int) -> bool:
        """Return whether a living process is one of the node's."""
        try:
            return os.getsid(pid) == self.process.pid
        except ProcessLookupError:
            return False

    def kill(self) -> None:
        """Send SIGKILL to every process of the node, as a power cut would."""
        for pid in (int(entry.name) for entry in Path("/proc").glob("[0-9]*")):
            if self.runs(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class RayCluster:
    """A head node with one CPU, to which others are added."""

    address: str
    environment: Mapping[str, str]
    """What lets a command join."""
    folder: Path
    head: RayNode

    @contextmanager
    def node(self, name: str, *, without: Path | None = None) -> Iterator[RayNode]:
        """Add a node with one CPU; its processes see ``without`` as an empty folder."""
        arguments = ["--address", self.address]
        with ray_node(self.folder / name, self.environment, arguments, without) as node:
            yield node


@contextmanager
def ray_cluster(folder: Path) -> Iterator[RayCluster]:
    """Start a head node that works in a folder of ``folder``; kill it at the end."""
    address = f"127.0.0.1:{free_port()}"
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # Sockets have short names only, so pytest's folders do not serve.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as session:
        arguments = ["--head", "--port", address.split(":")[1], "--temp-dir", session]
        arguments += ["--include-dashboard", "false"]
        with ray_node(folder / "head", environment, arguments) as head:
            yield RayCluster(address, environment, folder, head)


@contextmanager
def ray_node(
    folder: Path,
    environment: Mapping[str, str],
    arguments: list[str],
    without: Path | None = None,
) -> Iterator[RayNode]:
    """Start a node with one CPU, whose working directory is ``folder``; kill it at the end."""
    folder.mkdir()
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *arguments]
    command += ["--num-cpus", "1", "--node-ip-address", "127.0.0.1"]
    command += ["--object-store-memory", "80000000", "--dashboard-agent-listen-port", "0"]
    with open(folder / "node.txt", "wb") as output:
        process = subprocess.Popen(
            [*covering(without), *command],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    node = RayNode(process, folder)
    try:
        wait_until_started(node)
        yield node
    finally:
        node.kill()


def covering(folder: Path | None) -> list[str]:
    """Return what to put before a command that is to see ``folder`` as an empty one."""
    if folder is None:
        return []
    own_mounts = own_mounts_command()
    assert own_mounts is not None, "ask own_mounts_command() first"
    return [*own_mounts, "sh", "-c", COVERED, str(folder)]


def own_mounts_command() -> list[str] | None:
    """Return what gives a command mounts of its own; None if nothing does here."""
    for command in OWN_MOUNTS:
        mounting = [*command, "mount", "-t", "tmpfs", "none", "/mnt"]
        if subprocess.run(mounting, capture_output=True).returncode == 0:
            return command
    return None


def wait_until_started(node: RayNode, seconds: float = 60) -> None:
    """Return when the node has joined its cluster."""
    deadline = time.monotonic() + seconds
    while "Ray runtime started" not in node.output:
        assert node.process.poll() is None, node.output
        assert time.monotonic() < deadline, node.output
        time.sleep(0.1)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
