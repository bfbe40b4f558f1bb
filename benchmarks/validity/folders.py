"""Simulated verdicts on whole results: of `resray compare`, and the time to an accuracy.

The results are in memory; everything else is as of folders. Many studies lie in one, of which each
verdict sees its own configurations.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rating import CALLED, DISTRIBUTIONS, STATED, Rate, Size, generator

from resray.analysis.compare import Folders, compare
from resray.analysis.conditions import check
from resray.analysis.contrast_words import SURE
from resray.analysis.epoch_table import EpochRows, EpochTable
from resray.analysis.pairs import Matching, match
from resray.analysis.reaching import EPOCHS, Reaching
from resray.analysis.results import TABLES, Analysis
from resray.cli.compare_conditions import read_condition
from resray.results.schema import table_schema

METRICS = ("test_accuracy", "test_accuracy_best", "test_accuracy_last", "validation_accuracy",
           "seconds_training", "images_per_second", "gpu_hours")  # fmt: skip
CONFIGURATIONS = 5
TOGETHER = 100
"""Studies in one folder."""
LOSS = 2.0
"""Points, in each seed, of a folder that is certainly worse."""
LONGEST, LAST_TO_REACH = 21, 13
"""Trials need 1 to 21 epochs with equal chance: the median is 11. Those that need more than 13 do
not get there, as they have no more."""

NO_EPOCHS: Mapping[str, np.ndarray] = {}


def trial(name: str, seed: int, **measured: Any) -> dict[str, Any]:
    """Return the row of a completed trial."""
    return {
        **{"trial_id": f"{name}-{seed}", "study": "simulated", "name": name, "seed": seed},
        **{"variant": "standard", "role": "bench", "status": "completed", "recipe": "{}"},
        **{"reductions": "[]", "model": "resnet18", "dataset_checksum": "0", "world_size": 1},
        **{"test_images": 10_000, "validation_images": 5000, "device": "simulated"},
        **{"exclusive": True, "attempts": 1, "best_epoch": 1, "validation_accuracy": 90.0},
        **measured,
    }


def results_of(
    trials: Sequence[dict[str, Any]], epochs: Mapping[str, np.ndarray] = NO_EPOCHS
) -> Analysis:
    """Return results with these trials, and these columns of their epochs."""
    tables = {name: table_schema(name).empty_table() for name in TABLES}
    tables["trials"] = pa.Table.from_pylist(list(trials), table_schema("trials"))
    made = {
        name: one.append_column("source", pa.nulls(len(one), pa.string()))
        for name, one in tables.items()
    }
    return Analysis({"simulated": Path("simulated")}, made, EpochTable(EpochRows(table_of(epochs))))


def table_of(epochs: Mapping[str, np.ndarray]) -> pa.Table:
    """Return the columns of epochs with the others, of which nothing is known."""
    schema, length = table_schema("epochs"), len(next(iter(epochs.values()), ()))
    unknown = {one.name: pa.nulls(length, one.type) for one in schema}
    return pa.table({**unknown, **epochs}, schema)


# --- compare --------------------------------------------------------------------------------------


def folder(values: np.ndarray) -> Analysis:
    """Return a folder from (studies, configurations, metrics, seeds)."""
    return results_of(
        [
            trial(f"{study}-{place}", seed, **dict(zip(METRICS, own.tolist(), strict=True)))
            for study, configurations in enumerate(values)
            for place, metrics in enumerate(configurations)
            for seed, own in enumerate(metrics.T)
        ]
    )


def studies_of(first: np.ndarray, second: np.ndarray) -> Iterator[Folders]:
    """Yield each study's two folders, from all of their values."""
    for start in range(0, len(first), TOGETHER):
        sides = (folder(values[start : start + TOGETHER]) for values in (first, second))
        sources = dict(zip(("before", "after"), sides, strict=True))
        pairs = match(*(results.groups for results in sources.values())).pairs
        for place in range(0, len(pairs), CONFIGURATIONS):
            own = Matching(pairs[place : place + CONFIGURATIONS], (), ())
            yield Folders(sources, {"after": own})


REAL = read_condition("test_accuracy < 0", only_real=True)
ANY = read_condition("test_accuracy < -0.5")


def compared(size: Size) -> Iterator[Rate]:
    """Of identical folders some configuration differs in some metric, and what is to fail does."""
    for errors in (name for name in size.errors if name != "unequal"):
        for n in size.seeds:
            drawn = (size.few, CONFIGURATIONS * len(METRICS) * 2, n)
            values = 90 + DISTRIBUTIONS[errors](generator("compare", errors, n), drawn)
            shape = (size.few, CONFIGURATIONS, len(METRICS), n)
            first, second = (values[:, side::2].reshape(shape) for side in (0, 1))
            counted = Counter[str]()
            for folders in studies_of(first, second):
                found = compare(folders, METRICS)
                shown = any(one.verdict in SURE for rows in found.values() for one in rows)
                tested = found["test_accuracy"]
                counted += Counter(shown=shown, real=check(REAL, tested).failed,
                                   any=check(ANY, tested).failed)  # fmt: skip
            rest = (n, CONFIGURATIONS, errors)
            yield Rate("compare: any shown of 7 metrics, 5 configurations", *rest,
                       counted["shown"], size.few, STATED, CALLED)  # fmt: skip
            yield Rate("compare: --fail-if-real 'test_accuracy < 0' of identical folders", *rest,
                       counted["real"], size.few, STATED, CALLED)  # fmt: skip
            yield Rate("compare: --fail-if 'test_accuracy < -0.5' (sd) of identical folders", *rest,
                       counted["any"], size.few)  # fmt: skip


def certain_loss(size: Size) -> Iterator[Rate]:
    """A loss in every seed, without any spread, fails as a real one; two seeds may agree by
    chance."""
    for n in (seeds for seeds in size.seeds if seeds > 2):
        first = np.full((1, CONFIGURATIONS, len(METRICS), n), 90.0)
        failed = [
            check(REAL, compare(folders, METRICS)["test_accuracy"]).failed
            for folders in studies_of(first, first - LOSS)
        ]
        yield Rate("compare: --fail-if-real of a certain loss without spread", n, CONFIGURATIONS,
                   "none", sum(failed), len(failed), 100.0, 100.0, at_least=True)  # fmt: skip


# --- time to accuracy -----------------------------------------------------------------------------


def reached(size: Size) -> Iterator[Rate]:
    """The median that is shown lies below the true one: faster than in truth."""
    for n in size.seeds:
        needed = generator("reached", n).integers(1, LONGEST + 1, (size.studies, n))
        names = [[f"{study}-{seed}" for seed in range(n)] for study in range(size.studies)]
        trials = [trial(str(study), seed) for study in range(size.studies) for seed in range(n)]
        epoch = np.tile(np.arange(1, LAST_TO_REACH + 1), needed.size)
        there = epoch >= np.repeat(needed.ravel(), LAST_TO_REACH)
        epochs = {
            "trial_id": np.repeat(np.ravel(names), LAST_TO_REACH),
            "epoch": epoch,
            "validation_accuracy": np.where(there, 90.0, 50.0),
        }
        results = results_of(trials, epochs)
        reaching = Reaching(results, results.groups)
        medians = reaching.reached(reaching.needed(EPOCHS, [80.0]))[0].median
        hits = int((medians < (LONGEST + 1) / 2).sum())
        yield Rate("time to accuracy: the median shown is below the true one, 62 % get there", n, 1,
                   "uniform", hits, len(medians), 50.0, 50.0)  # fmt: skip
