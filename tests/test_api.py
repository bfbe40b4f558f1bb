"""The Python face: results, the best network, options by the command's names."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
import typer

import resray
from resray.api import BenchOptions, TuneOptions, load_model, read_results
from resray.cli import app
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


def test_results_are_tables(results: Path, tmp_path: Path) -> None:
    found = read_results(str(results))
    assert found.trials["name"].tolist() == ["tiny"]
    assert found.epochs["epoch"].tolist() == [1]
    for name in ("trials", "epochs", "events", "evaluations"):
        assert set(table_schema(name).names) <= set(getattr(found, name).columns)
    assert found.events.empty
    assert found.evaluations.empty
    with pytest.raises(InputError, match="no results here"):
        read_results(tmp_path)


def test_the_best_network_predicts_arrays_and_tensors(results: Path, tmp_path: Path) -> None:
    found = read_results(results)
    best = found.best()
    (path,) = found.trials["checkpoint"]
    assert Path(path) == best.checkpoint
    images = numpy.random.default_rng(0).integers(0, 256, (5, 20, 20, 3), dtype=numpy.uint8)
    predicted = best.predict(images)
    assert torch.allclose(predicted.probabilities.sum(1), torch.ones(5).double())
    assert predicted.classes == [predicted.class_names[label] for label in predicted.labels]
    again = best.predict(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert torch.equal(again.probabilities, predicted.probabilities)
    assert not best.model().training
    with pytest.raises(DataError, match="images: pixels must be a uint8 array"):
        best.predict(images.astype(float))
    with pytest.raises(InputError, match="configuration: 'tini' is not known; did you mean 'tiny'"):
        found.best("tini")
    other = shutil.copytree(results, tmp_path / "other")
    (of_both, second) = read_results(results, other).trials["checkpoint"]
    assert (of_both, second) == (path, path.replace(str(results), str(other)))
    shutil.rmtree(other / "checkpoints")
    assert read_results(other).trials["checkpoint"].isna().all()


def test_networks_validated_on_different_images_do_not_compete(tmp_path: Path) -> None:
    train_trial(tmp_path, "first", tiny_recipe(), 0)
    data = {**tiny_recipe().data.model_dump(), "images": 400}
    train_trial(tmp_path, "second", tiny_recipe(data=data), 0)
    with pytest.raises(InputError, match="different images; name a configuration: first, second"):
        read_results(tmp_path).best()
    assert read_results(tmp_path).best("second").row["name"] == "second"


def test_what_there_is_is_told() -> None:
    assert set(dir(resray)) >= {"bench", "compare", "figures", "load_model", "read_results", "tune"}
    assert all(getattr(resray, name) for name in dir(resray))
    with pytest.raises(TypeError, match="option: 'worker' is not known; did you mean 'workers'"):
        resray.bench("depth-family", worker=1)  # type: ignore[call-arg]
    assert option_names("bench") >= BenchOptions.__annotations__.keys()
    assert option_names("tune") >= TuneOptions.__annotations__.keys()


def option_names(command: str) -> set[str]:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = [name for each in commands[command].params for name in each.opts]
    return {name.removeprefix("--").replace("-", "_") for name in options}


def test_tables_need_no_torch() -> None:
    code = "import sys, resray.api; print({'torch', 'ray'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
