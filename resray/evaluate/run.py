"""From the options to rows in the results, trial by trial, and to a table on the console.

What computes is imported once the options are known to be right: torch takes seconds.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from resray.errors import RunInterrupted
from resray.evaluate.asked import (
    Evaluation,
    check_rest,
    checkpoint_path,
    selected_trials,
    trial_label,
    wanted_kinds,
    with_checkpoint,
)
from resray.hints import command

if TYPE_CHECKING:
    from resray.evaluate.ledger import Shown
    from resray.results.store import Row


@dataclass(frozen=True)
class Evaluated:
    """What came of an evaluation."""

    results: "tuple[Shown, ...]"
    """In order of trials, then of kinds; of the corruptions only their mean."""
    without_checkpoint: "tuple[Row, ...]"
    """Rows of selected trials that have no such checkpoint."""


def run_evaluation(asked: Evaluation, console: Console) -> Evaluated:
    """Evaluate stored checkpoints, append to the evaluations table, and print the results; of a
    single checkpoint's file only print them.

    Raises InputError (or DataError) for options that are wrong, results that are not there, data
    that are not those of the training, and a folder that another resray is writing to. Trials of
    one's own code as it was before a change are passed over and named, if there are others.
    """
    kinds = wanted_kinds(asked)
    check_rest(asked)
    if asked.results.is_file():
        with TemporaryDirectory(prefix="resray-evaluate-") as folder:
            return evaluate_stored(as_results(asked, Path(folder), console), kinds, console)
    try:
        evaluated = evaluate_stored(asked, kinds, console)
    except KeyboardInterrupt:
        raise RunInterrupted(
            f"interrupted. What was evaluated is safe in {asked.results}; the same command goes on "
            "from there"
        ) from None
    if evaluated.results:
        advice = f"`{command('report', asked.results)}` shows them beside the results."
        console.print(advice, markup=False, highlight=False, soft_wrap=True)
    return evaluated


def as_results(asked: Evaluation, folder: Path, console: Console) -> Evaluation:
    """Return what is asked, of results in ``folder`` whose only trial has the checkpoint."""
    from resray.data.sources import open_dataset
    from resray.results.store import ResultStore
    from resray.training.restore import load_network

    restored = load_network(asked.results, trusted=asked.trusted)
    if restored.note:
        console.print(restored.note, markup=False, highlight=False, soft_wrap=True)
    row: Row = {
        "trial_id": "alone",
        "study": "alone",
        "name": os.fsencode(asked.results.name).decode(errors="backslashreplace"),
        "seed": restored.checkpoint.get("seed"),
        "dataset_checksum": open_dataset(restored.recipe.data, asked.data_dir).checksum,
        "recipe": restored.recipe.model_dump_json(),
    }
    store, made = ResultStore(folder), replace(asked, results=folder)
    store.put_trial(row)
    store.flush()
    link = checkpoint_path(made, row)
    link.parent.mkdir(parents=True)
    link.symlink_to(asked.results.absolute())
    return made


def evaluate_stored(asked: Evaluation, kinds: "tuple[str, ...]", console: Console) -> Evaluated:
    """Evaluate the checkpoints of a results folder; raise what `run_evaluation` raises."""
    from resray.results.lock import writer_lock
    from resray.results.store import ResultStore

    store = ResultStore(asked.results)
    selected = selected_trials(asked, store)
    rows = with_checkpoint(asked, selected)
    from resray.evaluate.evaluator import Evaluator

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    with writer_lock(asked.results), bar as progress:
        evaluator = Evaluator(asked, kinds, store, progress)
        results = evaluator.run(rows)
        store.compact()
    missing = tuple(row for row in selected if row not in rows)
    print_results(results, missing, asked, console)
    for warning in evaluator.sets.warnings:
        console.print(warning, markup=False, highlight=False, soft_wrap=True)
    return Evaluated(tuple(results), missing)


def print_results(
    results: "list[Shown]", missing: "tuple[Row, ...]", asked: Evaluation, console: Console
) -> None:
    """Print one row for each result, and what could not be evaluated."""
    table = Table("trial", "checkpoint", "evaluation", "result", "images", "")
    for shown in results:
        kind = shown.kind if shown.condition is None else f"{shown.kind}, {shown.condition}"
        cells = (trial_label(shown.identity), shown.identity["checkpoint"], kind)
        state = "" if shown.new else "known before"
        table.add_row(*map(escape, cells), values_text(shown), f"{shown.images:,}", state)
    if asked.kinds == ("ensemble",) and not results:
        console.print("No trial has several seeds; --ensemble averages all selected trials.")
        return
    console.print(table)
    if missing:
        labels = "; ".join(trial_label(row) for row in missing)
        console.print(f"Without {asked.checkpoint}.pt: {labels}", markup=False, highlight=False)


def values_text(shown: "Shown") -> str:
    """Return a result's values with their units."""
    return ", ".join(
        f"{metric.replace('_', ' ')} "
        + (f"{value:.4f}" if metric in ("loss", "brier_score") else f"{value:.2f} %")
        for metric, value in shown.values.items()
    )
