"""CIFAR as torchvision downloads it: Python pickles, whose checksums come before their opening."""

from functools import partial
from pathlib import Path
from urllib.error import URLError

import torch
from filelock import FileLock
from torchvision.datasets import CIFAR10, CIFAR100

from resray.data.dataset import Images
from resray.data.raw import Decoded, Reader, fingerprint
from resray.errors import DataError

CLASSES: dict[str, type[CIFAR10]] = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def cifar_reader(name: str, folder: Path) -> Reader | None:
    """Return the reader of ``folder``, or None where torchvision's folder of ``name`` is absent.

    ``folder`` is torchvision's own (``cifar-10-batches-py``) or the one around it.
    """
    if name not in CLASSES:
        return None
    base = CLASSES[name].base_folder
    root = folder.parent if folder.name == base else folder
    if not (root / base).is_dir():
        return None
    files = sorted(path for path in (root / base).iterdir() if path.is_file())
    return Reader("torchvision", partial(fingerprint, files), partial(read_cifar, name, root))


def read_cifar(name: str, root: Path) -> Decoded:
    """Read the pickles below ``root``, whose MD5 sums torchvision checks before it opens them.

    Raises:
        DataError: a file is missing or is not the original.
    """
    try:
        train, test = (CLASSES[name](root, train=split) for split in (True, False))
    except RuntimeError as error:
        place = root / CLASSES[name].base_folder
        raise DataError(
            f"{place}: incomplete, or files that are not the original {name} (checked by MD5); "
            "move it elsewhere, or give a folder that has the dataset with --data-dir"
        ) from error
    return Decoded(_images(train), _images(test), tuple(train.classes), (), resized=False)


def _images(part: CIFAR10) -> Images:
    pixels = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
    return Images(pixels, torch.tensor(part.targets, dtype=torch.int64))


def download_cifar(name: str, root: Path) -> None:
    """Download the dataset into ``root`` with torchvision's progress bar, once at a time.

    Raises:
        DataError: it cannot be had; the message says what to do instead.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{name}.lock"):
            CLASSES[name](root, download=True)
    except (URLError, OSError, RuntimeError) as error:
        raise DataError(unavailable(name, root, f"the download failed ({error})")) from error


def unavailable(name: str, root: Path, reason: str) -> str:
    """Return the message for a dataset that is neither here nor to be had."""
    archive = CLASSES[name].filename
    return (
        f"{name}: {reason}; unpack {archive} into {root}, give a folder that has the dataset "
        "with --data-dir, or try resray on embedded images with --quick"
    )
