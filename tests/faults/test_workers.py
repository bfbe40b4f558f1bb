"""Ray's worker processes: what they import, what of the environment is written down."""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import ray

from resray.code import installed
from resray.errors import ClusterError
from resray.run.cluster import connect
from resray.run.resources import Machine
from tests.bench_command import STUDY

ONE_CORE = Machine(cpus=1, gpus=0)
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA-never-seen",
    "AWS_SECRET_ACCESS_KEY": "secret-never-seen",
    "AWS_SESSION_TOKEN": "session-never-seen",
    "HF_TOKEN": "hub-never-seen",
}


def without_rays(path: list[str]) -> list[str]:
    """Return a module path's absolute folders, each once, but for those that Ray puts first."""
    own = str(Path(ray.__file__).parent)
    absolute = dict.fromkeys(map(os.path.abspath, path))
    return [each for each in absolute if not each.startswith(own)]


def test_workers_import_what_this_process_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("here", "lib"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "which.py").touch()
    (tmp_path / "here" / "statistics.py").write_text("raise RuntimeError('of the working folder')")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend("../lib")
    names = ("which", "statistics", "resray", "yaml")

    def look() -> tuple[list[str], list[str | None]]:
        return sys.path, [find_spec(name).origin for name in names]

    with connect(None, ONE_CORE, tmp_path / "ray.log"):
        path, origins = ray.get(ray.remote(look).remote())
    assert "PYTHONPATH" not in os.environ
    own_path, own_origins = look()
    assert origins == [os.path.abspath(str(each)) for each in own_origins]
    assert str(tmp_path / "here") not in path, "Ray has another way of inserting it now"
    assert without_rays(path) == without_rays(own_path)


def test_workers_with_another_resray_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "resray"
    other.mkdir()
    (other / "__init__.py").write_text("__version__ = '0.0.1'")
    # This process has imported its own already.
    monkeypatch.syspath_prepend(str(tmp_path))
    folder, code = installed()
    says = rf"node \S+ \(\S+\) imports resray from {other} \(code [0-9a-f]{{16}}\), but this"
    with (
        pytest.raises(ClusterError, match=rf"{says} command from {folder} \(code {code}\)"),
        connect(None, ONE_CORE, tmp_path / "ray.log"),
    ):
        pytest.fail("connected")


@pytest.mark.slow
def test_a_run_in_a_folder_with_modules_and_secrets(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    (tmp_path / "statistics.py").write_text("raise RuntimeError('of the working folder')")
    (tmp_path / "resray").mkdir()
    (tmp_path / "resray" / "__init__.py").write_text("raise RuntimeError('a checkout')")
    command = [str(Path(sys.executable).with_name("resray")), "bench", "./tiny.yaml"]
    options = ["--gpus", "0", "--select", "first", "--epochs", "1"]
    # Sockets have short names only, so pytest's folders do not serve.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as session:
        done = subprocess.run(
            [*command, *options],
            cwd=tmp_path,
            env={**os.environ, **SECRETS, "RAY_TMPDIR": session},
            capture_output=True,
            text=True,
            timeout=250,
        )
        written = [*Path(session).rglob("*"), *tmp_path.rglob("*")]
        texts = {path: path.read_bytes() for path in written if path.is_file()}
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(path.name.startswith("raylet") for path in texts), "Ray's logs were looked through"
    for secret in SECRETS.values():
        assert [path for path, text in texts.items() if secret.encode() in text] == []
    (row,) = pd.read_parquet(tmp_path / "results" / "tiny" / "trials").to_dict("records")
    assert row["resray_code"] == installed()[1]
