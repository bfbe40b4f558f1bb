"""What a search trains next: functions of the stored rows and the decisions, nothing else.

A search that is begun again after a kill therefore goes on where it was.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resray.results.summary import highest
from resray.search.decisions import Decision, Decisions
from resray.search.jobs import Candidate, PlannedJob
from resray.search.rules import halving

Row = dict[str, Any]
Rows = Callable[[str], Row | None]
"""Returns the row of a trial, None before it is planned."""
Epochs = Callable[[str], Sequence[Mapping[str, Any]]]
"""Returns the epoch rows of a trial."""


def has_ended(row: Row | None) -> bool:
    """Return whether a trial has come to its recipe's end, or has failed."""
    return row is not None and row["status"] in ("completed", "failed")


def failed_by_error(row: Row | None) -> bool:
    """Return whether a trial failed for another reason than a loss that was no longer finite."""
    return row is not None and row["status"] == "failed" and row["reason"] != "diverged"


def is_over(candidate: Candidate, rows: Rows, decisions: Decisions) -> bool:
    """Return whether nothing of a point is left to train: it was stopped, failed, or is done."""
    ids = [job.trial_id for job in candidate.jobs]
    failed = any((rows(each) or {}).get("status") == "failed" for each in ids)
    return failed or any(map(decisions.is_stopped, ids)) or has_ended(rows(ids[-1]))


def begun_first(jobs: Iterable[PlannedJob], rows: Rows) -> list[PlannedJob]:
    """Return jobs in their order, but first those that an earlier command has begun."""
    return sorted(jobs, key=lambda job: not (rows(job.trial_id) or {}).get("attempts"))


def open_jobs(
    candidates: Iterable[Candidate], rows: Rows, decisions: Decisions
) -> list[PlannedJob]:
    """Return the jobs of the points that are trained in one go and are not over."""
    jobs = (each.final for each in candidates if not is_over(each, rows, decisions))
    return begun_first(jobs, rows)


@dataclass(frozen=True)
class Round:
    """A rung of synchronous halving that is not yet decided."""

    rung: int | None
    """None is the full recipe's end, where nothing is to be decided."""
    jobs: list[PlannedJob]
    """Those that end there, of the points that came this far."""
    missing: list[PlannedJob]
    """Those of them that have not come to it."""


def halving_round(candidates: Sequence[Candidate], rows: Rows, decisions: Decisions) -> Round:
    """Return the lowest rung that is not yet decided.

    Synchronous successive halving: all come to a rung before any goes on, so neither the order of
    arrival nor how many train side by side decides anything.
    """
    left = list(candidates)
    for rung in range(1, max((len(each.jobs) for each in left), default=1)):
        jobs = jobs_at(rung, left)
        missing = [job for job in jobs if not has_come(job, rows)]
        if missing or any(job.trial_id not in decisions.at(rung) for job in jobs):
            return Round(rung, jobs, begun_first(missing, rows))
        left = [each for each in left if goes_on(each, rung, decisions)]
    finals = [each.final for each in left]
    missing = [job for job in finals if not has_ended(rows(job.trial_id))]
    return Round(None, finals, begun_first(missing, rows))


def jobs_at(rung: int, candidates: Iterable[Candidate]) -> list[PlannedJob]:
    """Return the jobs that end at a rung; short recipes have fewer rungs than long ones."""
    return [each.jobs[rung - 1] for each in candidates if len(each.jobs) > rung]


def goes_on(candidate: Candidate, rung: int, decisions: Decisions) -> bool:
    """Return whether a point goes on beyond a rung that is decided, or has no such rung."""
    return not any(decisions.at(rung)[job.trial_id].stopped for job in jobs_at(rung, [candidate]))


def has_come(job: PlannedJob, rows: Rows) -> bool:
    """Return whether a job has come to its rung, or has failed on the way there."""
    row, rung_epochs = rows(job.trial_id), job.job.stop_after
    # A training of the rung's own length has an end of its own.
    arrived = row is not None and rung_epochs is not None and row["epochs_done"] >= rung_epochs
    return arrived or has_ended(row)


def halving_decisions(
    complete: Round, rows: Rows, epochs: Epochs, decisions: Decisions, reduction_factor: int
) -> dict[str, Decision]:
    """Return what is decided, at a rung to which all have come, on those undecided there, by id.

    They are ranked among all that were ever decided there. Earlier decisions stay as they are: a
    call that a kill cut off ends as it would have, and where the search grew nobody's stop is taken
    back.
    """
    assert complete.rung is not None, "nothing is decided at the end"
    decided = decisions.at(complete.rung)
    waiting = [job for job in complete.jobs if job.trial_id not in decided]
    values = {trial_id: decision.value for trial_id, decision in decided.items()}
    values |= {job.trial_id: outcome(job, rows, epochs) for job in waiting}
    kept, cutoff = halving(values, reduction_factor)
    made = {}
    for job in sorted(waiting, key=lambda each: each.trial_id):
        row = rows(job.trial_id) or {}
        # One at the end of its full length goes on: another search has seen to that.
        trained = row["status"] == "completed" and row["epochs"] == row.get("full_epochs")
        stopped = job.trial_id not in kept and not trained
        value, done = values[job.trial_id], min(job.epochs, row["epochs_done"])
        made[job.trial_id] = Decision(complete.rung, done, value, cutoff, len(values), stopped)
    return made


def outcome(job: PlannedJob, rows: Rows, epochs: Epochs) -> float | None:
    """Return the best validation accuracy (%) up to a job's end; None if the trial failed.

    Of one that another search trained past the rung, and evaluated only later, its best since.
    """
    if (rows(job.trial_id) or {}).get("status") == "failed":
        return None
    records = epochs(job.trial_id)
    value: float | None = best_so_far(records, job.epochs)
    return best_so_far(records) if value is None else value


def best_so_far(records: Iterable[Mapping[str, Any]], up_to: int | None = None) -> float | None:
    """Return the highest validation accuracy (%) up to an epoch, None before the first one."""
    value: float | None = highest(
        record["validation_accuracy"]
        for record in records
        if up_to is None or record["epoch"] <= up_to
    )
    return value


def audit_jobs(
    candidates: Iterable[Candidate], rows: Rows, decisions: Decisions, count: int, seed: int
) -> list[PlannedJob]:
    """Return jobs that train ``count`` stopped points, drawn at random, to their end after all.

    Those of earlier commands count. The draw depends on the seed and the points alone.
    """
    stopped = [each for each in candidates if was_stopped_by_value(each, decisions)]
    begun = [each for each in stopped if (rows(each.final.trial_id) or {}).get("audited")]
    rest = sorted(
        (each for each in stopped if each not in begun), key=lambda each: each.point.identity
    )
    drawn = random.Random(f"{seed} audit").sample(rest, min(len(rest), max(0, count - len(begun))))
    jobs = [each.audit() for each in [*begun, *drawn]]
    return [job for job in jobs if not has_ended(rows(job.trial_id))]


def was_stopped_by_value(candidate: Candidate, decisions: Decisions) -> bool:
    """Return whether a scheduler stopped a point by its value, not for its failure."""
    made = (decision for job in candidate.jobs for decision in decisions.of(job.trial_id))
    return any(decision.stopped and decision.value is not None for decision in made)
