"""Parquet as hubs serve it: every layout is read, and sets of shards are whole."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from resray.cli.doctor.check import Check
from resray.cli.doctor.diagnose import diagnose
from resray.data.dataset import Dataset, Images
from resray.data.sources import open_dataset
from resray.errors import DataError
from resray.run.dry_run import describe
from resray.run.plan import Planner
from resray.run.recorder import planned_row
from resray.run.request import Request, SearchOptions
from resray.run.resources import Machine
from resray.run.search_plan import SearchPlanner
from resray.study.data_spec import Data
from resray.study.reduction import from_json
from tests.studies import made
from tests.test_data_sources import (
    FOLDER,
    encoded,
    image_folder,
    parquet_folder,
    some_pixels,
    write_parquet,
)

Change = Callable[[Path], object]
SPLITS = ("train", "test", "validation")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(tmp_path / "cache"))


def write(path: Path, rows: int = 4, *, paths_only: bool = False) -> None:
    """Write a file of images of two classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    structs = [
        {"bytes": None if paths_only else encoded(some_pixels(row)), "path": f"{row}.png"}
        for row in range(rows)
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    labels = [row % 2 for row in range(rows)]
    pq.write_table(pa.table({"image": pa.array(structs, kind), "label": labels}), path)


def data_folder_check(folder: Path) -> Check:
    return next(check for check in diagnose(folder) if check.name == "Data folder")


@pytest.mark.parametrize(
    ("train", "test"),
    [("plain_text/train/0000.parquet", "plain_text/test/0000.parquet"),
     ("default/train/0000.parquet", "default/test/0000.parquet"),
     ("train/0000.parquet", "test/0000.parquet"),
     ("train.parquet", "test.parquet"),
     ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
     ("train-00000-of-00001-a1b2c3.parquet", "test-00000-of-00001-d4e5f6.parquet"),
     ("train-0.parquet", "test.parquet")],
)  # fmt: skip
def test_every_layout_is_read(tmp_path: Path, train: str, test: str) -> None:
    folder = tmp_path / "data set"
    write(folder / train, rows=6)
    write(folder / test, rows=4)
    # What systems leave beside files is no part of the data.
    (folder / train).with_name("._" + Path(train).name).write_bytes(b"no Parquet")
    dataset = open_dataset(FOLDER, folder)
    assert (len(dataset.train), len(dataset.test)) == (6, 4)
    assert dataset.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert data_folder_check(folder).state == "ok"


def test_a_table_beside_class_folders_is_not_taken_for_images(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "train" / "metadata.parquet").write_bytes(b"no table of images")
    assert open_dataset(FOLDER, tmp_path).source == "folder (image folder, PNG)"


def three_shards_each(folder: Path) -> Path:
    for split in SPLITS:
        write_parquet(folder, split, [0, 1, 0, 1, 0, 1], files=3)
    return folder


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_missing_shard_is_named(tmp_path: Path, split: str, absent: int) -> None:
    name = f"{split}-0000{absent}-of-00003.parquet"
    assert len(open_dataset(FOLDER, three_shards_each(tmp_path)).train) == 6
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is not there \(2 of 3\)"):
        open_dataset(FOLDER, tmp_path)
    check = data_folder_check(tmp_path)
    assert check.state == "missing"
    assert name in check.found


@pytest.mark.parametrize("split", SPLITS)
def test_images_that_are_there_twice_are_refused(tmp_path: Path, split: str) -> None:
    shards = f"{split}-*-of-00003.parquet"
    doubled: dict[str, list[str]] = {
        f"{split}-00000-of-00001.parquet": [shards, f"{split}-*-of-00001.parquet"],
        f"{split}-a.parquet": [shards, f"{split}-*.parquet"],
        f"{split}.parquet": [shards, f"{split}.parquet"],
        f"{split}/0000.parquet": [shards, f"{split}/[0-9]*.parquet"],
        f"{split}-00001-of-00003-b.parquet": [shards],
    }
    for number, (more, sets) in enumerate(doubled.items()):
        folder = three_shards_each(tmp_path / str(number))
        write(folder / more)
        with pytest.raises(DataError) as caught:
            open_dataset(FOLDER, folder)
        _, _, found = str(caught.value).partition(f"{folder}: holds {split} images twice (")
        assert sorted(found.removesuffix("); keep one set").split(", ")) == sorted(sets)
        assert data_folder_check(folder).state == "missing"


def test_paths_in_place_of_images_are_told(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", paths_only=True)
    with pytest.raises(DataError, match=r"train\.parquet: the file holds paths instead of images"):
        open_dataset(FOLDER, tmp_path)
    assert data_folder_check(tmp_path).state == "missing"


def test_validation_is_no_test(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        write(tmp_path / f"{split}-00000-of-00001.parquet")
    message = r"validation-00000-of-00001\.parquet is there, but there is no test-\*\.parquet"
    with pytest.raises(DataError, match=message):
        open_dataset(FOLDER, tmp_path)


def test_relative_paths_that_look_like_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        write(tmp_path / "exp:1" / f"{split}.parquet")
    assert len(open_dataset(FOLDER, Path("exp:1")).train) == 4


def test_another_number_of_images_than_cifars_is_a_reduction(tmp_path: Path) -> None:
    for name, classes in (("cifar10", 10), ("cifar100", 100)):
        folder = parquet_folder(tmp_path / name, classes)
        few = open_dataset(made(Data, {"name": name}), folder)
        assert tuple(map(str, few.reductions)) == (
            f"{name} with {2 * classes} instead of 50,000 training images",
            f"{name} with {classes} instead of 10,000 test images",
        )
        check = data_folder_check(tmp_path)
        assert check.state == "warning"
        assert "; ".join(map(str, few.reductions)) in check.found
        assert open_dataset(FOLDER, folder).reductions == ()


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [(50_000, 10_000, ()),
     (100_000, 10_000, ("cifar10 with 100,000 instead of 50,000 training images",)),
     (50_000, 9_999, ("cifar10 with 9,999 instead of 10,000 test images",))],
)  # fmt: skip
def test_what_is_whole_is_no_reduction(train: int, test: int, expected: tuple[str, ...]) -> None:
    def part(count: int) -> Images:
        return Images(torch.zeros(count, 3, 1, 1, dtype=torch.uint8), torch.zeros(count).long())

    found = Dataset("cifar10", "", part(train), part(test), (), "").reductions
    assert tuple(map(str, found)) == expected


STUDY = """
name: few
title: Few of CIFAR's images
question: Is that said?
recipe:
  model: resnet10
  data: {name: cifar10, validation_images: 10}
  epochs: 8
trials: [{name: plain}]
search:
  spaces: {rates: {axes: {optimizer.lr: {grid: [0.1, 0.2]}}}}
"""


def test_plans_call_few_images_reduced(tmp_path: Path) -> None:
    study, data = tmp_path / "few.yaml", parquet_folder(tmp_path / "data", 10)
    study.write_text(STUDY)
    said = "cifar10 with 20 instead of 50,000 training images"
    machine, consoles = Machine(2, 0), [Console(file=io.StringIO(), width=200) for _ in range(2)]
    bench = Request(study=str(study), data_dir=data, out=tmp_path)
    describe(Planner(bench), machine, consoles[0])
    tune = SearchPlanner(replace(bench, search=SearchOptions()))
    describe(tune, machine, consoles[1])
    for console in consoles:
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert f"Reduced: {said}; cifar10 with 10 instead of 10,000 test images" in text
    planner = Planner(bench)
    work = planner.jobs(planner.allocation(machine))[0]
    row = planned_row(work.trial, work.job, {})
    assert str(from_json(row["reductions"])[0]) == said
    job = tune.candidates(tune.allocation(machine))[0].final
    assert said in map(str, job.trial.reductions)
