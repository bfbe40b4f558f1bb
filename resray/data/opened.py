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
    """One dataset with its splits, and what it was opened as and split by."""

    key: tuple[str, Path | None, str] | None = None
    dataset: Dataset | None = None
    seed: int | None = None
    splits: Splits | None = None

    def get(
        self, spec: Data, data_dir: Path | None, checksum: str, trial_seed: int
    ) -> tuple[Dataset, Splits]:
        """Return the data that ``spec`` names, opened or split anew unless the last call was so.

        ``checksum`` is what the caller expects, so that data that has changed is opened again; it
        is the caller's to compare. Raises DataError as `open_dataset` and `prepare` do.
        """
        key, seed = (spec.model_dump_json(), data_dir, checksum), spec.train_seed(trial_seed)
        # Freed first, here as below: two datasets need not fit into memory.
        if self.dataset is None or self.key != key:
            self.key = self.dataset = self.splits = None
            self.dataset, self.key = open_dataset(spec, data_dir), key
        if self.splits is None or self.seed != seed:
            self.splits = None
            self.splits, self.seed = prepare(self.dataset, spec, trial_seed), seed
        return self.dataset, self.splits


LAST = LastOpened()
"""This process's own."""
