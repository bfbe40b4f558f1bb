"""What the readers of the single formats have in common."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from resray.data.dataset import Images
from resray.data.decode import Encoded, decode, inspect
from resray.data.reading import readable


@dataclass(frozen=True)
class Decoded:
    """A dataset fresh from its files, or from the cache that stands in for them."""

    train: Images
    test: Images
    class_names: tuple[str, ...]
    formats: tuple[str, ...]
    """Image formats met, e.g. ("JPEG",); empty where pixels were stored as they are."""
    resized: bool
    """Whether images were brought to the recipe's size while decoding."""
    validation: Images | None = None

    @property
    def parts(self) -> list[Images]:
        """All the images, part by part."""
        return [part for part in (self.train, self.test, self.validation) if part is not None]


@dataclass(frozen=True)
class Reader:
    """A recognised dataset that has not been decoded."""

    kind: str
    """How it is stored, for people, e.g. ``Parquet folder``."""
    fingerprint: Callable[[], str]
    """Hash of the files; equal ones decode to the same pixels."""
    read: Callable[[], Decoded]


def fingerprint(paths: Iterable[Path]) -> str:
    """Return the SHA-256 over the contents of all the files."""
    digest = hashlib.sha256()
    for path in paths:
        with readable(path) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def decode_splits(
    splits: Sequence[Sequence[Encoded]],
    labels: Sequence[Sequence[int]],
    class_names: tuple[str, ...],
    image_size: int | None,
) -> Decoded:
    """Decode the images of train, test and perhaps validation, each of one or several parts.

    Without any of test that is left empty. Raises DataError as `inspect` and `decode` do.
    """
    side, formats, uniform = inspect([part for parts in splits for part in parts], image_size)
    train, *others = (
        Images(torch.cat([decode(part, side) for part in parts]), torch.tensor(values))
        for parts, values in zip(splits, labels, strict=True)
    )
    test, validation = [*others, None, None][:2]
    if test is None:
        test = train.select(torch.arange(0))
    return Decoded(train, test, class_names, formats, not uniform, validation)
