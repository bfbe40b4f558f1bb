"""What must hold after a fault, and at the end, when the same command has gone on."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from resray.results.schema import TABLES
from tests.faults.command import stored
from tests.search_invariants import Row, Tables, outcome, violations

METRICS = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_loss",
           "test_accuracy", "learning_rate", "momentum", "images", "gradient_norm_first_stage",
           "gradient_norm_last_stage")  # fmt: skip
SUMMARY = ("name", "epochs_done", "best_epoch", "validation_accuracy", "test_accuracy",
           "test_accuracy_last")  # fmt: skip
TIMELY = {"progress.json"}
"""Files that are there or not, depending on how long an epoch took."""
KINDS = ("lost", "doubled", "different", "orphan", "hang", "stray", "code", "message", "other")
CHATTER = re.compile(r"^(\(\w*(raylet|pid=)|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [EWIC] )", re.M)
"""A line of Ray's own, which belongs in its log."""
Epoch = tuple[str, int]


@dataclass(frozen=True)
class Problem:
    """What does not hold: one of `KINDS`, and in words."""

    kind: str
    text: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass
class Epochs:
    """What is stored of the epochs at one moment."""

    metrics: dict[Epoch, tuple[str, ...]] = field(default_factory=dict)
    """Every number's bits."""
    recorded: dict[Epoch, pd.Timestamp] = field(default_factory=dict)
    doubled: int = 0

    @classmethod
    def read(cls, results: Path) -> "Epochs":
        """Read the table."""
        rows = stored(results, "epochs").to_dict("records")
        keys = [(str(row["trial_id"]), int(row["epoch"])) for row in rows]
        return cls(
            {key: tuple(float(row[name]).hex() for name in METRICS)
             for key, row in zip(keys, rows, strict=True)},
            {key: row["recorded"] for key, row in zip(keys, rows, strict=True)},
            len(rows) - len(set(keys)),
        )  # fmt: skip

    def problems(self) -> Iterator[Problem]:
        """No epoch is there twice."""
        if self.doubled:
            yield Problem("doubled", f"{self.doubled} epochs are there twice", self.doubled)

    def since(self, before: "Epochs") -> Iterator[Problem]:
        """What was stored before is still there, and was not trained again."""
        lost = [key for key, moment in before.recorded.items() if self.recorded.get(key) != moment]
        if lost:
            gone = sum(key not in self.recorded for key in lost)
            yield Problem("lost", f"{len(lost)} stored epochs, {gone} of them gone", len(lost))


@dataclass
class Reference:
    """What an undisturbed run has left."""

    metrics: dict[Epoch, tuple[str, ...]] = field(default_factory=dict)
    summaries: dict[str, Row] = field(default_factory=dict)
    outcome: list[Row] | None = None
    """Of a search whose outcome does not depend on when what happened."""
    paths: set[str] = field(default_factory=set)
    changes: int = 0
    """How often it has changed its files."""

    @classmethod
    def of(cls, out: Path, name: str, changes: int) -> "Reference":
        """Read the folder of an undisturbed run."""
        results = results_below(out)
        metrics = Epochs.read(results).metrics
        decided = outcome(Tables.read(results)) if name.endswith("halving") else None
        return cls(metrics, summaries(results), decided, shapes(out), changes)

    def differing(self, epochs: Epochs) -> Iterator[Problem]:
        """Every number is the undisturbed run's, bit for bit.

        A trial that no earlier run has trained so far is held against those that come later.
        """
        wrong = [f"{key[0][:8]} epoch {key[1]}" for key, bits in epochs.metrics.items()
                 if self.metrics.setdefault(key, bits) != bits]  # fmt: skip
        if wrong:
            yield Problem("different", f"metrics of {', '.join(wrong[:3])}", len(wrong))


def results_below(out: Path) -> Path:
    """Return the one results folder of a command."""
    (results,) = (out / "results").iterdir()
    return results


def summaries(results: Path) -> dict[str, Row]:
    """Return what each trial's row says of its result."""
    rows = stored(results, "trials").astype(object)
    rows = rows.where(rows.notna(), None)
    return {row["trial_id"]: {name: row[name] for name in SUMMARY}
            for row in rows.to_dict("records")}  # fmt: skip


def shapes(out: Path) -> set[str]:
    """Return what lies in a folder: paths in which any trial is ID and any file of a table FILE."""
    results = results_below(out)
    ids = set(stored(results, "trials")["trial_id"])
    found = set()
    for path in out.rglob("*"):
        parts = ["ID" if part in ids else part for part in path.relative_to(out).parts]
        in_table = path.is_file() and path.parent.name in TABLES
        if in_table and path.suffix == ".parquet" and not path.name.startswith((".", "_")):
            parts[-1] = "FILE"
        if path.name not in TIMELY:
            found.add(os.sep.join(parts))
    return found


def output_problems(text: str, code: int) -> Iterator[Problem]:
    """One line of errors at the end, if any; no traceback, and nothing of Ray's."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("resray: ")]
    last = lines[-1] if lines else "nothing"
    if "Traceback" in text:
        yield Problem("message", f"a traceback: {last[:120]}")
    if code in (2, 3, 130) and (len(errors) != 1 or last != errors[0]):
        yield Problem("message", f"exit {code}, {len(errors)} lines of errors, last: {last[:120]}")
    if chatter := CHATTER.search(text):
        yield Problem("message", f"Ray's own: {text[chatter.start() :][:120].splitlines()[0]}")


def hidden_problems(out: Path) -> Iterator[Problem]:
    """A command that could end in good order has taken its half files with it."""
    left = [str(path.relative_to(out)) for path in out.rglob(".*") if path.name != ".lock"]
    if left:
        yield Problem("stray", ", ".join(left[:3]))


def end_problems(
    out: Path, name: str, reference: Reference, *, lost_tables: Iterable[str] = (), points: int
) -> Iterator[Problem]:
    """Everything that was asked for is there as in the undisturbed run, and nothing else.

    Of ``lost_tables`` the fault has taken rows that nothing brings back.
    """
    results = results_below(out)
    epochs = Epochs.read(results)
    yield from epochs.problems()
    yield from plainly_doubled(results)
    yield from reference.differing(epochs)
    lost = {*lost_tables} - {"trials", "epochs"}
    if name.endswith(("asha", "halving")):
        yield from search_problems(results, reference, points, whole=not lost)
    else:
        yield from bench_problems(results, reference, epochs)
    # A checkpoint that a kill left half written is put aside, which the command says.
    strays = {path for path in shapes(out) - reference.paths if not path.endswith(".pt.damaged")}
    if lost_tables:
        strays = {path for path in strays if "damaged" not in path}
    if strays:
        yield Problem("stray", ", ".join(sorted(strays)[:3]))


def plainly_doubled(results: Path) -> Iterator[Problem]:
    """At a command's end whoever reads the files as they are sees each epoch once too."""
    rows = pd.read_parquet(results / "epochs", columns=["trial_id", "epoch"])
    if doubled := int(rows.duplicated().sum()):
        yield Problem("doubled", f"{doubled} epochs are in the files twice", doubled)


def bench_problems(results: Path, reference: Reference, epochs: Epochs) -> Iterator[Problem]:
    """Each trial is complete, with each epoch and with the summary of the undisturbed run."""
    missing = reference.metrics.keys() - epochs.metrics.keys()
    if missing:
        yield Problem("lost", f"{len(missing)} epochs at the end", len(missing))
    statuses = Counter(stored(results, "trials")["status"])
    if statuses != {"completed": len(reference.summaries)}:
        yield Problem("other", f"statuses {dict(statuses)}")
    if (found := summaries(results)) != reference.summaries:
        wrong = [trial_id[:8] for trial_id, row in reference.summaries.items()
                 if found.get(trial_id) != row]  # fmt: skip
        yield Problem("different", f"rows of {', '.join(wrong)}")


def search_problems(
    results: Path, reference: Reference, points: int, *, whole: bool
) -> Iterator[Problem]:
    """What `tests/search_invariants.py` says, as far as the tables that it asks are ``whole``."""
    tables = Tables.read(results)
    unfinished = [row["name"] for row in tables.trials if row["status"] not in
                  ("completed", "stopped")]  # fmt: skip
    if unfinished:
        yield Problem("other", f"not at an end: {', '.join(unfinished)}")
    if not whole:
        return
    for text in violations(tables, points)[:4]:
        yield Problem("other", text)
    if reference.outcome is not None and outcome(tables) != reference.outcome:
        yield Problem("different", "another outcome of the search than undisturbed")
