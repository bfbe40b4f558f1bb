"""Asking every node of a cluster, before anything starts, for what trials need of it."""

from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resray.errors import ClusterError, first_line
from resray.run.resources import counted

Node = Mapping[str, Any]
Question = Callable[[str], str | None]
"""Called on a node with its id; returns what keeps it from training."""

ANSWER_SECONDS = 60.0
"""A node may have to start a Python process first, and read resray from a slow disk."""


def ask_nodes(question: Question, verify: Question, *, seconds: float = ANSWER_SECONDS) -> None:
    """Raise ClusterError unless every node that can train has nothing to complain of.

    ``question`` is asked there; where it finds nothing, ``verify`` is called here. A node that has
    no CPU, or is gone by the end, takes no trial and is passed over; not to answer within
    ``seconds`` is a complaint. Ray must be connected.
    """
    nodes = training_nodes()
    asked = {node_id: ask(node_id, question) for node_id in nodes}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
    found = {node_id: heard(reply, seconds) or verify(node_id) for node_id, reply in asked.items()}
    alive = training_nodes()
    complaints = [
        f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']}) {found[node_id]}"
        for node_id, node in nodes.items()
        if found[node_id] and node_id in alive
    ]
    if complaints:
        others = f" (and {counted(len(complaints) - 1, 'more node')})" if complaints[1:] else ""
        raise ClusterError(complaints[0] + others)


def training_nodes() -> dict[str, Node]:
    """Return the nodes that are alive and have CPUs, by id."""
    return {
        node["NodeID"]: node
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) > 0
    }


def ask(node_id: str, question: Question) -> ray.ObjectRef:
    """Ask a question on a node. It takes no CPU: it is not to wait for another user's work."""
    # A lambda travels by value: nothing of resray is imported there but what the question needs.
    pinned: Any = ray.remote(lambda asked, node_id: asked(node_id)).options(
        num_cpus=0,
        max_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
    )
    return pinned.remote(question, node_id)


def heard(reply: ray.ObjectRef, seconds: float) -> str | None:
    """Return a node's complaint, or why there is no answer."""
    try:
        complaint: str | None = ray.get(reply, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return f"did not answer within {seconds:g} seconds"
    except ray.exceptions.RayError as error:
        cause = first_line(getattr(error, "cause", None) or error)
        return f"cannot answer ({cause}); every node needs the same resray installed"
    return complaint
