"""The figures of a search while it runs: the compute it spent, the best, and the time left."""

from pathlib import Path

import pytest

from resray.run.epochs_left import epochs_left, epochs_left_rescaled
from resray.search.best import winner
from tests.search_case import Search


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
    ended = "point again: completed, best validation 90.00 % (epoch 1), its test 88.50 %"
    assert search.lines() == [ended]
    text = search.shown()
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
    best = "best so far: 53.00 % on validation, point a, epoch 4 of 4, rung 2"
    assert best in text, "of those trained in full, which may win; not the 60 % of c"
    assert again.board.seconds_left() is not None, "the rows tell how long epochs take"


def test_a_stopped_trial_is_no_best_and_what_ended_itself_was_not_saved(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.plan("a", "b", "c")
    for name, accuracies in (("a", (50, 51, 52)), ("b", (49.9,))):
        search.start(name)
        search.train(name, *accuracies)
    assert [trial.view.label for trial in search.board.tally.best(3)] == ["point a"]
    search.end("a", reason="early stopping: no better validation accuracy for 1 epoch")
    assert search.board.tally.share == pytest.approx(100 * 4 / (3 + 9 + 9))
    search.start("c")
    search.train("c", 60, 61)
    search.end("c", status="failed", reason="diverged", error_class="DivergedError")
    share = search.board.tally.share
    assert share == pytest.approx(100 * 6 / (3 + 9 + 2))
    again = Search(tmp_path)
    for name in ("a", "b", "c"):
        again.follow(name)
    assert again.board.tally.share == pytest.approx(share)


def test_only_rungs_have_trainings_of_their_own(tmp_path: Path) -> None:
    """A study's rescaled rungs say nothing where the scheduler has no rungs."""
    search = Search(tmp_path, rung_schedule="rescaled", scheduler="median")
    search.plan("a", epochs=3)
    search.start("a")
    assert search.row("point a")[2] == "0 / 9"


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


def test_the_best_so_far_is_what_would_win(tmp_path: Path) -> None:
    search = Search(tmp_path, rung_schedule="rescaled", reduction_factor=3)
    # A rung's own short training is no winner, however high it came; of equals the first by id is.
    search.plan("short", epochs=1)
    search.plan("b", "a", epochs=9)
    for name, accuracies in (("short", (99,)), ("b", (50, 60)), ("a", (60,))):
        search.start(name)
        for accuracy in accuracies:
            search.train(name, accuracy)
        search.end(name)
    order = [trial.view.job.trial_id for trial in search.board.tally.best(3)]
    assert order == ["a", "b", "short"]
    won = winner(search.store.trials())
    assert won is not None
    assert won["trial_id"] == order[0]
