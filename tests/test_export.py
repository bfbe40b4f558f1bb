"""Sharing a model: the exported folder, its loading, its card and its picture."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
import torch
import yaml
from torch import nn

from resray.errors import DataError, InputError
from resray.export import load_exported
from resray.export.card import plain_snippet, told
from resray.export.folder import earlier_export, export_folder
from resray.export.loading import require_hub_extra
from resray.models.build import build_model
from resray.results.store import ResultStore
from resray.study.recipe_spec import Recipe
from resray.training.restore import load_network
from tests.export_case import Shared, train_study
from tests.report_builder import trial, write_results
from tests.table_files import change_files


@pytest.fixture(scope="module", autouse=True)
def without_pictures() -> Iterator[None]:
    """Which take a browser seconds (tests/browser/test_export_images.py)."""
    with pytest.MonkeyPatch.context() as patch:
        # What an absent package looks like to find_spec.
        patch.setitem(sys.modules, "kaleido", None)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return train_study(tmp_path_factory.mktemp("results") / "sharing")


@pytest.fixture(scope="module")
def folder(trained: Shared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("hub") / "plain"
    return export_folder(trained.results, target, select="plain", repository="someone/plain")


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the card's front matter and its text."""
    _, front, content = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), content


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def same_logits(first: nn.Module, second: nn.Module) -> None:
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(first(images), second(images), rtol=0, atol=0)


def test_a_folder_holds_what_study_4s_author_publishes(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in files_of(folder)}
    checkpoints = ("best", "epoch-0001", "epoch-0002", "epoch-0003", "last")
    weights = {f"checkpoints/{name}.safetensors" for name in checkpoints}
    files = {"README.md", "config.json", "metrics.json", "model.safetensors"}
    assert found == files | weights
    config = json.loads((folder / "config.json").read_text())
    assert config["class_names"] == [f"pattern {label}" for label in range(4)]
    assert (config["image_size"], config["name"], config["seed"]) == (8, "plain", 0)
    assert config["recipe"]["phases"] == {"label_smoothing": {"1-2": 0.1, "3-3": 0}}
    assert config["versions"]["torch"] == torch.__version__


def test_the_network_comes_back_from_the_folder(trained: Shared, folder: Path) -> None:
    network = load_exported(folder)
    assert not network.training
    same_logits(network, load_network(trained.checkpoint("plain", "best")).network)
    first = load_exported(folder, checkpoint="epoch-0001")
    same_logits(first, load_network(trained.checkpoint("plain", "epoch-0001")).network)
    with pytest.raises(AssertionError):
        same_logits(first, load_exported(folder, checkpoint="last"))


def test_shared_weights_are_stored_once_and_averages_are_taken(
    trained: Shared, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    folder = export_folder(trained.results, tmp_path / "x", select="shared", checkpoint="last")
    restored = load_network(trained.checkpoint("shared", "last"))
    stored = load_file(folder / "model.safetensors")
    names = restored.network.state_dict()
    assert len(names) - len(stored) == 2, "each of the stage's two blocks has one convolution"
    network = load_exported(folder)
    same_logits(network, restored.network)
    block = network.get_submodule("layer1.0")
    assert block.get_submodule("conv1") is block.get_submodule("conv2")
    plain = restored.checkpoint["model"]["fc.weight"]
    assert not torch.equal(network.get_parameter("fc.weight"), plain), "the moving average"
    assert json.loads((folder / "config.json").read_text())["weights"] == "moving average"


def test_the_cards_code_runs_and_gives_the_networks_logits(
    trained: Shared, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = export_folder(trained.results, tmp_path / "local", select="plain")
    monkeypatch.chdir(local)
    with_resray, plain = re.findall(r"```python\n(.*?)```", card_of(local)[1], re.DOTALL)
    names = run(with_resray)
    assert names["classes"].shape == (8,)
    same_logits(names["network"], load_exported(local))
    weights = run(plain)["weights"]
    assert weights.keys() == names["network"].state_dict().keys()
    assert 'snapshot_download("someone/plain")' in card_of(folder)[1]


def run(code: str) -> dict[str, Any]:
    """Run a card's code and return its names."""
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    return names


def test_torchvisions_network_takes_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_model

    model = {"name": "resnet18", "dropout": 0.2}
    recipe = Recipe.model_validate({"model": model, "data": "cifar10", "epochs": 1})
    network = build_model(recipe.model, 4).eval()
    save_model(network, str(tmp_path / "model.safetensors"))
    config = {"class_names": ["a", "b", "c", "d"], "mean": [0.5] * 3, "std": [0.2] * 3}
    monkeypatch.chdir(tmp_path)
    code = plain_snippet({**config, "image_size": 8}, recipe)
    assert "resray" not in code
    same_logits(run(code)["network"], network)


@pytest.mark.parametrize(
    "changes", [{"shortcut": "none"}, {"shared_stages": [1]}, {"norm": "group"}]
)
def test_the_card_sends_no_other_network_to_torchvision(changes: dict[str, Any]) -> None:
    model = {"name": "resnet18", **changes}
    recipe = Recipe.model_validate({"model": model, "data": "cifar10", "epochs": 1})
    assert "torchvision" not in plain_snippet({}, recipe)


def test_the_card_tells_figures_with_their_protocol(trained: Shared, folder: Path) -> None:
    row = ResultStore(trained.results).trial(trained.trials["plain"])
    assert row is not None
    highest = row["test_accuracy_best"]
    front, content = card_of(folder)
    result = front["model-index"][0]["results"][0]
    assert result["metrics"][0]["value"] == round(row["test_accuracy"], 2)
    assert (result["dataset"]["type"], result["dataset"]["split"]) == ("embedded", "test")
    assert "license" not in front
    assert f"| test accuracy (%) | {row['test_accuracy']:.2f} |" in content
    assert f"epoch {row['best_epoch']} of 3" in content
    assert "32 validation images were held out" in content
    assert "One seed" in content
    assert f"which selects on test as many published figures do, is {highest:.2f} %" in content
    assert "3 epochs instead of 100; one seed" in content, "beside the published figure"
    assert "the \\*author\\* states none" in content
    assert "best epoch \\| &lt;b&gt;on test&lt;/b&gt;" in content


def test_the_cards_recipe_tells_phases_and_sequences() -> None:
    part = {"name": "cosine_restarts", "period": 2, "until": 4}
    recipe = Recipe.model_validate(
        {
            "model": "wrn-16-2",
            "data": "cifar100",
            "epochs": 6,
            "augmentation": {"cutout": {"size": 6}},
            "schedule": {"name": "sequence", "parts": [part, {"name": "cosine"}]},
            "phases": {"augmentation.cutout": {"1-3": {"size": 4}, "4-6": None}},
        }
    )
    shown = told(recipe)
    assert shown["schedule.parts"] == [part, {"name": "cosine"}]
    assert shown["phases.augmentation.cutout.4-6"] is None, "what switches it off"
    assert shown["phases.augmentation.cutout.1-3.size"] == 4
    assert shown["augmentation.cutout.size"] == 6
    assert "schedule.patience" not in shown
    assert "label_smoothing" not in shown


def test_metrics_hold_every_epoch_and_the_published_figure(trained: Shared, folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    epochs = ResultStore(trained.results).epochs(trained.trials["plain"])
    assert [row["train_loss"] for row in metrics["epochs"]] == [row["train_loss"] for row in epochs]
    published = metrics["published"][0]
    assert (published["value"], published["protocol"][:10]) == (87.5, "best epoch")
    assert published["measured"] == metrics["seeds"]["test_accuracy"]
    assert metrics["seeds"]["test_accuracy"]["n"] == 1
    assert metrics["seeds"]["test_accuracy"]["deviation"] is None
    assert metrics["exported"]["checkpoint"] == "best"
    assert metrics["trial"]["started"].endswith("+00:00")
    assert metrics["trial"]["exclusive"] is True
    assert [row["settings"]["label_smoothing"] for row in metrics["epochs"]] == [0.1, 0.1, 0]


def test_an_earlier_export_is_replaced_and_nothing_else(trained: Shared, tmp_path: Path) -> None:
    target, outside = tmp_path / "mine", tmp_path / "outside"
    export_folder(trained.results, target, select="shared")
    outside.write_text("not in the folder")
    config = json.loads((target / "config.json").read_text())
    config["checkpoints"] |= {"epoch-0099": 99}
    (target / "config.json").write_text(json.dumps(config))
    checkpoints = target / "checkpoints"
    for name in ("epoch-0099", "of-another-author"):
        (checkpoints / f"{name}.safetensors").write_bytes(b"")
    (target / "notes.txt").write_text("mine")
    (target / "README.md").unlink()
    (target / "README.md").symlink_to(outside)
    export_folder(trained.results, target, select="shared")
    kept = {path.stem for path in checkpoints.iterdir()}
    assert "epoch-0099" not in kept
    assert {"of-another-author", "epoch-0001"} < kept
    assert (target / "notes.txt").read_text() == "mine"
    assert outside.read_text() == "not in the folder"
    assert not (target / "README.md").is_symlink()
    assert not list(target.glob(".*"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "README.md").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        export_folder(trained.results, other, select="shared")
    assert [path.name for path in other.iterdir()] == ["README.md"]


def test_a_link_in_an_earlier_export_leads_nowhere(trained: Shared, tmp_path: Path) -> None:
    target, outside = tmp_path / "mine", tmp_path / "outside"
    export_folder(trained.results, target, select="shared")
    (target / "checkpoints").rename(outside)
    (target / "checkpoints").symlink_to(outside)
    before = sorted(path.name for path in outside.iterdir())
    with pytest.raises(InputError, match="checkpoints: is a link"):
        export_folder(trained.results, target, select="shared")
    assert sorted(path.name for path in outside.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "2 trials are meant.*plain, seed 0, completed, id .*shared, seed 0"),
        ({"select": "plian"}, "--select: 'plian' is not known; did you mean 'plain'"),
        ({"select": "plain", "seed": 7}, r"--seed: 7 is not known \(0\)"),
        (
            {"select": "plain", "checkpoint": "epoch-0009"},
            r"--checkpoint: 'epoch-0009' is not known.*\(best, epoch-0001",
        ),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    trained: Shared, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        export_folder(trained.results, tmp_path / "x", **options)
    assert "\n" not in str(caught.value)


def test_a_trial_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r", [trial(status="failed", epochs_done=0)])
    with pytest.raises(InputError, match=r"resnet18, seed 0, failed.*left no checkpoint"):
        export_folder(results, tmp_path / "x")


def test_an_epoch_that_a_kill_kept_from_the_tables_is_not_guessed(
    trained: Shared, tmp_path: Path
) -> None:
    results = shutil.copytree(trained.results, tmp_path / "sharing")
    third = (pc.field("trial_id") == trained.trials["plain"]) & (pc.field("epoch") == 3)
    change_files(results, "epochs", lambda rows: rows.filter(~third))
    with pytest.raises(InputError, match="epoch 3 is not in the results yet"):
        export_folder(results, tmp_path / "x", select="plain", checkpoint="last")


def test_an_unfinished_trial_is_exported_with_its_status(trained: Shared, tmp_path: Path) -> None:
    store = ResultStore(trained.results)
    identity = trained.trials["shared"]
    store.put_trial(
        {
            "trial_id": identity,
            "status": "interrupted",
            "reductions": '[{"kind": "other", "value": "2 `of` 9"}]',
        }
    )
    store.flush()
    try:
        folder = export_folder(trained.results, tmp_path / "x", select=identity)
    finally:
        store.put_trial({"trial_id": identity, "status": "completed", "reductions": "[]"})
        store.flush()
    front, content = card_of(folder)
    assert "Status interrupted after 3 of 3 epochs" in content
    assert "Not comparable with full ones: 2 \\`of\\` 9" in content
    assert "reduced run" in front["model-index"][0]["results"][0]["metrics"][0]["name"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "cannot be read"),
        ("{}", "not written by"),
        ("[" * 100_000, "nested too deeply"),
        ('{"resray_export": 99}', "layout 99"),
        ('{"resray_export": 1}', "recipe: Field required"),
        (
            '{"resray_export": 1, "recipe": {}, "class_names": ["a"]}',
            r"recipe\.\w+: Field required",
        ),
        ('{"resray_export": 1, "recipe": "x", "class_names": ["a"]}', "recipe: Input should be"),
        ('{"resray_export": 1, "recipe": {}, "class_names": 5}', "not one of this version"),
    ],
)
def test_a_folder_that_is_no_export_is_said_so(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(DataError, match=rf"config\.json: .*{message}"):
        load_exported(tmp_path)
    with pytest.raises(InputError, match="holds other files"):
        earlier_export(tmp_path)


def test_a_pipe_in_place_of_the_configuration_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(DataError, match="not a regular file"):
        load_exported(tmp_path)


@pytest.mark.parametrize("checkpoints", [5, ["best"], {"best": "1"}, {"best": True}])
def test_only_an_exports_own_checkpoints_are_replaced(
    folder: Path, tmp_path: Path, checkpoints: Any
) -> None:
    assert earlier_export(folder) == {"best", "epoch-0001", "epoch-0002", "epoch-0003", "last"}
    config = {**json.loads((folder / "config.json").read_text()), "checkpoints": checkpoints}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="holds other files"):
        earlier_export(tmp_path)


def test_a_damaged_or_strange_folder_gives_an_error_of_one_line(
    trained: Shared, tmp_path: Path
) -> None:
    folder = export_folder(trained.results, tmp_path / "x", select="shared")
    with pytest.raises(DataError, match="no such weights"):
        load_exported(folder, checkpoint="epoch-0099")
    (folder / "model.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(DataError, match="damaged"):
        load_exported(folder)
    config = json.loads((folder / "config.json").read_text())
    config["recipe"]["model"] = {"name": "os:abort"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="'os:abort' runs that function"):
        load_exported(folder)


def test_a_missing_package_is_named_with_what_to_install() -> None:
    with pytest.raises(InputError, match=r'absent_package; pip install "resray\[hub\]"'):
        require_hub_extra("json", "absent_package")
