"""Images from elsewhere: every format gives the same pixels, and no file runs code."""

import io
import json
import os
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from resray.data.foreign import ForeignImages, Order, numbers_that_mislead, read_foreign
from resray.errors import DataError

CLASSES = ("cat", "dog", "fox")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
LABELS = [0, 1, 2, 2, 1, 0]
EXPECTED = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)


def read(path: Path, order: Order | None = None, image_size: int = 8) -> ForeignImages:
    return read_foreign(path, class_names=CLASSES, image_size=image_size, order=order)


def pickled(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def assert_is_expected(found: ForeignImages, labels: list[int] | None = LABELS) -> None:
    assert torch.equal(found.images, EXPECTED)
    assert found.images.dtype == torch.uint8
    assert (found.labels.tolist() if found.labels is not None else None) == labels
    assert found.ids == tuple(range(6))


@pytest.mark.parametrize("protocol", range(6))
def test_the_hidden_test_sets_pickle(tmp_path: Path, protocol: int) -> None:
    content = {b"data": PIXELS.reshape(6, -1), b"labels": LABELS, b"more": None, b"": b""}
    assert_is_expected(read(pickled(tmp_path / "hidden.pkl", content, protocol), "hwc"))
    unlabelled = pickled(tmp_path / "nolabel.pkl", {b"data": PIXELS.reshape(6, -1)}, protocol)
    assert_is_expected(read(unlabelled, "hwc"), labels=None)


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_pickles_of_either_numpy_and_of_python_2(tmp_path: Path, core: bytes) -> None:
    """As Python 2 wrote CIFAR: protocol 2, text as bytes, CHW rows."""
    rows = PIXELS.transpose(0, 3, 1, 2).reshape(6, -1)
    state = b"(I1\n(I6\nI192\ntcnumpy\ndtype\n(U\x02u1I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI0\ntbI00\n"
    array = b"c" + core + b".multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
    array += state + b"T" + struct.pack("<i", rows.nbytes) + rows.tobytes() + b"tb"
    labels = b"U\x0bfine_labels(lp0\n" + b"".join(b"I%d\na" % label for label in LABELS)
    path = tmp_path / "test"
    path.write_bytes(b"\x80\x02}(U\x04data" + array + labels + b"u.")
    assert_is_expected(read(path, "chw"))


def test_fortran_order_other_integers_and_numpys_numbers(tmp_path: Path) -> None:
    labels = np.array(LABELS, dtype=">i4")
    content = {"data": np.asfortranarray(PIXELS), "y": labels, "ids": list("abcdef")}
    found = read(pickled(tmp_path / "x.pickle", content))
    assert torch.equal(found.images, EXPECTED)
    assert found.ids == tuple("abcdef")
    numbers = {"data": PIXELS, "labels": [np.int64(label) for label in LABELS]}
    assert_is_expected(read(pickled(tmp_path / "y.pickle", numbers)))


@pytest.mark.parametrize("shape", ["hwc", "chw", "flat hwc", "flat chw"])
def test_numpy_files_of_every_shape(tmp_path: Path, shape: str) -> None:
    array = PIXELS if shape.endswith("hwc") else PIXELS.transpose(0, 3, 1, 2)
    array = array.reshape(6, -1) if shape.startswith("flat") else array
    orders: dict[str, Order] = {"flat chw": "chw", "flat hwc": "hwc"}
    order = orders.get(shape)
    np.save(tmp_path / "x.npy", array)
    assert_is_expected(read(tmp_path / "x.npy", order), labels=None)
    for pixel_key, label_key in (("images", "labels"), ("x", "y"), ("data", "label")):
        arrays: dict[str, Any] = {pixel_key: array, label_key: np.array(LABELS)}
        np.savez(tmp_path / "x.npz", **arrays)
        assert_is_expected(read(tmp_path / "x.npz", order))


@pytest.mark.parametrize("label_column", ["label", "fine_label", None])
def test_parquet_files(tmp_path: Path, label_column: str | None) -> None:
    columns: dict[str, Any] = {"img": [{"bytes": png(image), "path": None} for image in PIXELS]}
    if label_column:
        columns[label_column] = pa.array(LABELS, pa.int64())
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert_is_expected(read(tmp_path / "x.parquet"), LABELS if label_column else None)
    pq.write_table(pa.table({**columns, "id": list("abcdef")}), tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").ids == tuple("abcdef")


FLAT = {order: PIXELS.transpose(axes).reshape(6, -1)
        for order, axes in (("hwc", (0, 1, 2, 3)), ("chw", (0, 3, 1, 2)))}  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifars_own_files_say_their_order(tmp_path: Path, protocol: int) -> None:
    own = {b"batch_label": b"testing batch 1 of 1", b"filenames": [b"a.png"] * 6}
    rows = {b"data": FLAT["chw"], b"labels": LABELS}
    path = pickled(tmp_path / "test_batch", {**own, **rows}, protocol)
    assert_is_expected(read(path))
    assert_is_expected(read(path, "chw"))
    with pytest.raises(DataError, match="data: is chw, not --order hwc; leave it out"):
        read(path, "hwc")


def test_the_order_of_flat_rows_is_asked_for(tmp_path: Path) -> None:
    message = r"nothing says how images lie in shape \(6, 192\); give --order hwc .* --order chw"
    for order in ("hwc", "chw"):
        pickled(tmp_path / "x.pkl", {"data": FLAT[order]})
        np.savez(tmp_path / "x.npz", x=FLAT[order])
        np.save(tmp_path / "x.npy", FLAT[order])
        for path in tmp_path.iterdir():
            with pytest.raises(DataError, match=message):
                read(path)
            assert_is_expected(read(path, order), labels=None)


def test_images_of_three_pixels_may_lie_either_way(tmp_path: Path) -> None:
    three = PIXELS[:, :3, :3]
    np.save(tmp_path / "x.npy", three)
    with pytest.raises(DataError, match=r"how images lie in shape \(6, 3, 3, 3\)"):
        read(tmp_path / "x.npy")
    assert torch.equal(read(tmp_path / "x.npy", "hwc").images, EXPECTED[:, :, :3, :3])
    assert torch.equal(read(tmp_path / "x.npy", "chw").images, torch.from_numpy(three.copy()))


def test_labels_are_names_where_the_file_has_these(tmp_path: Path) -> None:
    """A Parquet file may name its classes in another order; then its numbers count these."""
    other = ("fox", "cat", "dog")
    images = [{"bytes": png(image)} for image in PIXELS]
    table = pa.table({"img": images, "label": [other.index(CLASSES[label]) for label in LABELS]})
    for metadata in (
        {"class_names": ",".join(other)},
        {"huggingface": json.dumps({"info": {"features": {"label": {"names": other}}}})},
    ):
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "x.parquet")
        found = read(tmp_path / "x.parquet")
        assert_is_expected(found)
        assert not found.numbered
    names = [CLASSES[label] for label in LABELS]
    assert_is_expected(read(pickled(tmp_path / "x.pkl", {"data": PIXELS, "labels": names})))
    np.savez(tmp_path / "x.npz", x=PIXELS, y=np.array(names))
    assert_is_expected(read(tmp_path / "x.npz"))
    np.savez(tmp_path / "x.npz", x=PIXELS, y=np.array(LABELS))
    assert read(tmp_path / "x.npz").numbered
    pq.write_table(
        table.replace_schema_metadata({"class_names": "fox,cat"}), tmp_path / "x.parquet"
    )
    with pytest.raises(DataError, match="a label is 2, but there are 2 names"):
        read(tmp_path / "x.parquet")
    wolf = table.replace_schema_metadata({"class_names": "wolf,cat,dog"})
    pq.write_table(wolf, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet: class: 'wolf' is not known"):
        read(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("names", "warned"),
    [(["0", "1", "2"], None), (["00", "01", "02"], None), (["cat", "1"], None),
     (["0", "1", "10", "2"], "label 2 is class '10'"), (["1", "2"], "label 0 is class '1'"),
     (["7" * 5000], "label 0 is class '777")],
)  # fmt: skip
def test_numbers_that_are_names_but_not_labels(names: list[str], warned: str | None) -> None:
    warning = numbers_that_mislead(names)
    start = "Warning: classes are named by numbers that are not their labels: "
    assert (warning is None) == (warned is None)
    assert warning is None or warning.startswith(f"{start}{warned}")


def test_folders_flat_and_by_class(tmp_path: Path) -> None:
    for number, (image, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        for folder in (tmp_path / "flat", tmp_path / "classes" / CLASSES[label]):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.png").write_bytes(png(image))
    flat = read(tmp_path / "flat")
    assert torch.equal(flat.images, EXPECTED)
    assert flat.labels is None
    assert flat.ids == tuple(f"{number}.png" for number in range(6))
    by_class = read(tmp_path / "classes")
    assert by_class.labels is not None
    assert by_class.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert by_class.ids[:2] == ("cat/0.png", "cat/5.png")
    assert torch.equal(by_class.images[0], EXPECTED[0])


def test_pictures_of_many_sizes_come_to_the_models(tmp_path: Path) -> None:
    for size in (8, 12):
        (tmp_path / f"{size}.png").write_bytes(png(np.full((size, size + 1, 3), 70, np.uint8)))
    assert read(tmp_path, image_size=16).images.shape == (2, 3, 16, 16)


def test_resized_keeps_everything_else(tmp_path: Path) -> None:
    found = read(pickled(tmp_path / "x.pkl", {b"data": PIXELS, b"labels": LABELS}))
    small = found.resized(4)
    means = EXPECTED.double().view(6, 3, 4, 2, 4, 2).mean((3, 5))
    assert (small.images.double() - means).abs().max() <= 0.5
    assert (small.ids, small.checksum) == (found.ids, found.checksum)


def test_the_checksum_follows_pixels_and_labels(tmp_path: Path) -> None:
    other = PIXELS.copy()
    other[0, 0, 0, 0] ^= 1
    contents: list[Any] = [{"data": PIXELS}, {"data": other}, {"data": PIXELS, "y": LABELS}]
    found = [read(pickled(tmp_path / f"{n}.pkl", c)).checksum for n, c in enumerate(contents)]
    assert len(set(found)) == 3
    np.save(tmp_path / "x.npy", PIXELS)
    assert read(tmp_path / "x.npy").checksum == found[0]


class Runs:
    """Unpickled the usual way, leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    path = pickled(tmp_path / "bad.pkl", {b"data": Runs(trace)}, protocol)
    with pytest.raises(DataError, match=r"bad\.pkl: the pickle wants '(posix|nt)\.mkdir'"):
        read(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "it would have run"


GLOBALS = (b"cbuiltins\neval\n", b"cnumpy\nload\n", b"cnumpy.core.multiarray\nfromfile\n",
           b"\x8c\x05numpy\x8c\x0edtype.__init__\x93", b"ccollections\nOrderedDict\n")  # fmt: skip


@pytest.mark.parametrize("name", GLOBALS)
def test_nothing_off_the_list_can_be_named(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04" + name + b".")
    pickletools.dis(path.read_bytes(), out=io.StringIO())
    with pytest.raises(DataError, match="which is not allowed, so it was not opened"):
        read(path)


def test_arrays_of_objects_are_refused_also_where_they_claim_to_be_plain(tmp_path: Path) -> None:
    """A dtype 'O' without the flag that says so makes NumPy take bytes for addresses."""
    honest = pickled(tmp_path / "x.pkl", {b"data": np.array([1, "a"], dtype=object)})
    with pytest.raises(DataError, match="array of dtype 'O8'"):
        read(honest)
    crafted = pickle.dumps(np.zeros(1, "u8"), 2).replace(b"u8", b"O8")
    path = tmp_path / "y.pkl"
    path.write_bytes(crafted)
    with pytest.raises(DataError, match="array of dtype 'O8'"):
        read(path)


def test_what_is_damaged_or_no_dict(tmp_path: Path) -> None:
    whole = pickle.dumps({b"data": PIXELS})
    (tmp_path / "cut.pkl").write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"cut\.pkl: cannot be read"):
        read(tmp_path / "cut.pkl")
    with pytest.raises(DataError, match="holds a list; a dict is needed"):
        read(pickled(tmp_path / "list.pkl", [1]))
    misfit = whole.replace(struct.pack("<B", 8) + b"K\x08K\x03", b"\x08K\x08K\x04")
    assert misfit != whole
    (tmp_path / "misfit.pkl").write_bytes(misfit)
    with pytest.raises(DataError, match="too small for requested array"):
        read(tmp_path / "misfit.pkl")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"objects\.npy: cannot be read \(Object arrays"):
        read(tmp_path / "objects.npy")
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(DataError, match=r"cut\.npz: cannot be read \(File is not a zip file"):
        read(tmp_path / "cut.npz")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"cut\.parquet: cannot be read"):
        read(tmp_path / "cut.parquet")


MISTAKES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"pixels": PIXELS}, r"has no data, images, x to hold the images \(has pixels\)"),
    ({"data": PIXELS.astype(np.float32)}, "must be a uint8 array .0 to 255., not float32"),
    ({"data": [1, 2]}, "must be a uint8 array .0 to 255., not list"),
    ({"data": PIXELS[:, :4]}, r"is of shape \(6, 4, 8, 3\); accepted are"),
    ({"data": PIXELS.reshape(6, -1)[:, :-1]}, r"is of shape \(6, 191\)"),
    ({"data": PIXELS[:0]}, "holds no images"),
    (
        {"data": PIXELS, "labels": [0, 1]},
        "labels must be 6 whole numbers or texts, one for each image",
    ),
    ({"data": PIXELS, "labels": [0.5] * 6}, "labels must be 6 whole numbers"),
    ({"data": PIXELS, "labels": [[0], 1, 2, 0, 1, 2]}, "labels must be 6 whole numbers"),
    ({"data": PIXELS, "labels": [0, 1, 2, 3, 0, 0]}, "a label is 3, but the model's classes are 0"),
    ({"data": PIXELS, "labels": [0, 1, 2, -1, 0, 0]}, "a label is -1"),
    ({"data": PIXELS, "ids": ["a"]}, "ids must be 6 whole numbers or texts"),
)


@pytest.mark.parametrize(("content", "message"), MISTAKES)
def test_mistakes_name_file_and_what_is_accepted(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=r"^\S+x\.pkl: .*" + message):
        read(pickled(tmp_path / "x.pkl", content))


def test_places_that_hold_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npy: cannot be read \(No such file"):
        read(tmp_path / "none.npy")
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(DataError, match="is of no kind that is accepted; give a pickle"):
        read(tmp_path / "x.txt")
    (tmp_path / "x.txt").unlink()
    with pytest.raises(DataError, match=r"there are no images \(\.jpeg, \.jpg"):
        read(tmp_path)
    (tmp_path / "wolf").mkdir()
    (tmp_path / "wolf" / "1.png").write_bytes(png(PIXELS[0]))
    with pytest.raises(DataError, match="class: 'wolf' is not known"):
        read(tmp_path)
    (tmp_path / "1.png").write_bytes(png(PIXELS[0]))
    with pytest.raises(DataError, match="holds images beside folders"):
        read(tmp_path)
