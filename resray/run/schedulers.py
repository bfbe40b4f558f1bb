"""Ray Tune's own schedulers: which one stops a search's trials, and asking it about each epoch.

A scheduler hears of trials under resray's ids, which outlive those that Ray gives anew in every
command, and only through its public methods. So one that is told again what an earlier command
stored, in the order in which it was recorded, stands where that one's stood.
"""

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from ray.tune.schedulers import (
    ASHAScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    ResourceChangingScheduler,
    TrialScheduler,
)

from resray.errors import InputError, first_line
from resray.search.decisions import Decision, Decisions
from resray.search.next_jobs import best_so_far
from resray.search.rules import asha_cutoff, rungs
from resray.study.search_spec import SearchSettings

Row = dict[str, Any]
T = TypeVar("T")

METRIC = "validation_accuracy"
"""What is handed over: the highest validation accuracy so far, in percent."""
TIME = "epoch"
CHANGING = (PopulationBasedTraining, HyperBandScheduler, ResourceChangingScheduler)
"""Schedulers, with those derived from them, that pause trials or change what they train."""
CONTINUES_OR_STOPS = "only schedulers that continue or stop trials are taken, such as ASHAScheduler"
FEWEST_OTHERS = 3
"""Median stopping judges nobody against fewer other trials."""
RUNNING = "RUNNING"
"""Ray Tune's word for a trial that has begun and not ended."""


def scheduler_of(settings: SearchSettings, longest: int) -> TrialScheduler | None:
    """Return the scheduler that stops trials of up to ``longest`` epochs while they train.

    None if none does: with ``none``, and with ``halving``, which decides between jobs. A name of
    the form ``module:function`` calls that function, so whoever calls this trusts it. Raises
    InputError if what it returns is no scheduler that continues or stops trials.
    """
    name = settings.scheduler
    if name in ("none", "halving"):
        return None
    if name == "asha":
        made: TrialScheduler = ASHAScheduler(
            time_attr=TIME,
            max_t=longest,
            grace_period=settings.grace,
            reduction_factor=settings.reduction_factor,
            brackets=1,
            stop_last_trials=False,
        )
    elif name == "median":
        # With less time between pauses it would pause trials while it has too few to compare with.
        made = MedianStoppingRule(
            time_attr=TIME,
            grace_period=settings.grace,
            min_samples_required=FEWEST_OTHERS,
            min_time_slice=10**9,
        )
    else:
        made = made_by(f"--scheduler {name}", name, TrialScheduler)
        if isinstance(made, CHANGING):
            kind = type(made).__name__
            raise InputError(
                f"--scheduler {name}: a {kind} pauses or changes trials; {CONTINUES_OR_STOPS}"
            )
    made.set_search_properties(METRIC, "max")
    return made


def made_by(option: str, name: str, kind: type[T]) -> T:
    """Return what the user's ``module:function`` makes; InputError if it is not of a kind."""
    module, _, function = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), function)()
    except Exception as error:  # Whatever the user's code raises.
        raise InputError(f"{option}: {first_line(error)}") from error
    if not isinstance(made, kind):
        raise InputError(f"{option}: returns a {type(made).__name__}, not a Ray {kind.__name__}")
    return made


@dataclass(eq=False)
class KnownTrial:
    """What a scheduler sees of a trial."""

    trial_id: str
    config: Mapping[str, Any]
    status: str = RUNNING
    last_result: Row = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.trial_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KnownTrial) and other.trial_id == self.trial_id


class KnownTrials:
    """What a scheduler sees of Ray Tune's controller: the trials, and no way to pause one."""

    def __init__(self) -> None:
        self.trials: dict[str, KnownTrial] = {}

    def get_trials(self) -> list[KnownTrial]:
        """Return all trials."""
        return list(self.trials.values())

    def get_live_trials(self) -> list[KnownTrial]:
        """Return those that have not ended."""
        return [each for each in self.trials.values() if each.status == RUNNING]


class Judge:
    """Asks a scheduler after each epoch of a search's trials, and has its decisions recorded.

    ``decide`` is called with a trial's row and each decision. Of ASHA those at its rungs are
    decisions; of other schedulers, which tell neither rung nor cutoff, every answer from the epoch
    ``grace`` on.
    """

    def __init__(
        self,
        scheduler: TrialScheduler,
        settings: SearchSettings,
        decisions: Decisions,
        decide: Callable[[Row, Decision], None],
    ) -> None:
        self._scheduler: Any = scheduler
        self._settings = settings
        self._decisions = decisions
        self._decide = decide
        self._controller = KnownTrials()
        self._rungs: dict[str, int] = {}
        """The highest rung that each trial has reached."""
        self._arrived: Counter[int] = Counter()
        """How many trials the scheduler has heard of at each epoch."""

    def replay(
        self,
        rows: Mapping[str, Row],
        epochs: Iterable[Row],
        decided: Mapping[tuple[str, int], datetime],
    ) -> None:
        """Let the scheduler hear again what is stored of trials, in the order of recording.

        An epoch counts from the moment when it was decided on (``decided``, by trial and epoch), if
        it was: its record may have been stored in another order. What another search has trained to
        its end is not stopped.
        """
        stored = [row for row in epochs if self._was_judged(row)]
        for record in in_order_of_arrival(stored, decided):
            row = rows[record["trial_id"]]
            self.after_epoch(row, record, may_stop=row["status"] != "completed")
        for row in rows.values():
            if row["status"] in ("completed", "failed") or self._decisions.is_stopped(
                row["trial_id"]
            ):
                self.ended(row)

    def _was_judged(self, record: Row) -> bool:
        """Return whether an epoch was trained before its trial was stopped, if it ever was."""
        stopped_after = self._decisions.stopped_after(record["trial_id"])
        return stopped_after is None or record["epoch"] <= stopped_after

    def after_epoch(
        self, row: Row, record: Mapping[str, Any], *, may_stop: bool = True
    ) -> Decision | None:
        """Hand over what a trial has reached with an epoch; return what is decided, if anything.

        ``row`` is the trial's. Epochs before the first evaluation, the last one and those that were
        handed over before are not judged.
        """
        last = self._heard(row["trial_id"])
        epoch = record["epoch"]
        value = best_so_far([record, last])
        if value is None or epoch <= last[TIME] or epoch >= row["full_epochs"]:
            return None
        stopped = self._ask(row, epoch, value)
        rung = self._rung_reached(row, epoch)
        if epoch < self._settings.grace or (rung is None and self._settings.scheduler == "asha"):
            return None
        made = self._made_before(row["trial_id"], rung, epoch)
        if made is None:
            made = self._decision(rung, epoch, value, stopped=stopped and may_stop)
            self._decide(row, made)
        return made

    def _heard(self, trial_id: str) -> Row:
        """Return what the scheduler heard last of a trial."""
        trial = self._controller.trials.get(trial_id)
        return trial.last_result if trial else {TIME: 0, METRIC: None}

    def _ask(self, row: Row, epoch: int, value: float) -> bool:
        """Return whether the scheduler stops a trial that comes to an epoch with this value."""
        trial = self._controller.trials.get(row["trial_id"])
        if trial is None:
            trial = KnownTrial(row["trial_id"], {"point": row["point"]})
            self._controller.trials[row["trial_id"]] = trial
            self._scheduler.on_trial_add(self._controller, trial)
        trial.last_result = {TIME: epoch, METRIC: value, "training_iteration": epoch}
        answer = self._scheduler.on_trial_result(self._controller, trial, trial.last_result)
        if answer not in (TrialScheduler.CONTINUE, TrialScheduler.STOP):
            raise InputError(
                f"--scheduler {self._settings.scheduler}: answers {answer} after epoch {epoch} of "
                f"{row['name']}; {CONTINUES_OR_STOPS}"
            )
        self._arrived[epoch] += 1
        return bool(answer == TrialScheduler.STOP)

    def _rung_reached(self, row: Row, epoch: int) -> int | None:
        """Return the rung of ASHA that a trial has reached with this epoch and not before."""
        if self._settings.scheduler != "asha":
            return None
        looks = rungs(self._settings.grace, self._settings.reduction_factor, row["full_epochs"])
        reached = sum(look <= epoch for look in looks)
        before = self._rungs.get(row["trial_id"], 0)
        self._rungs[row["trial_id"]] = reached
        return reached if reached > before else None

    def _made_before(self, trial_id: str, rung: int | None, epoch: int) -> Decision | None:
        """Return what an earlier command decided there."""
        if rung is not None:
            return self._decisions.at(rung).get(trial_id)
        return next((each for each in self._decisions.of(trial_id) if each.epoch == epoch), None)

    def _decision(self, rung: int | None, epoch: int, value: float, *, stopped: bool) -> Decision:
        if rung is None:
            return Decision(None, epoch, value, None, self._arrived[epoch], stopped)
        before = [made.value for made in self._decisions.at(rung).values()]
        earlier = [each for each in before if each is not None]
        cutoff = asha_cutoff(earlier, self._settings.reduction_factor)
        return Decision(rung, epoch, value, cutoff, len(earlier) + 1, stopped)

    def ended(self, row: Row) -> None:
        """Let the scheduler know that a trial trains no more."""
        trial = self._controller.trials.get(row["trial_id"])
        if trial is None or trial.status != RUNNING:
            return
        trial.status = "ERROR" if row["status"] == "failed" else "TERMINATED"
        if trial.status == "ERROR":
            self._scheduler.on_trial_error(self._controller, trial)
        else:
            self._scheduler.on_trial_complete(self._controller, trial, trial.last_result)


def in_order_of_arrival(
    epochs: Iterable[Row], decided: Mapping[tuple[str, int], datetime]
) -> list[Row]:
    """Return epoch rows as they arrived: when they were decided on, else when they were recorded.

    Clocks of several machines differ, but no epoch of a trial arrives before an earlier one.
    """
    latest: dict[str, datetime] = {}
    timed = []
    for row in sorted(epochs, key=lambda each: int(each["epoch"])):
        trial_id = row["trial_id"]
        moment = decided.get((trial_id, row["epoch"]), row["recorded"])
        latest[trial_id] = max(moment, latest.get(trial_id, moment))
        timed.append((latest[trial_id], row))
    return [row for _, row in sorted(timed, key=lambda each: each[0])]
