"""Evaluations of stored checkpoints: what each kind means, and that nothing is measured twice."""

import io
import json
import math
import os
import pickle
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from torch import nn

from resray.data.corruptions import CONDITIONS, corrupt
from resray.data.dataset import Images
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.errors import DataError, InputError
from resray.evaluate import KINDS, Evaluated, Evaluation, run_evaluation
from resray.results.lock import writer_lock
from resray.results.store import ResultStore, read_table
from resray.training.prediction import Predictor, ensemble, view_of
from resray.training.restore import Restored, load_network
from resray.training.scores import (
    brier_score,
    calibration,
    class_accuracies,
    debiased_calibration_error,
    scores,
)
from tests.table_files import drop_trial
from tests.trained_study import TRIALS, tiny_recipe, train_study, train_trial


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_study(tmp_path_factory.mktemp("trained") / "tiny")


@pytest.fixture
def results(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may write to."""
    return Path(shutil.copytree(trained, tmp_path / "tiny"))


def run(results: Path, *kinds: str, **options: Any) -> Evaluated:
    return run_evaluation(
        Evaluation(results, kinds=kinds or ("all",), **options), Console(file=io.StringIO())
    )


def table(results: Path, **columns: str) -> pd.DataFrame:
    found = read_table(results, "evaluations")
    for column, value in columns.items():
        found = found[found[column] == value]
    return found.reset_index(drop=True)


def identity(results: Path, name: str, seed: int = 0) -> str:
    trials = read_table(results, "trials")
    return str(trials[(trials["name"] == name) & (trials["seed"] == seed)]["trial_id"].item())


def restored(results: Path, name: str, seed: int = 0) -> Restored:
    return load_network(results / "checkpoints" / identity(results, name, seed) / "best.pt")


def predictor(results: Path, name: str, seed: int = 0) -> Predictor:
    return Predictor(restored(results, name, seed), torch.device("cpu"), batch_size=7)


def test_images() -> Images:
    data = tiny_recipe().data
    return prepare(open_dataset(data), data).test


test_images.__test__ = False  # type: ignore[attr-defined]


def test_the_test_set_gives_what_training_recorded(results: Path) -> None:
    run(results, "test")
    epochs = read_table(results, "epochs").set_index(["name", "seed"])
    found = table(results, kind="test")
    whole = found[found["class"].isna()].pivot(index=["name", "seed"], columns="metric")["value"]
    assert len(whole) == len(TRIALS)
    assert whole["accuracy"].to_dict() == epochs["test_accuracy"].to_dict()
    assert whole["loss"].to_dict() == pytest.approx(epochs["test_loss"].to_dict(), rel=1e-6)
    classes = found[found["class"].notna() & (found["name"] == "wide")]
    classes = classes[classes["metric"] == "accuracy"]
    assert list(classes["class"]) == [f"pattern {label}" for label in range(4)]
    assert classes["images"].sum() == len(test_images())
    mean = (classes["value"] * classes["images"]).sum() / classes["images"].sum()
    assert mean == pytest.approx(whole["accuracy"]["wide", 0])


def test_the_training_images_as_they_are(results: Path) -> None:
    shown = run(results, "train", select=("wide",)).results
    assert [(one.kind, one.images, one.new) for one in shown] == [("train", 300, True)]
    data = tiny_recipe().data
    images = prepare(open_dataset(data), data).train
    expected = scores(predictor(results, "wide").probabilities(images.images), images.labels)
    assert table(results, kind="train").set_index("metric")["value"].to_dict() == expected
    assert not run(results, "train", select=("wide",)).results[0].new
    limited = run(results, "train", select=("narrow",), seeds=(1,), limit=40).results[0]
    assert limited.images == 40


def test_each_trials_own_split_is_evaluated(results: Path) -> None:
    data = {**tiny_recipe().data.model_dump(exclude_none=True), "split_seed": "trial"}
    recipe = tiny_recipe(data=data, optimizer={"lr": 0.2})
    for seed in (3, 4):
        train_trial(results, "own", recipe, seed)
        images = prepare(open_dataset(recipe.data), recipe.data, seed).train
        run(results, "train", "test", select=("own",), seeds=(seed,))
        network = predictor(results, "own", seed)
        expected = scores(network.probabilities(images.images), images.labels)
        rows = table(results, kind="train").query("seed == @seed").set_index("metric")
        assert rows["value"].to_dict() == expected
        tested = table(results, kind="test", metric="accuracy").query("seed == @seed")
        recorded = read_table(results, "epochs").query("name == 'own' and seed == @seed")
        whole = tested[tested["class"].isna()]["value"].item()
        assert whole == recorded["test_accuracy"].item(), "tested on the same images as ever"


def cells(results: Path, name: str) -> pd.DataFrame:
    """The stored confusion matrix, true classes by predicted ones."""
    found = table(results, kind="test", metric="count", name=name)
    return found.pivot(index="class", columns="condition", values="value").fillna(0)


def test_the_confusion_matrix_counts_what_was_taken_for_what(results: Path) -> None:
    run(results, "test", select=("wide",))
    images, names = test_images(), restored(results, "wide").class_names
    predicted = predictor(results, "wide").probabilities(images.images).argmax(1)
    pairs = zip(images.labels.tolist(), predicted.tolist(), strict=True)
    expected = Counter((names[label], names[taken]) for label, taken in pairs)
    found = table(results, metric="count")
    stored = zip(found["class"], found["condition"], strict=True)
    assert dict(zip(stored, found["value"], strict=True)) == expected, "no cell without an image"
    whole = found.groupby("class")["value"].sum()
    assert found.set_index("class")["images"].to_dict() == whole.to_dict()


def test_results_without_counts_are_counted(results: Path) -> None:
    """As an earlier version left them: accuracies known, nothing counted."""
    run(results, "test", select=("wide",))
    store, one = ResultStore(results), identity(results, "wide")
    counted, rows = cells(results, "wide"), store.evaluations(one)
    drop_trial(results, "evaluations", one)
    store.put_evaluations(one, [row for row in rows if row["metric"] != "count"])
    again = run(results, "test", select=("wide",))
    assert not any(shown.new for shown in again.results)
    pd.testing.assert_frame_equal(cells(results, "wide"), counted)


def test_cells_that_were_counted_wrongly_are_emptied(results: Path) -> None:
    run(results, "test", select=("wide",), limit=12)
    assert cells(results, "wide").to_numpy().sum() == 12
    store, one = ResultStore(results), identity(results, "wide")
    cell = next(row for row in store.evaluations(one) if row["metric"] == "count")
    store.put_evaluations(one, [{**cell, "class": "none such"}])
    run(results, "test", select=("wide",), limit=12, force=True)
    counted = cells(results, "wide")
    assert counted.to_numpy().sum() == 12
    assert (counted.loc["none such"] == 0).all()
    run(results, "test", select=("wide",))
    assert cells(results, "wide").to_numpy().sum() == len(test_images())


def test_rows_say_what_was_evaluated_on_what(results: Path) -> None:
    run(results, "calibration", select=("wide",))
    rows = table(results)
    trial = ResultStore(results).trial(identity(results, "wide"))
    assert trial is not None
    metrics = {"calibration_error", "calibration_error_debiased", "brier_score", "confidence"}
    assert set(rows["metric"]) == metrics
    row = rows.iloc[0]
    assert (row["study"], row["name"], row["seed"], row["epoch"]) == ("tiny", "wide", 0, 1)
    assert row["checkpoint"] == "best.pt@1"
    assert row["dataset_checksum"] == trial["dataset_checksum"]
    assert row["images"] == len(test_images())
    assert row["device"]
    assert rows[["members", "condition", "class"]].isna().all(axis=None)


def test_views_are_the_image_shifted_and_mirrored() -> None:
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    image[..., 10, 20] = 255
    places = [tuple(view_of(image, view)[0, 0].nonzero()[0].tolist()) for view in range(10)]
    assert places[:5] == [(10, 20), (14, 24), (14, 16), (6, 24), (6, 16)]
    assert places[5:] == [(row, 31 - column) for row, column in places[:5]]
    assert all(view_of(image, view).shape == image.shape for view in range(10))


def test_views_are_averaged(results: Path) -> None:
    run(results, "tta", select=("wide",))
    images, network = test_images(), predictor(results, "wide")
    for count in (5, 10):
        views = [network.probabilities(view_of(images.images, view)) for view in range(count)]
        expected = scores(sum(views) / count, images.labels)  # type: ignore[arg-type]
        found = table(results, kind="tta", condition=f"{count} views").set_index("metric")["value"]
        assert found.to_dict() == pytest.approx(expected)
    assert len(table(results)) == 4


class BlindToSides(nn.Module):
    """Sees an image and its mirror image alike."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images) + self.network(images.flip(3))


def test_mirror_images_tell_a_network_that_is_blind_to_sides_nothing(results: Path) -> None:
    network = predictor(results, "wide")
    network.network = BlindToSides(network.network).eval()
    images = test_images().images
    ten, five = (network.probabilities(images, views) for views in (10, 5))
    torch.testing.assert_close(ten, five, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(five, network.probabilities(images), rtol=1e-5, atol=1e-6)


def test_the_corruption_suite_and_its_mean(results: Path) -> None:
    run(results, "corruptions", select=("narrow",), seeds=(0,), limit=24)
    rows = table(results, kind="corruptions")
    conditions = [f"{kind} {severity}" for kind, severity in CONDITIONS]
    assert list(rows["condition"]) == [*conditions, "mean"]
    assert set(rows["images"]) == {24}
    values = rows.set_index("condition")["value"]
    assert values["mean"] == pytest.approx(values[conditions].mean())
    data = tiny_recipe().data.model_copy(update={"limit_eval": 24})
    images = prepare(open_dataset(data), data).test
    found = predictor(results, "narrow").probabilities(corrupt(images.images, "noise", 5))
    assert values["noise 5"] == scores(found, images.labels)["accuracy"]


def test_ensembles_over_seeds(results: Path) -> None:
    shown = run(results, "ensemble").results
    assert [one.condition for one in shown] == ["2 members"]
    rows = table(results, kind="ensemble")
    members = [identity(results, "narrow", seed) for seed in (0, 1)]
    assert [json.loads(text) for text in rows["members"]] == [members, members]
    assert set(rows["name"]) == {"narrow"}
    assert set(rows["checkpoint"]) == {"best.pt@1,1"}
    assert rows[["seed", "epoch"]].isna().all(axis=None)
    images = test_images()
    both = [predictor(results, "narrow", seed).probabilities(images.images) for seed in (0, 1)]
    expected = scores((both[0] + both[1]) / 2, images.labels)
    assert rows.set_index("metric")["value"].to_dict() == pytest.approx(expected)


def test_ensembles_are_of_one_code(results: Path) -> None:
    """One seed of a recipe was trained anew after a change of its code, or by a newer resray."""
    changed = {"trial_id": identity(results, "narrow", 1), "implementation": "2"}
    store = ResultStore(results)
    store.put_trial(changed)
    store.flush()
    assert run(results, "ensemble").results == ()


def test_ensembles_over_trials(results: Path) -> None:
    shown = run(results, "ensemble", seeds=(0,), ensemble=True).results
    assert [one.identity["name"] for one in shown] == ["narrow + wide"]
    assert run(results, "ensemble", seeds=(0,)).results == ()
    with pytest.raises(InputError, match="--ensemble: needs at least two trials"):
        run(results, "ensemble", select=("wide",), ensemble=True)


def test_equal_members_are_no_better_than_one(results: Path) -> None:
    network, images = predictor(results, "wide"), test_images().images
    alone = network.probabilities(images)
    torch.testing.assert_close(ensemble([network] * 3, lambda size: images), alone)


def test_nothing_is_measured_twice_for_one_checkpoint(results: Path) -> None:
    """All kinds at once; what the second call finds is what the first one wrote."""
    first = run(results, select=("wide",), limit=12)
    rows = table(results)
    assert {one.kind for one in first.results} == set(KINDS) - {"foreign", "ensemble"}
    assert all(one.new for one in first.results)
    again = run(results, select=("wide",), limit=12)
    assert not any(one.new for one in again.results)
    assert [one.values for one in again.results] == [one.values for one in first.results]
    pd.testing.assert_frame_equal(table(results), rows)
    fewer = run(results, "test", select=("wide",), limit=5)
    assert [(one.new, one.images) for one in fewer.results] == [(False, 12)]
    more = run(results, "test", select=("wide",))
    assert [one.new for one in more.results] == [True]
    assert set(table(results, kind="test")["images"]) >= {len(test_images())}
    rows = table(results)
    forced = run(results, "calibration", select=("wide",), limit=12, force=True)
    assert forced.results[0].new
    assert len(table(results)) == len(rows), "new values take the place of the old ones"


def test_a_broken_off_suite_goes_on(results: Path) -> None:
    run(results, "corruptions", select=("wide",), limit=8)
    store = ResultStore(results)
    rows = store.evaluations(identity(results, "wide"))
    drop_trial(results, "evaluations", identity(results, "wide"))
    kept = [{**row, "value": 50.0} for row in rows[:20]]
    store.put_evaluations(identity(results, "wide"), kept)
    run(results, "corruptions", select=("wide",), limit=8)
    values = table(results).set_index("condition")["value"]
    assert (values.iloc[:20] == 50.0).all()
    assert values["mean"] == pytest.approx(values.iloc[:30].mean())


def test_another_epochs_checkpoint_is_another_value(results: Path) -> None:
    folder = results / "checkpoints" / identity(results, "wide")
    checkpoint = torch.load(folder / "best.pt", weights_only=True)
    torch.save({**checkpoint, "epoch": 7}, folder / "epoch-0007.pt")
    found = run(results, "calibration", checkpoint="epoch-0007")
    assert [one.identity["checkpoint"] for one in found.results] == ["epoch-0007.pt@7"]
    assert {row["name"] for row in found.without_checkpoint} == {"narrow"}
    run(results, "calibration", select=("wide",))
    assert set(table(results)["checkpoint"]) == {"epoch-0007.pt@7", "best.pt@1"}


def test_foreign_files(results: Path, tmp_path: Path) -> None:
    images = test_images()
    rows = images.images.permute(0, 2, 3, 1).reshape(len(images), -1).numpy()
    path = tmp_path / "hidden.pkl"
    path.write_bytes(pickle.dumps({b"data": rows, b"labels": images.labels.tolist()}))
    with pytest.raises(DataError, match=r"nothing says how images lie in shape .* --order hwc"):
        run(results, "foreign", select=("wide",), input=path)
    run(results, "foreign", "test", select=("wide",), input=path, order="hwc")
    found = table(results).query("`class`.isna() and metric == 'accuracy'").set_index("kind")
    assert found["value"]["foreign"] == found["value"]["test"]
    assert found["condition"]["foreign"] == "hidden.pkl"
    assert found["dataset_checksum"].nunique() == 2
    assert not run(results, "foreign", select=("wide",), input=path, order="hwc").results[0].new
    path.write_bytes(pickle.dumps({b"data": rows[:9], b"labels": [0] * 9}))
    assert run(results, "foreign", select=("wide",), input=path, order="hwc").results[0].images == 9
    path.write_bytes(pickle.dumps({b"data": rows}))
    unlabelled = run(results, "foreign", select=("wide",), input=path, order="hwc").results[0]
    confidence = calibration(predictor(results, "wide").probabilities(images.images), images.labels)
    assert unlabelled.values == pytest.approx({"confidence": confidence["confidence"]})


def test_foreign_files_as_cifars_and_of_odd_names(results: Path, tmp_path: Path) -> None:
    """Their keys say the order of their pixels; a warning where numbers name other classes."""
    images = test_images()
    own = {b"batch_label": b"testing batch 1 of 1", b"filenames": [b"a.png"] * len(images)}
    rows = {b"data": images.images.flatten(1).numpy(), b"labels": images.labels.tolist()}
    path = Path(os.fsdecode(bytes(tmp_path) + b"/batch-\xff"))
    path.write_bytes(pickle.dumps({**own, **rows}))
    run(results, "foreign", "test", select=("wide",), input=path)
    found = table(results).query("`class`.isna() and metric == 'accuracy'").set_index("kind")
    assert found["value"]["foreign"] == found["value"]["test"]
    assert found["condition"]["foreign"] == r"batch-\xff"
    best = results / "checkpoints" / identity(results, "wide") / "best.pt"
    checkpoint = torch.load(best, weights_only=True)
    names = [str(10 + label) for label in range(len(checkpoint["class_names"]))]
    torch.save({**checkpoint, "class_names": names}, best)
    console = Console(file=io.StringIO(), width=200)
    asked = Evaluation(results, ("foreign",), select=("wide",), seeds=(0,), input=path, force=True)
    run_evaluation(asked, console)
    assert "not their labels: label 0 is class '10'" in console.file.getvalue()  # type: ignore[attr-defined]


def test_other_data_are_refused(results: Path) -> None:
    store = ResultStore(results)
    store.put_trial({"trial_id": identity(results, "wide"), "dataset_checksum": "0" * 64})
    store.flush()
    with pytest.raises(DataError, match=r"that wide was trained on \(0{12}\); give its own"):
        run(results, "test", select=("wide",))


def test_one_writer_at_a_time(results: Path) -> None:
    with writer_lock(results), pytest.raises(InputError, match="another resray"):
        run(results, "test")


MISTAKES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"kinds": ("tset",)}, "--kind: 'tset' is not known; did you mean 'test'"),
    ({"kinds": ("foreign",)}, "--kind foreign: needs --input FILE"),
    ({"kinds": ("test",), "input": Path("x.pkl")}, "--input: x.pkl is for --kind foreign"),
    ({"kinds": ("test",), "ensemble": True}, "--ensemble: needs --kind ensemble"),
    ({"limit": 0}, "--limit: 0 must be at least 1"),
    ({"order": "whc"}, "--order: 'whc' is not known"),
    ({"select": ("wdie",)}, "--select: 'wdie' is not known; did you mean 'wide'"),
    ({"seeds": (3,)}, r"--seeds: 3 is not known \(0, 1\)"),
    ({"checkpoint": "lats"}, "--checkpoint: 'lats' is not known; did you mean 'last'"),
)


@pytest.mark.parametrize(("options", "message"), MISTAKES)
def test_mistakes_are_named(trained: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_evaluation(Evaluation(trained, **options), Console(file=io.StringIO()))


def test_results_without_checkpoints_and_no_results(results: Path, tmp_path: Path) -> None:
    shutil.rmtree(results / "checkpoints")
    with pytest.raises(InputError, match="holds no checkpoint of the 3 trials selected"):
        run(results, "test")
    with pytest.raises(InputError, match="no results here"):
        run(tmp_path / "nowhere", "test")


def test_the_printed_table(results: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    run_evaluation(Evaluation(results, ("test", "calibration"), ("wide",)), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    rows = table(results, kind="test", metric="accuracy")
    value = rows[rows["class"].isna()]["value"].item()
    assert "wide, seed 0" in text
    assert f"accuracy {value:.2f} %, loss " in text
    assert "calibration error" in text
    brier = table(results, metric="brier_score")["value"].item()
    assert f"brier score {brier:.4f} " in text
    assert f"brier score {brier:.4f} %" not in text


def test_what_an_older_version_measured_of_calibration_is_completed(results: Path) -> None:
    run(results, "calibration", select=("wide",))
    store, one = ResultStore(results), identity(results, "wide")
    rows = store.evaluations(one)
    drop_trial(results, "evaluations", one)
    older = [row for row in rows if row["metric"] in ("calibration_error", "confidence")]
    store.put_evaluations(one, older)
    assert run(results, "calibration", select=("wide",)).results[0].new
    found = table(results).set_index("metric")["value"].to_dict()
    assert found == {row["metric"]: row["value"] for row in rows}
    assert not run(results, "calibration", select=("wide",)).results[0].new


def test_calibration_error_by_hand() -> None:
    """Confidence 0.9, 0.9, 0.6 and 0.6; right, wrong, right and right."""
    surest = torch.tensor([0.9, 0.9, 0.6, 0.6], dtype=torch.float64)
    probabilities = torch.stack([surest, 1 - surest], dim=1)
    labels = torch.tensor([0, 1, 0, 0])
    found = calibration(probabilities, labels)
    assert found["calibration_error"] == pytest.approx(100 * (0.5 * 0.4 + 0.5 * 0.4))
    assert found["confidence"] == pytest.approx(75.0)
    one_bin = calibration(probabilities, labels, bins=1)
    assert one_bin["calibration_error"] == pytest.approx(0.0), "75 % are right, 75 % sure"


def test_bins_are_closed_above() -> None:
    """0.6 is the ninth bin's edge: with 0.6001 above it, errors no longer cancel out."""
    surest = torch.tensor([0.6, 0.6001], dtype=torch.float64)
    probabilities = torch.stack([surest, 1 - surest], dim=1)
    found = calibration(probabilities, torch.tensor([0, 1]))
    assert found["calibration_error"] == pytest.approx(100 * (0.4 + 0.6001) / 2)


def by_brute_force(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> tuple[float, float]:
    """The square of the debiased error, and the Brier score, image by image."""
    images = sorted(
        (float(row.max()), float(row.argmax() == label))
        for row, label in zip(probabilities, labels, strict=True)
    )
    square, begin = 0.0, 0
    for place in range(bins):
        size = len(images) // bins + (place < len(images) % bins)
        own = images[begin : begin + size]
        residuals = [right - sure for sure, right in own]
        mean = sum(residuals) / size
        variance = sum((each - mean) ** 2 for each in residuals) / (size - 1)
        square += size / len(images) * (mean**2 - variance / size)
        begin += size
    distance = 0.0
    for row, label in zip(probabilities, labels, strict=True):
        for klass, probability in enumerate(row):
            distance += (probability - (klass == label)) ** 2
    return square, distance / len(images)


@pytest.mark.parametrize(("images", "bins"), [(200, 15), (31, 15), (9, 4), (2, 1), (400, 1)])
def test_debiased_error_and_brier_score_by_brute_force(images: int, bins: int) -> None:
    generator = torch.Generator().manual_seed(images)
    logits = 3 * torch.randn(images, 5, generator=generator, dtype=torch.float64)
    probabilities = logits.softmax(1)
    labels = torch.randint(5, (images,), generator=generator)
    square, brier = by_brute_force(probabilities.numpy(), labels.numpy(), bins)
    error = debiased_calibration_error(probabilities, labels, bins)
    assert error is not None
    assert math.copysign((error / 100) ** 2, error) == pytest.approx(square)
    assert brier_score(probabilities, labels) == pytest.approx(brier)


def test_debiased_error_of_few_images() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    assert debiased_calibration_error(probabilities[:1], labels[:1]) is None
    pooled = debiased_calibration_error(probabilities, labels, bins=1)
    assert debiased_calibration_error(probabilities, labels) == pooled, "never one image to a bin"


def test_brier_scores_by_hand() -> None:
    labels = torch.tensor([0, 1])
    sure = torch.eye(4, dtype=torch.float64)[:2]
    assert brier_score(sure, labels) == 0.0
    assert brier_score(sure.flip(0), labels) == 2.0
    assert brier_score(torch.full((2, 4), 0.25, dtype=torch.float64), labels) == 0.75


def test_scores_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.5, 0], [0.25, 0.75, 0], [1, 0, 0]], dtype=torch.float64)
    found = scores(probabilities, torch.tensor([0, 0, 0]))
    assert found["accuracy"] == pytest.approx(200 / 3)
    assert found["loss"] == pytest.approx((math.log(2) + math.log(4)) / 3)
    impossible = scores(probabilities[2:], torch.tensor([2]))
    assert 700 < impossible["loss"] < math.inf
    assert class_accuracies(probabilities, torch.tensor([0, 1, 1])) == {0: (100, 1), 1: (50, 2)}
