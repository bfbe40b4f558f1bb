"""From the options to rows in the results, trial by trial, and to a table on the console."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from resray.errors import InputError, RunInterrupted
from resray.evaluate.asked import (
    Evaluation,
    check_numbers,
    selected_trials,
    wanted_kinds,
    with_checkpoint,
)
from resray.evaluate.kinds import OF_ONE, ensemble_identity, evaluate_ensemble, groups
from resray.evaluate.ledger import Ledger, Shown
from resray.evaluate.subject import Subject, TestSets
from resray.hints import command
from resray.models.own_code import OtherCodeError
from resray.results.store import ResultStore, Row, writer_lock
from resray.training.device import device_name, own_device


@dataclass(frozen=True)
class Evaluated:
    """What came of an evaluation."""

    results: tuple[Shown, ...]
    """In order of trials, then of kinds; of the corruptions only their mean."""
    without_checkpoint: tuple[Row, ...]
    """Rows of selected trials that have no such checkpoint."""


def run_evaluation(asked: Evaluation, console: Console) -> Evaluated:
    """Evaluate stored checkpoints, append to the evaluations table, and print the results.

    Raises InputError (or DataError) for options that are wrong, results that are not there, data
    that are not those of the training, and a folder that another resray is writing to. Trials of
    one's own code as it was before a change are passed over and named, if there are others.
    """
    kinds = wanted_kinds(asked)
    check_numbers(asked)
    store = ResultStore(asked.results)
    selected = selected_trials(asked, store)
    rows = with_checkpoint(asked, selected)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    try:
        with writer_lock(asked.results), bar as progress:
            evaluator = Evaluator(asked, kinds, store, progress)
            results = evaluator.run(rows)
    except KeyboardInterrupt:
        raise RunInterrupted(
            f"interrupted. What was evaluated is safe in {asked.results}; the same command goes on "
            "from there"
        ) from None
    missing = tuple(row for row in selected if row not in rows)
    print_results(results, missing, asked, console)
    for warning in evaluator.sets.warnings:
        console.print(warning, markup=False, highlight=False, soft_wrap=True)
    return Evaluated(tuple(results), missing)


class Evaluator:
    """Goes through trials and kinds, with one network in memory at a time."""

    def __init__(
        self, asked: Evaluation, kinds: Iterable[str], store: ResultStore, progress: Progress
    ) -> None:
        self.asked, self.kinds, self.store, self.progress = asked, tuple(kinds), store, progress
        self.task = progress.add_task("", total=None)
        self.device = own_device()
        self.device_name = device_name(self.device, torch.get_num_threads())
        self.sets = TestSets(asked)

    def run(self, rows: list[Row]) -> list[Shown]:
        """Return the results of every trial, then those of ensembles."""
        self.progress.update(self.task, total=len(rows))
        results, subjects = [], []
        for row in rows:
            try:
                subject = Subject(row, self.asked, self.sets, self.device)
            except OtherCodeError as error:
                self.sets.warnings.add(str(error))
                continue
            results += self._evaluate(subject)
            subject.release()
            subjects.append(subject)
            self.progress.advance(self.task)
        if not subjects:
            raise InputError(min(self.sets.warnings))
        if "ensemble" in self.kinds:
            results += self._ensembles(subjects)
        return results

    def _evaluate(self, subject: Subject) -> list[Shown]:
        ledger = self._ledger(subject.identity(self.device_name))
        for kind in self.kinds:
            if kind in OF_ONE:
                OF_ONE[kind](subject, ledger)
        return ledger.shown

    def _ensembles(self, subjects: list[Subject]) -> list[Shown]:
        results = []
        for members in groups(subjects, across_trials=self.asked.ensemble):
            ledger = self._ledger(ensemble_identity(members, self.device_name))
            evaluate_ensemble(members, ledger)
            results += ledger.shown
        return results

    def _ledger(self, identity: Row) -> Ledger:
        def say(what: str) -> None:
            text = escape(f"{trial_label(identity)}: {what}")
            self.progress.update(self.task, description=text)

        return Ledger(self.store, identity, say, self.asked.force)


def trial_label(row: Row) -> str:
    """Return a trial's name with its seed; an ensemble has none."""
    return row["name"] if row["seed"] is None else f"{row['name']}, seed {row['seed']}"


def print_results(
    results: list[Shown], missing: tuple[Row, ...], asked: Evaluation, console: Console
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
    advice = f"`{command('report', asked.results)}` shows them beside the results."
    console.print(advice, markup=False, highlight=False, soft_wrap=True)
    if missing:
        labels = "; ".join(trial_label(row) for row in missing)
        console.print(f"Without {asked.checkpoint}.pt: {labels}", markup=False, highlight=False)


def values_text(shown: Shown) -> str:
    """Return a result's values with their units."""
    return ", ".join(
        f"{metric.replace('_', ' ')} " + (f"{value:.4f}" if metric == "loss" else f"{value:.2f} %")
        for metric, value in shown.values.items()
    )
