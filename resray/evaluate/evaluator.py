"""Goes through stored checkpoints and what is to be evaluated of each."""

from collections.abc import Iterable

import torch
from rich.markup import escape
from rich.progress import Progress

from resray.errors import InputError
from resray.evaluate.asked import Evaluation, trial_label
from resray.evaluate.kinds import OF_ONE, ensemble_identity, evaluate_ensemble, groups
from resray.evaluate.ledger import Ledger, Shown
from resray.evaluate.subject import Subject, TestSets
from resray.evaluate.thumbnails import keep_thumbnails
from resray.models.own_code import OtherCodeError
from resray.results.store import ResultStore, Row
from resray.training.device import device_name, own_device


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
        self.predicted = store.predicted_epochs()
        """The epoch of which predictions are stored, of each trial that has some."""

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
        if "test" in self.kinds:
            trials = (subject.row for subject in subjects)
            keep_thumbnails(self.store, trials, self.sets.dataset)
        if "ensemble" in self.kinds:
            results += self._ensembles(subjects)
        return results

    def _evaluate(self, subject: Subject) -> list[Shown]:
        ledger = self._ledger(subject.identity(self.device_name))
        for kind in self.kinds:
            if kind in OF_ONE:
                OF_ONE[kind](subject, ledger)
        if "test" in self.kinds and self._lacks_predictions(subject):
            self.store.put_predictions(subject.predictions(self.device_name))
            self.store.flush()
        return ledger.shown

    def _lacks_predictions(self, subject: Subject) -> bool:
        """Return whether to store what the chosen epoch predicts of all of the trial's images."""
        chosen, trial_id = subject.row.get("best_epoch"), subject.row["trial_id"]
        known = self.predicted.get(trial_id) == chosen and not self.asked.force
        return subject.epoch == chosen and self.asked.limit is None and not known

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
