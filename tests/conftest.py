"""What all tests share."""

from pathlib import Path

import pytest
import torch

from resray.run.environment import prepare_environment
from tests.command_line import Resray

# Ray reads its settings when it is imported, and some tests import it before resray does.
prepare_environment()


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small are slower on several threads, which would also wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def resray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Resray:
    """Run command lines in this process, from an empty folder, with a cache of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("RESRAY_DATA_DIR", raising=False)
    return Resray(monkeypatch, capfd)
