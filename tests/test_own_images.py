"""Images and a network of one's own by a study file alone: the documented example as it stands."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from resray.data.sources import open_dataset
from resray.data.splits import Splits, prepare
from resray.errors import DataError, InputError
from resray.study.data_spec import Data
from resray.study.load import load_study
from tests.command_line import Resray
from tests.studies import made

DOCUMENT = Path(__file__).parent.parent / "docs" / "own-images.md"
OWN = made(Data, {"name": "folder", "folder": "./shapes"})


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the document, and images drawn by one of them."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "net", raising=False)
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        (folder / name).write_text(text)
    with monkeypatch.context() as inside:
        inside.chdir(folder)
        exec((folder / "draw.py").read_text(), {})
    return folder


def images(folder: Path, *classes: str, count: int = 6, side: int = 8) -> None:
    """Write images of random noise for each of the classes."""
    generator = np.random.default_rng(len(folder.parts))
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def opened(folder: Path, **changes: int) -> Splits:
    spec = OWN.model_copy(update=changes)
    return prepare(open_dataset(spec, folder), spec)


def counts(splits: Splits) -> list[int]:
    return [len(part) for part in (splits.train, splits.validation, splits.test)]


def test_the_documented_example_runs_in_one_attempt(
    resray: Resray, example: Path, tmp_path: Path
) -> None:
    """From another folder than the study's; and moved elsewhere, nothing is trained anew."""
    answer = resray("bench", str(example / "shapes.yaml"), "--trust", "--workers", "2")
    assert answer.code == 0, answer
    trials = pd.read_parquet(tmp_path / "results/shapes/trials")
    assert list(trials["status"]) == ["completed", "completed"]
    for column, value in {"train_images": 90, "validation_images": 10, "test_images": 20,
                          "image_size": 32}.items():  # fmt: skip
        assert set(trials[column]) == {value}
    assert set(trials["data_source"]) == {"folder (image folder, PNG, split by resray)"}
    moved = tmp_path / "moved"
    shutil.move(example, moved)
    # As a new process would have it.
    sys.path.remove(str(example))
    del sys.modules["net"]
    again = resray("bench", str(moved / "shapes.yaml"), "--trust", "--workers", "2")
    assert again.code == 0, again
    assert "2 had ended before" in again.out


def test_everything_that_is_wrong_is_said_at_once(example: Path) -> None:
    study = example / "shapes.yaml"
    text = study.read_text().replace("./shapes}", "./shaped, limit_train: 0}")
    study.write_text(text.replace("net:small", "network:small").replace("epochs", "epoch"))
    with pytest.raises(InputError) as caught:
        load_study(str(study))
    lines = str(caught.value).splitlines()
    places = [re.sub(r".*shapes.yaml:(\d+): (\S+?):? .*", r"\1 \2", line) for line in lines]
    assert "5 recipe.data.folder" in places
    assert "5 recipe.data.limit_train" in places
    assert "6 recipe.model.name" in places
    assert any("epoch" in line and "did you mean" in line for line in lines)
    assert any("there is nothing at" in line and "shaped" in line for line in lines)
    assert any("network:small: there is no module network in" in line for line in lines)


def test_a_copy_is_read_without_its_images(example: Path, tmp_path: Path) -> None:
    copy = shutil.copy(example / "shapes.yaml", tmp_path)
    assert load_study(str(copy), in_place=False).folder == tmp_path


def test_untrusted_code_is_not_imported(resray: Resray, example: Path) -> None:
    (example / "net.py").write_text("raise AssertionError('imported')")
    for command in ("show", "bench"):
        answer = resray(command, str(example / "shapes.yaml"))
        assert answer.code == 2
        assert "type --trust" in answer.err


def test_class_folders_alone_are_split_by_seed(tmp_path: Path) -> None:
    images(tmp_path, "a", "b", "c", count=30)
    splits, same, other = (opened(tmp_path, split_seed=seed) for seed in (0, 0, 1))
    assert counts(splits) == [68, 7, 15]
    for part in (splits.train, splits.validation, splits.test):
        sizes = torch.bincount(part.labels, minlength=3)
        assert int(sizes.max() - sizes.min()) <= 1
    assert torch.equal(splits.test.images, same.test.images)
    assert not torch.equal(splits.test.images, other.test.images)
    every = torch.cat([part.images for part in (splits.train, splits.validation, splits.test)])
    assert len(every.unique(dim=0)) == 90


def test_images_held_out_for_test_are_the_same_for_every_trial(tmp_path: Path) -> None:
    images(tmp_path, "a", "b", "c", count=30)
    spec = made(Data, name="folder", validation_images=None, split_seed="trial")
    first, second = (prepare(open_dataset(spec, tmp_path), spec, seed) for seed in (1, 2))
    assert torch.equal(first.test.images, second.test.images)
    assert not torch.equal(first.validation.images, second.validation.images)


def test_each_class_is_tested_and_validated_however_few_there_are(tmp_path: Path) -> None:
    images(tmp_path, "a", "b", "c", count=3)
    splits = opened(tmp_path)
    assert counts(splits) == [3, 3, 3]
    assert splits.test.labels.tolist() == splits.train.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_a_single_part_beside_train_is_for_test(tmp_path: Path, name: str) -> None:
    images(tmp_path / "train", "a", "b", count=20)
    images(tmp_path / name, "a", "b", count=5)
    assert counts(opened(tmp_path)) == [36, 4, 10]
    source = open_dataset(OWN, tmp_path).source
    assert (f"{name}/ as test" in source) == (name != "test")


def test_a_part_for_validation_is_taken_unless_a_number_is_said(tmp_path: Path) -> None:
    for part, count in {"train": 20, "val": 4, "test": 5}.items():
        images(tmp_path / part, "a", "b", count=count)
    own = opened(tmp_path)
    assert counts(own) == [40, 8, 10]
    assert counts(opened(tmp_path, validation_images=6)) == [34, 6, 10]
    before = open_dataset(OWN, tmp_path).checksum
    plain = open_dataset(OWN.model_copy(update={"validation_images": 6}), tmp_path).checksum
    shutil.rmtree(tmp_path / "val")
    images(tmp_path / "val", "a", "b", count=3)
    assert open_dataset(OWN, tmp_path).checksum != before
    without = OWN.model_copy(update={"validation_images": 6})
    assert open_dataset(without, tmp_path).checksum == plain, "as it was for older trials"


def test_train_alone_is_refused(tmp_path: Path) -> None:
    images(tmp_path / "train", "a", "b")
    with pytest.raises(DataError, match="none of test/, val/, validation/ to test on"):
        opened(tmp_path)


def test_a_parquet_file_is_split_too(tmp_path: Path) -> None:
    images(tmp_path, "0", "1", count=12)
    rows = [
        {"image": {"bytes": path.read_bytes()}, "label": int(path.parent.name)}
        for path in sorted(tmp_path.glob("*/*.png"))
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "shapes.parquet")
    assert counts(opened(tmp_path / "shapes.parquet")) == [18, 2, 4]


@pytest.mark.parametrize("changes", [{"folder": "./x"}, {"validation_images": None}])
def test_other_datasets_have_no_folder(changes: dict[str, str | None]) -> None:
    with pytest.raises(ValueError, match=r"folder"):
        made(Data, {"name": "cifar10", **changes})
