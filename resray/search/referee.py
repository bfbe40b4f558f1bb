"""Who is stopped early: applies a search's rules to the store's rows and records what it decides.

The decisions table is all that it remembers, so a search goes on after a kill where it was.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from resray.results.store import ResultStore, read_table
from resray.results.summary import highest
from resray.search import rules
from resray.search.best import in_full
from resray.search.rules import Decision
from resray.study.search_spec import SearchSettings

Row = dict[str, Any]
Look = tuple[int | None, int]
"""A moment at which trials are judged: the rung's number (median: None) and its epoch."""


def search_key(settings: SearchSettings, changed: Sequence[str] = ()) -> str:
    """Return, as canonical JSON, what decides which trials are stopped.

    Searches of one results folder with the same key share their rungs. ``changed`` is what options
    changed in every trial: a quick one does not compare with the study's own. Points that were
    proposed belong to the search that proposed them.
    """
    names = {
        "asha": ("scheduler", "grace", "reduction_factor", "rung_schedule"),
        "halving": ("scheduler", "grace", "reduction_factor", "rung_schedule"),
        "median": ("scheduler", "grace"),
        "none": ("scheduler",),
    }[settings.scheduler]
    deciding: dict[str, Any] = {name: getattr(settings, name) for name in names}
    if changed:
        deciding["options"] = list(changed)
    if settings.method == "tpe":
        deciding |= {"method": settings.method, "seed": settings.seed}
    return json.dumps(deciding, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class RungState:
    """What has been decided at one rung so far. Trials that failed on the way count as stopped."""

    rung: int | None
    """1 is the first; None with median stopping, where each epoch has a state of its own."""
    epoch: int
    arrived: int
    went_on: int
    stopped: int
    cutoff: float | None
    """The latest, in percent; None while there was nothing to compare with."""


class Referee:
    """Decides on the trials of one search, and knows what was decided before.

    What earlier commands decided with the same `search_key` in the store's folder counts: their
    trials arrived before those of this one. Of these, ``trial_ids`` are the ones that are in the
    search (None: all); others do not exist for it. Call it after the rows that it judges by are in
    the store.
    """

    def __init__(
        self,
        store: ResultStore,
        settings: SearchSettings,
        changed: Sequence[str] = (),
        trial_ids: Collection[str] | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.key = search_key(settings, changed)
        self._decided: dict[Look, dict[str, Decision]] = {}
        self._stops: dict[str, int] = {}
        """The epoch at which each stopped trial was stopped."""
        self._means: dict[tuple[str, int], float | None] = {}
        known = None if trial_ids is None else set(trial_ids)
        for row in _recorded(store, self.key, known):
            made = {field.name: row[field.name] for field in fields(Decision)}
            self._remember(row["trial_id"], Decision(**made))
        self._peers = _trials_of(store.folder, "trials", self.key, known)

    def rungs_of(self, full_epochs: int) -> tuple[int, ...]:
        """Return the epochs of the rungs of a point with so many epochs; median and none: none."""
        if self.settings.scheduler not in ("asha", "halving"):
            return ()
        return rules.rungs(self.settings.grace, self.settings.reduction_factor, full_epochs)

    def after_epoch(self, trial_id: str) -> Decision | None:
        """Decide at every rung that the trial's epochs reach and that is still undecided.

        These are several where a kill came between an epoch and its decision. Returns the last
        decision, None if none was due. Audited trials are never decided on, nor are any with
        halving, rescaled rungs or no scheduler: `close_rung` and `arrive` are for these.
        """
        self._peers.add(trial_id)
        made = None
        for rung, epoch in self._due(trial_id):
            value = self._best(trial_id, epoch)
            made = self._record(trial_id, self._compare(trial_id, rung, epoch, value))
            if made.stopped:
                break
        return made

    def take_in(self, trial_id: str) -> None:
        """Let a trial that another search has trained to its end stand at each rung from now on.

        It is compared with those that had arrived there, and stopped nowhere: it is trained.
        """
        self._peers.add(trial_id)
        for rung, epoch in self._due(trial_id):
            decision = self._compare(trial_id, rung, epoch, self._best(trial_id, epoch))
            self._record(trial_id, replace(decision, stopped=False))

    def arrive(self, trial_id: str, rung: int) -> Decision:
        """Decide (ASHA) on a trial that was a training of its own for this rung and has ended."""
        if trial_id in self._made_at(rung):
            return self._made_at(rung)[trial_id]
        epoch = self._epoch_of_rung(rung)
        decision = self._compare(trial_id, rung, epoch, self._outcome(trial_id, epoch))
        return self._record(trial_id, replace(decision, epoch=self._done(trial_id)))

    def close_rung(self, rung: int, trial_ids: Collection[str]) -> set[str]:
        """Decide (halving) at a rung that all of these trials have reached, or failed before.

        They are ranked among all that were ever decided there; earlier decisions stay as they are,
        so a call that a kill cut off ends as it would have. In a search that grew, the new ones are
        ranked among all, and nobody's earlier stop is taken back. Returns those of ``trial_ids``
        that go on.
        """
        epoch = self._epoch_of_rung(rung)
        decided = {each: made.value for each, made in self._made_at(rung).items()}
        waiting = sorted(set(trial_ids) - set(decided))
        values = {**decided, **{each: self._outcome(each, epoch) for each in waiting}}
        kept, cutoff = rules.halving(values, self.settings.reduction_factor)
        for each in waiting:
            done = min(epoch, self._done(each))
            # One at the end of its full length goes on: another search has seen to that.
            stopped = each not in kept and not in_full(self._row(each))
            verdict = (values[each], cutoff, len(values), stopped)
            self._record(each, Decision(rung, done, *verdict))
        return {each for each in trial_ids if not self._made_at(rung)[each].stopped}

    def lost(self, trial_id: str) -> None:
        """Record that a trial has diverged or failed for good, at its next rung if it has one.

        The decision has no value and says stopped: the trial ranks last, and nobody is compared
        with it there; what it had reached at earlier rungs stays. Nothing is written with halving,
        where `close_rung` ranks it once the rung is complete, nor with median stopping, which has
        no rungs.
        """
        look = self._rung_ahead(trial_id)
        if look is None or self.is_stopped(trial_id) or self._row(trial_id).get("audited"):
            return
        decision = self._compare(trial_id, *look, None)
        self._record(trial_id, replace(decision, epoch=self._done(trial_id)))

    def is_stopped(self, trial_id: str) -> bool:
        """Whether it was decided that the trial does not go on; an audited one goes on anyway."""
        return trial_id in self._stops

    def decisions(self, trial_id: str) -> list[Decision]:
        """Return what this search decided on a trial, oldest first."""
        looks = sorted(self._decided, key=lambda look: look[1])
        return [made[trial_id] for look in looks if trial_id in (made := self._decided[look])]

    def table(self) -> list[RungState]:
        """Return the state of each rung that has decisions, in order of epoch."""
        looks = sorted(self._decided, key=lambda look: look[1])
        return [_state(look, list(self._decided[look].values())) for look in looks]

    def reason(self, decision: Decision) -> str:
        """Return why a decision stopped its trial, as the trials table and the progress tell it."""
        assert decision.stopped, decision
        rung = "" if decision.rung is None else f"rung {decision.rung} "
        where = f"{self.settings.scheduler}: {rung}after epoch {decision.epoch}"
        if decision.value is None:
            return f"{where}, diverged or failed"
        assert decision.cutoff is not None, decision
        side = "below" if decision.value < decision.cutoff else "no more than"
        return f"{where}, {decision.value:.2f} % is {side} {decision.cutoff:.2f} %"

    def _looks(self, trial_id: str) -> Iterator[Look]:
        """Yield the moments at which a trial that keeps its full schedule is judged in flight."""
        full_epochs = self._row(trial_id)["full_epochs"]
        if self.settings.scheduler == "median":
            yield from ((None, epoch) for epoch in range(self.settings.grace, full_epochs))
        elif self.settings.scheduler == "asha" and not self.settings.rescaled:
            yield from enumerate(self.rungs_of(full_epochs), 1)

    def _due(self, trial_id: str) -> list[Look]:
        if self._row(trial_id).get("audited") or self.is_stopped(trial_id):
            return []
        done = self._done(trial_id)
        return [
            look
            for look in self._looks(trial_id)
            if look[1] <= done
            and trial_id not in self._decided.get(look, {})
            and self._best(trial_id, look[1]) is not None
        ]

    def _rung_ahead(self, trial_id: str) -> Look | None:
        """Return the rung (ASHA) that a trial would have come to next; None if it has none."""
        row = self._row(trial_id)
        rungs = enumerate(self.rungs_of(row["full_epochs"]), 1)
        if self.settings.scheduler != "asha":
            return None
        if self.settings.rescaled:
            return next((look for look in rungs if look[1] == row["epochs"]), None)
        return next((look for look in rungs if trial_id not in self._decided.get(look, {})), None)

    def _compare(
        self, trial_id: str, rung: int | None, epoch: int, value: float | None
    ) -> Decision:
        """Return what the scheduler says of a trial that comes to an epoch with this value."""
        if rung is None:
            others = self._running_means(trial_id, epoch)
        else:
            values = [decision.value for decision in self._made_at(rung).values()]
            others = [each for each in values if each is not None]
        if value is None:
            cutoff, stopped = None, True
        elif self.settings.scheduler == "median":
            cutoff, stopped = rules.median(value, others)
        else:
            assert self.settings.scheduler == "asha", self.settings.scheduler
            cutoff, stopped = rules.asha(value, others, self.settings.reduction_factor)
        return Decision(rung, epoch, value, cutoff, len(others) + 1, stopped)

    def _running_means(self, trial_id: str, epoch: int) -> list[float]:
        """Return the mean accuracy up to an epoch of each other trial that has come this far."""
        others = sorted(self._peers - {trial_id})
        come = [each for each in others if self._judged_epochs(each) >= epoch]
        return [mean for each in come if (mean := self._running_mean(each, epoch)) is not None]

    def _running_mean(self, trial_id: str, epoch: int) -> float | None:
        if (trial_id, epoch) not in self._means:
            accuracies = self._accuracies(trial_id, epoch)
            self._means[trial_id, epoch] = rules.running_mean(accuracies, self.settings.grace)
        return self._means[trial_id, epoch]

    def _judged_epochs(self, trial_id: str) -> int:
        """Return how many epochs a trial has, leaving out what it was trained on for the audit."""
        done = self._done(trial_id)
        return min(done, self._stops.get(trial_id, done))

    def _accuracies(self, trial_id: str, up_to: int) -> list[float | None]:
        rows = self.store.epochs(trial_id)
        return [row["validation_accuracy"] for row in rows if row["epoch"] <= up_to]

    def _best(self, trial_id: str, up_to: int) -> float | None:
        """Return a trial's best accuracy so far, None before its first evaluation."""
        return highest(self._accuracies(trial_id, up_to))

    def _outcome(self, trial_id: str, up_to: int) -> float | None:
        """Return a trial's best accuracy at the end of a leg; None if it did not come to an end.

        Of one that another search trained past the rung, and evaluated only later, its best since.
        """
        if self._row(trial_id)["status"] == "failed":
            return None
        best = self._best(trial_id, up_to)
        return self._best(trial_id, self._done(trial_id)) if best is None else best

    def rung_of(self, trial_id: str) -> int | None:
        """Return the highest rung at which an accuracy of a trial was judged, None if none was."""
        judged = (each.rung for made in self._decided.values() if (each := made.get(trial_id))
                  and each.rung is not None and each.value is not None)  # fmt: skip
        return max(judged, default=None)

    def _done(self, trial_id: str) -> int:
        return max((row["epoch"] for row in self.store.epochs(trial_id)), default=0)

    def _made_at(self, rung: int) -> dict[str, Decision]:
        return self._decided.get((rung, self._epoch_of_rung(rung)), {})

    def _epoch_of_rung(self, rung: int) -> int:
        return int(self.settings.grace * self.settings.reduction_factor ** (rung - 1))

    def _record(self, trial_id: str, decision: Decision) -> Decision:
        row = self._row(trial_id)
        if decision.rung is not None and decision.value is not None:
            # Before the decision: a kill in between leaves the rung to be decided again.
            self.store.put_trial({"trial_id": trial_id, "rung": decision.rung})
        identity = {key: row[key] for key in ("trial_id", "study", "name", "seed")}
        search = {"search": self.key, "scheduler": self.settings.scheduler}
        self.store.put_decision({**identity, **search, **asdict(decision)})
        self.store.flush()
        self._remember(trial_id, decision)
        return decision

    def _remember(self, trial_id: str, decision: Decision) -> None:
        rung = decision.rung
        epoch = decision.epoch if rung is None else self._epoch_of_rung(rung)
        self._decided.setdefault((rung, epoch), {})[trial_id] = decision
        if decision.stopped:
            self._stops[trial_id] = decision.epoch

    def _row(self, trial_id: str) -> Row:
        row = self.store.trial(trial_id)
        assert row is not None, f"trial {trial_id} was never planned"
        return row


def _recorded(store: ResultStore, key: str, known: set[str] | None) -> list[Row]:
    """Return the decisions of one search on the known trials (None: on all), oldest first."""
    of_search = (
        row
        for trial_id in _trials_of(store.folder, "decisions", key, known)
        for row in store.decisions(trial_id)
        if row["search"] == key
    )
    return sorted(of_search, key=lambda row: (row["decided"], row["trial_id"]))


def _trials_of(folder: Path, table: str, key: str, known: set[str] | None) -> set[str]:
    """Return the ids of a search's known trials in one table of a results folder."""
    if not (folder / table).is_dir():
        return set()
    frame = read_table(folder, table)
    found = set(frame.loc[frame["search"] == key, "trial_id"])
    return found if known is None else found & known


def _state(look: Look, decisions: list[Decision]) -> RungState:
    stopped = sum(decision.stopped for decision in decisions)
    cutoffs = [decision.cutoff for decision in decisions if decision.cutoff is not None]
    arrived, latest = len(decisions), cutoffs[-1] if cutoffs else None
    return RungState(*look, arrived, arrived - stopped, stopped, latest)
