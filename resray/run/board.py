"""What the user sees while trials run: a live table on a terminal, plain lines elsewhere."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from resray.results.schema import TABLES
from resray.results.store import ResultStore
from resray.run import wording
from resray.run.remaining import ACTIVE
from resray.run.totals import LATEST, Totals
from resray.run.views import Row, SearchView, TrialView
from resray.run.wording import duration, percent, selected
from resray.search.decisions import Decision, RungState

FEW = 12
"""Up to so many trials of a search have a line for each start and epoch."""
TRIAL_ROWS = LATEST
"""Up to so many trials of a benchmark are all in its table."""
BEST_ROWS = 3
ACTIVE_ROWS = 16
RUNG_ROWS = 8
"""Median stopping decides after every epoch; the latest are shown."""
LONGEST = 24
"""Letters of a word in a trial's label before it is broken."""


class Board:
    """Listens to the trials and shows them: those of a benchmark or, with ``search``, of a search,
    of which the best is the best by validation.

    ``side_by_side`` is how many trials run at a time; it may change on the way.
    """

    def __init__(
        self,
        store: ResultStore,
        console: Console,
        *,
        side_by_side: int,
        search: SearchView | None = None,
    ) -> None:
        self.side_by_side = side_by_side
        self.totals = Totals(search)
        self.views = self.totals.views
        self._store = store
        self._console = console
        # Rich asks the environment each time.
        self._terminal = console.is_terminal
        self._search = search
        self._began = time.time()
        # The live table is drawn by a thread of its own.
        self._lock = threading.Lock()

    def live(self) -> AbstractContextManager[object]:
        """Return a context that shows the table while it lasts, if this is a terminal."""
        if not self._terminal:
            return nullcontext()
        return Live(
            get_renderable=self.table,
            console=self._console,
            refresh_per_second=2,
            # What Ray prints goes to its log, not over the table.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def plan(self, view: TrialView, role: str) -> None:
        """Follow a trial, whose row is in the store, as bench, search, confirmation or audit.

        At any time, and again when it takes a new part: a stopped trial of the search that is
        trained on for the audit, the next part of one that went on. A trial that ended in an
        earlier command counts with what its row says.
        """
        with self._lock:
            view.role, view.row = role, self._row_of(view.job.trial_id)
            self.totals.plan(view)

    def hear(self, trial_id: str, message: Mapping[str, Any]) -> None:
        """Take in a message that has been recorded and, if it made one, decided on.

        Of the kinds of `run_trial`, or ``died``, ``preempted`` (its node leaves, it starts again),
        ``stopped`` (by the scheduler or a budget), ``paused`` (the trial waits at its rung) and
        ``judged`` (it waited, and may go on).
        """
        view = self.views[trial_id]
        with self._lock:
            view.row = self._row_of(trial_id)
            passed = self.totals.hear(view, message)
            stays = message["kind"] in ("died", "preempted")
            shown = stays or not self._terminal
            lines = self._lines(view, message, passed) if shown else []
        if message.get("remark"):
            # What there is to say of the checkpoint that a trial goes on from.
            lines.append(f"{view.label}: {message['remark']}")
        for line in lines:
            self.say(line)

    def say(self, text: str) -> None:
        """Print a line that stays, above the table if there is one."""
        if self._console.quiet:
            return
        if self._terminal:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        try:
            # Rich takes longer for a line than all else that its message costs.
            self._console.file.write(f"{text}\n")
            self._console.file.flush()
        except BrokenPipeError:
            self._console.on_broken_pipe()

    def seconds_left(self) -> float | None:
        """Return roughly the seconds until the trials planned so far have ended."""
        return self.totals.remaining.of_all(self.side_by_side, self.totals.proposals)

    def _row_of(self, trial_id: str) -> Row:
        row = self._store.trial(trial_id)
        assert row is not None, f"trial {trial_id} was never planned"
        if self._search is not None:
            self._search.spending.take_in(row)
        # The store leaves out columns that nobody has written yet.
        return {**dict.fromkeys(TABLES["trials"]), **row}

    def _lines(
        self, view: TrialView, message: Mapping[str, Any], passed: Sequence[Decision]
    ) -> list[str]:
        """Return what is worth a line of a message; of a search with how it stands."""
        news = self._news(view, message)
        lines = [wording.went_on(decision) for decision in passed]
        if news is not None:
            lines = [", ".join([news, *map(wording.beyond, passed)])]
        name = f"{view.label} (audit)" if view.role == "audit" else view.label
        standing = f" | {self._standing(view)}" if self._search is not None and lines else ""
        return [f"{name}: {line}{standing}" for line in lines]

    def _news(self, view: TrialView, message: Mapping[str, Any]) -> str | None:
        kind = message["kind"]
        if kind in ("died", "preempted"):
            return f"{message['reason']}; it starts again from its last checkpoint"
        if kind == "paused":
            return f"waits at its rung, epoch {view.epoch}, {wording.accuracies(view)}"
        if kind in ("finished", "stopped"):
            return wording.ending(view)
        if kind == "judged" or self.totals.number("search") > FEW:
            return None
        if kind == "epoch":
            return self._epoch(view, message["record"])
        verb = f"goes on after epoch {view.epoch}" if view.epoch else "started"
        return f"{verb} on {message['facts']['device']}"

    def _epoch(self, view: TrialView, record: Row) -> str:
        epoch, accuracy = f"epoch {view.epoch}/{view.epochs}", wording.measured(record)
        if view.role == "bench":
            own, total = self.totals.remaining.of(view), self.seconds_left()
            return (
                f"{epoch}, train loss {record['train_loss']:.3f}, {accuracy}; "
                f"{selected(view.row)}, {wording.speed(view.row)}, "
                f"left {duration(own)}, in all {duration(total)}"
            )
        best = f"; {selected(view.row)}" if view.role == "confirmation" else ""
        return f"{epoch}, {accuracy}{best}"

    def _standing(self, view: TrialView) -> str:
        """Return the end of every line: time left, and while it searches the best and what that
        has cost so far."""
        if view.role != "search":
            return self._left()
        best = [
            f"best {percent(each.row['validation_accuracy'])} ({each.label})"
            for each in self.totals.best(1)
        ]
        return ", ".join([*best, self._compute(), self._left()])

    def _compute(self) -> str:
        spent = self.totals.share
        said = "none" if spent is None else f"{spent:.1f} %"
        return f"{said} of the compute of training every point in full"

    def _left(self) -> str:
        seconds = self.seconds_left()
        return "time left unknown" if seconds is None else f"about {duration(seconds)} left"

    def _elapsed(self) -> str:
        return f"{duration(time.time() - self._began)} so far"

    def table(self) -> Table:
        """Return the trials, of a search an overview, as they stand now."""
        with self._lock:
            return self._trials() if self._search is None else self._overview(self._search)

    def _trials(self) -> Table:
        title = f"{self._elapsed()}, {duration(self.seconds_left())} left"
        views = [*self.views.values()]
        if len(views) > TRIAL_ROWS:
            active = self.totals.remaining.active.values()
            views = [*active, *reversed(self.totals.ended)][:TRIAL_ROWS]
        # Narrow enough for 80 columns: titles and labels take two lines, between words.
        table = Table(title=title, title_justify="left", caption_justify="left", box=box.MINIMAL,
                      show_edge=False, padding=0)  # fmt: skip
        words = [word for view in views for word in view.label.split()]
        longest = min(max(map(len, words), default=0), LONGEST)
        table.add_column("trial", overflow="fold", min_width=longest)
        table.add_column("state", no_wrap=True)
        results = wording.headings(view.row for view in views)
        for column in ("epoch", *results, "device used", "left"):
            table.add_column(column.replace(" ", "\n"), justify="right", no_wrap=True)
        for view in views:
            row = view.row
            used = wording.share(row["utilisation"]) if row["epochs_done"] else ""
            left, figures = self.totals.remaining.of(view), wording.selected_cells(row)
            label, epochs = Text(view.label), view.progress()
            table.add_row(label, view.state, epochs, *figures, used, duration(left))
        if rest := len(self.views) - len(views):
            others = self.totals.states - Counter((view.role, view.state) for view in views)
            table.caption = f"and {rest} more: {wording.counted(others, 'bench')}"
        return table

    def _overview(self, search: SearchView) -> Table:
        overview = Table.grid()
        for line in self._headlines(search):
            overview.add_row(Text(line))
        if rungs := search.decisions.states():
            overview.add_row(rung_table(rungs[-RUNG_ROWS:]))
        overview.add_row(self._searched())
        return overview

    def _headlines(self, search: SearchView) -> list[str]:
        begun = self.totals.remaining.starts.weight > 0
        left = self._left() if begun else "starting worker processes"
        best = [f"best so far: {wording.describe(view)}" for view in self.totals.best(1)]
        roles = ("search", "audit", "confirmation")
        counts = [(role, wording.counted(self.totals.states, role)) for role in roles]
        return [
            f"{self._elapsed()}, {left}; {self._compute()}",
            *filter(None, [self._spent(search)]),
            *best,
            *(f"{role}: {states}" for role, states in counts if states),
        ]

    def _spent(self, search: SearchView) -> str:
        """Return what was spent of the budget, or without one of GPU-hours and money."""
        budget, hours = search.budget, search.spending.gpu_hours
        parts = []
        if budget.seconds is not None:
            left = max(0.0, budget.seconds - (time.time() - self._began))
            parts.append(f"{duration(left)} of the time budget left")
        if hours or budget.gpu_hours is not None:
            parts.append(f"{hours:.2f}{wording.limit(budget.gpu_hours)} GPU-hours spent")
        cost = budget.cost_of(hours)
        if cost is not None:
            parts.append(f"cost {cost:.2f}{wording.limit(budget.cost)}")
        return ", ".join(parts)

    def _searched(self) -> Table:
        """Return the best trials of a search, those that run, and what confirms the winner."""
        table = Table("trial", "state")
        for column in ("epoch", "rung", "best validation", "its test", "to its end"):
            table.add_column(column, justify="right", no_wrap=True)
        best = self.totals.best(BEST_ROWS)
        active = [view for view in self.totals.remaining.active.values() if view not in best]
        self._add_rows(table, best)
        self._add_rows(table, active[:ACTIVE_ROWS])
        if len(active) > ACTIVE_ROWS:
            table.add_row(f"and {len(active) - ACTIVE_ROWS} more", "running")
        confirming = (view for view in self.views.values() if view.role == "confirmation")
        self._add_rows(table, (view for view in confirming if view.state not in ACTIVE))
        return table

    def _add_rows(self, table: Table, views: Iterable[TrialView]) -> None:
        for view in views:
            row, left = view.row, self.totals.remaining.of(view)
            table.add_row(
                Text(view.label),
                view.state if view.role == "search" else f"{view.state} ({view.role})",
                view.progress(),
                "" if row["rung"] is None else str(row["rung"]),
                percent(row["validation_accuracy"]),
                percent(row["test_accuracy"]),
                duration(left) if view.state in ACTIVE else "",
            )
        table.add_section()


def rung_table(rungs: Sequence[RungState]) -> Table:
    """Return what was decided at each rung."""
    table = Table()
    for column in ("rung", "epoch", "arrived", "went on", "stopped", "cutoff"):
        table.add_column(column, justify="right", no_wrap=True)
    for state in rungs:
        table.add_row(
            "–" if state.rung is None else str(state.rung),
            *map(str, (state.epoch, state.arrived, state.went_on, state.stopped)),
            percent(state.cutoff),
        )
    return table
