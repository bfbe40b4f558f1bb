"""The epoch rows of many trials: one trial's as a DataFrame, one column of many as an array."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from resray.analysis.statistics import LARGEST


class EpochTable(Mapping[str, pd.DataFrame]):
    """Epoch rows by trial id, in order of epoch, each epoch once.

    ``table[trial_id]`` is a DataFrame: 0.1 ms to make, and more for each thing done with it. What
    looks at every trial takes `arrays`, which gives one column of many trials at once.
    """

    def __init__(self, rows: "EpochRows", trial_ids: Collection[str] | None = None) -> None:
        self._rows = rows
        self._places = {
            one: place
            for one, place in rows.places.items()
            if trial_ids is None or one in trial_ids
        }

    def __getitem__(self, trial_id: str) -> pd.DataFrame:
        start, end = self._places[trial_id]
        return self._rows.frame.iloc[start:end]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, trial_id: object) -> bool:
        return trial_id in self._places

    def of(self, trial_ids: Collection[str]) -> "EpochTable":
        """Return the table of those of these trials that it holds."""
        return EpochTable(self._rows, self._places.keys() & set(trial_ids))

    @property
    def frame(self) -> pd.DataFrame:
        """All rows and columns, by trial id and epoch, also of trials that the table leaves out."""
        return self._rows.frame

    @cached_property
    def numbers(self) -> np.ndarray:
        """The numbers of all recorded epochs, ascending: mostly 1 to the longest trial's length.

        They are the columns of what `arrays` and `codes` return.
        """
        epochs = self._rows.numeric("epoch")
        found = [np.unique(epochs[start:end]) for start, end in self._places.values()]
        known = np.unique(np.concatenate([*found, []]))
        return known[np.isfinite(known)].astype(np.int64)

    @cached_property
    def _grid(self) -> dict[str, np.ndarray]:
        """For each trial, where its row of each of `numbers` stands, -1 where it has none."""
        epochs = self._rows.numeric("epoch")
        grid = np.full((len(self), len(self.numbers)), -1)
        for line, (start, end) in zip(grid, self._places.values(), strict=True):
            rows = start + np.flatnonzero(np.isfinite(epochs[start:end]))
            line[np.searchsorted(self.numbers, epochs[rows])] = rows
        return dict(zip(self._places, grid, strict=True))

    def lengths(self, trial_ids: Collection[str]) -> np.ndarray:
        """Return how many epochs each trial recorded, 0 for one that the table does not hold."""
        places = [self._places.get(one, (0, 0)) for one in trial_ids]
        return np.array([end - start for start, end in places], dtype=np.int64)

    def arrays(self, column: str, trial_ids: Collection[str]) -> np.ndarray:
        """Return a numeric column as floats: one row per trial, one column per epoch of `numbers`.

        NaN stands where a trial has no such epoch, the value was not measured or is too large to be
        a measurement; infinite values stay. Raises KeyError if the table has no such column.
        """
        return self._spread(self._rows.numeric(column), trial_ids, np.nan)

    def codes(self, column: str, trial_ids: Collection[str]) -> tuple[np.ndarray, list[str]]:
        """Return a text column in the shape of `arrays`, each text as its place in a list of all
        different ones, and that list.

        -1 stands where a trial has no such epoch or the text is missing.
        """
        codes, texts = self._rows.coded(column)
        return self._spread(codes, trial_ids, -1), texts

    def _spread(self, values: np.ndarray, trial_ids: Collection[str], missing: float) -> np.ndarray:
        nowhere = np.full(len(self.numbers), -1)
        lines = [self._grid.get(one, nowhere) for one in trial_ids]
        places = np.array(lines, dtype=np.int64).reshape(len(lines), len(nowhere))
        return np.append(values, np.array(missing, values.dtype))[places]


class EpochRows:
    """The sorted rows behind one or more tables; a column is converted when first asked for."""

    def __init__(self, unsorted: pa.Table) -> None:
        self._rows = in_order(unsorted)
        self._numeric: dict[str, np.ndarray] = {}

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Where each trial's rows start and end."""
        codes, trial_ids = self.coded("trial_id")
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        ends = np.append(starts, len(codes))[1:]
        owners = (trial_ids[code] for code in codes[starts])
        return dict(zip(owners, zip(starts.tolist(), ends.tolist(), strict=True), strict=True))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All rows and columns."""
        return self._rows.to_pandas()

    def numeric(self, column: str) -> np.ndarray:
        """Return a column of numbers as floats, NaN where one is missing or cannot be squared, 0
        where its square would be."""
        if column not in self._numeric:
            values = self._rows[column].cast(pa.float64(), safe=False)
            numbers = pc.fill_null(values, np.nan).to_numpy()
            sizes = np.abs(numbers)
            numbers = np.where(np.isfinite(numbers) & (sizes >= LARGEST), np.nan, numbers)
            self._numeric[column] = np.where(sizes < 1 / LARGEST, 0.0, numbers)
        return self._numeric[column]

    def coded(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Return each row's place in a list of a column's different texts, -1 for none, and it."""
        return coded(self._rows[column])


def coded(texts: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return each text's place among the different ones, -1 if it is missing, and these."""
    known = texts.unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(known.type):
        known = known.dictionary_encode()
    codes = pc.fill_null(known.indices, -1).to_numpy(zero_copy_only=False)
    return codes, known.dictionary.to_pylist()


def in_order(rows: pa.Table) -> pa.Table:
    """Return rows by trial id, then by epoch; of an epoch's several the last, of no trial none."""
    codes, trial_ids = coded(rows["trial_id"])
    ranks = np.append(np.argsort(np.argsort(np.array(trial_ids, dtype=object))), -1)[codes]
    epochs = pc.fill_null(rows["epoch"].cast(pa.float64(), safe=False), np.inf).to_numpy()
    order = np.lexsort((epochs, ranks))
    ranks, epochs = ranks[order], epochs[order]
    repeated = (ranks[:-1] == ranks[1:]) & (epochs[:-1] == epochs[1:])
    chosen = order[~np.append(repeated, False)[: len(order)] & (ranks >= 0)]
    already = len(chosen) == len(rows) and bool((np.diff(chosen) == 1).all())
    return rows if already else rows.take(chosen)
