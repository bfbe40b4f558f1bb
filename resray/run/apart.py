"""Completed trials that do not count for a command, and why: other ranks, or other code."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from resray.results.rows import own_code_of, recorded_recipe
from resray.results.store import ResultStore
from resray.run.resources import counted
from resray.search.jobs import PlannedJob
from resray.study.recipes import implementation

Row = dict[str, Any]


def kept_apart(store: ResultStore, works: Sequence[PlannedJob]) -> list[str]:
    """Return a line for each reason for which trials are trained that seem to be completed.

    ``works`` are what a command is about to run. What was completed stays as it is.
    """
    rows: dict[tuple[str, int], list[Row]] = {}
    for row in store.trials():
        if row["status"] == "completed":
            rows.setdefault((row["name"], row["seed"]), []).append(row)
    reasons = Counter(
        reason
        for work in works
        if not store.epochs(work.job.trial_id)
        for reason in set(_reasons(work, rows.get((work.trial.name, work.trial.seed), ())))
    )
    return [f"{counted(number, 'trial')} completed {reason}" for reason, number in reasons.items()]


def _reasons(work: PlannedJob, rows: Sequence[Row]) -> Iterator[str]:
    """Yield why rows of the same recipe on the same images are those of other trainings."""
    job, recipe = work.job, work.trial.recipe
    own = implementation(recipe, job.own_code)
    for row in rows:
        tested = row.get("test_accuracy") is not None
        alike = row["dataset_checksum"] == job.dataset_checksum and tested == job.evaluate_test
        if not alike or recorded_recipe(row) != recipe:
            continue
        if row["world_size"] != job.world_size:
            option = "--gpus-per-trial" if job.use_gpu else "--workers-per-trial"
            yield (
                f"with {counted(row['world_size'], 'rank')} each, which is another training: "
                f"{option} {row['world_size']} counts as done"
            )
        elif own_code_of(row) not in (None, job.own_code):
            yield f"with other source files of {recipe.model.name}: trained anew, and kept apart"
        elif row.get("implementation") != own:
            yield (
                "by an older resray, which computed a warm-up from 0, or fp16, otherwise: trained "
                "anew, and kept apart"
            )
