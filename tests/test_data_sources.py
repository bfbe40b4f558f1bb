"""Datasets open from every source, are what they claim to be, and split the same each time."""

import io
import json
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from resray.data.cache import VERSION
from resray.data.dataset import Dataset, Images
from resray.data.sources import open_dataset
from resray.data.splits import USUAL_STATISTICS, balanced_order, prepare
from resray.errors import DataError
from resray.study.data_spec import Data
from tests.studies import made

REAL_DATA = Path(
    os.environ.get("RESRAY_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")
)
needs_real_data = pytest.mark.skipif(
    not (REAL_DATA / "cifar10").is_dir(), reason="real CIFAR is absent (RESRAY_TEST_DATA)"
)
FOLDER = made(Data, name="folder", validation_images=0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, as well as a home, so that nothing comes from the machine."""
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "cache" / "decoded"


def some_pixels(seed: int, size: int | tuple[int, int] = 8) -> np.ndarray:
    height, width = (size, size) if isinstance(size, int) else size
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray, image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    lossless = {"lossless": True} if image_format == "WEBP" else {}
    Image.fromarray(pixels).save(buffer, image_format, **lossless)
    return buffer.getvalue()


def write_parquet(
    folder: Path,
    split: str,
    labels: list[int],
    *,
    image_format: str = "PNG",
    columns: tuple[str, str] = ("img", "label"),
    metadata: dict[str, str] | None = None,
    images: Sequence[bytes | None] = (),
    files: int = 1,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images = images or [encoded(some_pixels(i), image_format) for i in range(len(labels))]
    structs = [{"bytes": image, "path": f"{i}"} for i, image in enumerate(images)]
    table = pa.table({columns[0]: structs, columns[1]: pa.array(labels, pa.int64())})
    table = table.replace_schema_metadata(metadata)
    step = -(-len(labels) // files)
    for file in range(files):
        path = folder / f"{split}-{file:05d}-of-{files:05d}.parquet"
        pq.write_table(table.slice(file * step, step), path)


def parquet_folder(folder: Path, classes: int, metadata: dict[str, str] | None = None) -> Path:
    write_parquet(folder, "train", list(range(classes)) * 2, metadata=metadata, files=2)
    write_parquet(folder, "test", list(range(classes)), metadata=metadata)
    return folder


def image_folder(folder: Path, sizes: tuple[int | tuple[int, int], ...] = (8, 8)) -> Path:
    for split in ("train", "test"):
        for label, name in enumerate(("cat", "dog")):
            (folder / split / name).mkdir(parents=True)
            for number, size in enumerate(sizes):
                pixels = some_pixels(10 * label + number, size)
                (folder / split / name / f"{number}.png").write_bytes(encoded(pixels))
    return folder


def as_pixels(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
@pytest.mark.parametrize("columns", [("img", "label"), ("image", "fine_label")])
def test_parquet_gives_the_stored_pixels(
    tmp_path: Path, image_format: str, columns: tuple[str, str]
) -> None:
    for split in ("train", "test"):
        write_parquet(
            tmp_path, split, [0, 1, 2, 1], image_format=image_format, columns=columns, files=2
        )
    dataset = open_dataset(FOLDER, tmp_path)
    assert dataset.train.labels.tolist() == [0, 1, 2, 1]
    assert dataset.train.images.dtype == torch.uint8
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.source == f"folder (Parquet folder, {image_format})"
    for index, image in enumerate(dataset.train.images):
        assert np.array_equal(as_pixels(image), some_pixels(index))


def test_jpeg_is_decoded_to_about_the_stored_pixels(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[:, None, None], (32, 32, 3))
    jpeg = encoded(np.ascontiguousarray(smooth), "JPEG")
    for split in ("train", "test"):
        write_parquet(tmp_path, split, [0, 1], images=[jpeg, jpeg])
    difference = as_pixels(open_dataset(FOLDER, tmp_path).train.images[0]).astype(int) - smooth
    assert abs(difference).max() < 12


def test_class_names_come_from_the_metadata(tmp_path: Path) -> None:
    names = ["ant", "bee", "cow"]
    listed = parquet_folder(tmp_path / "listed", 3, {"class_names": ",".join(names)})
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    hub = parquet_folder(
        tmp_path / "hub", 3, {"huggingface": json.dumps({"info": {"features": features}})}
    )
    odd = parquet_folder(tmp_path / "odd", 3, {"huggingface": "[1]"})
    assert open_dataset(FOLDER, listed).class_names == tuple(names)
    assert open_dataset(FOLDER, hub).class_names == tuple(names)
    assert open_dataset(FOLDER, odd).class_names == ("0", "1", "2")


def test_data_dir_is_the_dataset_or_holds_it(tmp_path: Path) -> None:
    parquet_folder(tmp_path / "cifar10", 10)
    parquet_folder(tmp_path / "cifar100", 100)
    held = open_dataset(made(Data, name="cifar10"), tmp_path)
    assert held.checksum == open_dataset(made(Data, name="cifar10"), tmp_path / "cifar10").checksum
    assert len(open_dataset(made(Data, name="cifar100"), tmp_path).class_names) == 100


@pytest.mark.parametrize(("name", "classes"), [("cifar10", 100), ("cifar100", 10), ("cifar10", 9)])
def test_a_wrong_class_count_is_refused(tmp_path: Path, name: str, classes: int) -> None:
    parquet_folder(tmp_path, classes)
    with pytest.raises(DataError, match=f"{name} has 100? classes, but .* has {classes}"):
        open_dataset(made(Data, name=name), tmp_path)


def test_labels_must_fit_the_names(tmp_path: Path) -> None:
    few = parquet_folder(tmp_path / "few", 3, {"class_names": "a,b"})
    with pytest.raises(DataError, match="a train label is 2, but there are 2 names"):
        open_dataset(FOLDER, few)
    many = parquet_folder(tmp_path / "many", 3, {"class_names": "a,b,c,d"})
    with pytest.raises(DataError, match="class 'd' has no training images"):
        open_dataset(FOLDER, many)


def test_image_folder(tmp_path: Path) -> None:
    dataset = open_dataset(FOLDER, image_folder(tmp_path))
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train.labels.tolist() == [0, 0, 1, 1]
    assert dataset.source == "folder (image folder, PNG)"
    for image, seed in zip(dataset.test.images, (0, 1, 10, 11), strict=True):
        assert np.array_equal(as_pixels(image), some_pixels(seed))


def test_classes_named_by_numbers_are_in_their_order(tmp_path: Path) -> None:
    """Then the labels 0 to n-1 that other files hold are the classes that are named so."""
    for split in ("train", "test"):
        for label in range(12):
            folder = tmp_path / split / str(label)
            folder.mkdir(parents=True)
            (folder / "0.png").write_bytes(encoded(some_pixels(label)))
    dataset = open_dataset(FOLDER, tmp_path)
    assert dataset.class_names == tuple(str(label) for label in range(12))
    assert dataset.train.labels.tolist() == list(range(12))
    assert np.array_equal(as_pixels(dataset.train.images[10]), some_pixels(10))
    for split in ("train", "test"):
        (tmp_path / split / "11").rename(tmp_path / split / "eleven")
    assert open_dataset(FOLDER, tmp_path).class_names[:4] == ("0", "1", "10", "2")


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    folder = image_folder(tmp_path)
    plain = open_dataset(FOLDER, folder)
    for split in ("train", "test"):
        (folder / split / "cat" / "._0.png").write_bytes(b"AppleDouble, no image")
        for hidden in (".ipynb_checkpoints", "day/.thumbnails", ".cache/day"):
            place = folder / split / "cat" / hidden
            place.mkdir(parents=True)
            (place / "0.png").write_bytes(encoded(some_pixels(99)))
        (folder / split / "cat" / "day" / "2.png").write_bytes(encoded(some_pixels(0)))
        (folder / split / "cat" / "folder.png").mkdir()
    dataset = open_dataset(FOLDER, folder)
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert torch.equal(dataset.train.images[:2], plain.train.images[:2])


def test_checksums_stay_what_they_were(tmp_path: Path) -> None:
    """Trials' ids contain them: recorded before images and labels came to be read otherwise."""
    assert open_dataset(FOLDER, image_folder(tmp_path / "folder")).checksum == (
        "87761aa8b65a9108ebd59669ba05e76169632d5f37ed19bd90abc628cca7b39e"
    )
    assert open_dataset(FOLDER, parquet_folder(tmp_path / "parquet", 3)).checksum == (
        "5af354be8bf2f07186d12e915454a45528c57810519e22ae1c2d902a6c876920"
    )


def test_what_an_older_version_decoded_is_not_used(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = parquet_folder(tmp_path / "data", 3)
    open_dataset(FOLDER, folder)
    monkeypatch.setattr("resray.data.cache.VERSION", VERSION + 1)
    open_dataset(FOLDER, folder)
    assert len(files_and_times(cache)) == 2


SIZES = r"size: 8x8 pixels \(4, such as \S+0\.png\), 12x12 pixels \(4, .*1\.png\); choose"


def test_mixed_sizes_are_named_or_resized(tmp_path: Path) -> None:
    folder = image_folder(tmp_path, sizes=(8, 12))
    with pytest.raises(DataError, match=SIZES) as caught:
        open_dataset(FOLDER, folder)
    assert "data.image_size" in str(caught.value)  # kept: an error must not hold the cache's lock
    dataset = open_dataset(FOLDER.model_copy(update={"image_size": 8}), folder)
    assert dataset.train.images.shape == (4, 3, 8, 8)
    assert np.array_equal(as_pixels(dataset.train.images[0]), some_pixels(0))
    larger = open_dataset(FOLDER.model_copy(update={"image_size": 16}), folder)
    assert larger.train.images.shape == (4, 3, 16, 16)


def test_oblong_images_need_a_size(tmp_path: Path) -> None:
    folder = image_folder(tmp_path, sizes=((8, 12), (8, 12)))
    with pytest.raises(DataError, match=r"one square size: 12x8 pixels \(8, .* such as 8"):
        open_dataset(FOLDER, folder)
    dataset = open_dataset(FOLDER.model_copy(update={"image_size": 8}), folder)
    # Cut in the middle: the twelve columns lose two on each side.
    assert np.array_equal(as_pixels(dataset.train.images[0]), some_pixels(0, (8, 12))[:, 2:10])


def test_unusable_folders_say_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"looked for .*train-\*\.parquet.* train/<class>/"):
        open_dataset(made(Data, name="cifar10"), tmp_path)
    with pytest.raises(DataError, match="absent is not a folder"):
        open_dataset(made(Data, name="cifar10"), tmp_path / "absent")
    with pytest.raises(DataError, match=r"data: \{folder: ./DIR\}.*--data-dir"):
        open_dataset(FOLDER)


def test_broken_files_are_named(tmp_path: Path) -> None:
    images = [encoded(some_pixels(0)), b"no image"]
    write_parquet(tmp_path / "image", "train", [0, 1], images=images)
    write_parquet(tmp_path / "image", "test", [0, 1])
    with pytest.raises(DataError, match=r"train-00000-of-00001\.parquet: row 1: is no image"):
        open_dataset(FOLDER, tmp_path / "image")
    truncated = encoded(some_pixels(0, 32))[:-600]
    write_parquet(
        tmp_path / "cut", "train", [0, 1], images=[encoded(some_pixels(0, 32)), truncated]
    )
    write_parquet(tmp_path / "cut", "test", [0, 1])
    with pytest.raises(DataError, match=r"row 1: is no image .*: image file is truncated"):
        open_dataset(FOLDER.model_copy(update={"image_size": 8}), tmp_path / "cut")
    (tmp_path / "file").mkdir()
    for split in ("train", "test"):
        (tmp_path / "file" / f"{split}-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(FOLDER, tmp_path / "file")
    write_parquet(tmp_path / "half", "train", [0, 1])
    with pytest.raises(DataError, match=r"no test-\*\.parquet"):
        open_dataset(FOLDER, tmp_path / "half")
    for split in ("train", "test"):
        write_parquet(tmp_path / "column", split, [0, 1], columns=("img", "target"))
    with pytest.raises(DataError, match="no column fine_label or label"):
        open_dataset(FOLDER, tmp_path / "column")


def test_foreign_pickles_are_never_opened(tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch", "batches.meta"]
    for name in names:
        (folder / name).write_bytes(pickle.dumps(Planted()))
    for place in (tmp_path, folder):
        with pytest.raises(DataError, match=r"not the original cifar10.*; move it elsewhere, or"):
            open_dataset(made(Data, name="cifar10"), place)
    assert not (tmp_path / "executed").exists()


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy"):
        # Nothing listens on this port, so the connection is refused at once.
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for name in ("cifar10", "cifar100"):
        for download in (True, False):
            with pytest.raises(DataError, match=rf"{tmp_path}.*--data-dir.*--quick") as caught:
                open_dataset(made(Data, name=name), download=download)
            assert "\n" not in str(caught.value)


def files_and_times(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*.pt")}


def test_cache_is_built_once(tmp_path: Path, cache: Path) -> None:
    folder = parquet_folder(tmp_path / "data", 3)
    first = open_dataset(FOLDER, folder)
    built = files_and_times(cache)
    second = open_dataset(FOLDER, folder)
    assert len(built) == 1
    assert files_and_times(cache) == built
    assert_equal(first, second)
    assert [path.suffix for path in cache.iterdir() if str(path) not in built] == [".lock"]


def assert_equal(first: Dataset, second: Dataset) -> None:
    assert (first.checksum, first.class_names, first.source) == (
        second.checksum,
        second.class_names,
        second.source,
    )
    for one, other in ((first.train, second.train), (first.test, second.test)):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_changed_files_are_decoded_again(tmp_path: Path) -> None:
    folder = parquet_folder(tmp_path / "data", 3)
    first = open_dataset(FOLDER, folder)
    write_parquet(folder, "test", [2, 1, 0])
    second = open_dataset(FOLDER, folder)
    assert second.test.labels.tolist() == [2, 1, 0]
    assert first.checksum != second.checksum


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty", "other"])
def test_damaged_cache_is_rebuilt(tmp_path: Path, cache: Path, damage: str) -> None:
    folder = parquet_folder(tmp_path / "data", 3)
    good = open_dataset(FOLDER, folder)
    # Before the damage, as `good` is mapped from the file.
    pixels = good.train.images.clone()
    (victim,) = cache.glob("*.pt")
    content = bytearray(victim.read_bytes())
    place = content.index(pixels.numpy().tobytes())
    content[place] ^= 1
    damaged = {"flip": bytes(content), "truncate": bytes(content[:-100]), "empty": b""}
    victim.unlink()
    if damage == "other":
        torch.save({"images": pixels}, victim)
    elif damage != "remove":
        victim.write_bytes(damaged[damage])
    again = open_dataset(FOLDER, folder)
    assert torch.equal(again.train.images, pixels)
    assert again.checksum == good.checksum
    built = files_and_times(cache)
    open_dataset(FOLDER, folder)
    assert files_and_times(cache) == built


def test_unwritable_cache_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(blocked))
    assert len(open_dataset(FOLDER, parquet_folder(tmp_path / "data", 3)).train) == 6


def _open_in_process(folder: str) -> tuple[str, int]:
    dataset = open_dataset(FOLDER, Path(folder))
    return dataset.checksum, int(dataset.train.images.sum())


def test_processes_racing_get_the_same(tmp_path: Path, cache: Path) -> None:
    folder = parquet_folder(tmp_path / "data", 5)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.map(_open_in_process, [str(folder)] * 4, chunksize=1)
    assert len(set(results)) == 1
    assert results[0][0] == open_dataset(FOLDER, folder).checksum
    assert len(files_and_times(cache)) == 1


def numbered(train: int, test: int, classes: int = 10, size: int = 8) -> Dataset:
    """A dataset whose images differ, with equally frequent classes."""

    def part(count: int) -> Images:
        pixels = torch.zeros(count, 3, size, size, dtype=torch.int32)
        pixels += torch.arange(count, dtype=torch.int32).view(-1, 1, 1, 1)
        pixels[:, 1] //= 256
        return Images((pixels % 256).to(torch.uint8), torch.arange(count) % classes)

    names = tuple(str(label) for label in range(classes))
    return Dataset("folder", "numbers", part(train), part(test), names, "")


def identities(images: Images) -> set[int]:
    return set((images.images[:, 0, 0, 0].int() + 256 * images.images[:, 1, 0, 0].int()).tolist())


def counts(images: Images) -> list[int]:
    return torch.bincount(images.labels, minlength=10).tolist()


def test_validation_is_balanced_and_disjoint() -> None:
    splits = prepare(numbered(1000, 200), FOLDER.model_copy(update={"validation_images": 100}))
    assert counts(splits.validation) == [10] * 10
    assert counts(splits.train) == [90] * 10
    assert counts(splits.test) == [20] * 10
    assert not identities(splits.train) & identities(splits.validation)
    assert identities(splits.train) | identities(splits.validation) == set(range(1000))


def test_limits_are_balanced_and_nested() -> None:
    dataset = numbered(1000, 200)

    def limited(train: int | None, evaluation: int | None, seed: int = 0) -> list[set[int]]:
        spec = made(
            Data,
            name="folder",
            validation_images=100,
            limit_train=train,
            limit_eval=evaluation,
            split_seed=seed,
        )
        splits = prepare(dataset, spec)
        parts = (splits.train, splits.validation, splits.test)
        assert all(max(counts(part)) - min(counts(part)) <= 1 for part in parts)
        return [identities(part) for part in parts]

    small, large, whole = limited(55, 20), limited(250, 55), limited(None, None)
    assert [len(part) for part in small] == [55, 20, 20]
    assert [len(part) for part in large] == [250, 55, 55]
    for less, more, every in zip(small, large, whole, strict=True):
        assert less < more < every
    assert small == limited(55, 20)
    assert small != limited(55, 20, seed=1)
    assert limited(10_000, 10_000) == whole


def test_a_trials_own_seed_draws_what_it_trains_and_selects_on() -> None:
    options = {"validation_images": 100, "limit_train": 300, "limit_eval": 50}
    own = made(Data, name="folder", split_seed="trial", **options)
    fixed = made(Data, name="folder", split_seed=5, **options)

    def parts(spec: Data, seed: int) -> list[set[int]]:
        splits = prepare(numbered(1000, 200), spec, seed)
        return [identities(part) for part in (splits.train, splits.validation, splits.test)]

    first, again, other = (parts(own, seed) for seed in (5, 5, 6))
    assert first == again
    assert all(a != b for a, b in zip(first[:2], other[:2], strict=True))
    assert first[:2] == parts(fixed, 6)[:2], "as the same seed, given for all trials"
    assert first[2] == other[2] == parts(made(Data, name="folder", **options), 7)[2]


def test_unequal_classes_keep_their_shares() -> None:
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    order = balanced_order(labels, 0)
    assert sorted(order.tolist()) == list(range(1000))
    assert torch.bincount(labels[order[:100]]).tolist() == [90, 9, 1]


def test_impossible_validation_is_refused() -> None:
    for held_out in (100, 101):
        with pytest.raises(DataError, match=rf"validation_images: {held_out} .* 100 training"):
            prepare(numbered(100, 10), FOLDER.model_copy(update={"validation_images": held_out}))
    splits = prepare(numbered(100, 10), FOLDER)
    assert len(splits.validation) == 0
    assert splits.validation.images.shape == (0, 3, 8, 8)


def test_statistics_are_the_specs_the_usual_or_measured() -> None:
    dataset = numbered(200, 10)
    pixels = dataset.train.images.double() / 255
    splits = prepare(dataset, FOLDER)
    assert splits.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    measured = pixels.std((0, 2, 3), correction=0)
    assert splits.std == pytest.approx([float(measured[0]), 1.0, float(measured[2])])
    cifar = prepare(dataset, made(Data, name="cifar10", validation_images=0))
    assert (cifar.mean, cifar.std) == USUAL_STATISTICS["cifar10"]
    given = FOLDER.model_copy(update={"mean": (0.1, 0.2, 0.3), "std": (1.0, 2.0, 3.0)})
    assert prepare(dataset, given).mean == (0.1, 0.2, 0.3)
    with pytest.raises(DataError, match=r"data\.std"):
        prepare(dataset, FOLDER.model_copy(update={"std": (0.0, 1.0, 1.0)}))


def test_resizing() -> None:
    pixels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    pixels[:, :, ::2] = 200
    dataset = Dataset(
        "folder",
        "",
        Images(pixels, torch.arange(2)),
        Images(pixels, torch.arange(2)),
        ("a", "b"),
        "",
    )
    half = prepare(dataset, FOLDER.model_copy(update={"image_size": 4}))
    assert half.image_size == 4
    assert half.train.images.unique().tolist() == [100]
    odd = prepare(dataset, FOLDER.model_copy(update={"image_size": 5}))
    assert odd.test.images.shape == (2, 3, 5, 5)
    assert odd.validation.images.shape == (0, 3, 5, 5)
    assert prepare(dataset, FOLDER).train.images.shape == (2, 3, 8, 8)


@needs_real_data
@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [("cifar10", "airplane", "truck", 10), ("cifar100", "apple", "worm", 100)],
)
def test_real_cifar(name: str, first: str, last: str, count: int) -> None:
    spec = made(Data, name=name)
    dataset = open_dataset(spec, REAL_DATA)
    assert (len(dataset.train), len(dataset.test)) == (50_000, 10_000)
    assert dataset.train.images.shape[1:] == (3, 32, 32)
    assert (dataset.class_names[0], dataset.class_names[-1]) == (first, last)
    assert len(dataset.class_names) == count
    measured = dataset.train.images[::10].double().mean((0, 2, 3)) / 255
    assert measured.tolist() == pytest.approx(USUAL_STATISTICS[name][0], abs=0.01)
    splits = prepare(dataset, spec)
    assert torch.bincount(splits.train.labels).tolist() == [45_000 // count] * count
    assert torch.bincount(splits.validation.labels).tolist() == [5_000 // count] * count


@needs_real_data
def test_real_cifar_is_not_the_other_one(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for path in (REAL_DATA / "cifar10").glob("test-*.parquet"):
        for split in ("train", "test"):
            shutil.copy(path, wrong / path.name.replace("test", split, 1))
    with pytest.raises(DataError, match="cifar100 has 100 classes, but this dataset has 10"):
        open_dataset(made(Data, name="cifar100"), wrong)
