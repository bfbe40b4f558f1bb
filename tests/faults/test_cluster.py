"""Two Ray nodes on this machine: trials spread, a node dies, a node lacks the storage."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench_command import RunningCommand, tune_command
from tests.ray_nodes import RayCluster, RayNode, own_mounts_command, ray_cluster
from tests.search_invariants import Tables, violations

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    with ray_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def trains_on(command: RunningCommand, node: RayNode) -> bool:
    """Return whether one of the node's processes is training a trial."""
    events = command.table("events")
    return bool(len(events)) and any(node.runs(int(pid)) for pid in events["pid"].dropna())


@pytest.mark.slow
def test_a_node_that_lacks_the_checkpoints_folder_is_refused(
    cluster: RayCluster, tmp_path: Path
) -> None:
    if own_mounts_command() is None:
        pytest.skip("a process may not have mounts of its own here")
    address = ("--address", cluster.address)
    with (
        cluster.node("without-storage", without=tmp_path),
        tune_command(tmp_path, *address, environment=cluster.environment) as command,
    ):
        assert command.finish() == 3, command.output
    checkpoints = tmp_path / "results" / "tiny" / "checkpoints"
    assert re.search(rf"node \S+ \(\S+\) does not see {checkpoints}; .*--out DIR", command.output)
    assert list(checkpoints.iterdir()) == [], "nothing started, nothing left behind"
    assert len(command.table("trials")) == 0


@pytest.mark.slow
def test_a_search_spreads_over_nodes_and_outlives_one(cluster: RayCluster, tmp_path: Path) -> None:
    address = ("--address", cluster.address)
    with (
        cluster.node("short-lived") as node,
        tune_command(tmp_path, *address, environment=cluster.environment) as command,
    ):
        command.wait_until(lambda: trains_on(command, cluster.head) and trains_on(command, node))
        node.kill()
        assert command.finish() == 0, command.output
    tables = Tables.read(tmp_path / "results" / "tiny")
    assert violations(tables, points=8) == []
    assert "preempted" in {event["event"] for events in tables.events.values() for event in events}


@pytest.mark.slow
def test_a_cluster_that_wants_its_token_says_so(cluster: RayCluster, tmp_path: Path) -> None:
    # Ray itself tries for half a minute and then says only that it failed to connect.
    address = ("--address", cluster.address)
    unaware = {"RAY_AUTH_MODE": "disabled"}
    with tune_command(tmp_path, *address, environment=unaware) as command:
        assert command.finish() == 3, command.output
    assert "RAY_AUTH_MODE=token" in command.output
