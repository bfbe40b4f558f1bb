"""Results as no study should leave them, and some will: drawn at random, with hostile names."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from resray.results.rows import STATUSES
from resray.results.schema import table_schema
from tests.report_builder import START, epochs_of, evaluation, trial, write_results

Row = dict[str, Any]

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--",
    "]]>",
    "a'\"&amp;%{y}&%$#_\\",
    "$x^2$",
    "=HYPERLINK(1)",
    "__proto__",
    "constructor",
    "\u202eright to left",
    "résnet-18 深度 🜁",
    "line\nbreak\u2028and\ttab",
    "x" * 300,
    " ",
)
FIXED = frozenset({"trial_id", "status", "epoch", "epochs_done"})
"""Columns that every writer fills and that say what the rest means."""

names = st.sampled_from(("resnet18", "resnet50", *HOSTILE)) | st.text(max_size=12).filter(
    lambda text: "\x00" not in text
)
numbers = st.sampled_from((0.0, -1.0, 1e-300, 1e300, math.nan, math.inf, -math.inf)) | st.floats(
    0, 100, allow_nan=False
)
counts = st.sampled_from((0, -1, 1, 2**62)) | st.integers(1, 300)
times = st.integers(-(10**6), 10**6).map(lambda seconds: START + timedelta(seconds=seconds))
documents = st.sampled_from(
    ("{", "[]", "{}", "null", "3", '["half of the images"]', '{"epochs": null, "model": "<b>"}')
) | names.map(lambda text: json.dumps({"epochs": 3, "model": {"name": text}, text: text}))


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Return what may stand in a column of a type, nothing included."""
    if pa.types.is_boolean(kind):
        return st.none() | st.booleans()
    if pa.types.is_integer(kind):
        return st.none() | counts
    if pa.types.is_floating(kind):
        return st.none() | numbers
    if pa.types.is_timestamp(kind):
        return st.none() | times
    return st.none() | names | documents


def changes(table: str) -> st.SearchStrategy[Row]:
    """Return strategies for a few columns of a row, to lay over plausible ones."""
    schema = table_schema(table)
    columns = [column for column in schema.names if column not in FIXED]
    return st.lists(st.sampled_from(columns), max_size=6, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries(
            {column: values_of(schema.field(column).type) for column in chosen}
        )
    )


@dataclass(frozen=True)
class RandomResults:
    """Rows of every table, too many to be printed, and whether a study file lies beside."""

    trials: list[Row] = field(repr=False)
    epochs: list[Row] = field(repr=False)
    events: list[Row] = field(repr=False)
    evaluations: list[Row] = field(repr=False)
    with_study: bool

    def write(self, folder: Path, study: Path) -> Path:
        """Write a results folder."""
        return write_results(
            folder,
            self.trials,
            epochs=self.epochs,
            events=self.events,
            evaluations=self.evaluations,
            study=study if self.with_study else None,
        )


@st.composite
def results(draw: st.DrawFn) -> RandomResults:
    """Draw results: from none to a dozen trials, of few names so that some are of one kind."""
    pool = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    validated = draw(st.booleans())
    finished = draw(st.sampled_from((STATUSES, ("completed",), ("failed", "pending"))))
    trials = []
    for number in range(draw(st.integers(0, 12))):
        done = draw(st.sampled_from((0, 1, 1, 2, 5)))
        row = trial(
            draw(st.sampled_from(pool)),
            draw(st.integers(0, 3)),
            draw(st.sampled_from((1, 5))),
            trial_id=f"trial-{number}",
            status=draw(st.sampled_from(finished)),
            epochs_done=done,
        )
        row |= {} if validated else {"validation_accuracy": None, "validation_images": 0}
        trials.append(row | draw(changes("trials")))
    epochs = [epoch | draw(changes("epochs")) for epoch in plausible_epochs(trials)
              if draw(st.integers(0, 9))]  # fmt: skip
    return RandomResults(
        trials,
        epochs,
        draw(events_of(trials)),
        draw(evaluations_of(trials)),
        draw(st.booleans()),
    )


def plausible_epochs(trials: list[Row]) -> Iterator[Row]:
    for row in trials:
        finite = row["test_accuracy"] is None or math.isfinite(row["test_accuracy"])
        seed = row["seed"] or 0
        yield from epochs_of(row | {"seed": seed} | ({} if finite else {"test_accuracy": None}))


@st.composite
def events_of(draw: st.DrawFn, trials: list[Row]) -> list[Row]:
    kinds = ("started", "resumed", "paused", "completed", "stopped", "failed", "died", "<b>")
    rows = []
    for row in trials:
        for _ in range(draw(st.integers(0, 3))):
            made = {**{key: row[key] for key in ("trial_id", "study", "name", "seed")},
                    "time": draw(times), "event": draw(st.sampled_from(kinds)), "attempt": 1,
                    "epoch": 1, "host": "node-1", "pid": draw(st.integers(1, 3))}  # fmt: skip
            rows.append(made | draw(changes("events")))
    return rows


@st.composite
def evaluations_of(draw: st.DrawFn, trials: list[Row]) -> list[Row]:
    kinds = ("test", "tta", "ensemble", "corruptions", "calibration", "foreign", "<b>")
    rows = []
    for row in trials:
        for kind in draw(st.lists(st.sampled_from(kinds), max_size=3)):
            condition = draw(st.sampled_from((None, "mean", "blur 3", "cat", "10 views")))
            made = evaluation(row, kind, draw(numbers), condition=condition)
            if draw(st.booleans()):
                made |= {"metric": "count", "class": draw(st.sampled_from(("cat", "dog"))),
                         "condition": draw(st.sampled_from(("cat", "dog")))}  # fmt: skip
            rows.append(made | draw(changes("evaluations")))
    return rows
