"""One trial's checkpoint, and the images that it is evaluated on."""

import os
from functools import cache, cached_property, partial
from pathlib import Path

import torch

from resray.data.dataset import Dataset, Images
from resray.data.foreign import ForeignImages, numbers_that_mislead, read_foreign
from resray.data.sources import open_dataset
from resray.data.splits import tested_images, trained_images
from resray.errors import DataError
from resray.evaluate.asked import Evaluation, checkpoint_path
from resray.results.rows import own_code_of
from resray.results.store import Row
from resray.study.data_spec import Data
from resray.training.prediction import Predictor
from resray.training.predictions import packed, prediction_columns
from resray.training.restore import load_network


class TestSets:
    """Test and training images of trials, and foreign images, each opened once."""

    def __init__(self, asked: Evaluation) -> None:
        self.asked = asked
        self.warnings: set[str] = set()
        self.open = cache(open_dataset)
        self.foreign = cache(self._read)

    def test(self, spec: Data, row: Row) -> Images:
        """Return the test images that a trial was tested on, at its size, or ``--limit`` of them.

        Raises DataError if the dataset is not the one that the trial was trained on.
        """
        return tested_images(self.dataset(spec, row), spec, self._limit(spec.limit_eval))

    def train(self, spec: Data, row: Row) -> Images:
        """Return the images that a trial was trained on, at its size, or ``--limit`` of them.

        Raises DataError if the dataset is not the one that the trial was trained on.
        """
        dataset, limit = self.dataset(spec, row), self._limit(spec.limit_train)
        return trained_images(dataset, spec, limit, row["seed"])

    def _limit(self, own: int | None) -> int | None:
        return min((each for each in (own, self.asked.limit) if each is not None), default=None)

    def dataset(self, spec: Data, row: Row) -> Dataset:
        """Return a trial's dataset; DataError if it is not the one that it was trained on."""
        own = row.get("data_dir") if spec.name == "folder" else None
        dataset = self.open(spec, self.asked.data_dir or (own and Path(own)))
        if dataset.checksum != row["dataset_checksum"]:
            raise DataError(
                f"{dataset.source}: checksum {dataset.checksum[:12]} is not that of the data that "
                f"{row['name']} was trained on ({str(row['dataset_checksum'])[:12]}); give its own "
                "with --data-dir"
            )
        return dataset

    def _read(self, names: tuple[str, ...], size: int) -> ForeignImages:
        """Return the images of ``--input`` at a network's size.

        Raises DataError if they cannot be read, or do not fit the network's classes.
        """
        path, order = self.asked.input, self.asked.order
        assert path is not None, "wanted_kinds asks for it"
        found = read_foreign(path, class_names=names, image_size=size, order=order)
        if found.numbered and (warning := numbers_that_mislead(names)):
            self.warnings.add(warning)
        return found.resized(size)


class Subject:
    """A checkpoint under evaluation."""

    def __init__(self, row: Row, asked: Evaluation, sets: TestSets, device: torch.device) -> None:
        self.row, self.asked, self.sets, self.device = row, asked, sets, device
        self.path = checkpoint_path(asked, row)
        self.load = partial(
            load_network, self.path, trusted=asked.trusted, own_code=own_code_of(row)
        )
        restored = self.load()
        self.epoch, self.recipe = restored.epoch, restored.recipe
        self.class_names, self.image_size = restored.class_names, restored.image_size
        self.predictor = Predictor(restored, device, asked.batch_size)

    @cached_property
    def predictor(self) -> Predictor:
        """The network on the device, loaded again if it was released."""
        return Predictor(self.load(), self.device, self.asked.batch_size)

    def release(self) -> None:
        """Let the network go; what was computed with it stays."""
        del self.predictor

    def identity(self, device: str) -> Row:
        """Return the columns that all rows of its evaluations share."""
        columns = ("trial_id", "study", "name", "seed", "dataset_checksum")
        checkpoint = f"{self.path.name}@{self.epoch}"
        own = {"members": None, "checkpoint": checkpoint, "epoch": self.epoch}
        return {**{key: self.row[key] for key in columns}, **own, "device": device}

    @cached_property
    def test(self) -> Images:
        """The test images."""
        return self.sets.test(self.recipe.data, self.row)

    def predictions(self, device: str) -> Row:
        """Return its row of the predictions table."""
        identity = {key: self.row[key] for key in ("trial_id", "study", "name", "seed")}
        predicted = packed(self.probabilities.argmax(1), len(self.class_names))
        dataset = self.sets.dataset(self.recipe.data, self.row)
        columns = prediction_columns(predicted, self.epoch, dataset, self.recipe.data)
        return {**identity, **columns, "device": device}

    @property
    def train(self) -> Images:
        """The training images: not kept, as they are many and each trial may have its own."""
        return self.sets.train(self.recipe.data, self.row)

    @cached_property
    def foreign(self) -> ForeignImages:
        """The images of ``--input``."""
        return self.sets.foreign(self.class_names, self.image_size)

    @property
    def foreign_name(self) -> str:
        """What these are called in the results: the file's or folder's name."""
        assert self.asked.input is not None
        # A name of the file system may hold what is no text.
        return os.fsencode(self.asked.input.resolve().name).decode(errors="backslashreplace")

    @cached_property
    def probabilities(self) -> torch.Tensor:
        """Those of the test images, float64 (n, classes)."""
        return self.predictor.probabilities(self.test.images)
