"""The Python face: load_model and read_results."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resray.api import load_model, read_results
from resray.errors import DataError, InputError
from resray.results.schema import table_schema
from tests.trained_study import tiny_recipe, train_trial


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "tiny"
    train_trial(folder, "tiny", tiny_recipe(), 0)
    return folder


def test_a_checkpoint_or_its_folder_gives_the_trained_network(results: Path) -> None:
    (folder,) = (results / "checkpoints").iterdir()
    network = load_model(folder)
    stored = torch.load(folder / "best.pt", weights_only=True)["model"]
    found = network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in stored.items())
    assert not any(module.training for module in network.modules())
    again = load_model(str(folder / "last.pt"))
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network(images), again(images))
        assert network(images).shape == (2, 4)


def test_a_place_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"best\.pt: there is no such checkpoint"):
        load_model(tmp_path)
    (tmp_path / "best.pt").write_bytes(b"no checkpoint")
    with pytest.raises(DataError, match="not a readable checkpoint"):
        load_model(tmp_path)


def test_results_are_four_tables(results: Path, tmp_path: Path) -> None:
    tables = read_results(str(results))
    assert tables.trials["name"].tolist() == ["tiny"]
    assert tables.epochs["epoch"].tolist() == [1]
    for name, frame in tables._asdict().items():
        assert list(frame.columns) == table_schema(name).names
    assert tables.events.empty
    assert tables.evaluations.empty
    with pytest.raises(InputError, match="no results here"):
        read_results(tmp_path)


def test_tables_need_no_torch() -> None:
    code = "import sys, resray.api; print({'torch', 'ray'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
