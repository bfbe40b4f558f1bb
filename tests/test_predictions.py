"""What the chosen epoch predicts of each test image: made once, stored, read, made up for."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.io import decode_png

from resray.data.dataset import Dataset, Images, checksum
from resray.data.sources import open_dataset
from resray.data.splits import limited_test
from resray.errors import InputError
from resray.evaluate.thumbnails import MOST, SIDE, most_missed
from resray.results.predictions import read_predictions, read_thumbnails
from resray.results.store import ResultStore, read_table
from resray.training.checkpoint_file import read_checkpoint
from resray.training.checkpoints import write_checkpoint
from resray.training.predictions import packed, prediction_columns
from tests import trained_study
from tests.test_evaluate import run
from tests.test_recorder import done, finished, recorder, started
from tests.trained_study import TRIALS, train_study
from tests.training_case import DATA, job_of, messages_of, tiny_recipe

RECIPE = tiny_recipe(epochs=4, optimizer={"lr": 0.1})
"""Its second epoch of four is the best by validation."""
BEST = 2


def told(folder: Path, **changes: Any) -> dict[str, Any]:
    """Run the trial and return the predictions that it tells at its end."""
    message = messages_of(job_of(RECIPE, folder, **changes))[-1]
    assert message["kind"] == "finished"
    found: dict[str, Any] = json.loads(json.dumps(message["predictions"]))
    return found


def accuracy(row: Any) -> float:
    return float(100 * (row["predicted"] == row["labels"]).sum() / row["images"])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return told(tmp_path_factory.mktemp("unbroken"))


def test_a_trial_tells_what_its_chosen_epoch_predicted(tmp_path: Path) -> None:
    messages = messages_of(job_of(RECIPE, tmp_path))
    records, found = [each["record"] for each in messages[1:-1]], messages[-1]["predictions"]
    predicted, labels = (
        np.frombuffer(base64.b64decode(found[key]), np.uint8) for key in ("predicted", "labels")
    )
    test = limited_test(open_dataset(RECIPE.data), RECIPE.data, None)
    assert labels.tolist() == test.labels.tolist()
    assert found["test_checksum"] == checksum(test)
    assert (found["epoch"], found["images"]) == (BEST, len(test))
    accuracies = [record["test_accuracy"] for record in records]
    assert 100 * (predicted == labels).sum() / len(test) == accuracies[BEST - 1]
    assert accuracies[BEST - 1] not in (accuracies[0], *accuracies[BEST:]), "of no other epoch"
    best, last = (read_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert best is not None
    assert last is not None
    assert ("predicted" in best, "predicted" in last) == (False, True)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_training_that_goes_on_tells_the_same(
    tmp_path: Path, unbroken: dict[str, Any], stop_after: int
) -> None:
    assert told(tmp_path, stop_after=stop_after)["epoch"] == min(stop_after, BEST)
    assert told(tmp_path) == unbroken
    assert told(tmp_path) == unbroken, "whoever missed the message is told again"


def test_the_checkpoint_of_an_older_resray_goes_on_without(
    tmp_path: Path, unbroken: dict[str, Any]
) -> None:
    for stop_after, expected in ((1, unbroken), (3, None)):
        folder = tmp_path / str(stop_after)
        told(folder, stop_after=stop_after)
        content = read_checkpoint(folder / "last.pt")
        assert content is not None
        del content["predicted"]
        write_checkpoint(folder / "last.pt", content)
        assert told(folder) == expected


def test_a_trial_that_leaves_test_alone_tells_nothing(tmp_path: Path) -> None:
    assert told(tmp_path, evaluate_test=False) is None


def test_images_between_two_evaluations_are_not_chosen(tmp_path: Path) -> None:
    """Where no split selects, the last epoch is the best one, whether it was tested or not."""
    data = {**DATA, "validation_images": 0}
    recipe = tiny_recipe(data=data, epochs=3, evaluate_every=2)
    found = messages_of(job_of(recipe, tmp_path))[-1]["predictions"]
    assert found["epoch"] == 3


def test_the_recorder_stores_those_of_the_best_epoch_alone(
    tmp_path: Path, unbroken: dict[str, Any]
) -> None:
    pen = recorder(tmp_path, "a", "b", "c")
    for trial_id, epoch in (("a", 4), ("b", 3), ("c", None)):
        pen.message(trial_id, started())
        for number in range(1, 5):
            pen.message(trial_id, done(number))
        predictions = unbroken | {"epoch": epoch} if epoch else None
        pen.message(trial_id, finished(predictions=predictions))
    assert not (tmp_path / "predictions").exists(), "what is put is written with the rest"
    pen.store.flush()
    (row,) = pd.read_parquet(tmp_path / "predictions").to_dict("records")
    assert (row["trial_id"], row["name"], row["kind"], row["epoch"]) == ("a", "A", "test", 4)
    assert row["predicted"] == base64.b64decode(unbroken["predicted"])
    assert row["device"] == "cpu"
    frame = read_predictions(tmp_path)
    assert frame["predicted"][0].dtype == frame["labels"][0].dtype == np.uint8
    assert frame["predicted"][0].tolist() == [*row["predicted"]]
    assert frame["class_names"][0] == [f"pattern {label}" for label in range(4)]
    assert ResultStore(tmp_path).predicted_epochs() == {"a": 4}
    pen.store.forget(["a"])
    assert read_predictions(tmp_path).empty


def test_predictions_of_a_trial_that_went_on_take_the_place_of_earlier_ones(
    tmp_path: Path,
) -> None:
    for epoch in (2, 7):
        store = ResultStore(tmp_path)
        store.put_predictions({"trial_id": "a", "kind": "test", "epoch": epoch})
        store.flush()
    assert ResultStore(tmp_path).predicted_epochs() == {"a": 7}
    store.compact()
    assert pd.read_parquet(tmp_path / "predictions")["epoch"].tolist() == [7]


@pytest.mark.parametrize(("classes", "kind"), [(256, "u1"), (257, "u2"), (40_000, "u4")])
def test_many_classes_take_more_bytes(tmp_path: Path, classes: int, kind: str) -> None:
    labels = torch.tensor([0, 255, classes - 1])
    images = Images(torch.zeros(3, 3, 2, 2, dtype=torch.uint8), labels)
    names = tuple(map(str, range(classes)))
    dataset = Dataset("folder", "a test", images, images, names, "c0ffee")
    spec = tiny_recipe(data={"name": "folder"}).data
    predicted = packed(labels.flip(0), classes)
    store = ResultStore(tmp_path)
    columns = prediction_columns(predicted, 1, dataset, spec)
    store.put_predictions({"trial_id": "a", **columns})
    store.flush()
    frame = read_predictions(tmp_path)
    assert frame["labels"][0].tolist() == labels.tolist()
    assert frame["predicted"][0].tolist() == labels.tolist()[::-1]
    assert frame["predicted"][0].dtype == np.dtype(kind)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"images": 4}, "predicted: 3 bytes for 4 images"),
        ({"images": 0}, "3 bytes for 0 images"),
        ({"images": None}, "3 bytes for nan images"),
        ({"predicted": None}, "0 bytes for 3 images"),
        ({"labels": b"\0\1\2"}, "labels: class 2 of 2"),
        ({"class_names": "["}, "class 1 of 0"),
    ],
)
def test_rows_that_nobody_wrote_are_one_line(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    row = {"trial_id": "a", "images": 3, "predicted": b"\0\1\0", "labels": b"\1\1\0",
           "class_names": '["cat", "dog"]'}  # fmt: skip
    store = ResultStore(tmp_path)
    store.put_predictions({**row, **changes})
    store.flush()
    with pytest.raises(InputError, match=rf"predictions: .*{text}.*evaluate --kind test --force"):
        read_predictions(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results as an older resray left them: checkpoints, and nothing predicted."""
    return train_study(tmp_path_factory.mktemp("trained") / "tiny")


@pytest.fixture
def results(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "tiny"))


def test_evaluating_the_test_set_stores_what_older_results_lack(results: Path) -> None:
    run(results, "calibration")
    run(results, "test", limit=8)
    assert read_predictions(results).empty
    run(results, "test")
    frame = read_predictions(results)
    assert sorted(zip(frame["name"], frame["seed"], strict=True)) == sorted(TRIALS)
    accuracies = read_table(results, "trials").set_index("trial_id")["test_accuracy"]
    assert frame.set_index("trial_id").apply(accuracy, axis=1).to_dict() == accuracies.to_dict()
    assert frame["test_checksum"].nunique() == 1
    run(results, "test")
    pd.testing.assert_series_equal(read_predictions(results)["recorded"], frame["recorded"])
    run(results, "test", force=True)
    assert (read_predictions(results)["recorded"] > frame["recorded"]).all()


def test_the_most_missed_images_are_drawn(results: Path) -> None:
    run(results, "test")
    frame, pictures = read_predictions(results), read_thumbnails(results)
    wrong = [frame["predicted"][row] != frame["labels"][row] for row in range(len(TRIALS))]
    missed = np.sum(wrong, axis=0)
    order = sorted(range(len(missed)), key=lambda image: (-missed[image], image))
    assert (missed > 0).sum() == MOST + 1
    assert pictures["image"].tolist() == order[:MOST]
    assert pictures["missed"].tolist() == missed[order[:MOST]].tolist()
    spec = trained_study.tiny_recipe().data
    test = limited_test(open_dataset(spec), spec, None)
    first = pictures.iloc[0]
    drawn = decode_png(torch.frombuffer(bytearray(first["png"]), dtype=torch.uint8))
    assert torch.equal(drawn, test.images[first["image"]])
    assert first["label"] == f"pattern {test.labels[first['image']]}"
    assert first["networks"] == len(TRIALS)
    (path,) = (results / "thumbnails").iterdir()
    assert len(pd.read_parquet(results / "thumbnails")) == len(pictures)
    path.write_bytes(path.read_bytes()[:-9])
    assert read_thumbnails(results).empty
    run(results, "test")
    pd.testing.assert_frame_equal(read_thumbnails(results), pictures)


def test_large_images_are_drawn_small_and_never_more_than_fifty() -> None:
    labels = torch.zeros(60, dtype=torch.int64)
    images = Images(torch.zeros(60, 3, 96, 80, dtype=torch.uint8), labels)
    wrong = np.arange(60) < 55
    networks = pd.DataFrame(
        {
            "predicted": [wrong.astype(np.uint8)],
            "labels": [labels.numpy().astype(np.uint8)],
            "class_names": [["cat", "dog"]],
            "test_checksum": ["c0ffee"],
        }
    )
    rows = most_missed(images, networks)
    assert [row["image"] for row in rows] == [*range(50)]
    picture = decode_png(torch.frombuffer(bytearray(rows[0]["png"]), dtype=torch.uint8))
    assert picture.shape == (3, SIDE, SIDE)
