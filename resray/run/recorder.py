"""What the trials say, written to the result store: the driver alone writes. No Ray here."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from resray.errors import StorageError
from resray.results.recovery import kept_beside, last_events
from resray.results.store import ResultStore, now
from resray.results.summary import Summary, seconds_of, selection_of, summary_of, utilisation
from resray.study.expand import PlannedTrial
from resray.study.recipe_spec import Recipe
from resray.study.recipes import implementation
from resray.study.reduction import Reduction, as_json, from_json
from resray.training.stopping import ending_of
from resray.training.trial import Job

Row = dict[str, Any]


def planned_row(trial: PlannedTrial, job: Job, origin: Row, **columns: Any) -> Row:
    """Return the trials row of a trial before it starts; ``columns`` are those of a search."""
    recipe = trial.recipe
    return {
        "trial_id": job.trial_id,
        "study": trial.study,
        "name": trial.name,
        "variant": trial.variant,
        "seed": trial.seed,
        "recipe": recipe.model_dump_json(),
        "reductions": as_json(trial.reductions),
        "model": recipe.model.name,
        "dataset": recipe.data.name,
        "dataset_checksum": job.dataset_checksum,
        # A path may hold bytes that are no text, which Parquet takes none of.
        "data_dir": job.data_dir and job.data_dir.encode(errors="replace").decode(),
        "epochs": recipe.epochs,
        "stop_after": trial.stop_after,
        "batch_size": recipe.batch_size,
        "accumulation": recipe.accumulation,
        "loader": recipe.loader.name,
        "optimizer": recipe.optimizer.name,
        "learning_rate": recipe.optimizer.lr,
        "weight_decay": recipe.optimizer.weight_decay,
        "schedule": recipe.schedule.name,
        "implementation": implementation(recipe, job.own_code),
        "world_size": job.world_size,
        "threads": job.threads,
        "step": job.step,
        "role": "bench",
        **origin,
        **columns,
    }


@dataclass
class Recorder:
    """Turns messages and ends of trials into rows.

    ``gpus_per_trial`` is 0 on CPU. ``running`` holds the host of each trial that trains at this
    moment, ``planned`` the trials of this command.
    """

    store: ResultStore
    gpus_per_trial: float = 0
    running: dict[str, str] = field(default_factory=dict)
    planned: set[str] = field(default_factory=set)
    _summaries: dict[str, Summary] = field(default_factory=dict)

    def plan(self, row: Row) -> None:
        """Register a trial, which waits; one whose row was lost is made again, its end included."""
        known = self.store.trial(row["trial_id"])
        fresh = {"status": "pending", "attempts": 0, "epochs_done": 0}
        self.planned.add(row["trial_id"])
        self.store.put_trial({**fresh, **(known or {}), **row, "status": "pending", "reason": None})
        if known is None:
            self._make_again(row["trial_id"])

    def _make_again(self, trial_id: str) -> None:
        """Take from beside its checkpoints what the tables have lost of a trial."""
        records, facts = kept_beside(self.store.folder / "checkpoints" / trial_id)
        if not records:
            return
        self.add_lost(trial_id, records)
        row = self.row(trial_id)
        recipe = Recipe.stored(row["recipe"])
        ending = ending_of(recipe, records, row["stop_after"]) or {}
        hours = self._gpu_hours({}, sum(map(seconds_of, self.store.epochs(trial_id))))
        known = {
            **noted(row, facts.pop("note", None), len(records)),
            **ending,
            **self.summary(trial_id, facts=facts),
            **hours,
            # Nobody knows whether its device was shared: unknown for good if it has more to train.
            "exclusive": None if ending else False,
        }
        facts.pop("pid", None)
        attempts = self._events_before.get(trial_id, {"attempt": 1})["attempt"]
        self.store.put_trial({"trial_id": trial_id, "attempts": attempts, **facts, **known})

    @cached_property
    def _events_before(self) -> dict[str, Row]:
        """The latest event of each trial as the tables had it when the first lost row was made."""
        return last_events(self.store.storage)

    def whole_epochs(self, trial_id: str) -> int:
        """Return how many epochs of a trial there are, from 1 on, with what lies beside it."""
        self.add_lost(trial_id, kept_beside(self.store.folder / "checkpoints" / trial_id)[0])
        there = [epoch["epoch"] for epoch in self.store.epochs(trial_id)]
        return len(there) if there == [*range(1, len(there) + 1)] else 0

    def summary(self, trial_id: str, facts: Mapping[str, Any] = MappingProxyType({})) -> Row:
        """Return what of a trial's row follows from its epochs and from ``facts`` that are not yet
        in it."""
        row = {**self.row(trial_id), **facts}
        summary = self._summary(trial_id).columns()
        summary["utilisation"] = utilisation({**row, **summary})
        if row.get("exclusive") is False:
            # The counter was that of all who shared the device.
            summary["energy_joules"] = None
        return summary

    def _summary(self, trial_id: str) -> Summary:
        """Return the summary of a trial's epochs, which is kept while it runs."""
        if trial_id not in self._summaries:
            selection, epochs = selection_of(self.row(trial_id)), self.store.epochs(trial_id)
            self._summaries[trial_id] = summary_of(epochs, selection)
        return self._summaries[trial_id]

    def message(self, trial_id: str, message: Mapping[str, Any]) -> None:
        """Write down one message of `resray.training.trial.run_trial`."""
        handlers = {
            "started": self._started,
            "epoch": self._epoch,
            "finished": self._finished,
        }
        handlers[message["kind"]](trial_id, message)

    def died(self, trial_id: str, detail: str, event: str = "died") -> None:
        """Note that a trial's process ended, or was ``preempted``, and that it starts again."""
        self.running.pop(trial_id, None)
        self._drop(trial_id)
        self._event(trial_id, event, detail=detail)

    def failed(self, trial_id: str, error: Mapping[str, Any]) -> None:
        """End a trial that used up its attempts, with the columns that tell of its last error."""
        self._drop(trial_id)
        self._end(trial_id, {"status": "failed", "reason": "error", **error})

    def stopped(self, trial_id: str, reason: str) -> None:
        """End a trial that a scheduler or a budget has stopped."""
        self.store.write_held(trial_id)
        self._end(trial_id, {"status": "stopped", "reason": reason})

    def paused(self, trial_id: str, reason: str) -> None:
        """Note that a trial waits until it is decided whether it goes on."""
        self.running.pop(trial_id, None)
        self.store.write_held(trial_id)
        self.store.put_trial({"trial_id": trial_id, "status": "pending", "reason": reason})
        self._event(trial_id, "paused", detail=reason)

    def interrupted(self, trial_id: str, reason: str) -> None:
        """Note that a trial was cut off by the command's end and can go on later."""
        if self.status(trial_id) == "running":
            self._drop(trial_id)
            self._end(trial_id, {"status": "interrupted", "reason": reason})

    @contextmanager
    def interrupting(self, reason: str) -> Iterator[None]:
        """Mark the trials as interrupted that still run at the end."""
        try:
            yield
        finally:
            # Also those whose process has died and that wait for their next start.
            for trial_id in self.planned:
                # On a full disk as far as there is room; the next command finds out the rest.
                with suppress(StorageError):
                    self.interrupted(trial_id, reason)
            with suppress(StorageError):
                self.store.flush()

    def _drop(self, trial_id: str) -> None:
        """Forget the epochs that no checkpoint covers, which are trained again; what they cost was
        spent."""
        hours = self.row(trial_id).get("gpu_hours")
        self._summaries.pop(trial_id, None)
        if self.store.drop_held(trial_id) and hours is not None:
            self.store.put_trial({"trial_id": trial_id, "gpu_hours": hours})

    def status(self, trial_id: str) -> str:
        """Return the trial's status."""
        return str(self.row(trial_id)["status"])

    def _started(self, trial_id: str, message: Mapping[str, Any]) -> None:
        row = self.row(trial_id)
        self.add_lost(trial_id, message["records"])
        facts = dict(message["facts"])
        pid, note = facts.pop("pid"), facts.pop("note", None)
        hours = self._gpu_hours(self.row(trial_id), facts["seconds_starting"])
        facts["seconds_starting"] += row.get("seconds_starting") or 0.0
        attempts = row["attempts"] + 1
        self.store.put_trial(
            {
                "trial_id": trial_id,
                **facts,
                **hours,
                **dict.fromkeys(("ended", "reason", "error_class", "error_message", "traceback")),
                **noted(row, note, message["epoch"]),
                **self.summary(trial_id, facts=facts),
                "status": "running",
                "attempts": attempts,
                "started": row.get("started") or now(),
            }
        )
        self.running[trial_id] = facts["host"]
        self._note_sharing(facts["host"])
        self._event(trial_id, "resumed" if attempts > 1 else "started", pid=pid,
                    detail=message.get("remark"))  # fmt: skip

    def add_lost(self, trial_id: str, records: list[Row]) -> None:
        """Add those of a trial's records that the tables lack: a checkpoint holds them, and a kill
        cut off their message."""
        for record in self._unknown(trial_id, records):
            self._hold(trial_id, record)
        self.store.write_held(trial_id)

    def _unknown(self, trial_id: str, records: list[Row]) -> list[Row]:
        known = {epoch["epoch"] for epoch in self.store.epochs(trial_id)}
        return [record for record in records if record["epoch"] not in known]

    def _note_sharing(self, host: str) -> None:
        """Mark the trials on ``host``: a trial that once ran beside another stays marked."""
        beside = [trial_id for trial_id, where in self.running.items() if where == host]
        shared = len(beside) > 1 and self.gpus_per_trial < 1
        for trial_id in beside:
            before = self.row(trial_id).get("exclusive")
            exclusive = before is not False and not shared
            if exclusive != before:
                self.store.put_trial({"trial_id": trial_id, "exclusive": exclusive})

    def _epoch(self, trial_id: str, message: Mapping[str, Any]) -> None:
        """Take in an epoch, and write down those that a checkpoint covers by now.

        One that is known is trained again, as the checkpoint that its trial went on from is older:
        that costs, and tells nothing new.
        """
        record = message["record"]
        newer = record["epoch"] > self._summary(trial_id).last.get("epoch", 0)
        if newer or self._unknown(trial_id, [record]):
            self._hold(trial_id, record)
        elif hours := self._gpu_hours(self.row(trial_id), seconds_of(record)):
            self.store.put_trial({"trial_id": trial_id, **hours})
        self.store.write_held(trial_id, message["saved"])

    def _hold(self, trial_id: str, record: Row) -> None:
        """Let the store know of an epoch, and what its trial comes to with it."""
        row = self.row(trial_id)
        identity = {key: row[key] for key in ("trial_id", "study", "name", "seed")}
        recorded = {
            **identity,
            **record,
            "attempt": row["attempts"],
            "recorded": datetime.fromisoformat(record["recorded"]),
        }
        summary = self._summary(trial_id)
        if record["epoch"] > summary.last.get("epoch", 0):
            summary = summary.with_epoch(recorded)
        else:
            # One that was missing in between.
            epochs = sorted([*self.store.epochs(trial_id), recorded], key=itemgetter("epoch"))
            summary = summary_of(epochs, summary.selection)
        self._summaries[trial_id] = summary
        columns = {**self.summary(trial_id), **self._gpu_hours(row, seconds_of(record))}
        self.store.hold_epoch(trial_id, recorded, columns)

    def _gpu_hours(self, row: Row, seconds: float) -> Row:
        """Return the trial's GPU-hours after ``seconds`` more with this command's share of GPUs."""
        if not self.gpus_per_trial:
            return {}
        before = row.get("gpu_hours") or 0.0
        return {"gpu_hours": before + self.gpus_per_trial * seconds / 3600}

    def _finished(self, trial_id: str, message: Mapping[str, Any]) -> None:
        if message["status"] == "interrupted":
            self._drop(trial_id)
        # Else it has come to its end: no checkpoint is to come that would cover more.
        self.store.write_held(trial_id)
        columns = ("status", "reason", "error_class", "error_message", "traceback")
        self._end(trial_id, {key: message.get(key) for key in columns})
        self._keep_predictions(trial_id, message.get("predictions"))

    def _keep_predictions(self, trial_id: str, columns: Mapping[str, Any] | None) -> None:
        """Store what the chosen epoch predicted; another one, after a damaged checkpoint, may be
        the best that the trial itself knows of."""
        row = self.row(trial_id)
        if columns is None or columns["epoch"] != row["best_epoch"]:
            return
        identity = {key: row[key] for key in ("trial_id", "study", "name", "seed")}
        content = {key: b64decode(columns[key]) for key in ("predicted", "labels")}
        self.store.put_predictions({**identity, **columns, **content, "device": row.get("device")})

    def _end(self, trial_id: str, outcome: Row) -> None:
        self.running.pop(trial_id, None)
        self._summaries.pop(trial_id, None)
        ending = {"ended": now(), **self.summary(trial_id), **outcome}
        self._summaries.pop(trial_id)
        self.store.put_trial({"trial_id": trial_id, **ending})
        detail = outcome.get("error_message") or outcome.get("reason")
        self._event(trial_id, outcome["status"], detail=detail)

    def _event(self, trial_id: str, event: str, **columns: Any) -> None:
        row = self.row(trial_id)
        self.store.put_event(
            {
                **{key: row[key] for key in ("trial_id", "study", "name", "seed")},
                "event": event,
                "attempt": row["attempts"],
                "epoch": row["epochs_done"],
                "host": row.get("host"),
                **columns,
            }
        )

    def row(self, trial_id: str) -> Row:
        """Return the row of a trial that was planned."""
        row = self.store.trial(trial_id)
        assert row is not None, f"trial {trial_id} was never planned"
        return row


def noted(row: Row, note: str | None, epochs_done: int) -> Row:
    """Return the trial's reductions with what was changed on the way, if anything was.

    A later note takes the place of an earlier one: it says what both came to. Without one an
    earlier note stays if epochs were trained under it.
    """
    if note is None and epochs_done:
        return {}
    known = [each for each in from_json(row["reductions"]) if each.kind != "memory"]
    if note is not None:
        # Beside checkpoints of older versions stands the whole sentence.
        known.append(Reduction("memory", note.removeprefix("out of memory: ")))
    return {"reductions": as_json(known)}
