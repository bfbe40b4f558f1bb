"""The learning rates that the studies' authors logged, epoch by epoch, beside ours."""

import csv
from pathlib import Path

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


def recipe_of(study: str, trial: str) -> Recipe:
    """Return the study's as-run trial of a logged run."""
    options = Options(variant="as-run", select=(f"{trial}-as-run",), seeds=(0,))
    (planned,) = expand(load_study(study), options)
    return planned.recipe


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
    recipe = recipe_of(study, trial)
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
