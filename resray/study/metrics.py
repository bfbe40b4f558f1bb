"""The metrics that published figures and claims may name, and how each is called and written."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["trained", "counted", "time", "memory"]


@dataclass(frozen=True)
class Metric:
    """A quantity by which trials are compared, in one table for all that asks for it: `METRICS`."""

    title: str
    of_trial: str | None = None
    """What the one value of a trial is; None if it has none."""
    of_epoch: str | None = None
    """What the value of each epoch is, named with it: ``test_accuracy[resnet50, epoch=5]``."""
    unit: str = ""
    """In which it is shown; empty where the title says it."""
    scale: float = 1.0
    """How many of what is stored make one of the unit."""
    better: Literal["higher", "lower"] | None = None
    digits: int | None = None
    """Digits after the point; None shows four in all."""
    kind: Kind = "trained"
    """``counted`` from the network alone, so that one seed says all and a reduced run says it too;
    ``time`` and ``memory`` of the device."""
    evaluation: tuple[str, str | None] | None = None
    """Kind and condition of its rows of the evaluations table, where `resray evaluate` measures it;
    None takes any condition."""

    @property
    def counted(self) -> bool:
        return self.kind == "counted"

    @property
    def of_device(self) -> bool:
        """Whether it says as much about the device as about the recipe, and so is compared only
        between trials that had one same device to themselves."""
        return self.kind in ("time", "memory")

    @property
    def in_points(self) -> bool:
        """Whether its differences are points of percent."""
        return self.unit == "%"

    @property
    def heading(self) -> str:
        """``Test accuracy, % (higher is better)``."""
        named = self.title[0].upper() + self.title[1:] + (f", {self.unit}" if self.unit else "")
        return f"{named} ({self.better} is better)" if self.better else named

    def places(self, value: float) -> int:
        """Return how many digits after the point show a stored value: unless the metric says it,
        four in all, three of what is below 1."""
        size = abs(value / self.scale)
        if self.digits is not None or not size or not math.isfinite(size):
            return self.digits or 0
        before = math.floor(math.log10(size))
        return min(max(3 - before if size >= 1 else 2 - before, 0), 8)


def _accuracy(title: str, of_trial: str | None, of_epoch: str | None = None,
              evaluation: tuple[str, str | None] | None = None) -> Metric:  # fmt: skip
    return Metric(title, of_trial, of_epoch, "%", better="higher", digits=2, evaluation=evaluation)


def _loss(title: str, of_epoch: str) -> Metric:
    return Metric(title, None, of_epoch, "nats", better="lower")


METRICS: Mapping[str, Metric] = {
    "test_accuracy": _accuracy(
        "test accuracy", "test accuracy at the epoch that validation selects", "test accuracy"
    ),
    "test_accuracy_best": _accuracy(
        "best test accuracy", "highest test accuracy of any epoch: selects on test"
    ),
    "test_accuracy_last": _accuracy("last test accuracy", "test accuracy after the last epoch"),
    "clean_train_accuracy": _accuracy(
        "clean train accuracy",
        "accuracy on the training images as they are, without augmentation",
        evaluation=("train", None),
    ),
    "validation_accuracy": _accuracy(
        "validation accuracy", "highest validation accuracy", "validation accuracy"
    ),
    "best_epoch": Metric("best epoch", "epoch that validation selects"),
    "seconds_training": Metric(
        "training time", "seconds of training steps", unit="s", better="lower", kind="time"
    ),
    "seconds_per_epoch": Metric(
        "time of an epoch",
        "mean seconds of an epoch's training steps, without those epochs that warmed up (the first "
        "of each start) if there are others",
        "seconds of the epoch's training steps",
        unit="s",
        better="lower",
        kind="time",
    ),
    "images_per_second": Metric(
        "images per second",
        "images trained on per second",
        "images trained on per second in the epoch",
        better="higher",
        kind="time",
    ),
    "iterations_per_second": Metric(
        "iterations per second",
        "images_per_second / batch size",
        "batches trained on per second in the epoch",
        better="higher",
        kind="time",
    ),
    "peak_memory_bytes": Metric(
        "peak memory", "largest memory", unit="GiB", scale=2**30, better="lower", kind="memory"
    ),
    "gpu_hours": Metric("GPU-hours", "GPUs times hours", better="lower", kind="time"),
    "parameters": Metric("parameters", "trainable parameters", digits=0, kind="counted"),
    "multiply_adds": Metric(
        "multiply-adds", "multiply-adds of one image's forward pass", digits=0, kind="counted"
    ),
    "corruption_accuracy": _accuracy(
        "corruption accuracy",
        "newest mean accuracy over the corruption suite",
        evaluation=("corruptions", "mean"),
    ),
    "hidden_accuracy": _accuracy(
        "hidden accuracy",
        "newest accuracy on foreign files (`resray predict`, `resray evaluate`)",
        evaluation=("foreign", None),
    ),
    "tta_accuracy": _accuracy(
        "accuracy with 10 views",
        "test accuracy with 10 test-time views",
        evaluation=("tta", "10 views"),
    ),
    "ensemble_accuracy": _accuracy(
        "ensemble accuracy",
        "test accuracy of the ensemble over a trial's seeds: one value",
        evaluation=("ensemble", None),
    ),
    "gradient_ratio": Metric(
        "gradient ratio",
        "last epoch's gradient norm of the first stage divided by the last stage's",
    ),
    "train_loss": _loss("train loss", "mean loss over the epoch's images"),
    "train_accuracy": _accuracy("train accuracy", None, "accuracy over the epoch's images"),
    "validation_loss": _loss("validation loss", "validation loss"),
    "test_loss": _loss("test loss", "test loss"),
}
"""`resray.analysis.metrics` works them out."""

TRIAL_METRICS = tuple(name for name, metric in METRICS.items() if metric.of_trial)
EPOCH_METRICS = tuple(name for name, metric in METRICS.items() if metric.of_epoch)
