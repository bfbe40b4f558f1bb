"""Ensembles of trials: the mean of their probabilities on the test images that they share."""

import hashlib
import json
from collections.abc import Sequence

import torch

from resray.errors import InputError
from resray.evaluate.ledger import Ledger, Values
from resray.evaluate.subject import Subject
from resray.results.store import Row
from resray.training.scores import scores


def groups(subjects: Sequence[Subject], *, across_trials: bool) -> list[list[Subject]]:
    """Return who forms an ensemble: the seeds of each recipe, or all, where there are several.

    Raises InputError if ``across_trials`` and there is but one, or they differ in classes or in
    test images.
    """
    if across_trials:
        if len(subjects) < 2:
            raise InputError("--ensemble: needs at least two trials; select more")
        _require_same_test(subjects)
        return [list(subjects)]
    by_recipe: dict[str, list[Subject]] = {}
    for subject in subjects:
        by_recipe.setdefault(subject.recipe.model_dump_json(), []).append(subject)
    return [members for members in by_recipe.values() if len(members) > 1]


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
