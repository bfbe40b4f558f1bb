"""What a command finds in a results folder: tables to be put right, or with ``--force`` removed."""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rich.console import Console

from resray.files import whole_file
from resray.results.recovery import (
    last_events,
    put_damaged_aside,
    recorded_epochs,
    remove_remains,
)
from resray.results.rows import ENDED
from resray.results.store import ResultStore
from resray.run.plan import checkpoint_folder
from resray.run.recorder import Recorder
from resray.run.resources import counted
from resray.run.wording import say
from resray.study.load import study_text

Row = dict[str, Any]


def put_right(store: ResultStore, console: Console) -> None:
    """Leave tables that a command can go on from, and say what was wrong with them.

    Whoever holds the writer's lock knows that nobody trains any more what an earlier command left
    running when it was killed. Epochs that were lost with a file come back from beside the
    checkpoints; where they cannot, their trial has not ended.
    """
    remove_remains(store.folder)
    for line in put_damaged_aside(store.storage):
        say(console, line)
    store.reload()
    recorder, recorded, lost = Recorder(store), recorded_epochs(store.storage), []
    events = last_events(store.storage)
    for row in store.trials():
        trial_id = row["trial_id"]
        changes = changes_of_event(row, events.get(trial_id))
        status = changes.get("status", row["status"])
        wanted = max(row["epochs_done"] or 0, status == "completed")
        if status == "running":
            changes |= {"status": "interrupted", "reason": "an earlier command was killed"}
        if recorded.get(trial_id, 0) != wanted:
            there = recorder.whole_epochs(trial_id)
            changes |= recorder.summary(trial_id) if there >= wanted else {"epochs_done": there}
            if there < wanted:
                lost.append(row["name"])
            if there < wanted and status == "completed":
                changes |= {"status": "interrupted", "reason": "its epochs were lost"}
        if changes:
            store.put_trial({"trial_id": trial_id, **changes})
    store.flush()
    if lost:
        names = ", ".join(lost[:3]) + (" ..." if lost[3:] else "")
        say(console, f"{counted(len(lost), 'trial')} lost epochs for good, to be trained: {names}")


def changes_of_event(row: Row, event: Row | None) -> Row:
    """Return what a trial's last event tells and its row does not: a kill came between the two."""
    if event is None:
        return {}
    changes: Row = {}
    if event["attempt"] > (row["attempts"] or 0):
        changes = {"attempts": event["attempt"], "started": row.get("started") or event["time"]}
    if event["event"] in ENDED and row["status"] in ("pending", "running"):
        detail = "error_message" if event["event"] == "failed" else "reason"
        changes |= {"status": event["event"], "ended": event["time"], detail: event["detail"]}
    return changes


def forget(store: ResultStore, trial_ids: Collection[str]) -> None:
    """Remove results and checkpoints of trials that ``--force`` runs anew."""
    for trial_id in trial_ids:
        shutil.rmtree(checkpoint_folder(store.folder, trial_id), ignore_errors=True)
    store.forget(trial_ids)


def copy_study(study: str, results: Path) -> None:
    """Keep the study file beside its results, for reports made later and elsewhere."""
    with whole_file(results / "study.yaml") as file:
        file.write(study_text(study).encode())
