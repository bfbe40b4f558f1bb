"""What users see of a search: the overview and the lines."""

from pathlib import Path

from resray.run.search_progress import FEW
from resray.search.budget import Budget
from tests.search_case import Search

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
    search = Search(tmp_path, scheduler="none")
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
    search = Search(tmp_path, scheduler="none")
    search.plan("a")
    assert "0 s so far, starting worker processes; " in search.shown()
    search.start("a")
    search.train("a", 50, 42.5)
    assert search.lines()[-1] == "point a: epoch 2/9, validation 42.50 %", "not the best so far"
    search.recorder.plan({"trial_id": "a", "audited": True})
    search.follow("a", role="audit")
    search.train("a", 90)
    (line,) = search.printed()
    assert line.startswith("point a (audit): epoch 3/9, validation 90.00 % | about ")
    assert "starting worker" not in search.shown()


def test_with_many_trials_only_rungs_and_ends_have_lines(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", "b", *(f"other {number}" for number in range(FEW)))
    search.start("a")
    search.train("a", 50, 51)
    search.start("b")
    search.board.hear("b", {"kind": "died", "reason": "its process died"})
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


def test_halving_waits_at_rungs_and_tells_what_was_decided(tmp_path: Path) -> None:
    search = Search(tmp_path, scheduler="halving")
    search.plan("a", "b", "c", epochs=1)
    for name, accuracy in (("a", 50), ("b", 40), ("c", 30)):
        search.start(name)
        search.train(name, accuracy)
        search.recorder.paused(name, "waits at rung 1")
        search.board.hear(name, {"kind": "paused"})
    assert "search: 3 paused" in search.shown()
    assert search.lines()[-1] == "point c: waits at its rung, epoch 1, best validation 30.00 %"
    search.referee.close_rung(1, ["a", "b", "c"])
    search.stop("b", "halving: rung 1")
    search.board.hear("a", {"kind": "judged"})
    assert search.lines() == [
        "point b: stopped (halving: rung 1), best validation 40.00 %",
        "point a: epoch 1, best validation 50.00 %, goes on beyond rung 1 (cutoff 50.00 %)",
    ]
    assert "search: 2 paused, 1 stopped" in search.shown()


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


def test_a_damaged_checkpoint_has_a_line_also_among_many(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", *(f"other {number}" for number in range(FEW)))
    facts = {"device": "Some CPU", "seconds_starting": 1.0, "host": "node", "pid": 1}
    message = {"kind": "started", "epoch": 0, "records": [], "facts": facts, "remark": "damaged"}
    search.recorder.message("a", message)
    search.board.hear("a", message)
    assert search.lines() == ["point a: damaged"]
