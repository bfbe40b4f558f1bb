"""The data that this process opened last, kept for its next trial: most trials share theirs.

Opening and splitting CIFAR takes the better part of a second, a trial of a trivial network less.
Nothing that trains on the images changes them.
"""

from dataclasses import dataclass
from pathlib import Path

from resray.data.dataset import Dataset
from resray.data.sources import open_dataset
from resray.data.splits import Splits, prepare
from resray.study.data_spec import Data


@dataclass
class LastOpened:
    """One dataset with its splits, and what it was opened as."""

    key: tuple[str, Path | None, str] | None = None
    data: tuple[Dataset, Splits] | None = None

    def get(self, spec: Data, data_dir: Path | None, checksum: str) -> tuple[Dataset, Splits]:
        """Return the data that ``spec`` names, anew unless it is that of the last call.

        ``checksum`` is what the caller expects, so that data that has changed is opened again; it
        is the caller's to compare. Raises DataError as `open_dataset` and `prepare` do.
        """
        key = (spec.model_dump_json(), data_dir, checksum)
        if self.data is None or self.key != key:
            # Freed first: two datasets need not fit into memory.
            self.key = self.data = None
            dataset = open_dataset(spec, data_dir)
            self.key, self.data = key, (dataset, prepare(dataset, spec))
        return self.data


LAST = LastOpened()
"""This process's own."""
