"""How each kind of evaluation of a checkpoint, or of several, is done; what is known is not."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial

import torch

from resray.data.choices import VIEWS
from resray.data.corruptions import CONDITIONS, corrupt
from resray.errors import InputError
from resray.evaluate.ledger import Counts, Ledger, Values
from resray.evaluate.subject import Subject
from resray.results.store import Row
from resray.training.scores import (
    brier_score,
    calibration,
    class_accuracies,
    confusion,
    debiased_calibration_error,
    mean_confidence,
    scores,
)


def evaluate_test(subject: Subject, ledger: Ledger) -> None:
    """Accuracy and loss on the test set, the accuracy of each class and the confusion matrix."""
    names, test = subject.class_names, subject.test

    def measure() -> Values:
        by_class = class_accuracies(subject.probabilities, test.labels)
        ledger.put_classes("test", {names[label]: found for label, found in by_class.items()})
        return scores(subject.probabilities, test.labels)

    def count() -> Counts:
        counts = confusion(subject.probabilities, test.labels)
        return {(names[label], names[taken]): count for (label, taken), count in counts.items()}

    ledger.once("test", None, len(test), measure)
    ledger.count_once("test", len(test), count)


def evaluate_train(subject: Subject, ledger: Ledger) -> None:
    """Accuracy and loss on the training images as they are, without augmentation."""
    train = subject.train

    def measure() -> Values:
        return scores(subject.predictor.probabilities(train.images), train.labels)

    ledger.once("train", None, len(train), measure)


def evaluate_views(subject: Subject, ledger: Ledger) -> None:
    """The mean over 5 and over 10 views of each test image."""
    mean = MeanOverViews(subject, ledger.say)
    for count in VIEWS[1:]:
        ledger.once("tta", f"{count} views", len(subject.test), partial(mean.measure, count))


class MeanOverViews:
    """Sums up the views' probabilities, each computed once."""

    def __init__(self, subject: Subject, say: Callable[[str], None]) -> None:
        self.subject, self.say = subject, say
        self.total = torch.zeros((), dtype=torch.float64)
        self.views = 0

    def measure(self, count: int) -> Values:
        """Return the scores of the mean over the first ``count`` views, no fewer than before."""
        for view in range(self.views, count):
            self.say(f"view {view + 1} of {count}")
            predictor, images = self.subject.predictor, self.subject.test.images
            # The first view is the image itself.
            self.total = self.total + (
                predictor.of_view(images, view) if view else self.subject.probabilities
            )
        self.views = count
        return scores(self.total / count, self.subject.test.labels)


def evaluate_corruptions(subject: Subject, ledger: Ledger) -> None:
    """The accuracy under every corruption, and its mean over all of them."""
    test = subject.test

    def accuracy(kind: str, severity: int) -> Values:
        probabilities = subject.predictor.probabilities(corrupt(test.images, kind, severity))
        return {"accuracy": scores(probabilities, test.labels)["accuracy"]}

    def mean() -> Values:
        accuracies = []
        for kind, severity in CONDITIONS:
            measure, condition = partial(accuracy, kind, severity), f"{kind} {severity}"
            found = ledger.once("corruptions", condition, len(test), measure, show=False)
            accuracies.append(found["accuracy"])
        return {"accuracy": sum(accuracies) / len(accuracies)}

    ledger.once("corruptions", "mean", len(test), mean)


def evaluate_calibration(subject: Subject, ledger: Ledger) -> None:
    """Calibration error, as it is and less its bias, mean confidence and Brier score, on test."""
    test = subject.test

    def measure() -> Values:
        debiased = debiased_calibration_error(subject.probabilities, test.labels)
        return {
            **calibration(subject.probabilities, test.labels),
            **({} if debiased is None else {"calibration_error_debiased": debiased}),
            "brier_score": brier_score(subject.probabilities, test.labels),
        }

    ledger.once("calibration", None, len(test), measure, needs="brier_score")


def evaluate_foreign(subject: Subject, ledger: Ledger) -> None:
    """Mean confidence on the images of ``--input``; with labels, accuracy and loss too."""
    foreign = subject.foreign

    def measure() -> Values:
        probabilities = subject.predictor.probabilities(foreign.images)
        scored = {} if foreign.labels is None else scores(probabilities, foreign.labels)
        return {**scored, "confidence": mean_confidence(probabilities)}

    name, checksum = subject.foreign_name, foreign.checksum
    ledger.once("foreign", name, len(foreign), measure, checksum=checksum)


OF_ONE: dict[str, Callable[[Subject, Ledger], None]] = {
    "test": evaluate_test,
    "train": evaluate_train,
    "tta": evaluate_views,
    "corruptions": evaluate_corruptions,
    "calibration": evaluate_calibration,
    "foreign": evaluate_foreign,
}
"""The kinds that one checkpoint suffices for."""


def groups(subjects: Sequence[Subject], *, across_trials: bool) -> list[list[Subject]]:
    """Return who forms an ensemble: the seeds of each recipe and code, or all, of several.

    Raises InputError if ``across_trials`` and there is but one, or they differ in classes or in
    test images.
    """
    if across_trials:
        if len(subjects) < 2:
            raise InputError("--ensemble: needs at least two trials; select more")
        _require_same_test(subjects)
        return [list(subjects)]
    alike: dict[tuple[str, str | None], list[Subject]] = {}
    for subject in subjects:
        key = subject.recipe.model_dump_json(), subject.row.get("implementation")
        alike.setdefault(key, []).append(subject)
    return [members for members in alike.values() if len(members) > 1]


def _require_same_test(subjects: Sequence[Subject]) -> None:
    first = subjects[0]
    for other in subjects[1:]:
        same = other.class_names == first.class_names and torch.equal(
            other.test.labels, first.test.labels
        )
        if not same or other.row["dataset_checksum"] != first.row["dataset_checksum"]:
            raise InputError(
                f"--ensemble: {other.row['name']} and {first.row['name']} were not tested on the "
                "same images; leave one of them out with --select"
            )


def ensemble_identity(members: Sequence[Subject], device: str) -> Row:
    """Return the columns that all rows of an ensemble share."""
    identities = sorted(member.row["trial_id"] for member in members)
    names = list(dict.fromkeys(member.row["name"] for member in members))
    epochs = ",".join(str(member.epoch) for member in members)
    return {
        "trial_id": hashlib.sha256(json.dumps(identities).encode()).hexdigest()[:16],
        "study": members[0].row["study"],
        "name": " + ".join(names),
        "seed": None,
        "members": json.dumps([member.row["trial_id"] for member in members]),
        "checkpoint": f"{members[0].path.name}@{epochs}",
        "epoch": None,
        "dataset_checksum": members[0].row["dataset_checksum"],
        "device": device,
    }


def evaluate_ensemble(members: Sequence[Subject], ledger: Ledger) -> None:
    """Accuracy and loss of the members' mean probabilities on the test set."""
    test = members[0].test

    def measure() -> Values:
        mean = torch.stack([member.probabilities for member in members]).mean(0)
        return scores(mean, test.labels)

    ledger.once("ensemble", f"{len(members)} members", len(test), measure)
