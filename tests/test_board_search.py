"""What users see of a search: overview, lines, compute spent, the best and the time left."""

from pathlib import Path

import pytest

from resray.run.board import FEW
from resray.search.best import winner
from resray.search.budget import Budget
from tests.board_case import Search, started

FULL = "of the compute of training every point in full"


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
        "point a: epoch 1/9, validation 50.00 %, goes on beyond rung 1",
        "point a: epoch 2/9, validation 52.00 %",
        "point a: epoch 3/9, validation 55.00 %, goes on beyond rung 2",
        "point b: started on Some CPU",
        "point b: epoch 1/9, validation 40.00 %",
        "point b: stopped (asha: rung 1 after epoch 1, 40.00 % is below 50.00 %), "
        "best validation 40.00 %",
        "[out] of memory: half the batch",
    ]


def test_every_line_ends_with_how_the_search_stands(tmp_path: Path) -> None:
    search = Search(tmp_path, settings={"scheduler": "none"})
    search.plan("a", "b", full=4)
    search.start("a")
    (line,) = search.printed()
    assert line.endswith(
        " | 0.0 % of the compute of training every point in full, time left unknown"
    )
    search.train("a", 50)
    (line,) = search.printed()
    assert f" | best 50.00 % (point a), 12.5 % {FULL}, about 1 min" in line


def test_each_epochs_line_has_its_own_accuracy_and_an_audit_is_named(tmp_path: Path) -> None:
    search = Search(tmp_path, settings={"scheduler": "none"})
    search.plan("a")
    assert "0 s so far, starting worker processes; " in search.text()
    search.start("a")
    search.train("a", 50, 42.5)
    assert search.lines()[-1] == "point a: epoch 2/9, validation 42.50 %", "not the best so far"
    search.recorder.plan({"trial_id": "a", "audited": True})
    search.follow("a", role="audit")
    search.train("a", 90)
    (line,) = search.printed()
    assert line.startswith("point a (audit): epoch 3/9, validation 90.00 % | about ")
    assert "starting worker" not in search.text()


def test_with_many_trials_only_rungs_and_ends_have_lines(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", "b", *(f"other {number}" for number in range(FEW)))
    search.start("a")
    search.train("a", 50, 51)
    search.start("b")
    search.hear("b", {"kind": "died", "reason": "its process died"})
    search.end("b", status="failed", reason="diverged", error_message="loss is [nan]")
    assert search.lines() == [
        "point a: epoch 1, best validation 50.00 %, goes on beyond rung 1",
        "point b: its process died; it starts again from its last checkpoint",
        "point b: failed (loss is [nan])",
    ]


def test_the_overview_shows_the_best_the_states_and_the_rungs(tmp_path: Path) -> None:
    search = Search(tmp_path, terminal=True)
    search.plan("a", "b", "c", "d")
    for name, accuracies in (("a", (50, 62, 61)), ("b", (40,)), ("c", (55,))):
        search.start(name)
        search.train(name, *accuracies)
    text = search.text()
    assert "best so far: 62.00 % on validation, point a, epoch 2 of 9, rung 2" in text
    assert "search: 2 running, 1 waiting, 1 stopped" in text
    cells = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["1", "1", "3", "2", "1", "46.67", "%"] in cells
    assert ["2", "3", "1", "1", "0", "–"] in cells
    assert search.file.getvalue() == "", "lines would tear the overview"


def test_rows_are_those_of_the_running_and_the_best(tmp_path: Path) -> None:
    search = Search(tmp_path, terminal=True, settings={"scheduler": "none"})
    names = [f"t{number:03}" for number in range(40)]
    search.plan(*names)
    for number, name in enumerate(names[:30]):
        search.start(name)
        search.train(name, 30 + number)
        search.stop(name, "time budget of 30 min")
    search.start("t035")
    assert search.row("point t029") == ["point t029", "stopped", "1 / 9", "", "59.00 %", "–", ""]
    assert search.row("point t035")[1:3] == ["running", "0 / 9"]
    text = search.text()
    assert "point t028" in text
    assert "point t001" not in text
    assert "point t036" not in text
    assert "search: 1 running, 9 waiting, 30 stopped" in text


def test_more_running_trials_than_rows_are_counted(tmp_path: Path) -> None:
    search = Search(tmp_path, terminal=True, settings={"scheduler": "none"})
    names = [f"t{number:03}" for number in range(20)]
    search.plan(*names)
    for name in names:
        search.start(name)
    assert search.row("and 4 more")[1] == "running"


def test_a_failed_trial_is_never_the_best(tmp_path: Path) -> None:
    search = Search(tmp_path, settings={"scheduler": "none"})
    search.plan("a", "b")
    for name, accuracy in (("a", 70), ("b", 60)):
        search.start(name)
        search.train(name, accuracy)
    assert "70.00 % on validation, point a" in search.text()
    search.end("a", status="failed", reason="diverged", error_class="DivergedError")
    assert "60.00 % on validation, point b" in search.text()


def test_halving_waits_at_rungs_and_tells_what_was_decided(tmp_path: Path) -> None:
    search = Search(tmp_path, settings={"scheduler": "halving"})
    search.plan("a", "b", "c", epochs=1)
    for name, accuracy in (("a", 50), ("b", 40), ("c", 30)):
        search.start(name)
        search.train(name, accuracy)
        search.recorder.paused(name, "waits at rung 1")
        search.board.hear(name, {"kind": "paused"})
    assert "search: 3 paused" in search.text()
    assert search.lines()[-1] == "point c: waits at its rung, epoch 1, best validation 30.00 %"
    for name, accuracy in (("a", 50), ("b", 40), ("c", 30)):
        search.decide(name, 1, 1, accuracy, cutoff=50)
    search.stop("b", "halving: rung 1")
    search.board.hear("a", {"kind": "judged"})
    assert search.lines() == [
        "point b: stopped (halving: rung 1), best validation 40.00 %",
        "point a: epoch 1, best validation 50.00 %, goes on beyond rung 1 (cutoff 50.00 %)",
    ]
    assert "search: 2 paused, 1 stopped" in search.text()


def test_budgets_and_costs_are_shown(tmp_path: Path) -> None:
    budget = Budget(seconds=3600, gpu_hours=4, cost=12.5, price_per_gpu_hour=2.5)
    search = Search(tmp_path, gpus=0.5, budget=budget, settings={"scheduler": "none"})
    search.plan("a", gpu_hours=1.25)
    assert "of the time budget left, 1.25 of 4 GPU-hours spent, cost 3.12 of 12.5" in search.text()
    search.start("a")
    search.train("a", *[50] * 9)
    hours = 1.25 + 0.5 * (2 + 90) / 3600
    assert f"{hours:.2f} of 4 GPU-hours spent" in search.text()


def test_without_budget_or_gpu_nothing_is_said_of_them(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a")
    text = search.text()
    assert "GPU" not in text
    assert "cost" not in text
    assert "budget" not in text


def test_median_stopping_shows_its_latest_epochs(tmp_path: Path) -> None:
    search = Search(tmp_path, settings={"scheduler": "median"})
    search.plan("a", full=20, epochs=20)
    search.start("a")
    search.train("a", *range(1, 20))
    text = search.text()
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


def test_a_damaged_checkpoint_has_a_line_also_among_many(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", *(f"other {number}" for number in range(FEW)))
    search.hear("a", started() | {"remark": "damaged"})
    assert search.lines() == ["point a: damaged"]


def test_a_confirmation_shows_test_and_counts_as_no_search(tmp_path: Path) -> None:
    search = Search(tmp_path, settings={"scheduler": "none"})
    search.plan("a")
    search.start("a")
    search.train("a", *range(50, 59))
    search.end("a")
    search.plan("again", role="confirmation", search=None)
    search.start("again")
    search.train("again", 90, test=88.5)
    search.lines()
    search.end("again")
    ended = "point again: completed, best validation 90.00 % (epoch 1), its test 88.50 %"
    assert search.lines() == [ended]
    text = search.text()
    assert "best so far: 58.00 % on validation, point a" in text
    assert "100.0 % of the compute of training every point in full" in text
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
    share = search.board.totals.share
    assert share == pytest.approx(100 * 5 / 8)
    search.recorder.plan({"trial_id": "b", "audited": True})
    search.follow("b", epochs=4, role="audit")
    search.start("b", epoch=1)
    search.train("b", 80, 90, 95)
    search.end("b")
    assert search.board.totals.share == share
    text = search.text()
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
    first.store.flush()
    again = Search(tmp_path, decisions=first.decisions)
    for name in ("a", "b"):
        again.follow(name, epochs=4)
    again.plan("c", full=4, epochs=4)
    assert again.board.totals.share == pytest.approx(first.board.totals.share)
    text = again.text()
    assert "search: 1 waiting, 1 completed, 1 stopped" in text
    best = "best so far: 53.00 % on validation, point a, epoch 4 of 4, rung 2"
    assert best in text, "of those trained in full, which may win; not the 60 % of c"
    assert again.board.seconds_left() is not None, "the rows tell how long epochs take"


def test_a_stopped_trial_is_no_best_and_what_ended_itself_was_not_saved(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", "b", "c")
    for name, accuracies in (("a", (50, 51, 52)), ("b", (49.9,))):
        search.start(name)
        search.train(name, *accuracies)
    assert [view.label for view in search.board.totals.best(3)] == ["point a"]
    search.end("a", reason="early stopping: no better validation accuracy for 1 epoch")
    assert search.board.totals.share == pytest.approx(100 * 4 / (3 + 9 + 9))
    search.start("c")
    search.train("c", 60, 61)
    search.end("c", status="failed", reason="diverged", error_class="DivergedError")
    share = search.board.totals.share
    assert share == pytest.approx(100 * 6 / (3 + 9 + 2))
    search.store.flush()
    again = Search(tmp_path, decisions=search.decisions)
    for name in ("a", "b", "c"):
        again.follow(name)
    assert again.board.totals.share == pytest.approx(share)


def test_only_rungs_have_trainings_of_their_own(tmp_path: Path) -> None:
    """A study's rescaled rungs say nothing where the scheduler has no rungs."""
    search = Search(
        tmp_path,
        settings={"scheduler": "median", "rung_schedule": "rescaled"},
    )
    search.plan("a", epochs=3)
    search.start("a")
    assert search.row("point a")[2] == "0 / 9"


def test_rescaled_rungs_are_measured_against_one_full_training_of_a_point(tmp_path: Path) -> None:
    search = Search(tmp_path, settings={"scheduler": "halving", "rung_schedule": "rescaled"})
    search.plan("a1", point="{}", epochs=1)
    search.start("a1")
    search.train("a1", 50)
    search.end("a1")
    search.plan("a2", point="{}", epochs=3)
    search.start("a2")
    search.train("a2", 50, 51, 52)
    assert search.board.totals.share == pytest.approx(100 * 4 / 9)
    assert search.row("point a2")[2] == "3 / 3"


def test_points_still_to_be_proposed_count_as_compute_and_as_time(tmp_path: Path) -> None:
    search = Search(tmp_path, points=4, settings={"scheduler": "none"})
    search.plan("a", full=4, epochs=4)
    search.start("a")
    search.train("a", 50)
    assert search.board.totals.share == pytest.approx(100 / 16)
    assert search.board.seconds_left() == pytest.approx(150, abs=2)
    search.plan("b", full=4, epochs=4)
    assert search.board.totals.share == pytest.approx(100 / 16)


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
    search = Search(tmp_path, settings={"grace": 3})
    search.plan("a", "b", work=2.0)
    search.start("a")
    search.train("a", 50)
    left = search.board.seconds_left()
    assert left == pytest.approx(10 * (2 + 6 / 3) + 2 + 10 * (3 + 6 / 3), abs=2)


def test_the_best_so_far_is_what_would_win(tmp_path: Path) -> None:
    settings = {"scheduler": "halving", "rung_schedule": "rescaled", "reduction_factor": 3}
    search = Search(tmp_path, settings=settings)
    # A rung's own short training is no winner, however high it came; of equals the first by id is.
    search.plan("short", epochs=1)
    search.plan("b", "a", epochs=9)
    for name, accuracies in (("short", (99,)), ("b", (50, 60)), ("a", (60,))):
        search.start(name)
        for accuracy in accuracies:
            search.train(name, accuracy)
        search.end(name)
    order = [view.job.trial_id for view in search.board.totals.best(3)]
    assert order == ["a", "b", "short"]
    won = winner(search.store.trials())
    assert won is not None
    assert won["trial_id"] == order[0]
