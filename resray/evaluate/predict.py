"""`resray predict`: classes of images from elsewhere, as a CSV with the columns ID,Label,Class.

What computes is imported once the options are known to be right: torch takes seconds.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from resray.data.choices import VIEWS, Order, check_order
from resray.data.reading import reading
from resray.errors import InputError
from resray.files import output_file
from resray.results.folders import checkpoint_file, no_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

    from resray.data.foreign import ForeignImages
    from resray.training.prediction import Predictor
    from resray.training.restore import Restored

COLUMNS = ("ID", "Label", "Class")
HEADINGS = (b"ID,Label\n", b"ID,Label,Class\n")
"""First lines of what was written here, without the classes' names and with them."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins a text that spreadsheets run."""


@dataclass(frozen=True)
class Prediction:
    """What the user asks for."""

    checkpoints: tuple[Path, ...]
    """Checkpoint files, resray's or others', or trials' checkpoint folders (their best.pt); several
    are an ensemble."""
    input: Path
    output: Path
    """The CSV to write; one that was written here before is replaced."""
    views: int = 1
    order: Order | None = None
    """Of flat rows in a pickle, .npy or .npz, where the file does not say it."""
    batch_size: int = 500
    names: bool = True
    """Write the classes' names beside their numbers."""
    force: bool = False
    """Replace also a file that was not written here."""
    trusted: bool = False
    """Build networks by calling the function that a checkpoint names."""


@dataclass(frozen=True)
class Predicted:
    """What came of it."""

    ids: tuple[int | str, ...]
    labels: "Tensor"
    """The predicted classes, int64 (n,)."""
    probabilities: "Tensor"
    """float64 (n, classes)."""
    class_names: tuple[str, ...]
    accuracy: float | None
    """In percent; None where no labels came along."""
    loss: float | None
    """In nats."""

    @property
    def classes(self) -> list[str]:
        """The predicted classes' names."""
        return [self.class_names[label] for label in self.labels.tolist()]


def run_prediction(asked: Prediction, console: Console) -> Predicted:
    """Predict, write the CSV, and print how many images and, with labels, how many were right.

    Raises InputError (or DataError) for anything about checkpoints, input or output that is wrong,
    before the CSV is touched.
    """
    check(asked)
    from resray.data.foreign import numbers_that_mislead, read_foreign
    from resray.training.device import own_device
    from resray.training.prediction import Predictor
    from resray.training.restore import load_network

    restored = [
        load_network(checkpoint_file(path), trusted=asked.trusted) for path in asked.checkpoints
    ]
    require_same_classes(asked.checkpoints, restored)
    device = own_device()
    predictors = [Predictor(one, device, asked.batch_size) for one in restored]
    names = restored[0].class_names
    foreign = read_foreign(
        asked.input, class_names=names, image_size=restored[0].image_size, order=asked.order
    )
    predicted = predict_foreign(predictors, foreign, asked.views)
    write_predictions(asked.output, predicted, asked.names)
    text = "\n".join([*(one.note for one in restored if one.note), summary(asked, predicted)])
    if (warning := numbers_that_mislead(names)) and (foreign.numbered or not asked.names):
        text += f"\n{warning}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    return predicted


def check(asked: Prediction) -> None:
    """Raise InputError for options that are wrong, and for an output that is an input too."""
    check_views(asked.views)
    check_order(asked.order)
    if asked.batch_size < 1:
        raise InputError(f"--batch-size: {asked.batch_size} must be at least 1")
    if not asked.checkpoints:
        raise InputError("give at least one checkpoint")
    files = [checkpoint_file(path) for path in asked.checkpoints]
    for place, path in enumerate(files):
        if not path.exists():
            raise no_checkpoint(path)
        if path.resolve() in map(Path.resolve, files[:place]):
            raise InputError(f"{asked.checkpoints[place]}: stands there twice; once is enough")
    with reading(asked.input):
        asked.input.stat()
    output = asked.output.resolve()
    for path in (asked.input, *asked.checkpoints):
        # Within a folder of images a CSV would be no harm, but a mistyped name would be.
        if path.resolve() in (output, *output.parents):
            raise InputError(
                f"--output: {asked.output} would be written over, or into, {path}; name another"
            )
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"--output: {asked.output} must be a file in a folder that exists")
    if output.is_file() and not asked.force and not _is_ours(output):
        raise InputError(
            f"--output: {asked.output} was not written by predict; name another, or add --force"
        )


def check_views(views: int) -> None:
    if views not in VIEWS:
        choices = ", ".join(map(str, VIEWS))
        raise InputError(f"--views: {views} is not possible ({choices})")


def _is_ours(path: Path) -> bool:
    with reading(path), path.open("rb") as file:
        return file.readline(max(map(len, HEADINGS))) in (b"", *HEADINGS)


def require_same_classes(paths: Sequence[Path], restored: "Sequence[Restored]") -> None:
    """Raise InputError if the networks were not trained on the same classes."""
    first = restored[0].class_names
    for path, other in zip(paths, restored, strict=True):
        if other.class_names != first:
            raise InputError(
                f"{path}: has other classes ({len(other.class_names)}, {other.class_names[0]!r} "
                f"...) than {paths[0]} ({len(first)}, {first[0]!r} ...); an ensemble needs the same"
            )


def predict_images(
    checkpoint: Path, images: Any, views: int = 1, *, trusted: bool = False
) -> Predicted:
    """Return what a checkpoint's network predicts of images, as `given_images` takes them.

    Raises InputError for views that are not possible, DataError for images or a checkpoint that
    are no such thing.
    """
    check_views(views)
    from resray.data.foreign import given_images
    from resray.training.device import own_device
    from resray.training.prediction import Predictor
    from resray.training.restore import load_network

    foreign = given_images(images)
    predictor = Predictor(load_network(checkpoint, trusted=trusted), own_device())
    return predict_foreign([predictor], foreign, views)


def predict_foreign(
    predictors: "Sequence[Predictor]", foreign: "ForeignImages", views: int = 1
) -> Predicted:
    """Return the mean prediction of the networks, each on the images at its own size."""
    from resray.training.prediction import ensemble
    from resray.training.scores import scores

    at_size = lru_cache(maxsize=1)(lambda size: foreign.resized(size).images)
    probabilities = ensemble(predictors, at_size, views)
    found = {} if foreign.labels is None else scores(probabilities, foreign.labels)
    return Predicted(
        ids=foreign.ids,
        labels=probabilities.argmax(1),
        probabilities=probabilities,
        class_names=predictors[0].class_names,
        accuracy=found.get("accuracy"),
        loss=found.get("loss"),
    )


def write_predictions(path: Path, predicted: Predicted, names: bool = True) -> None:
    """Write the CSV: ID, Label and, with ``names``, Class; one row for each image, in order.

    Raises StorageError where the disk is full, InputError if the file cannot be written otherwise.
    """
    labels, classes = predicted.labels.tolist(), map(as_text, predicted.classes)
    rows = zip(map(as_text, predicted.ids), labels, classes, strict=True)
    count = len(COLUMNS) if names else 2
    try:
        with output_file(path) as binary:
            # Names of files may hold what is no UTF-8.
            file = io.TextIOWrapper(binary, "utf-8", errors="backslashreplace", newline="")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows(row[:count] for row in (COLUMNS, *rows))
            file.detach()
    except OSError as error:
        raise InputError(f"--output: {path} cannot be written ({error.strerror})") from error


def as_text(entry: int | str) -> int | str:
    """Return an entry that a spreadsheet takes for text, not for a formula to run or two rows."""
    if not isinstance(entry, str):
        return entry
    return ("'" if entry.startswith(FORMULA) else "") + entry.replace("\r", r"\r")


def summary(asked: Prediction, predicted: Predicted) -> str:
    """Return what to tell the user: how much was predicted with what, and how well."""
    networks = len(asked.checkpoints)
    how = [f"an ensemble of {networks}"] if networks > 1 else []
    how += [f"{asked.views} views"] if asked.views > 1 else []
    by = f" by {' with '.join(how)}" if how else ""
    lines = [f"{len(predicted.ids):,} images predicted{by}: {asked.output}"]
    if predicted.accuracy is not None:
        lines.append(f"Accuracy {predicted.accuracy:.2f} %, loss {predicted.loss:.4f}")
    return "\n".join(lines)
