"""How many cores a process may use: affinity, and quotas of cgroups of both versions, nested."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resray.cpus import allowed_cpus, cpu_quota, usable_cpus

V1 = Path("/sys/fs/cgroup/cpu")
V2 = Path("/sys/fs/cgroup")
COUNT = "from resray.cpus import cpu_quota, usable_cpus; print(usable_cpus(), cpu_quota())"
DOCTOR = "import sys; sys.argv[1:] = ['doctor']; from resray.cli import main; main()"
THREADS = (
    "from resray.training.device import own_device; own_device(); "
    "import torch; print(torch.get_num_threads())"
)
NO_AFFINITY = "import os; del os.sched_getaffinity; os.cpu_count = lambda: 5"


def quota_in(folder: Path, groups: str, files: dict[str, str]) -> float:
    """Return the quota that cgroup files below ``folder`` grant the process of ``groups``."""
    for name, text in files.items():
        (folder / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "root" / name).write_text(text)
    (folder / "groups").write_text(groups)
    return cpu_quota(folder / "groups", folder / "root")


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "100000 100000\n", "a/cpu.max": "150000 100000\n"}, 1),
        ("0::/a\n", {"a/cpu.max": "max 100000\n"}, math.inf),
        # In a container of its own namespace, and in one that is told the host's path.
        ("0::/\n", {"cpu.max": "200000 50000\n"}, 4),
        ("0::/docker/1f\n", {"cpu.max": "50000 100000\n"}, 0.5),
        (
            "3:cpu,cpuacct:/a/b\n2:memory:/m\n0::/\n",
            {
                "cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
                "cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (
            "1:cpu:/docker/1f\n",
            {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        ("2:memory:/m\n", {"m/cpu.max": "1 1\n"}, math.inf),
    ],
)
def test_the_smallest_quota_around_the_process_counts(
    tmp_path: Path, groups: str, files: dict[str, str], quota: float
) -> None:
    assert quota_in(tmp_path, groups, files) == quota


def test_without_cgroups_there_is_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none", tmp_path) == math.inf


def test_affinity_counts_too() -> None:
    one = next(iter(os.sched_getaffinity(0)))
    code = f"import os; os.sched_setaffinity(0, [{one}]); {COUNT}"
    assert run("sh", "-c", '"$0" -c "$1"', sys.executable, code).split()[0] == "1"
    assert 1 <= usable_cpus() <= allowed_cpus()


def test_where_there_is_no_affinity_all_cores_count(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_AFFINITY)
    code = "from resray.cpus import allowed_cpus; print(allowed_cpus())"
    assert run("env", f"PYTHONPATH={tmp_path}", sys.executable, "-c", code) == "5\n"


@pytest.fixture
def limited() -> Iterator[Path]:
    """A cgroup of this machine that grants one and a half cores, with another one in it."""
    version_1 = V1.is_dir()
    group = (V1 if version_1 else V2) / f"resray-test-{os.getpid()}"
    try:
        (group / "inner").mkdir(parents=True)
        if version_1:
            (group / "cpu.cfs_quota_us").write_text("150000")
        else:
            (group / "cpu.max").write_text("150000 100000")
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        yield group / "inner"
    finally:
        (group / "inner").rmdir()
        group.rmdir()


def test_a_real_cgroup_limits_a_process(limited: Path) -> None:
    join = f'echo $$ >{limited}/cgroup.procs && "$0" -c "$1"'
    assert run("sh", "-c", join, sys.executable, COUNT) == "1 1.5\n"
    doctor = f"import os; os.environ['COLUMNS'] = '200'; {DOCTOR}"
    assert ", as a quota grants 1.5, torch" in run("sh", "-c", join, sys.executable, doctor)
    assert run("sh", "-c", join, sys.executable, THREADS) == "1\n"


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
