"""Pictures of the test images that most networks of a study miss, kept beside its predictions."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from torchvision.io import encode_png

from resray.data.dataset import Dataset, Images
from resray.data.splits import limited_test, resize
from resray.results.predictions import put_thumbnails, read_predictions, times_missed
from resray.results.rows import recorded_recipe
from resray.results.store import ResultStore, Row
from resray.study.data_spec import Data

MOST = 50
"""Pictures of one set of test images."""
SIDE = 64
"""Pixels of their longer side at most."""


def keep_thumbnails(
    store: ResultStore, trials: Iterable[Row], dataset_of: Callable[[Data, Row], Dataset]
) -> None:
    """Draw the most missed of the test images that these trials, rows of the table, predicted.

    All trials that predicted the same images count. ``dataset_of`` gives the dataset of a row.
    """
    rows = {row["trial_id"]: row for row in trials}
    for checksum, predictions in read_predictions(store.folder).groupby("test_checksum"):
        of_these = [rows[each] for each in predictions["trial_id"] if each in rows]
        recipe = recorded_recipe(of_these[0]) if of_these else None
        if recipe is not None:
            data = recipe.data
            images = limited_test(dataset_of(data, of_these[0]), data, data.limit_eval)
            put_thumbnails(store.storage, most_missed(images, predictions), str(checksum))


def most_missed(images: Images, predictions: pd.DataFrame) -> list[Row]:
    """Return rows of the images that most networks miss, the most missed first, then in order."""
    missed = times_missed(predictions)
    chosen = [int(each) for each in np.argsort(-missed, kind="stable")[:MOST] if missed[each]]
    names = predictions["class_names"].iloc[0]
    shared = {
        "test_checksum": predictions["test_checksum"].iloc[0],
        "networks": len(predictions),
    }
    return [
        {
            **shared,
            "image": each,
            "label": names[int(images.labels[each])],
            "missed": int(missed[each]),
            "png": png_of(images, each),
        }
        for each in chosen
    ]


def png_of(images: Images, index: int) -> bytes:
    """Return one image as a PNG, made smaller where it is larger than `SIDE`."""
    image = Images(images.images[index : index + 1], images.labels[index : index + 1])
    small = resize(image, SIDE if max(image.images.shape[-2:]) > SIDE else None)
    return bytes(encode_png(small.images[0]).numpy())
