"""How much memory a process may use: the machine's, and limits of cgroups of both versions."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resray.memory import usable_memory
from resray.training.batch_note import Shortage, note_out_of_memory
from tests.training_case import job_of, tiny_recipe

GIB = 2**30
V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")
NO_LIMIT = "9223372036854771712\n"
LIMIT = 3 * GIB


def files_of(name: str, limit: str, used: int, cached: int = 0, version: int = 2) -> dict[str, str]:
    """The files of one cgroup; of version 1 the parts of those inside it are apart."""
    names = {1: ("limit_in_bytes", "usage_in_bytes", "total_"), 2: ("max", "current", "")}
    most, now, prefix = names[version]
    stat = f"{prefix}inactive_file {cached // 2}\n{prefix}active_file {cached // 2}\n"
    return {
        f"{name}/memory.{most}": limit,
        f"{name}/memory.{now}": f"{used}\n",
        f"{name}/memory.stat": f"anon 1\n{'active_file 7' if version == 1 else ''}\n{stat}",
    }


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/a/b\n", {**files_of("a/b", "max\n", 1), **files_of("a", str(GIB), GIB // 4)},
         (1, 0.75)),
        ("0::/a/b\n", {**files_of("a/b", str(GIB), GIB), **files_of("a", str(2 * GIB), GIB)},
         (1, 0)),
        # Cached files make room; and in a container of its own namespace, or told the host's path.
        ("0::/\n", files_of(".", str(GIB), GIB, cached=GIB // 2), (1, 0.5)),
        ("0::/docker/1f\n", files_of(".", str(GIB), GIB // 2), (1, 0.5)),
        ("3:cpu:/c\n2:memory:/m/n\n0::/\n",
         {**files_of("memory/m/n", NO_LIMIT, 5, version=1),
          **files_of("memory/m", str(GIB), GIB, cached=GIB // 4, version=1)}, (1, 0.25)),
        ("1:memory:/docker/1f\n", files_of("memory", str(GIB), 0, version=1), (1, 1)),
        # Another container filled the machine.
        ("0::/\n", files_of(".", str(3 * GIB), 0), (3, 2)),
        # None of memory, no limit, and more than the machine has.
        ("2:cpu:/m\n", files_of("m", str(GIB), 0), (None, 2)),
        ("0::/\n", files_of(".", "max\n", 0), (None, 2)),
        ("1:memory:/\n", files_of("memory", NO_LIMIT, 0, version=1), (None, 2)),
    ],
)  # fmt: skip
def test_the_smallest_limit_around_the_process_counts(
    tmp_path: Path, groups: str, files: dict[str, str], expected: tuple[float | None, float]
) -> None:
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    (tmp_path / "groups").write_text(groups)
    (tmp_path / "meminfo").write_text(f"MemTotal: 7 kB\nMemAvailable:   {2 * GIB // 1024} kB\n")
    total, free = usable_memory(tmp_path / "groups", tmp_path / "root", tmp_path / "meminfo")
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert (total, free) == ((expected[0] or machine / GIB) * GIB, expected[1] * GIB)


def test_a_system_that_does_not_tell_has_none_free(tmp_path: Path) -> None:
    assert usable_memory(tmp_path, tmp_path, tmp_path / "none")[1] == 0


@pytest.fixture
def limited() -> Iterator[Path]:
    """A cgroup of this machine whose processes may hold `LIMIT` bytes, with another one in it."""
    version_1 = V1.is_dir()
    group = (V1 if version_1 else V2) / f"resray-test-{os.getpid()}"
    try:
        (group / "inner").mkdir(parents=True)
        (group / f"memory.{'limit_in_bytes' if version_1 else 'max'}").write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        yield group / "inner"
    finally:
        (group / "inner").rmdir()
        group.rmdir()


START = """
import json, sys, torch
from resray.training.device import memory_in_use
from resray.training.trial import Job, recipe_of
total, own, free = memory_in_use(torch.device("cpu"))
recipe = recipe_of(Job(**json.loads(sys.argv[1])), torch.device("cpu"))
print(json.dumps([total, total - own - free, recipe.batch_size]))
"""
"""What a trial's process makes of its memory, and of a note, when it starts."""


def test_the_halved_batch_takes_effect_in_a_container(limited: Path, tmp_path: Path) -> None:
    """Ray reckons with the container's limit, and so does the trial that starts again."""
    recipe = tiny_recipe()
    said = note_out_of_memory(tmp_path, recipe, Shortage(LIMIT, LIMIT // 10), 1.0)
    assert "it starts again with batch 16" in said
    join = f'echo $$ >{limited}/cgroup.procs && "$0" -c "$1" "$2"'
    job = json.dumps(job_of(recipe, tmp_path).to_dict())
    total, others, batch = json.loads(run("sh", "-c", join, sys.executable, START, job))
    assert (total, batch) == (LIMIT, 16)
    assert others < GIB, "what others hold of the machine is none of the container's"
    outside, _, batch = json.loads(run(sys.executable, "-c", START, job))
    assert outside > LIMIT
    assert batch == 32, "the note ends with its cause"


def test_doctor_tells_what_a_container_grants(limited: Path) -> None:
    code = "from resray.cli.doctor.ray_needs import memory; print(memory().found)"
    join = f'echo $$ >{limited}/cgroup.procs && "$0" -c "$1"'
    assert run("sh", "-c", join, sys.executable, code).endswith(" free of 3.2 GB\n")


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
