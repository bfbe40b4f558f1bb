"""The learning rates that the studies' authors logged, epoch by epoch, beside ours."""

import csv
from pathlib import Path
from typing import Any

import pytest

from resray.study.expand import Options, expand
from resray.study.load import load_study
from resray.study.recipe_spec import Recipe
from resray.training.schedules import learning_rate_factor, plateau_factor, position

PUBLISHED = Path(__file__).parent.parent.parent / "shared" / "published"
FILES = sorted(PUBLISHED.glob("*/*.csv"))
IMAGES = 50_000
WARMUP = 5
"""Epochs of the sessions' warm-up."""

SGD, ADAM = {"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.1}


def cosine(length: int) -> dict[str, Any]:
    return {"name": "cosine", "interval": "epoch", "length": length}


def one_cycle(peak: float) -> dict[str, Any]:
    """From 1e-6 to the peak, then to 1e-10, made for 50 epochs."""
    return {"name": "onecycle", "start": 1e-6 / peak, "end": 1e-10 / peak, "length": 50}


def restarts(warmup_end: float, period: int, end: float) -> dict[str, Any]:
    """A warm-up from the peak of what follows, which starts anew every ``period`` batches."""
    return {"name": "cosine_restarts", "warmup_epochs": WARMUP, "warmup_start": 1.0,
            "warmup_end": warmup_end, "period": period, "unit": "steps", "end": end}  # fmt: skip


SESSION_02 = {"batch_size": 256, "optimizer": {"lr": 0.01}, "schedule": restarts(10, 25, 0.01)}
SWINGS = {"name": "cosine", "length": 40, "unit": "steps", "end": 0.001}
SESSION_04 = {
    "batch_size": 256,
    "optimizer": {"lr": 0.01},
    "schedule": {"name": "sequence", "parts": [{**restarts(15, 20, 0.05), "until": 60}, SWINGS]},
}
CONSTANT: dict[str, Any] = {"optimizer": {"lr": 0.01}, "schedule": {"name": "constant"}}
AS_LOGGED: dict[str, dict[str, Any]] = {
    "resnet10-b": {"optimizer": SGD, "schedule": cosine(200)},
    "resnet40-b": {"optimizer": SGD, "schedule": cosine(200)},
    "resnet102-b": {"optimizer": SGD, "schedule": cosine(200)},
    "resnet40-b-250": {"optimizer": SGD, "schedule": cosine(250)},
    "resnet40-b-ft": {"optimizer": SGD, "schedule": cosine(300)},
    "resnet10-b-as2": {"optimizer": ADAM, "schedule": {"name": "plateau", "patience": 5}},
    "resnet40-b-as2": {
        "optimizer": ADAM, "schedule": {"name": "plateau", "patience": 3, "gamma": 0.5}
    },
    "plain": {"optimizer": {"lr": 0.001}, "schedule": {"name": "constant"}},
    **{f"{net}-{n}": CONSTANT for net in ("resnet50", "resnext50_32x4d") for n in (1, 5, 10)},
    **dict.fromkeys(("session-01", "session-02", "session-02-first"), SESSION_02),
    "session-04": SESSION_04,
    **{
        name: {"batch_size": batch, "optimizer": {"lr": peak}, "schedule": one_cycle(peak)}
        for name, batch, peak in (
            ("more-wrn-onecycle", 256, 0.1),
            ("more-resnet50-onecycle-512", 512, 0.12648552),
            ("more-resnet50-onecycle-256", 256, 0.02682696),
            ("more-resnet50-local", 256, 0.07029732),
        )
    },
}  # fmt: skip
"""Schedules by AS-RUN.md, of trials that the studies do not hold. The OneCycles' peaks are those of
the range tests, 1e-6 * 10 ** (6 * k / n) at the k-th of n steps; six digits of them were printed.
"""


def recipe_of(study: str, trial: str, epochs: int) -> Recipe:
    """Return the study's as-run trial of a logged run, or what was logged where it has none."""
    name, known = f"{trial}-as-run", load_study(study)
    if name in known.trial_names:
        (planned,) = expand(known, Options(variant="as-run", select=(name,), seeds=(0,)))
        return planned.recipe
    own = {"model": "resnet10", "data": {"name": "cifar10", "validation_images": 0},
           "epochs": epochs, "selection": "test"}  # fmt: skip
    return Recipe.model_validate(own | AS_LOGGED[trial])


def rate(recipe: Recipe, epoch: int, accuracies: list[float], *, after: bool) -> float:
    """Return the rate of an epoch (its first step's) or, ``after`` it, of the step that follows, in
    a warm-up of its last step."""
    batches = -(-IMAGES // recipe.batch_size)
    steps = -(-batches // recipe.accumulation)
    step = steps * epoch - (epoch <= WARMUP and recipe.schedule.name != "onecycle")
    place = position(
        recipe.schedule,
        step=step if after else steps * (epoch - 1),
        steps_per_epoch=steps,
        epochs=recipe.epochs,
    )
    lr, plateau = recipe.optimizer.lr, 1.0
    if recipe.schedule.name == "plateau":
        plateau = plateau_factor(recipe.schedule, lr, accuracies[: epoch - 1])
    return lr * learning_rate_factor(place, plateau)


def deviations(path: Path) -> list[float]:
    """Return by how much our rate differs from the logged one, of each epoch that has one."""
    study, trial = path.parent.name, path.stem
    with path.open() as file:
        rows = list(csv.DictReader(file))
    if not any(row["learning_rate"] for row in rows):
        return []
    recipe = recipe_of(study, trial, len(rows))
    accuracies = [float(row["test_accuracy"] or "nan") for row in rows]
    return [
        abs(rate(recipe, int(row["epoch"]), accuracies, after=study == "wrn-cifar100")
            - float(row["learning_rate"]))
        for row in rows
        if row["learning_rate"]
    ]  # fmt: skip


@pytest.mark.skipif(not FILES, reason=f"the authors' logs are not at {PUBLISHED}")
def test_every_logged_rate_is_ours() -> None:
    found = {path: deviations(path) for path in FILES}
    known = {path: own for path, own in found.items() if own}
    assert (len(known), sum(map(len, known.values()))) == (22, 1964)
    for path, own in known.items():
        # Written with six digits, or as whole doubles.
        assert max(own) <= (5e-7 if path.parent.name == "wrn-cifar100" else 1e-15), path
