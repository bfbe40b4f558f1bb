"""Nodes that join a cluster are used, and nodes that leave it are no failure."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.exceptions import RayError

from resray.run.cluster import alive_nodes, connect
from resray.run.deaths import leaving
from resray.run.resources import Allocation, Machine, Shares
from resray.run.slots import Slots, trials_that_fit
from tests.bench_command import RunningCommand, bench_command
from tests.ray_nodes import RayNode, ray_cluster

SMALL: dict[str, Any] = {"object_store_memory": 80_000_000, "include_dashboard": False}
ONE_CORE = Allocation(side_by_side=1, world_size=1, cpus_per_trial=1, gpus_per_trial=0)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of a head without CPUs and a node with one, which this process has joined."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
    try:
        nodes.add_node(num_cpus=1, **SMALL)
        with connect(nodes.address, Machine(cpus=0, gpus=0), tmp_path / "ray.log"):
            yield nodes
    finally:
        nodes.shutdown()


def become(value: object, ask: Callable[[], object], seconds: float = 30) -> bool:
    """Return whether what is asked becomes this value before long."""
    deadline = time.monotonic() + seconds
    while (answer := ask()) != value and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer == value


class Waiting:
    """An actor that waits, as a trial's process does in its training."""

    def pid(self) -> int:
        return os.getpid()

    def wait(self) -> None:
        time.sleep(10_000)


def test_slots_follow_nodes_and_say_why_a_process_ended(cluster: Cluster) -> None:
    ray.cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["Waiting"]))
    follows = Slots(ONE_CORE, Shares(), cluster.address)
    fixed = Slots(ONE_CORE, Shares(workers=1), cluster.address)
    assert (follows.available(), fixed.available()) == (1, 1)
    late = cluster.add_node(num_cpus=2, **SMALL)
    assert become(3, follows.available)
    assert fixed.available() == 1
    actors: list[Any] = [ray.remote(num_cpus=cpus)(Waiting).remote() for cpus in (2, 1)]
    pids = ray.get([actor.pid.remote() for actor in actors], timeout=60)
    waits = [actor.wait.remote() for actor in actors]
    cluster.remove_node(late, allow_graceful=True)
    os.kill(pids[1], signal.SIGTERM)
    said = []
    for wait in waits:
        with pytest.raises(RayError) as raised:
            ray.get(wait, timeout=60)
        said.append(leaving(str(raised.value)))
    assert said == ["its node has left the cluster", "it was told to end (SIGTERM)"]
    assert become(1, follows.available)
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=True)
    assert become(0, lambda: trials_that_fit(ONE_CORE, alive_nodes()))
    assert follows.available() == 1, "which then waits for room"


def test_trials_that_fit() -> None:
    nodes = [{"CPU": 4.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 2.0}]
    assert trials_that_fit(ONE_CORE, nodes) == 14
    assert trials_that_fit(Allocation(1, 1, cpus_per_trial=3, gpus_per_trial=0), nodes) == 3
    assert trials_that_fit(Allocation(1, 1, cpus_per_trial=1, gpus_per_trial=0.5), nodes) == 6
    assert trials_that_fit(Allocation(1, 2, cpus_per_trial=2, gpus_per_trial=2), nodes) == 1
    assert trials_that_fit(ONE_CORE, []) == 0


def test_slots_stay_where_they_are_fixed() -> None:
    one = Allocation(1, 1, cpus_per_trial=1, gpus_per_trial=0)
    assert Slots(one, Shares(), address=None).available() == 1
    assert Slots(one, Shares(exclusive=True), address="there").available() == 1
    on_gpu = Allocation(1, 1, cpus_per_trial=1, gpus_per_trial=1)
    assert Slots(on_gpu, Shares(gpus=1), address="there").available() == 1


def trains_on(command: RunningCommand, node: RayNode) -> bool:
    """Return whether one of the node's processes has begun a trial."""
    events = command.table("events")
    pids = set(events["pid"].dropna()) if len(events) else set()
    return any(node.runs(int(pid)) for pid in pids)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nodes_join_late_and_one_is_killed(tmp_path: Path) -> None:
    options = ("--max-failures", "0", "--seeds", "0,1,2", "--epochs", "25")
    (tmp_path / "nodes").mkdir()
    with (
        ray_cluster(tmp_path / "nodes") as cluster,
        bench_command(
            tmp_path, *options, "--address", cluster.address, environment=cluster.environment
        ) as command,
    ):
        command.wait_for_epoch(1)
        assert "1 trial at a time" in command.output
        with cluster.node("late") as one, cluster.node("later") as other:
            late = (one, other)
            command.wait_until(lambda: any(trains_on(command, node) for node in late), seconds=300)
            next(node for node in late if trains_on(command, node)).kill()
            assert command.finish(600) == 0, command.output
    events = command.table("events")
    assert "preempted" in set(events["event"])
    assert "died" not in set(events["event"])
    assert "its node has left the cluster" in set(events["detail"])
    assert set(command.table("trials")["status"]) == {"completed"}
    epochs = command.table("epochs").groupby("trial_id")["epoch"].apply(sorted)
    assert all(each == list(range(1, 26)) for each in epochs)
    assert len(epochs) == 6
