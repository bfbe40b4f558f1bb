"""What users see of a search: the overview, the lines, the compute spent and the time left."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resray.orchestration.progress import TrialView
from resray.orchestration.recorder import Recorder
from resray.orchestration.search_progress import FEW, SearchBoard
from resray.orchestration.search_tally import epochs_left, epochs_left_rescaled
from resray.results.store import ResultStore
from resray.search.budget import Budget, Spending
from resray.search.referee import Referee
from resray.study.search_spec import SearchSettings
from resray.training.trial import Job


class Search:
    """Trials whose messages are recorded, judged and shown, as in a command."""

    def __init__(
        self,
        folder: Path,
        *,
        budget: Budget | None = None,
        points: int | None = None,
        side_by_side: int = 1,
        terminal: bool = False,
        gpus: float = 0,
        **settings: Any,
    ) -> None:
        self.file = io.StringIO()
        self.console = Console(file=self.file, width=100, force_terminal=terminal)
        self.store = ResultStore(folder)
        self.recorder = Recorder(self.store, gpus_per_trial=gpus)
        self.referee = Referee(self.store, SearchSettings(**settings))
        self.board = SearchBoard(
            self.store,
            self.console,
            self.referee,
            side_by_side=side_by_side,
            budget=budget or Budget(),
            points=points,
            spending=Spending(),
        )

    def plan(
        self, *names: str, epochs: int = 9, full: int = 9, work: float = 1.0, **columns: Any
    ) -> None:
        for name in names:
            identity = {"trial_id": name, "study": "s", "name": name, "seed": 0, "reductions": "[]"}
            place = {"space": "depths", "point": f'{{"x":"{name}"}}', "search": self.referee.key}
            size = {"epochs": epochs, "full_epochs": full, "role": "search"}
            self.recorder.plan({**identity, **place, **size, **columns})
            self.follow(name, epochs, work, columns.get("role", "search"))

    def follow(self, name: str, epochs: int = 9, work: float = 1.0, role: str = "search") -> None:
        job = Job(
            trial_id=name,
            name=name,
            recipe={},
            seed=0,
            stop_after=None,
            checkpoint_folder=str(self.store.folder / "checkpoints" / name),
            data_dir=None,
            dataset_checksum="",
            world_size=1,
            threads=1,
            use_gpu=False,
        )
        done = self.store.epochs(name)
        view = TrialView(job, f"point {name}", epochs, work, epoch=len(done))
        self.board.plan(view, role)

    def start(self, name: str, epoch: int = 0) -> None:
        facts = {"pid": 1, "host": "here", "device": "Some CPU", "seconds_starting": 2.0}
        message = {"kind": "started", "epoch": epoch, "records": [], "facts": facts}
        self.recorder.message(name, message)
        self.board.hear(name, message)

    def train(self, name: str, *accuracies: float, test: float | None = None) -> None:
        """Let a trial train one epoch for each accuracy, until it is stopped."""
        for accuracy in accuracies:
            epoch = len(self.store.epochs(name)) + 1
            message = {"kind": "epoch", "epoch": epoch, "record": record(epoch, accuracy, test)}
            self.recorder.message(name, message)
            decision = self.referee.after_epoch(name)
            self.board.hear(name, message)
            if decision is not None and decision.stopped:
                self.stop(name, self.referee.reason(decision))
                return

    def stop(self, name: str, reason: str) -> None:
        self.recorder.stopped(name, reason)
        self.board.hear(name, {"kind": "stopped", "reason": reason})

    def end(self, name: str, **outcome: Any) -> None:
        epoch = len(self.store.epochs(name))
        message = {"kind": "finished", "epoch": epoch, "status": "completed", **outcome}
        self.recorder.message(name, message)
        self.board.hear(name, message)

    def lines(self) -> list[str]:
        """Return the lines printed since the last call, without how the search stands."""
        return [line.split(" | ")[0] for line in self.printed()]

    def printed(self) -> list[str]:
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        return text.splitlines()

    def shown(self) -> str:
        console = Console(file=io.StringIO(), width=100, record=True)
        console.print(self.board.table())
        return console.export_text()

    def row(self, label: str) -> list[str]:
        """Return the cells of the overview's row of a trial."""
        (line,) = [line for line in self.shown().splitlines() if f"│ {label} " in line]
        return [cell.strip() for cell in line.strip("│").split("│")]


def record(epoch: int, accuracy: float, test: float | None) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 1.0,
        "validation_accuracy": accuracy,
        "test_accuracy": test,
        "images": 100,
        "images_per_second": 11.0,
        "seconds_training": 9.0,
        "seconds_evaluating": 1.0,
        "peak_memory_bytes": 1,
        "recorded": "2026-01-01T00:00:00+00:00",
    }


def test_lines_tell_starts_epochs_rungs_and_ends(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", "b")
    with search.board.live():
        search.start("a")
        search.train("a", 50, 52, 55)
        search.start("b")
        search.train("b", 40)
        search.board.say("[out] of memory: half the batch")
    assert search.lines() == [
        "point a: started on Some CPU",
        "point a: goes on beyond rung 1, epoch 1, validation 50.00 %",
        "point a: epoch 1/9, validation 50.00 %",
        "point a: epoch 2/9, validation 52.00 %",
        "point a: goes on beyond rung 2, epoch 3, validation 55.00 %",
        "point a: epoch 3/9, validation 55.00 %",
        "point b: started on Some CPU",
        "point b: epoch 1/9, validation 40.00 %",
        "point b: stopped (asha: rung 1 after epoch 1, 40.00 % is below 50.00 %), "
        "validation 40.00 %",
        "[out] of memory: half the batch",
    ]


def test_every_line_ends_with_how_the_search_stands(tmp_path: Path) -> None:
    search = Search(tmp_path, scheduler="none")
    search.plan("a", "b", full=4)
    search.start("a")
    (line,) = search.printed()
    assert line.endswith(" | 0.0 % of the full grid's compute, time left unknown")
    search.train("a", 50)
    (line,) = search.printed()
    assert " | best 50.00 % (point a), 12.5 % of the full grid's compute, about 1 min" in line


def test_with_many_trials_only_rungs_and_ends_have_lines(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", "b", *(f"other {number}" for number in range(FEW)))
    search.start("a")
    search.train("a", 50, 51)
    search.start("b")
    search.board.hear("b", {"kind": "died"})
    search.end("b", status="failed", reason="diverged", error_message="loss is [nan]")
    assert search.lines() == [
        "point a: goes on beyond rung 1, epoch 1, validation 50.00 %",
        "point b: its process died; it starts again from its last checkpoint",
        "point b: failed (loss is [nan])",
    ]


def test_the_overview_shows_the_best_the_states_and_the_rungs(tmp_path: Path) -> None:
    search = Search(tmp_path, terminal=True)
    search.plan("a", "b", "c", "d")
    for name, accuracies in (("a", (50, 62, 61)), ("b", (40,)), ("c", (55,))):
        search.start(name)
        search.train(name, *accuracies)
    text = search.shown()
    assert "best so far: 62.00 % on validation, point a, epoch 2 of 9, rung 2" in text
    assert "search: 2 running, 1 waiting, 1 stopped" in text
    cells = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["1", "1", "3", "2", "1", "46.67", "%"] in cells
    assert ["2", "3", "1", "1", "0", "–"] in cells
    assert search.file.getvalue() == "", "lines would tear the overview"


def test_rows_are_those_of_the_running_and_the_best(tmp_path: Path) -> None:
    search = Search(tmp_path, terminal=True, scheduler="none")
    names = [f"t{number:03}" for number in range(40)]
    search.plan(*names)
    for number, name in enumerate(names[:30]):
        search.start(name)
        search.train(name, 30 + number)
        search.stop(name, "time budget of 30 min")
    search.start("t035")
    assert search.row("point t029") == ["point t029", "stopped", "1 / 9", "", "59.00 %", "–", ""]
    assert search.row("point t035")[1:3] == ["running", "0 / 9"]
    text = search.shown()
    assert "point t028" in text
    assert "point t001" not in text
    assert "point t036" not in text
    assert "search: 1 running, 9 waiting, 30 stopped" in text


def test_more_running_trials_than_rows_are_counted(tmp_path: Path) -> None:
    search = Search(tmp_path, terminal=True, scheduler="none")
    names = [f"t{number:03}" for number in range(20)]
    search.plan(*names)
    for name in names:
        search.start(name)
    assert search.row("and 4 more")[1] == "running"


def test_a_failed_trial_is_never_the_best(tmp_path: Path) -> None:
    search = Search(tmp_path, scheduler="none")
    search.plan("a", "b")
    for name, accuracy in (("a", 70), ("b", 60)):
        search.start(name)
        search.train(name, accuracy)
    assert "70.00 % on validation, point a" in search.shown()
    search.end("a", status="failed", reason="diverged", error_class="DivergedError")
    assert "60.00 % on validation, point b" in search.shown()


def test_a_confirmation_shows_test_and_counts_as_no_search(tmp_path: Path) -> None:
    search = Search(tmp_path, scheduler="none")
    search.plan("a")
    search.start("a")
    search.train("a", *range(50, 59))
    search.end("a")
    search.plan("again", role="confirmation", search=None)
    search.start("again")
    search.train("again", 90, test=88.5)
    search.lines()
    search.end("again")
    assert search.lines() == ["point again: completed, validation 90.00 %, test 88.50 %"]
    text = search.shown()
    assert "best so far: 58.00 % on validation, point a" in text
    assert "100.0 % of the full grid's compute" in text
    assert "confirmation: 1 completed" in text
    assert search.row("point again")[1] == "completed (confirmation)"
    assert search.row("point again")[-3:-1] == ["90.00 %", "88.50 %"]


def test_an_audit_is_shown_but_is_no_part_of_what_the_search_spent(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", "b", full=4, epochs=4)
    for name, accuracies in (("a", (50, 51, 52, 53)), ("b", (40,))):
        search.start(name)
        search.train(name, *accuracies)
    search.end("a")
    share = search.board.tally.share
    assert share == pytest.approx(100 * 5 / 8)
    search.recorder.plan({"trial_id": "b", "audited": True})
    search.follow("b", epochs=4, role="audit")
    search.start("b", epoch=1)
    search.train("b", 80, 90, 95)
    search.end("b")
    assert search.board.tally.share == share
    text = search.shown()
    assert "search: 1 completed, 1 stopped" in text
    assert "audit: 1 completed" in text
    assert "best so far: 53.00 % on validation, point a" in text


def test_a_restart_shows_what_earlier_commands_did(tmp_path: Path) -> None:
    first = Search(tmp_path)
    first.plan("a", "b", "c", full=4, epochs=4)
    for name, accuracies in (("a", (50, 51, 52, 53)), ("b", (40,)), ("c", (60,))):
        first.start(name)
        first.train(name, *accuracies)
    first.end("a")
    first.recorder.plan({"trial_id": "b", "audited": True})
    first.follow("b", epochs=4, role="audit")
    first.start("b", epoch=1)
    first.train("b", 80, 90, 95)
    first.end("b")
    again = Search(tmp_path)
    for name in ("a", "b"):
        again.follow(name, epochs=4)
    again.plan("c", full=4, epochs=4)
    assert again.board.tally.share == pytest.approx(first.board.tally.share)
    text = again.shown()
    assert "search: 1 waiting, 1 completed, 1 stopped" in text
    assert "best so far: 60.00 % on validation, point c, epoch 1 of 4, rung 1" in text
    assert again.board.seconds_left() is not None, "the rows tell how long epochs take"


def test_halving_waits_at_rungs_and_tells_what_was_decided(tmp_path: Path) -> None:
    search = Search(tmp_path, scheduler="halving")
    search.plan("a", "b", "c", epochs=1)
    for name, accuracy in (("a", 50), ("b", 40), ("c", 30)):
        search.start(name)
        search.train(name, accuracy)
        search.recorder.paused(name, "waits at rung 1")
        search.board.hear(name, {"kind": "paused"})
    assert "search: 3 paused" in search.shown()
    assert search.lines()[-1] == "point c: waits at its rung, epoch 1, validation 30.00 %"
    search.referee.close_rung(1, ["a", "b", "c"])
    search.stop("b", "halving: rung 1")
    search.board.hear("a", {"kind": "judged"})
    assert search.lines() == [
        "point b: stopped (halving: rung 1), validation 40.00 %",
        "point a: goes on beyond rung 1, epoch 1, validation 50.00 %, cutoff 50.00 %",
    ]
    assert "search: 2 paused, 1 stopped" in search.shown()


def test_rescaled_rungs_are_measured_against_one_full_training_of_a_point(tmp_path: Path) -> None:
    search = Search(tmp_path, rung_schedule="rescaled")
    search.plan("a1", point="{}", epochs=1)
    search.start("a1")
    search.train("a1", 50)
    search.end("a1")
    search.plan("a2", point="{}", epochs=3)
    search.start("a2")
    search.train("a2", 50, 51, 52)
    assert search.board.tally.share == pytest.approx(100 * 4 / 9)
    assert search.row("point a2")[2] == "3 / 3"


def test_points_still_to_be_proposed_count_as_compute_and_as_time(tmp_path: Path) -> None:
    search = Search(tmp_path, scheduler="none", points=4)
    search.plan("a", full=4, epochs=4)
    search.start("a")
    search.train("a", 50)
    assert search.board.tally.share == pytest.approx(100 / 16)
    assert search.board.seconds_left() == pytest.approx(150, abs=2)
    search.plan("b", full=4, epochs=4)
    assert search.board.tally.share == pytest.approx(100 / 16)


def test_time_left_expects_trials_to_go_on_as_often_as_others_did(tmp_path: Path) -> None:
    search = Search(tmp_path, side_by_side=2)
    search.plan(*(f"t{number}" for number in range(8)))
    for number in range(6):
        search.start(f"t{number}")
        search.train(f"t{number}", 50 - number, *([50] * 8 if number == 0 else []))
    search.end("t0")
    # Of six at rung 1 one went on, as if (1 + 1) of (6 + 3); of one at rung 2 one: (1 + 1) of 4.
    each = 2 + 10 * (1 + 2 / 9 * (2 + 2 / 4 * 6))
    assert search.board.seconds_left() == pytest.approx(2 * each / 2, abs=0.1)


def test_before_the_first_rung_the_reduction_factor_is_expected(tmp_path: Path) -> None:
    search = Search(tmp_path, grace=3)
    search.plan("a", "b", work=2.0)
    search.start("a")
    search.train("a", 50)
    left = search.board.seconds_left()
    assert left == pytest.approx(10 * (2 + 6 / 3) + 2 + 10 * (3 + 6 / 3), abs=2)


def test_trials_without_rungs_are_expected_to_their_end() -> None:
    assert epochs_left(2, 9, []) == 7
    assert epochs_left(0, 9, [(1, 0.5), (3, 0.5)]) == 1 + 0.5 * (2 + 0.5 * 6)
    assert epochs_left(1, 9, [(1, 0.5), (3, 0.5)]) == 0.5 * (2 + 0.5 * 6), "still to be judged"
    assert epochs_left(0, 3, [(1, 0.5), (3, 0.5)]) == 1 + 0.5 * 2, "nobody is judged at the end"


def test_rescaled_rungs_begin_anew() -> None:
    chances = [(1, 0.5), (3, 0.25)]
    assert epochs_left_rescaled(0, 1, 9, chances) == 1 + 0.5 * (3 + 0.25 * 9)
    assert epochs_left_rescaled(2, 3, 9, chances) == 1 + 0.25 * 9
    assert epochs_left_rescaled(4, 9, 9, chances) == 5


def test_budgets_and_costs_are_shown(tmp_path: Path) -> None:
    budget = Budget(seconds=3600, gpu_hours=4, cost=12.5, price_per_gpu_hour=2.5)
    search = Search(tmp_path, gpus=0.5, budget=budget, scheduler="none")
    search.plan("a", gpu_hours=1.25)
    assert "of the time budget left, 1.25 of 4 GPU-hours spent, cost 3.12 of 12.5" in search.shown()
    search.start("a")
    search.train("a", *[50] * 9)
    hours = 1.25 + 0.5 * (2 + 90) / 3600
    assert f"{hours:.2f} of 4 GPU-hours spent" in search.shown()


def test_without_budget_or_gpu_nothing_is_said_of_them(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a")
    text = search.shown()
    assert "GPU" not in text
    assert "cost" not in text
    assert "budget" not in text


def test_median_stopping_shows_its_latest_epochs(tmp_path: Path) -> None:
    search = Search(tmp_path, scheduler="median")
    search.plan("a", full=20, epochs=20)
    search.start("a")
    search.train("a", *range(1, 20))
    text = search.shown()
    rows = [line for line in text.splitlines() if line.startswith("│    – │")]
    assert len(rows) == 8
    assert "    19 │" in rows[-1]
    assert not [line for line in search.lines() if "rung" in line]


def test_the_overview_is_drawn_on_a_terminal_and_lines_stay_above_it(tmp_path: Path) -> None:
    search = Search(tmp_path, terminal=True)
    search.plan("a")
    with search.board.live():
        search.start("a")
        search.board.say("the winner: point a [1]")
    text = search.file.getvalue()
    assert "the winner: point a [1]" in text
    assert "point a" in text
    assert "running" in text
