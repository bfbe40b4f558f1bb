"""Files made to exhaust memory or time, or to block, are refused in one line before they do."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from resray.data.foreign import read_foreign
from resray.data.sources import open_dataset
from resray.errors import DataError
from resray.limits import VARIABLE
from tests.test_data_sources import FOLDER, encoded, image_folder, parquet_folder, some_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
MEGABYTE = 10**6


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESRAY_CACHE_DIR", str(tmp_path / "cache"))


def read(path: Path) -> Any:
    return read_foreign(path, class_names=("cat", "dog", "fox"), image_size=8)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what unpacks to more than is allowed -----------------------------------------------------


def written(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def pickled(steps: bytes) -> Callable[[Path], None]:
    """A pickle of a dict whose key ``data`` has what the steps push."""
    return written(b"\x80\x05}U\x04data" + steps + b"s.")


def call(name: str, *arguments: bytes) -> bytes:
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n(".encode() + b"".join(arguments) + b"tR"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int, size: int = 8) -> bytes:
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little")


NESTED = b")" + b"".join(b"q%ch%c\x86" % (1, 1) for _ in range(60))
"""A tuple of itself twice, 60 times over: short, but to look at all of it takes 2^60 steps."""


def npz(
    members: dict[str, int], claimed: int | None = None, method: int = zipfile.ZIP_DEFLATED
) -> Callable[[Path], None]:
    """An .npz of images, and of keys that unpack to so many bytes of zeros."""

    def write(path: Path) -> None:
        images = io.BytesIO()
        np.save(images, PIXELS)
        with zipfile.ZipFile(path, "w", method) as archive:
            if "x" not in members:
                archive.writestr("x.npy", images.getvalue())
            for key, size in members.items():
                with archive.open(f"{key}.npy", "w") as file:
                    for _ in range(size // MEGABYTE):
                        file.write(bytes(MEGABYTE))
                if claimed is not None:
                    archive.getinfo(f"{key}.npy").file_size = claimed

    return write


def npy(shape: str) -> Callable[[Path], None]:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + b"abc"
    return written(content)


def parquet(images: pa.Array, groups: int = 1, labels: int = 0) -> Callable[[Path], None]:
    table = pa.table({"img": images, "label": pa.array([labels] * len(images), pa.int64())})

    def write(path: Path) -> None:
        with pq.ParquetWriter(path, table.schema, dictionary_pagesize_limit=2**30) as writer:
            for _ in range(groups):
                writer.write_table(table)

    return write


def repeated(image: bytes, count: int) -> pa.Array:
    """One image for many rows; Parquet stores it once."""
    values = pa.array([image]).take(pa.array([0] * count))
    return pa.StructArray.from_arrays([values, pa.nulls(count, pa.string())], ["bytes", "path"])


def pictures(count: int, side: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.mkdir()
        for index in range(count):
            Image.new("1", (side, side)).save(path / f"{index}.png")

    return write


TOO_LARGE = "would unpack to"
BOMBS: dict[str, tuple[Callable[[Path], None], str]] = {
    "memo.pkl": (pickled(b"Nr" + struct.pack("<I", 2**31 - 1)), "must be a uint8 array"),
    "keys.pkl": (pickled(b"}" + NESTED + b"Ns"), "a key of type tuple"),
    "deep.pkl": (pickled(b"})" + b"\x85" * 40_000 + b"Ns"), "a key of type tuple"),
    "alike.pkl": (pickled(b"}" + number(2**61 - 1) + b"Ns"), "a key of type int"),
    "many.pkl": (pickled(b"](" + b"]" * 300_000 + b"e"), TOO_LARGE),
    "bytearray.pkl": (pickled(b"\x96" + struct.pack("<Q", 10**12)), "cannot be read"),
    "bytes.pkl": (pickled(b"\x8e" + struct.pack("<Q", 10**12)), "cannot be read"),
    "frame.pkl": (pickled(b"\x95" + struct.pack("<Q", 10**12)), "cannot be read"),
    "buffer.pkl": (
        pickled(call("numpy.core.numeric._frombuffer", number(10**12),
                     call("numpy.dtype", text("u1")), number(1), text("C"))),
        "an array of objects"),
    "encoded.pkl": (
        pickled(b"](" + text("a" * MEGABYTE) + b"q\x02"
                + call("_codecs.encode", b"h\x02", text("latin1")) * 2000 + b"e"),
        "the same bytes many times"),
    "encoding.pkl": (pickled(call("_codecs.encode", text("a"), NESTED)), "another encoding"),
    "dtype.pkl": (pickled(call("numpy.dtype", NESTED)), "cannot be read"),
    "used.npz": (npz({"x": 100 * MEGABYTE}), TOO_LARGE),
    "labels.npz": (npz({"y": 100 * MEGABYTE}), TOO_LARGE),
    "bz2.npz": (npz({"x": 20 * MEGABYTE}, method=zipfile.ZIP_BZIP2), "does not write"),
    "lzma.npz": (npz({"x": 20 * MEGABYTE}, method=zipfile.ZIP_LZMA), "does not write"),
    "claim.npz": (npz({"x": 100 * MEGABYTE}, claimed=1000), "Bad CRC-32"),
    "promise.npy": (npy("(1000000000000, 32, 32, 3)"), "Unable to allocate"),
    "nothing.npy": (npy("(1000000000000, 0, 0, 3)"), "is of shape"),
    "nulls.parquet": (parquet(pa.nulls(200_000, STRUCT)), "holds paths instead of images"),
    "rows.parquet": (parquet(pa.nulls(400_000, STRUCT)), TOO_LARGE),
    "repeated.parquet": (parquet(repeated(bytes(MEGABYTE), 50), groups=30), TOO_LARGE),
    "pictures": (pictures(3, 7000), TOO_LARGE),
    "picture": (pictures(1, 20_000), "exceeds limit"),
}  # fmt: skip

READ_ALL = """
import json, resource, sys
from pathlib import Path
from resray.data.foreign import read_foreign
from resray.errors import DataError

def megabytes(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(key))

# A bomb that goes off ends in MemoryError, here and not on the machine.
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, used + 2**31))
for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
    before = megabytes("VmRSS")
    try:
        found = read_foreign(Path(path), class_names=("cat", "dog"), image_size=8)
        print(json.dumps([len(found), megabytes("VmHWM") - before]))
    except DataError as error:
        print(json.dumps([str(error), megabytes("VmHWM") - before]))
"""


def read_in_process(paths: list[Path]) -> list[tuple[str | int, int]]:
    """Return, for each path, what is said (or how many images there are) and megabytes taken."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, VARIABLE: "0.05"},
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    for name, (write, _) in BOMBS.items():
        write(tmp_path / name)
    answers = read_in_process([tmp_path / name for name in BOMBS])
    for (name, (_, message)), (said, megabytes) in zip(BOMBS.items(), answers, strict=True):
        assert message in str(said), name
        assert "\n" not in str(said), name
        # Of Parquet some rows have to be unpacked to see how large they are.
        assert megabytes < (450 if name == "repeated.parquet" else 80), name
        assert (VARIABLE in str(said)) == (message == TOO_LARGE), name


def test_keys_that_are_not_used_stay_packed(tmp_path: Path) -> None:
    npz({"other": 100 * MEGABYTE})(tmp_path / "x.npz")
    ((images, megabytes),) = read_in_process([tmp_path / "x.npz"])
    assert images == 6
    assert megabytes < 50


def test_the_limit_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", PIXELS)
    monkeypatch.setenv(VARIABLE, "0.000001")
    assert refusal(tmp_path / "x.npy").endswith(f"set {VARIABLE} to allow more")
    monkeypatch.setenv(VARIABLE, "0.00001")
    assert len(read(tmp_path / "x.npy")) == 6


def test_small_images_do_not_become_large_without_bound(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((100_000, 1, 1, 3), np.uint8))
    with pytest.raises(DataError, match=r"100,000 images of 224x224 pixels: would unpack to 15"):
        read(tmp_path / "x.npy").resized(224)
    large = FOLDER.model_copy(update={"image_size": 10**6})
    with pytest.raises(DataError, match=r"would unpack to 24,000.0 GB"):
        open_dataset(large, image_folder(tmp_path / "folder", sizes=(8, 12)))


def test_many_row_groups_are_read(tmp_path: Path) -> None:
    image = encoded(PIXELS[0])
    parquet(repeated(image, 1), groups=3000)(tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet")
    assert found.images.shape == (3000, 3, 8, 8)
    assert found.images.permute(0, 2, 3, 1).eq(found.images.new_tensor(PIXELS[0])).all()


def test_a_label_does_not_make_as_many_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        parquet(repeated(encoded(PIXELS[0]), 2), labels=10**12)(tmp_path / f"{split}.parquet")
    message = "a train label is 1000000000000, but there are 2 training images"
    with pytest.raises(DataError, match=message):
        open_dataset(FOLDER, tmp_path)


# --- what is damaged, or of other types -------------------------------------------------------


def zipped(path: Path, **keys: np.ndarray) -> Path:
    np.savez_compressed(path, x=PIXELS, **keys)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pkl", "x.parquet"])
def test_cut_files(tmp_path: Path, name: str, share: float) -> None:
    np.save(tmp_path / "x.npy", PIXELS)
    zipped(tmp_path / "x.npz", y=np.arange(6) % 3)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"data": PIXELS}))
    parquet(repeated(encoded(PIXELS[0]), 6))(tmp_path / "x.parquet")
    whole = (tmp_path / name).read_bytes()
    assert len(read(tmp_path / name)) == 6
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    assert f"{name}: " in refusal(tmp_path / name)


def test_encrypted_and_oddly_compressed_archives(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "x.npz").read_bytes())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    encrypted = bytearray(content)
    encrypted[local + 6] |= 1
    encrypted[central + 8] |= 1
    (tmp_path / "x.npz").write_bytes(encrypted)
    assert "is encrypted" in refusal(tmp_path / "x.npz")
    unknown = bytearray(content)
    unknown[local + 8] = unknown[central + 10] = 77
    (tmp_path / "x.npz").write_bytes(unknown)
    assert "x is compressed in a way that NumPy does not write" in refusal(tmp_path / "x.npz")


def test_empty_arrays_and_labels_beyond_64_bits(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PIXELS[:0])
    assert refusal(tmp_path / "x.npy").endswith("x.npy: holds no images")
    (tmp_path / "empty.npy").touch()
    assert "is of no kind that is accepted" in refusal(tmp_path / "empty.npy")
    huge = np.array([0, 1, 2, 0, 1, 2**64 - 1], np.uint64)
    assert "a label is 18446744073709551615, but" in refusal(zipped(tmp_path / "x.npz", y=huge))
    for labels in ([0] * 5 + [10**30], [0] * 5 + [10**5000]):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps({"data": PIXELS, "labels": labels}))
        assert "labels must be 6 whole numbers" in refusal(tmp_path / "x.pkl")


OTHER_TYPES: dict[str, pa.Array] = {
    "text": pa.array(["a", "b"]),
    "bytes without a struct": pa.array([b"a", b"b"]),
    "lists": pa.array([[1], [2]]),
    "nothing but nulls": pa.nulls(2),
    "structs without bytes": pa.array([{"path": "a"}, {"path": "b"}]),
    **{
        f"structs of {kind.type}": pa.StructArray.from_arrays([kind], ["bytes"])
        for kind in (pa.array([5, 6]), pa.array([[1], None]), pa.nulls(2), pa.array(["a", "b"]),
                     pa.array([{"a": 1}, {"a": 2}]), pa.array([1.5, None]))
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHER_TYPES)
def test_images_of_other_types(tmp_path: Path, kind: str) -> None:
    parquet(OTHER_TYPES[kind])(tmp_path / "x.parquet")
    assert "x.parquet: " in refusal(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary(len(encoded(PIXELS[0]))),
             pa.dictionary(pa.int32(), pa.binary())]
)  # fmt: skip
def test_every_type_of_bytes_is_read(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array([encoded(PIXELS[0])] * 2).cast(kind)
    parquet(pa.StructArray.from_arrays([values], ["bytes"]))(tmp_path / "x.parquet")
    assert np.array_equal(read(tmp_path / "x.parquet").images[1].permute(1, 2, 0), PIXELS[0])


@pytest.mark.parametrize(
    ("labels", "message"),
    [(pa.array([0.5, 1.0]), "must be integers without nulls"),
     (pa.array([0, None]), "must be integers without nulls"),
     (pa.array([[0], [1]]), "must be integers without nulls"),
     (pa.array(["a", "b"]).dictionary_encode(), "must be integers without nulls"),
     (pa.array([0, -1]), "holds -1; labels start at 0"),
     (pa.array([0, 2**64 - 1], pa.uint64()), "a label is 18446744073709551615, but")],
)  # fmt: skip
def test_labels_of_other_types(tmp_path: Path, labels: pa.Array, message: str) -> None:
    images = repeated(encoded(PIXELS[0]), 2)
    pq.write_table(pa.table({"img": images, "label": labels}), tmp_path / "x.parquet")
    assert message in refusal(tmp_path / "x.parquet")


def test_doubled_columns_and_damaged_names(tmp_path: Path) -> None:
    images, labels = repeated(encoded(PIXELS[0]), 2), pa.array([0, 1])
    doubled = pa.Table.from_arrays([images, labels, labels], names=["img", "label", "label"])
    for split in ("train", "test"):
        pq.write_table(doubled, tmp_path / f"{split}.parquet")
    with pytest.raises(
        DataError, match=r"has no column fine_label or label \(it has img, label, l"
    ):
        open_dataset(FOLDER, tmp_path)
    for metadata in ({"class_names": b"\xff,b"}, {"huggingface": b"[" * 100_000}):
        table = pa.table({"img": images, "label": labels}).replace_schema_metadata(metadata)
        for split in ("train", "test"):
            pq.write_table(table, tmp_path / f"{split}.parquet")
        assert open_dataset(FOLDER, tmp_path).class_names == ("0", "1")


# --- what is no file, or no text --------------------------------------------------------------


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pkl", "x.parquet", "x", "x.png"])
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert refusal(tmp_path / name).endswith(f"{name}: is no regular file, so it was not opened")
    assert "is no regular file" in refusal(Path("/dev/zero"))
    (tmp_path / "link.npy").symlink_to("/dev/zero")
    assert "is no regular file" in refusal(tmp_path / "link.npy")


@pytest.mark.timeout(60)
def test_pipes_within_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    assert "x.png: is no regular file" in refusal(tmp_path)
    data = image_folder(tmp_path / "data")
    os.mkfifo(data / "train" / "cat" / "pipe.png")
    shards = parquet_folder(tmp_path / "shards", 3)
    os.mkfifo(shards / "test-a.parquet")
    (shards / "test-00000-of-00001.parquet").unlink()
    for folder in (data, shards):
        with pytest.raises(DataError, match="is no regular file, so it was not opened"):
            open_dataset(FOLDER, folder)
    (data / "train" / "cat" / "pipe.png").unlink()
    (data / "train" / "cat" / "link.png").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"link\.png: cannot be read \(No such file"):
        open_dataset(FOLDER, data)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe is not a folder that exists"):
        open_dataset(FOLDER, tmp_path / "pipe")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "odd names")
    for split in ("train", "test"):
        image = folder / split / "cat" / "0.png"
        image.rename(Path(os.fsdecode(os.fsencode(image.parent) + b"/\xff.png")))
    assert len(open_dataset(FOLDER, folder).train) == 4
    for split in ("train", "test"):
        place = folder / split
        (place / "cat").rename(Path(os.fsdecode(os.fsencode(place) + b"/\xff")))
    with pytest.raises(DataError, match=r"the class name '\\udcff' is no text"):
        open_dataset(FOLDER, folder)
    names = json.dumps({"info": {"features": {"label": {"names": ["a", "\ud800", "c"]}}}})
    hub = parquet_folder(tmp_path / "hub", 3, {"huggingface": names})
    with pytest.raises(DataError, match=r"the class name '\\ud800' is no text"):
        open_dataset(FOLDER, hub)


def test_a_folder_of_pictures_among_hidden_ones(tmp_path: Path) -> None:
    """AppleDouble files, notebooks' copies, and folders that are named like pictures."""
    (tmp_path / "a.png").write_bytes(encoded(some_pixels(0)))
    (tmp_path / "._a.png").write_bytes(b"no image")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "a-checkpoint.png").write_bytes(encoded(some_pixels(1)))
    assert read(tmp_path).ids == ("a.png",)
