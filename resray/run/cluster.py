"""Starting Ray here or joining a running cluster, quietly, and asking first what there is."""

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, TextIO

import ray

import resray.code
from resray.errors import ClusterError, first_line
from resray.files import storage_errors
from resray.run.environment import SETTINGS
from resray.run.nodes import ask_nodes
from resray.run.ray_private import job_without_folders, shut_down, withhold_secrets
from resray.run.resources import Allocation, Machine
from resray.run.signals import handlers_held, raise_if_interrupted, restore_handlers

OBJECT_STORE_BYTES = 200_000_000
"""Trials exchange nothing but messages; a small store also fits containers' small /dev/shm."""

CONNECT_SECONDS = 5.0
DAEMONS = ("raylet", "gcs_server")
"""Without one of these Ray waits for ever, or ends the process without a word."""


@contextmanager
def connect(address: str | None, machine: Machine, log: Path) -> Iterator[None]:
    """Start Ray on this machine, or join the cluster at ``address``; leave it at the end.

    Workers then import what this process imports, in the same order. What Ray and its parts print
    goes to ``log``. Raises ClusterError if the cluster cannot be reached, or if a node has another
    resray, and KeyboardInterrupt if that was asked for meanwhile.
    """
    if address is not None:
        require_answer(address)
    with ExitStack() as entered:
        watching = entered.enter_context(daemons_watched(log))
        entered.enter_context(chatter_to(log))
        try:
            start(address, machine)
        except Exception as error:  # Ray's own have no class in common.
            raise ClusterError(no_connection(address, error)) from error
        try:
            raise_if_interrupted()
            require_same_code()
            yield
        finally:
            watching.set()
            leave()


def start(address: str | None, machine: Machine) -> None:
    """Let this process be the driver of a Ray."""
    withhold_secrets()
    path = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    options: dict[str, Any] = {
        "address": "local",
        "num_cpus": machine.cpus,
        "num_gpus": machine.gpus,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }
    if address is not None:
        # Its nodes have not read this process's environment.
        options = {"address": address, "runtime_env": {"env_vars": {**SETTINGS, **path}}}
    before = {name: os.environ[name] for name in path if name in os.environ}
    os.environ.update(path)
    try:
        with handlers_held():
            ray.init(
                job_config=job_without_folders(),
                log_to_driver=False,
                logging_level=logging.ERROR,
                **options,
            )
    finally:
        for name in path:
            del os.environ[name]
        os.environ.update(before)


def require_same_code() -> None:
    """Raise ClusterError if a node would train with another resray than this process's."""
    # By value: it is to run there before that resray is trusted to be the same.
    ray.cloudpickle.register_pickle_by_value(resray.code)
    question = partial(resray.code.other_code, *resray.code.installed())
    ask_nodes(question, lambda node_id: None)


def leave() -> None:
    """Disconnect from Ray; one that was started here ends."""
    with handlers_held():
        # By then Ray's native code has given up SIGTERM's handler.
        shut_down(before_processes_end=restore_handlers)


@contextmanager
def daemons_watched(log: Path) -> Iterator[Event]:
    """End the whole command, in one line, when a daemon that it started ends; until the event."""
    over, stderr = Event(), os.dup(2)
    line = "resray: Ray's {} has ended; what was recorded is safe, the same command goes on from "
    line += f"there ({log} says more)\n"

    def watch() -> None:
        while not over.wait(1):
            for name in ended_children(DAEMONS):
                show_cursor = "\x1b[?25h" if os.isatty(stderr) else ""
                with suppress(OSError):
                    os.write(stderr, f"{show_cursor}{line.format(name)}".encode())
                # Nothing that waits for Ray would hear of an exception.
                os._exit(ClusterError.exit_code)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield over
    finally:
        over.set()
        watcher.join()
        os.close(stderr)


def ended_children(names: tuple[str, ...]) -> Iterator[str]:
    """Yield which programs of these names this process has started that have ended."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = path.read_text().partition("(")[2].rpartition(") ")
            state, parent = rest.split()[:2]
            if name in names and state == "Z" and int(parent) == os.getpid():
                yield name


def require_answer(address: str) -> None:
    """Raise ClusterError if nothing listens at HOST:PORT: Ray would try for minutes.

    Other forms (``auto``, ``ray://...``) are left to Ray.
    """
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"--address {address}: nothing answers there ({error}); start a cluster with "
            "`ray start --head`, or leave --address out to use this machine"
        ) from error


def no_connection(address: str | None, error: Exception) -> str:
    """Return why there is no Ray to work with, and what to do."""
    if address is None:
        return (
            f"Ray does not start on this machine ({first_line(error)}); `resray doctor` says more"
        )
    if "InvalidAuthToken" in str(error.__cause__):
        return (
            f"--address {address}: the cluster asks for its token; set RAY_AUTH_MODE=token here, "
            "and RAY_AUTH_TOKEN to what the head node keeps in ~/.ray/auth_token"
        )
    return (
        f"--address {address}: no Ray cluster answers there ({first_line(error)}); start one with "
        "`ray start --head`, or leave --address out to use this machine"
    )


def cluster_machine(address: str) -> Machine:
    """Return what the cluster that this process has joined holds altogether."""
    nodes = alive_nodes()
    return Machine(
        cpus=int(sum(node.get("CPU", 0) for node in nodes)),
        gpus=int(sum(node.get("GPU", 0) for node in nodes)),
        place=f"the cluster at {address}",
        node_cpus=int(max((node.get("CPU", 0) for node in nodes), default=0)),
    )


def alive_nodes() -> list[dict[str, float]]:
    """Return the resources of each node of the cluster that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def check_fits(allocation: Allocation) -> None:
    """Raise ClusterError if the nodes cannot hold all ranks at once: Ray would wait for ever."""
    cpus = allocation.cpus_per_trial // allocation.world_size
    gpus = allocation.gpus_per_trial / allocation.world_size
    wanted = allocation.world_size * allocation.side_by_side
    nodes = alive_nodes()
    room = sum(ranks_that_fit(node, cpus, gpus) for node in nodes)
    if room < wanted:
        raise ClusterError(
            f"{wanted} ranks with {cpus} CPU cores and {gpus:g} GPUs each are needed at once, but "
            f"the {len(nodes)} nodes have room for {room}; type a smaller --cpus-per-trial, "
            "--workers or --gpus"
        )


def ranks_that_fit(node: dict[str, float], cpus: int, gpus: float) -> int:
    """Return how many ranks a node has room for."""
    by_cpu = int(node.get("CPU", 0) // cpus)
    return min(by_cpu, int((node.get("GPU", 0) + 1e-9) / gpus)) if gpus else by_cpu


def session_logs() -> str:
    """Return the folder of the running session's own logs, on this machine."""
    root = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    return str(Path(root) / "ray" / "session_latest" / "logs")


@contextmanager
def chatter_to(log: Path) -> Iterator[None]:
    """Send standard output and error to ``log``, what Ray's native code writes there included.

    Whoever wants to be seen meanwhile writes to a duplicate of the descriptor made before. What
    the log has no room for is lost.
    """
    with storage_errors(log.parent):
        log.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log, encoding="utf-8")
    logger = logging.getLogger("ray")
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    with ExitStack() as redirected:
        for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
            redirected.enter_context(written_to(log, descriptor, stream))
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate = propagates
            with suppress(OSError):
                handler.close()


@contextmanager
def written_to(log: Path, descriptor: int, stream: TextIO) -> Iterator[None]:
    """Let a descriptor, and the stream that writes to it, end in ``log``; put it back after."""
    stream.flush()
    before = os.dup(descriptor)
    with open(log, "ab") as file:
        os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        with suppress(OSError):
            stream.flush()
        os.dup2(before, descriptor)
        os.close(before)
