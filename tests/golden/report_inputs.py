"""What the golden reports are of: the committed samples, and results that are made up.

Together they show every section, every table and every figure of a report.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from resray.analysis.by_class import SUPERCLASS
from resray.analysis.results import Analysis
from resray.report import contents
from resray.results.predictions import put_thumbnails
from resray.results.storage import LocalFolder
from tests.folders_case import folder
from tests.report_builder import RECIPE, START, epochs_of, evaluation, trial, write_results
from tests.search_builder import GRID, SearchBuilder, shuffled

SAMPLES = Path(__file__).parents[2] / "reports" / "sample"
STUDY = Path(__file__).parent / "made_study.yaml"
ACCURACIES = {
    "resnet18": (88.13, 88.61, 88.24),
    "resnet34": (90.42, 90.93, 90.08),
    "resnet50": (88.35, 88.94, 87.97),
    "resnet101": (91.02,),
    "resnet152": (84.21, 84.77),
}
"""Of each seed of the made-up study's trials."""
CLASSES = list(SUPERCLASS)[:25]
"""Of five superclasses."""
TEST_SET = "ab" * 32
PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
"""A PNG."""

Row = dict[str, Any]
Rows = list[Row]


def searched(path: Path) -> Analysis:
    """Return a search of 24 points under ASHA with an audit and confirmations, and two trials."""
    builder = SearchBuilder(path / "searched")
    builder.run(shuffled(GRID), diverging=[3], failing=[10])
    builder.audit(4)
    builder.confirm(3)
    for seed, accuracy in enumerate((90.2, 91.1)):
        builder.store.put_trial(trial("resnet18", seed, test_accuracy=accuracy))
    return Analysis.of(builder.written())


def made(path: Path) -> Analysis:
    """Return a study with all fates of a trial, several workers, phases, classes and prices."""
    trials = [*finished(), *unfinished(), *scaled()]
    shown = [row for row in finished() if row["name"] in ("resnet18", "resnet34")]
    results = write_results(
        path / "made",
        trials,
        epochs=[epoch | phase(epoch) for row in trials for epoch in epochs_of(row)],
        events=list(events(trials)),
        evaluations=[value for row in shown for value in evaluations(row)],
        predictions=[predictions(row) for row in shown],
        study=STUDY,
    )
    put_thumbnails(LocalFolder(results), list(pictures(shown)), TEST_SET)
    return replace(Analysis.of(results), price_per_gpu_hour=2.5)


def compared(path: Path) -> Analysis:
    """Return the finished trials of two folders, in the second on another device."""
    other = {"device": "NVIDIA A100", "torch_version": "2.12.0"}
    shifts = (0.4, 0.1, -0.2)
    changed = [
        row
        | other
        | {
            "test_accuracy": row["test_accuracy"] + shifts[row["seed"]],
            "seconds_training": 1.3 * row["seconds_training"],
        }
        for row in finished()
    ]
    return Analysis.of([
        folder(path / "before" / "made", finished(), study=STUDY),
        folder(path / "after" / "made", changed, study=STUDY),
    ])  # fmt: skip


SECTIONS = [part.id for part in contents.SECTIONS]
LONG = ("curves", "gradients", "generalisation")
"""Sections of long figures, of which one study is enough."""
SHORT = [name for name in SECTIONS if name not in LONG]
OF_SEVERAL = ("answer", "claims", "folders", "published")
"""Sections that several folders make differ in kind from those of one."""
INPUTS: dict[str, tuple[Callable[[Path], Analysis], Collection[str]]] = {
    "basicblock-depth": (lambda _: Analysis.of(SAMPLES / "basicblock-depth"), SECTIONS),
    "depth-family": (lambda _: Analysis.of(SAMPLES / "depth-family"), SHORT),
    "resnet10-speed": (lambda _: Analysis.of(SAMPLES / "resnet10-speed"), SHORT),
    "made": (made, SHORT),
    "searched": (searched, SHORT),
    "compared": (compared, OF_SEVERAL),
}
"""By name, what reads or makes results in an empty folder, and the sections to keep."""


# --- the made-up study --------------------------------------------------------------------------


def row_of(name: str, seed: int, *, batch: int = 128, **changes: Any) -> Row:
    recipe = {**RECIPE, "data": {**RECIPE["data"], "name": "cifar100"}, "batch_size": batch}
    own = {
        "study": "made",
        "dataset": "cifar100",
        "recipe": json.dumps({**recipe, "model": {"name": name}, "epochs": 4}),
        "batch_size": batch,
        "batch_per_rank": batch,
        "utilisation": 0.31 + 0.02 * seed,
        "seconds_saving": 1.5,
        "peak_memory_bytes": 3 * 2**30,
    }
    return trial(name, seed, 4, **own) | changes


def finished() -> Rows:
    """Return the trials that enter means; those of the deepest network are reduced, and shared."""
    deepest: Row = {"reductions": '["20,000 of 45,000 training images"]', "exclusive": False}
    return [
        timed(row_of(name, seed, test_accuracy=accuracy, validation_accuracy=accuracy + 0.3,
                     test_accuracy_best=accuracy + 0.2, test_accuracy_last=accuracy - 0.1,
                     **(deepest if name == "resnet152" else {})))
        for name, accuracies in ACCURACIES.items()
        for seed, accuracy in enumerate(accuracies)
    ]  # fmt: skip


def timed(row: Row) -> Row:
    """Return a trial that took longer by its seed: 3 % for each."""
    slower = 1 + 0.03 * row["seed"]
    return row | {
        "seconds_training": row["seconds_training"] * slower,
        "images_per_second": row["images_per_second"] / slower,
        "ended": START + timedelta(seconds=1.4 * row["seconds_training"] * slower),
    }


def unfinished() -> Rows:
    error: Row = {"error_class": "OutOfMemoryError", "error_message": "no memory left",
             "reason": "error", "epochs_done": 2, "attempts": 3}  # fmt: skip
    return [
        row_of("resnet101", 1, status="failed", **error),
        row_of("resnet101", 2, status="stopped", reason="asked", epochs_done=3),
        row_of("resnet101", 3, status="running", epochs_done=1, ended=None),
        row_of("resnet101", 4, status="pending", epochs_done=0, started=None, ended=None),
    ]


def scaled() -> Rows:
    """Return trials of two workers, which share a batch or keep their own, and of a larger one."""
    return [
        row_of("resnet18", 0, batch=batch, trial_id=f"{workers}-{batch}", world_size=workers,
               batch_per_rank=batch // workers, images_per_second=rate, test_accuracy=88.4)
        for workers, batch, rate in ((2, 128, 3900.0), (2, 256, 4500.0), (1, 256, 2700.0))
    ]  # fmt: skip


def phase(epoch: Row) -> Row:
    """Return the settings of an epoch that changed: one trial's dropout ends on the way."""
    off = epoch["name"] != "resnet34" or epoch["epoch"] > 3
    return {"settings": json.dumps({"model.dropout": 0.0 if off else 0.3 / epoch["epoch"]})}


def events(trials: Rows) -> Iterator[Row]:
    for place, row in enumerate(trials):
        shared = {key: row[key] for key in ("trial_id", "study", "name", "seed", "host")}
        common = {**shared, "pid": 4000 + place % 2, "attempt": 1}
        if row["started"]:
            yield {**common, "event": "started", "epoch": 0, "time": START}
        if row["ended"]:
            yield {**common, "event": row["status"], "epoch": row["epochs_done"],
                   "time": row["ended"]}  # fmt: skip
        if row["attempts"] > 1:
            yield {**common, "event": "died", "epoch": 1, "detail": "signal 9",
                   "time": START + timedelta(seconds=30)}  # fmt: skip


def evaluations(row: Row) -> Iterator[Row]:
    """Yield what was measured beyond the test set, with a few classes that are mistaken."""
    top = row["test_accuracy"]
    yield evaluation(row, "test", top)
    yield evaluation(row, "tta", top + 0.7, condition="10 views")
    yield evaluation(row, "corruptions", top - 20, condition="mean")
    yield from (
        evaluation(row, "corruptions", top - 9 * severity, condition=f"{kind} {severity}")
        for kind in ("blur", "noise")
        for severity in (1, 3, 5)
    )
    yield evaluation(row, "calibration", 3.5 + row["seed"], metric="calibration_error")
    yield evaluation(row, "foreign", top - 11, condition="hidden.pkl", images=500)
    for place, name in enumerate(CLASSES):
        wrong = (3 * place + row["seed"] + len(row["name"])) % 17
        counts = {name: 100 - wrong, CLASSES[place - 1]: wrong // 2, CLASSES[place - 7]: wrong // 3}
        common = {"class": name, "images": 100}
        yield evaluation(row, "test", float(counts[name]), **common)
        yield from (
            evaluation(row, "test", float(count), metric="count", condition=taken, **common)
            for taken, count in counts.items()
            if count
        )


def answers_of(row: Row) -> np.ndarray:
    """Return which of the test images a trial gets right: by accuracy, of early ones only some."""
    images = np.arange(row["test_images"])
    wrong = round(len(images) * (100 - row["test_accuracy"]) / 100)
    return (images + 100 * row["seed"]) % len(images) >= wrong


def predictions(row: Row) -> Row:
    right = answers_of(row)
    labels = (np.arange(len(right)) % len(CLASSES)).astype(np.uint8)
    predicted = np.where(right, labels, (labels + 1) % len(CLASSES)).astype(np.uint8)
    return {
        **{key: row[key] for key in ("trial_id", "study", "name", "seed")},
        "kind": "test",
        "epoch": row["best_epoch"],
        "images": len(right),
        "predicted": predicted.tobytes(),
        "labels": labels.tobytes(),
        "class_names": json.dumps(CLASSES),
        "test_checksum": TEST_SET,
    }


def pictures(rows: Rows) -> Iterator[Row]:
    """Yield pictures of some of the images that networks miss, all of one pixel."""
    for image in (3, 500, 950, 1100, 9999):
        yield {"test_checksum": TEST_SET, "image": image, "label": CLASSES[image % len(CLASSES)],
               "missed": 1, "networks": len(rows), "png": PIXEL}  # fmt: skip
