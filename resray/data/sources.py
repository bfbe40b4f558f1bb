"""Where images come from: one function opens whatever holds the dataset."""

from pathlib import Path

import torch

from resray.data.cache import cache_home, cached
from resray.data.cifar import cifar_reader, download_cifar, unavailable
from resray.data.dataset import Dataset, Images
from resray.data.embedded import embedded_dataset
from resray.data.image_folder import image_folder_reader
from resray.data.parquet import parquet_file_reader, parquet_reader
from resray.data.raw import Reader
from resray.data.reading import reading
from resray.data.splits import hold_out_test
from resray.data.table import CIFAR
from resray.errors import DataError
from resray.files import require_folder
from resray.study.data_spec import Data, Folder

__all__ = ["Dataset", "Images", "default_folder", "open_dataset"]

TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "folder": "folder"}


def default_folder() -> Path:
    """Return the folder that CIFAR is downloaded to when there is no ``--data-dir``."""
    return cache_home() / "data"


def open_dataset(spec: Data, data_dir: Path | None = None, *, download: bool = True) -> Dataset:
    """Open the dataset that ``spec`` names, decoded, from ``data_dir`` or its usual place.

    ``data_dir`` is the dataset itself (Parquet files, class folders, or torchvision's layout) or a
    folder that holds ``cifar10/`` and ``cifar100/``. Without it, CIFAR comes from `default_folder`
    and is downloaded there first if ``download``. Decoded images are cached on this machine.

    Raises:
        DataError: the dataset is missing, damaged, or has not the classes that its name promises.
    """
    if spec.name == "embedded":
        return embedded_dataset(spec)
    with reading(data_dir or default_folder()):
        reader = _find(spec, data_dir) if data_dir else _default_reader(spec, download)
        fingerprint = reader.fingerprint()
        keys = (fingerprint, f"{fingerprint}-{spec.image_size}")
        entry = cached(keys if spec.image_size else keys[:1], reader.read)
    decoded = entry.decoded
    train, test = decoded.train, decoded.test
    how = [reader.kind, *decoded.formats]
    if not len(test):
        train, test = hold_out_test(train, spec.test_seed)
        how.append("split by resray")
    source, names = f"{TITLES[spec.name]} ({', '.join(how)})", decoded.class_names
    _check_classes(spec.name, train, names, data_dir or default_folder())
    return Dataset(spec.name, source, train, test, names, entry.checksum, decoded.validation)


def _default_reader(spec: Data, may_download: bool) -> Reader:
    if spec.name == "folder":
        wish = "`data: {folder: ./DIR}` in the study file, or --data-dir DIR"
        raise DataError(f"data: folder needs to know where the images are: {wish}")
    root = default_folder()
    if (reader := cifar_reader(spec.name, root)) is not None:
        return reader
    if not may_download:
        raise DataError(unavailable(spec.name, root, f"not found in {root}"))
    download_cifar(spec.name, root)
    reader = cifar_reader(spec.name, root)
    assert reader is not None, "a download that succeeds leaves the folder"
    return reader


def _find(spec: Data, data_dir: Path) -> Reader:
    """Recognise what lies in ``data_dir`` by what is there."""
    own = spec if isinstance(spec, Folder) else None
    option = "data.folder" if own and own.folder else "--data-dir"
    if own and data_dir.suffix == ".parquet" and data_dir.is_file():
        return parquet_file_reader(data_dir, spec.image_size)
    require_folder(data_dir, option)
    own_validation = spec.validation_images is None
    named = data_dir / spec.name
    for folder in [named, data_dir] if named.is_dir() else [data_dir]:
        reader = (
            cifar_reader(spec.name, folder)
            or parquet_reader(folder, spec.image_size)
            or image_folder_reader(folder, spec.image_size, own_validation=own_validation)
        )
        if reader is not None:
            return reader
    cifar = "" if spec.name == "folder" else f", torchvision's layout, or a folder {spec.name}/"
    raise DataError(
        f"{option}: {data_dir} holds no dataset; looked for Parquet (train-*.parquet, "
        "train.parquet or train/0000.parquet; the same with test), "
        f"train/<class>/ and test/<class>/ with images, <class>/ with images{cifar}"
    )


def _check_classes(name: str, train: Images, names: tuple[str, ...], folder: Path) -> None:
    count = len(names)
    expected = CIFAR[name].classes if name in CIFAR else count
    if count != expected:
        raise DataError(f"{folder}: {name} has {expected} classes, but this dataset has {count}")
    for class_name in names:
        if class_name.encode(errors="ignore").decode() != class_name:
            raise DataError(f"{folder}: the class name {class_name!a} is no text")
    present = torch.bincount(train.labels, minlength=count)
    if not bool(present.all()):
        missing = names[int(present.argmin())]
        raise DataError(f"{folder}: class {missing!r} has no training images")
