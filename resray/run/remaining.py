"""How long the trials of a command may still take, from sums that are kept while it runs."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import NamedTuple

from resray.results.summary import seconds_of
from resray.run.views import SearchView, TrialView
from resray.search.rules import rungs

ACTIVE = ("running", "starting again", "preempted")
"""States of trials that train or are about to again."""
UNFINISHED = (*ACTIVE, "waiting", "paused")
PROMISES = 16
"""Of so many running trials the first epoch is watched while none has ended yet."""


Chances = Sequence[tuple[int, float]]
"""Epochs after which trials are judged, in order, and the chance to go on there."""


@dataclass
class Mean:
    """A running mean."""

    total: float = 0.0
    weight: float = 0.0

    def add(self, amount: float, weight: float = 1) -> None:
        """Take in a measurement; one without weight leaves no trace."""
        if weight:
            self.total += amount
            self.weight += weight

    def value(self) -> float | None:
        """Return the mean, or None before the first measurement."""
        return self.total / self.weight if self.weight else None


class Stage(NamedTuple):
    """What trials have in common that may be expected to need the same time, or nearly so."""

    running: bool
    searched: bool
    epoch: int
    epochs: int
    full_epochs: int
    judged: int
    size: int
    """Of an epoch's work, in steps of a fifth."""


class Remaining:
    """Keeps sums over the unfinished trials at each stage, which are few however many trials."""

    def __init__(self, search: SearchView | None) -> None:
        self.active: dict[str, TrialView] = {}
        self.starts = Mean()
        self._search = search
        self._measured, self._measured_before = Mean(), Mean()
        self._work_per_epoch = Mean()
        self._stages: dict[Stage, Counter[str]] = {}
        """How many trials, and the sums that `take_in` adds of each."""
        self._parts: dict[str, tuple[Stage, dict[str, float]]] = {}
        self._longest = 0
        self._chances: Chances = ()
        self._decided = -1
        self._epochs_left: dict[Stage, float] = {}

    def plan(self, view: TrialView) -> None:
        """Take in what earlier commands measured of a trial, before it is first taken in."""
        self._measured_before.add(seconds_of(view.row), view.epoch * view.work_per_epoch)
        self._work_per_epoch.add(view.work_per_epoch, view.role == "search")
        if view.full_epochs > self._longest:
            self._longest, self._decided = view.full_epochs, -1

    def measure(self, view: TrialView, seconds: float) -> None:
        """Take in the seconds of an epoch."""
        view.seconds_per_epoch = seconds
        self._measured.add(seconds, view.work_per_epoch)

    def take_in(self, view: TrialView) -> None:
        """Let a trial count as it stands now, not as it stood before."""
        trial_id = view.job.trial_id
        if trial_id in self._parts:
            stage, part = self._parts.pop(trial_id)
            self._stages[stage].subtract(part)
            if not self._stages[stage]["trials"]:
                del self._stages[stage]
        if view.state in UNFINISHED:
            stage, seconds = stage_of(view), view.seconds_per_epoch
            work = view.work_per_epoch if seconds is None else 0.0
            part = {"trials": 1, "seconds": seconds or 0.0, "work": work}
            part["began"] = view.epoch_began or 0.0
            self._stages.setdefault(stage, Counter()).update(part)
            self._parts[trial_id] = stage, part
        if view.state in ACTIVE:
            self.active[trial_id] = view
        else:
            self.active.pop(trial_id, None)

    def of(self, view: TrialView) -> float | None:
        """Return the seconds that a trial still needs, or None if nothing is known yet."""
        if view.state not in UNFINISHED:
            return 0.0
        seconds, rate = view.seconds_of_an_epoch(), self._seconds_per_work()
        if seconds is None and rate is not None:
            seconds = rate * view.work_per_epoch
        if seconds is None:
            return None
        return self._seconds_left(stage_of(view), seconds, view.epoch_began or 0.0)

    def of_all(self, side_by_side: int, proposals: int = 0) -> float | None:
        """Return roughly the seconds until all trials have ended, None if that is not known yet.

        A trial of the search is expected to go on at a rung as often as others did there; see
        `chances`. So are the ``proposals`` that are still to come, each as much work as the others.
        """
        rate, trials = self._seconds_per_work(), len(self._parts) + proposals
        if rate is None:
            return None if trials else 0.0
        self._refresh_chances()
        total = longest = 0.0
        for stage, sums in self._stages.items():
            seconds = (sums["seconds"] + rate * sums["work"]) / sums["trials"]
            each = self._seconds_left(stage, seconds, sums["began"] / sums["trials"])
            total, longest = total + sums["trials"] * each, max(longest, each)
        epochs = epochs_left(0, self._longest, self._chances)
        total += proposals * epochs * rate * (self._work_per_epoch.value() or 0.0)
        return max(longest, total / max(1, min(side_by_side, trials)))

    def _seconds_left(self, stage: Stage, seconds: float, began: float) -> float:
        """Return what a trial still needs whose epochs take so many seconds."""
        left = self._expected_epochs(stage) * seconds
        if stage.running:
            return max(0.0, left - min(time.time() - began, seconds))
        return left + (self.starts.value() or 0.0)

    def _expected_epochs(self, stage: Stage) -> float:
        """Return the epochs that trials at a stage may be expected to train still."""
        if self._search is None or not stage.searched:
            return stage.epochs - stage.epoch
        if stage not in self._epochs_left:
            self._epochs_left[stage] = self._reckon_epochs(stage)
        return self._epochs_left[stage]

    def _reckon_epochs(self, stage: Stage) -> float:
        full, known = stage.full_epochs, self._chances
        if self._search is not None and self._search.settings.rescaled:
            return epochs_left_rescaled(stage.epoch, stage.epochs, full, known)
        return epochs_left(stage.epoch, full, [each for each in known if each[0] > stage.judged])

    def _refresh_chances(self) -> None:
        """Reckon with what was decided since: a percent more decisions barely move the chances."""
        if self._search is not None and self._search.decisions.count > 1.01 * self._decided:
            self._decided = self._search.decisions.count
            self._chances = chances(self._search, self._longest)
            self._epochs_left.clear()

    def _seconds_per_work(self) -> float | None:
        """Return seconds per training multiply-add: of this command, else of those before it, else
        what running trials promise."""
        for measured in (self._measured, self._measured_before):
            if measured.weight:
                return measured.value()
        promised = Mean()
        for view in islice(self.active.values(), PROMISES):
            if (seconds := view.seconds_of_an_epoch()) is not None:
                promised.add(seconds, view.work_per_epoch)
        return promised.value()


def stage_of(view: TrialView) -> Stage:
    """Return the stage of a trial."""
    running, searched = view.state == "running", view.role == "search"
    size = round(4 * math.log2(view.work_per_epoch)) if view.work_per_epoch > 0 else 0
    return Stage(running, searched, view.epoch, view.epochs, view.full_epochs, view.judged, size)


def chances(search: SearchView, longest: int) -> Chances:
    """Return the chance to go on at each rung (median: after each epoch judged so far).

    It is the share that went on so far, as if before these the ``reduction_factor`` trials that the
    rule expects had come by, of which one went on (median: one trial, and it went on).
    """
    settings, known = search.settings, {}
    assumed = 1
    if settings.scheduler in ("asha", "halving"):
        assumed = settings.reduction_factor
        known = dict.fromkeys(rungs(settings.grace, assumed, longest), 1 / assumed)
    for state in search.decisions.states():
        known[state.epoch] = (state.went_on + 1) / (state.arrived + assumed)
    return sorted(known.items())


def epochs_left(epoch: int, full_epochs: int, chances: Chances) -> float:
    """Return how many epochs a trial after ``epoch`` may be expected to train still.

    ``chances`` are those of the rungs at which it was not judged yet.
    """
    left, likely = 0.0, 1.0
    for rung, chance in chances:
        if epoch <= rung < full_epochs:
            left += likely * (rung - epoch)
            likely, epoch = likely * chance, rung
    return left + likely * (full_epochs - epoch)


def epochs_left_rescaled(epoch: int, epochs: int, full_epochs: int, chances: Chances) -> float:
    """Return the same where each rung is a training of its own, the present one of ``epochs``."""
    left, likely = float(epochs - epoch), 1.0
    ahead = [(rung, chance) for rung, chance in chances if epochs <= rung < full_epochs]
    for (_, chance), (length, _) in pairwise([*ahead, (full_epochs, 0.0)]):
        likely *= chance
        left += likely * length
    return left
