"""The doctor finds what is there, and reports what is broken instead of breaking."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from resray.cli.doctor.check import Check
from resray.cli.doctor.diagnose import diagnose
from tests.test_data_sources import image_folder

DIAGNOSE = (
    "import dataclasses, json, pathlib, sys\n"
    "from resray.cli.doctor.diagnose import diagnose\n"
    "folder = pathlib.Path(sys.argv[1]) if sys.argv[1:] else None\n"
    "print(json.dumps([dataclasses.asdict(check) for check in diagnose(folder)]))"
)


def by_name(data_dir: Path | None = None) -> dict[str, Check]:
    return {check.name: check for check in diagnose(data_dir)}


def diagnose_with(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Run the doctor in a process of its own, with exactly this environment."""
    done = subprocess.run(
        [sys.executable, "-c", DIAGNOSE],
        capture_output=True,
        text=True,
        check=True,
        env=dict(environment),
    )
    return {check["name"]: check for check in json.loads(done.stdout)}


def broken_package(folder: Path, name: str, statement: str) -> dict[str, str]:
    """Return an environment in which importing ``name`` fails with ``statement``."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(statement)
    return {"PYTHONPATH": str(folder), "HOME": str(folder), "PATH": "/usr/bin:/bin"}


def test_what_these_tests_run_on_is_found() -> None:
    import torch

    checks = by_name()
    packages = ("Python", "torch", "torchvision", "ray", "pandas", "plotly", "pyarrow")
    assert {checks[name].state for name in packages} == {"ok"}
    assert checks["torch"].found == torch.__version__
    assert all(check.advice for check in checks.values() if check.state != "ok")
    assert len(checks) == len(diagnose(None))


def test_what_of_the_step_works_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    checks = by_name()
    check = checks["Step on the CPU"]
    assert check.state == "warning"
    assert "works: eager, " in check.found
    assert "channels-last, deterministic; not: " in check.found.replace("bf16, ", "")
    assert "captured (needs a CUDA or ROCm GPU)" in check.found
    assert "compiled (needs a compiler, and there is no no-such-compiler)" in check.found
    assert "apt install g++" in check.advice
    assert "resray does not train on it" in checks["Step on Apple's MPS"].found
    assert {checks[f"Step on {kind}"].state for kind in ("CUDA", "ROCm")} <= {"ok", "warning"}


def test_matrix_rates_are_measured_where_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(tmp_path))
    assert "not measured yet" in by_name()["Matrix rates"].found
    assert not list(tmp_path.rglob("*.json"))
    measured = {check.name: check for check in diagnose(None, measure=True)}["Matrix rates"]
    assert re.search(r": fp32 \S+ [GT]FLOP/s \(", measured.found)
    assert by_name()["Matrix rates"] == measured


def test_mismatched_torchvision_is_a_row_with_advice(tmp_path: Path) -> None:
    problem = "raise RuntimeError('operator torchvision::nms does not exist')"
    checks = diagnose_with(broken_package(tmp_path, "torchvision", problem))
    assert checks["torchvision"]["state"] == "missing"
    assert "torchvision::nms" in checks["torchvision"]["found"]
    assert "different builds" in checks["torchvision"]["advice"]
    assert checks["torch"]["state"] == "ok"


@pytest.mark.parametrize(
    "problem", ["raise OSError('libcudart.so: cannot open')", "import nothing_of_this_name", "1 +"]
)
def test_broken_torch_is_a_row(tmp_path: Path, problem: str) -> None:
    checks = diagnose_with(broken_package(tmp_path, "torch", problem))
    assert checks["torch"]["state"] == "missing"
    assert checks["Step on the CPU"]["state"] == "warning"
    assert checks["Matrix rates"]["state"] == "warning"
    assert checks["pandas"]["state"] == "ok"


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What the doctor says of a system without home, PATH, affinity and locks, with an old plotly.

    One process says it all, as each imports all packages.
    """
    folder = tmp_path_factory.mktemp("strange")
    system = (
        "import errno, fcntl, os, pwd\n"
        "del os.sched_getaffinity\n"
        "def nobody(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = nobody\n"
        "def flock(*_): raise OSError(errno.ENOLCK, 'No locks available')\n"
        "fcntl.flock = flock\n"
    )
    (folder / "sitecustomize.py").write_text(system)
    environment = broken_package(folder, "plotly", "__version__ = '4.14.3'")
    return diagnose_with({"PYTHONPATH": environment["PYTHONPATH"], "PATH": "/nonexistent"})


def test_old_package_is_told_what_is_needed(strange: dict[str, dict[str, str]]) -> None:
    assert strange["plotly"]["state"] == "warning"
    assert strange["plotly"]["advice"].startswith("resray needs 6.0 or later")


def test_environment_without_home_or_path(strange: dict[str, dict[str, str]]) -> None:
    assert strange["git"]["state"] == "warning"
    assert strange["torch"]["state"] == "ok"


def test_a_user_without_a_home_folder_is_missing_one(strange: dict[str, dict[str, str]]) -> None:
    check = strange["Ray's home"]
    assert check["state"] == "missing"
    assert check["found"] == "this user has no home folder"
    assert check["advice"] == "set HOME to a folder that can be written"


def test_unknown_affinity_is_named(strange: dict[str, dict[str, str]]) -> None:
    found = strange["CPU"]["found"]
    assert "cores (this system does not tell which of them a process may use)" in found


def test_a_file_system_without_locks_is_named(strange: dict[str, dict[str, str]]) -> None:
    assert (strange["Locks"]["state"], bool(strange["Locks"]["advice"])) == ("warning", True)
    assert "No locks available" in strange["Locks"]["found"]


def test_too_long_ray_folder_is_found_before_ray_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private.utils import validate_socket_filepath

    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("x" * 60)))
    check = by_name()["Ray's folder"]
    assert check.state == "missing"
    assert check.advice == "set RAY_TMPDIR to a shorter path"
    # Ray itself draws the line at the same length.
    validate_socket_filepath("x" * 107)
    with pytest.raises(OSError, match="cannot exceed 107"):
        validate_socket_filepath("x" * 108)


def test_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/dev/null")
    monkeypatch.setenv("RESRAY_CACHE_DIR", "/dev/null/cache")
    checks = by_name()
    assert checks["Ray's folder"].state == "missing"
    assert checks["Disk for the cache"].state == "warning"


def test_ray_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert by_name()["Ray cluster"].advice == "to join it: --address 10.0.0.1:6379"


def test_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ok here opens in a training, and the other way round."""
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(tmp_path / "cache"))
    data = tmp_path / "data"
    assert by_name(data)["Data folder"].state == "missing"
    data.mkdir()
    assert by_name(data)["Data folder"].state == "missing"
    (data / "cifar10" / "cifar-10-batches-py").mkdir(parents=True)
    check = by_name(data)["Data folder"]
    assert check.state == "missing"
    assert "not the original cifar10" in check.found
    shutil.rmtree(data / "cifar10")
    (data / "cifar100").mkdir()
    (data / "cifar100" / "train-0.parquet").touch()
    assert "there is no test-*.parquet" in by_name(data)["Data folder"].found
    (data / "cifar100" / "test-0.parquet").touch()
    check = by_name(data)["Data folder"]
    assert check.state == "missing"
    assert "train-0.parquet: cannot be read" in check.found
    folder = image_folder(tmp_path / "own", sizes=(8, 12))
    check = by_name(folder)["Data folder"]
    assert check.state == "ok"
    assert check.found == f"{folder}: folder (image folder, PNG): 4 and 4 images"
