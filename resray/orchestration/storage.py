"""Asking every node of a cluster, before anything starts, for the folders that trials need."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resray.errors import ClusterError, InputError
from resray.orchestration.cluster import first_line
from resray.orchestration.resources import counted

Node = Mapping[str, Any]

ANSWER_SECONDS = 60.0
"""A node may have to start a Python process first, and read resray from a slow disk."""

SHARE_CHECKPOINTS = "checkpoints need --out DIR on storage that every node has under the same path"
SHARE_DATA = "give --data-dir DIR on storage that every node has under the same path"


def check_storage(
    folder: Path, data_dir: Path | None = None, *, seconds: float = ANSWER_SECONDS
) -> None:
    """Raise ClusterError unless every node that can train reaches ``folder`` and ``data_dir``.

    ``folder`` receives the checkpoints and is made if it is missing. A node reaches it if it reads
    there what this process has written, and this process what the node has: two machines may well
    have a folder each under the same path. ``data_dir`` has to exist. A node that has no CPU, or is
    gone by the end, takes no trial and is passed over; one that has not answered after ``seconds``
    does not reach the folder. Ray must be connected. Raises InputError if ``folder`` cannot be
    written here.
    """
    with token_in(folder.resolve()) as token:
        complaints = ask_nodes(token, data_dir and data_dir.resolve(), seconds)
    if complaints:
        others = f" (and {counted(len(complaints) - 1, 'more node')})" if complaints[1:] else ""
        raise ClusterError(complaints[0] + others)


@contextmanager
def token_in(folder: Path) -> Iterator[Path]:
    """Leave a file in ``folder`` that is in no other; remove it and the answers to it at the end.

    Raises InputError if it cannot be written.
    """
    token = folder / f".reach-{uuid.uuid4().hex}"
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            token.write_text(token.name)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); choose another folder with "
                "--out DIR"
            ) from error
        yield token
    finally:
        for file in folder.glob(f"{token.name}*"):
            file.unlink(missing_ok=True)


def ask_nodes(token: Path, data_dir: Path | None, seconds: float) -> list[str]:
    """Return a line on each node that has something wrong; it names host and address."""
    nodes = training_nodes()
    asked = {node_id: ask(node_id, token, data_dir) for node_id in nodes}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
    found = {node_id: heard(asked[node_id], token, node_id, seconds) for node_id in nodes}
    alive = training_nodes()
    return [
        f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']}) {found[node_id]}"
        for node_id, node in nodes.items()
        if found[node_id] and node_id in alive
    ]


def training_nodes() -> dict[str, Node]:
    """Return the nodes that are alive and have CPUs, by id."""
    return {
        node["NodeID"]: node
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) > 0
    }


def ask(node_id: str, token: Path, data_dir: Path | None) -> ray.ObjectRef:
    """Start `answer` on a node. It takes no CPU: it is not to wait for another user's work."""
    pinned = ray.remote(answer).options(
        num_cpus=0,
        max_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
    )
    return pinned.remote(token, node_id, data_dir)


def answer(token: Path, node_id: str, data_dir: Path | None) -> str | None:
    """Leave an answer beside the token, from the node; return what keeps it from training."""
    folder = token.parent
    try:
        if not folder.is_dir():
            return f"does not see {folder}; {SHARE_CHECKPOINTS}"
        if not token.exists():
            return f"has another folder at {folder}; {SHARE_CHECKPOINTS}"
        answer_file(token, node_id).write_text(token.read_text())
        if data_dir is not None and not data_dir.exists():
            return f"does not see {data_dir}; copy the data there, or {SHARE_DATA}"
    except OSError as error:
        return f"cannot use {error.filename}: {error.strerror}"
    return None


def answer_file(token: Path, node_id: str) -> Path:
    """Return where a node leaves its answer."""
    return token.with_name(f"{token.name}.{node_id}")


def heard(reply: ray.ObjectRef, token: Path, node_id: str, seconds: float) -> str | None:
    """Return what is wrong on a node, given its reply and what has arrived in the folder."""
    try:
        complaint: str | None = ray.get(reply, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return f"did not answer within {seconds:g} seconds"
    except ray.exceptions.RayError as error:
        cause = first_line(getattr(error, "cause", None) or error)
        return f"cannot answer ({cause}); every node needs the same resray installed"
    if complaint is None and not answer_file(token, node_id).exists():
        return f"writes to another folder at {token.parent}; {SHARE_CHECKPOINTS}"
    return complaint
