"""What users see while a benchmark runs: time left, plain lines, and the live table."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from resray.run.remaining import epochs_left, epochs_left_rescaled
from resray.run.wording import duration, headings, percent, selected, selected_cells
from resray.run.worker import write_progress
from tests.board_case import Bench, started


def test_nothing_is_known_before_the_first_epoch(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a")
    made.plan("b")
    made.start("a")
    assert made.board.seconds_left() is None
    assert "? left" in made.text()


def test_trials_not_yet_measured_are_scaled_by_their_work(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a")
    made.plan("b", epochs=2, work=3.0)
    made.start("a")
    made.train("a", 1)
    # a: 3 more epochs of 10 s; b: 2 epochs, each with three times a's work.
    assert made.board.seconds_left() == pytest.approx(3 * 10 + 2 * 30, abs=2)


def test_side_by_side_the_longest_slot_counts(tmp_path: Path) -> None:
    made = Bench(tmp_path, side_by_side=2)
    made.plan("a")
    made.plan("b", work=2.0)
    made.plan("c", epochs=1)
    made.start("a")
    made.train("a", 1)
    # b takes one slot for 80 s; a and then c take the other for 30 s and 10 s.
    assert made.board.seconds_left() == pytest.approx(80, abs=2)


def test_ended_trials_need_nothing_more(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a")
    made.start("a")
    made.train("a", 4)
    made.end("a")
    assert made.board.seconds_left() == 0


def test_a_running_epoch_tells_the_time_before_its_end(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a", epochs=2)
    made.start("a")
    write_progress(tmp_path / "a", epoch=1, images=250, of=1000, seconds=5.0)
    assert made.board.seconds_left() == pytest.approx(2 * 20, abs=1)
    assert "0.25 / 2" in made.text()


def test_word_of_an_earlier_attempt_is_not_believed(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a")
    folder = tmp_path / "a"
    write_progress(folder, epoch=1, images=250, of=1000, seconds=5.0)
    stale = json.loads((folder / "progress.json").read_text()) | {"time": time.time() - 60}
    (folder / "progress.json").write_text(json.dumps(stale))
    made.start("a")
    assert made.board.seconds_left() is None


@pytest.mark.parametrize(
    "change",
    [
        "{half",
        "[]",
        "[" * 100_000,
        "{}",
        {"of": 0},
        {"seconds": "NaN"},
        {"images": -1},
        {"images": None},
        {"time": [1]},
    ],
)
def test_word_that_cannot_be_right_is_not_believed(tmp_path: Path, change: Any) -> None:
    made = Bench(tmp_path)
    made.plan("a")
    made.start("a")
    write_progress(tmp_path / "a", epoch=1, images=250, of=1000, seconds=5.0)
    assert "0.25 / 4" in made.text()
    path = tmp_path / "a" / "progress.json"
    said = json.loads(path.read_text())
    path.write_text(change if isinstance(change, str) else json.dumps(said | change))
    assert "0 / 4" in made.text()
    assert made.board.seconds_left() is None


def test_a_full_disk_keeps_nothing_of_the_word(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / f".progress.json.{os.getpid()}").symlink_to("/dev/full")
    write_progress(folder, epoch=1, images=250, of=1000, seconds=5.0)
    assert list(folder.iterdir()) == []


def test_lines_without_a_terminal(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a", epochs=2)
    with made.board.live():
        made.start("a")
        made.train("a", 1, accuracy=None)
        made.train("a", 2, accuracy=None, test_accuracy=58, seconds_training=18.0)
        made.hear("a", {"kind": "died", "reason": "its process died"})
        made.start("a", epoch=1)
        made.end("a", status="failed", reason="diverged", error_message="[nan]")
    assert made.file.getvalue().splitlines() == [
        "a (seed 0): started on Some CPU (2 threads)",
        "a (seed 0): epoch 1/2, train loss 1.234, validation –; last epoch's test 60.25 % "
        "(epoch 1), 100 images/s, left 10 s, in all 10 s",
        "a (seed 0): epoch 2/2, train loss 1.234, validation –; last epoch's test 58.00 % "
        "(epoch 2), 67 images/s, left 0 s, in all 0 s",
        "a (seed 0): its process died; it starts again from its last checkpoint",
        "a (seed 0): goes on after epoch 1 on Some CPU (2 threads)",
        "a (seed 0): failed ([nan])",
    ]


def test_lines_name_the_epoch_that_validation_selects(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a")
    made.start("a")
    made.train("a", 1)
    made.train("a", 2, accuracy=59, test_accuracy=70)
    last = made.file.getvalue().splitlines()[-1]
    assert "validation 59.00 %; best validation 61.50 % (epoch 1), its test 60.25 %" in last


ROW = {"epochs_done": 4, "best_epoch": 2, "validation_accuracy": 14.06, "test_accuracy": 9.38,
       "images_per_second": 100.0}  # fmt: skip
ON_TEST = {**ROW, "recipe": '{"selection": "test"}'}
UNHELD = {**ROW, "best_epoch": 4, "validation_accuracy": None}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROW, "best validation 14.06 % (epoch 2), its test 9.38 %"),
        (ON_TEST, "best test 9.38 % (epoch 2), its validation 14.06 %"),
        ({**ON_TEST, "validation_accuracy": None}, "best test 9.38 % (epoch 2)"),
        (UNHELD, "last epoch's test 9.38 % (epoch 4)"),
    ],
)
def test_words_follow_what_chose_the_epoch(row: dict[str, Any], words: str) -> None:
    assert selected(row) == words


def test_headings_follow_what_chose_the_epochs() -> None:
    waiting = {"epochs_done": None}
    assert headings([waiting])[0] == "best validation"
    assert headings([ROW, waiting])[:3] == ("best validation", "its epoch", "its test")
    assert headings([ON_TEST, waiting])[:3] == ("its validation", "its epoch", "best test")
    assert headings([UNHELD])[:3] == ("validation", "last epoch", "its test")
    assert headings([UNHELD, ON_TEST])[:3] == ("validation", "selected epoch", "its test")
    assert selected_cells(ON_TEST) == ["14.06 %", "2", "9.38 %", "100"]


def test_table_shows_every_trial(tmp_path: Path) -> None:
    made = Bench(tmp_path, terminal=True)
    made.plan("a")
    made.plan("b")
    made.start("a")
    made.train("a", 1)
    made.train("a", 2, accuracy=59, test_accuracy=70, seconds_training=18.0)
    text = made.text()
    (row,) = [line for line in text.splitlines() if "a (seed 0)" in line]
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells[1:-1] == ["running", "2 / 4", "61.50 %", "1", "60.25 %", "67", "–"]
    (row,) = [line for line in text.splitlines() if "b (seed 0)" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")][1:3] == ["waiting", "0 / 4"]
    assert made.file.getvalue() == "", "lines would tear the live table"


def test_utilisation_stands_beside_the_speed(tmp_path: Path) -> None:
    message = started(seconds=1.0)
    message["facts"] |= {"multiply_adds": 10**9, "matrix_rate": 2e12, "world_size": 1}
    made = Bench(tmp_path)
    made.plan("a")
    made.hear("a", message)
    made.train("a", 1)
    # 100 images/s of 6 GFLOP each.
    assert "100 images/s, utilisation 30 %, left" in made.file.getvalue()
    (row,) = [line for line in made.text().splitlines() if "a (seed 0)" in line]
    assert [cell.strip() for cell in row.split("│")][6:8] == ["100", "30 %"]


def test_live_table_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    made = Bench(tmp_path, terminal=True)
    made.plan("a")
    with made.board.live():
        made.start("a")
    assert "running" in made.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (187, "3 min 07 s"),
        (7500, "2 h 05 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_percentages() -> None:
    assert (percent(87.918), percent(None)) == ("87.92 %", "–")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_damaged_checkpoint_has_a_line_that_stays(tmp_path: Path, terminal: bool) -> None:
    made = Bench(tmp_path, terminal=terminal)
    made.plan("a")
    made.hear("a", started(1) | {"remark": "last.pt: damaged; goes on from previous.pt, epoch 1"})
    line = "a (seed 0): last.pt: damaged; goes on from previous.pt, epoch 1"
    assert made.file.getvalue().splitlines()[-1] == line


def test_saving_is_part_of_an_epoch(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.plan("a")
    made.start("a")
    made.train("a", 1, seconds_saving=5.0)
    assert made.board.seconds_left() == pytest.approx(3 * 15, abs=2)


def test_a_trial_whose_node_leaves_starts_again(tmp_path: Path) -> None:
    made = Bench(tmp_path, terminal=True)
    made.plan("a")
    made.start("a")
    made.hear("a", {"kind": "preempted", "reason": "its node leaves"})
    line = "a (seed 0): its node leaves; it starts again from its last checkpoint"
    assert made.printed()[-1] == line
    assert made.row("a (seed 0)")[1] == "preempted"
    made.start("a", epoch=1)
    assert made.row("a (seed 0)")[1] == "running"


def test_of_many_trials_the_table_shows_those_that_run_or_ended_last(tmp_path: Path) -> None:
    made = Bench(tmp_path, terminal=True)
    names = [f"t{number:02}" for number in range(60)]
    for name in names:
        made.plan(name, epochs=1)
    for name in names[:45]:
        made.start(name)
        made.train(name, 1)
        made.end(name)
    made.start("t50")
    *lines, last = made.text().rstrip().splitlines()
    cells = [line.split("│")[:2] for line in lines if "(seed 0)" in line]
    assert [cell.strip() for cell in cells[0]] == ["t50 (seed 0)", "running"]
    assert [cell.strip() for cell in cells[1]] == ["t44 (seed 0)", "completed"]
    assert [cell.strip() for cell in cells[-1]] == ["t06 (seed 0)", "completed"]
    assert len(cells) == 40
    assert last == "and 20 more: 14 waiting, 6 completed"


def test_what_earlier_commands_measured_tells_the_time_before_the_first_epoch(
    tmp_path: Path,
) -> None:
    first = Bench(tmp_path)
    first.plan("a")
    first.start("a")
    first.train("a", 1)
    first.store.flush()
    again = Bench(tmp_path)
    again.plan("a", epoch=1)
    assert again.board.seconds_left() == pytest.approx(3 * 10)


def test_more_slots_shorten_the_time_left(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    for name in "abcd":
        made.plan(name)
    made.start("a")
    made.train("a", 4)
    made.end("a")
    one_by_one = made.board.seconds_left()
    made.board.side_by_side = 3
    assert one_by_one == pytest.approx(3 * 41)
    assert made.board.seconds_left() == pytest.approx(41)


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
