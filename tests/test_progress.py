"""What users see while trials run: time left, plain lines, and the live table."""

import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resray.results.store import ResultStore
from resray.run.progress import (
    Board,
    TrialView,
    duration,
    headings,
    percent,
    selected,
    selected_cells,
)
from resray.run.recorder import Recorder
from resray.run.worker import write_progress
from resray.training.trial import Job


def view(folder: Path, name: str, epochs: int = 4, work: float = 1.0, **columns: Any) -> TrialView:
    job = Job(
        trial_id=name,
        name=name,
        recipe={},
        seed=0,
        stop_after=None,
        checkpoint_folder=str(folder / name),
        data_dir=None,
        dataset_checksum="",
        world_size=1,
        threads=1,
        use_gpu=False,
    )
    return TrialView(job, f"{name} (seed 0)", epochs, work, **columns)


class Run(Board):
    """A board that hears of messages after they are recorded, as in a command."""

    def __init__(
        self, folder: Path, *views: TrialView, side_by_side: int = 1, terminal: bool = False
    ) -> None:
        self.file = io.StringIO()
        console = Console(file=self.file, width=200, force_terminal=terminal)
        store = ResultStore(folder)
        super().__init__(views, store, console, side_by_side)
        self.recorder = Recorder(store)
        for each in views:
            identity = {"trial_id": each.job.trial_id, "study": "s", "name": each.job.trial_id}
            self.recorder.plan({**identity, "seed": 0, "reductions": "[]"})

    def hear(self, trial_id: str, message: Mapping[str, Any]) -> None:
        if message["kind"] == "died":
            self.recorder.died(trial_id, "killed")
        else:
            self.recorder.message(trial_id, message)
        super().hear(trial_id, message)


def started(epoch: int = 0) -> dict[str, Any]:
    facts = {"pid": 1, "host": "here", "device": "Some CPU (2 threads)", "seconds_starting": 2.0}
    return {"kind": "started", "epoch": epoch, "records": [], "facts": facts}


def done(epoch: int, training: float = 9.0, **columns: Any) -> dict[str, Any]:
    record = {
        "epoch": epoch,
        "train_loss": 1.2345,
        "validation_accuracy": 61.5,
        "test_accuracy": 60.25,
        "images": 900,
        "images_per_second": 900 / training,
        "seconds_training": training,
        "seconds_evaluating": 1.0,
        "peak_memory_bytes": 1,
        "recorded": "2026-01-01T00:00:00+00:00",
        **columns,
    }
    return {"kind": "epoch", "epoch": epoch, "record": record, "saved": epoch}


def finished(**outcome: Any) -> dict[str, Any]:
    return {"kind": "finished", "epoch": 0, "status": "completed", **outcome}


def shown(made: Board) -> str:
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(made.table())
    return console.export_text()


def test_nothing_is_known_before_the_first_epoch(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a"), view(tmp_path, "b"))
    made.hear("a", started())
    assert made.seconds_left() is None
    assert "? left" in shown(made)


def test_trials_not_yet_measured_are_scaled_by_their_work(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a"), view(tmp_path, "b", epochs=2, work=3.0))
    made.hear("a", started())
    made.hear("a", done(1))
    # a: 3 more epochs of 10 s; b: 2 epochs, each with three times a's work.
    assert made.seconds_left() == pytest.approx(3 * 10 + 2 * 30, abs=2)


def test_side_by_side_the_longest_slot_counts(tmp_path: Path) -> None:
    views = [view(tmp_path, "a"), view(tmp_path, "b", work=2.0), view(tmp_path, "c", epochs=1)]
    made = Run(tmp_path, *views, side_by_side=2)
    made.hear("a", started())
    made.hear("a", done(1))
    # b takes one slot for 80 s; a and then c take the other for 30 s and 10 s.
    assert made.seconds_left() == pytest.approx(80, abs=2)


def test_ended_trials_need_nothing_more(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a"))
    made.hear("a", started())
    made.hear("a", done(4))
    made.hear("a", finished())
    assert made.seconds_left() == 0


def test_a_running_epoch_tells_the_time_before_its_end(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a", epochs=2))
    made.hear("a", started())
    write_progress(tmp_path / "a", epoch=1, images=250, of=1000, seconds=5.0)
    assert made.seconds_left() == pytest.approx(2 * 20, abs=1)
    assert "0 + 25 % / 2" in shown(made)


def test_word_of_an_earlier_attempt_is_not_believed(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a"))
    folder = tmp_path / "a"
    write_progress(folder, epoch=1, images=250, of=1000, seconds=5.0)
    stale = json.loads((folder / "progress.json").read_text()) | {"time": time.time() - 60}
    (folder / "progress.json").write_text(json.dumps(stale))
    made.hear("a", started())
    assert made.seconds_left() is None


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
    made = Run(tmp_path, view(tmp_path, "a"))
    made.hear("a", started())
    write_progress(tmp_path / "a", epoch=1, images=250, of=1000, seconds=5.0)
    assert "0 + 25 % / 4" in shown(made)
    path = tmp_path / "a" / "progress.json"
    said = json.loads(path.read_text())
    path.write_text(change if isinstance(change, str) else json.dumps(said | change))
    assert "0 / 4" in shown(made)
    assert made.seconds_left() is None


def test_a_full_disk_keeps_nothing_of_the_word(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / f".progress.json.{os.getpid()}").symlink_to("/dev/full")
    write_progress(folder, epoch=1, images=250, of=1000, seconds=5.0)
    assert list(folder.iterdir()) == []


def test_lines_without_a_terminal(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a", epochs=2))
    with made.live():
        made.hear("a", started())
        made.hear("a", done(1, validation_accuracy=None))
        made.hear("a", done(2, validation_accuracy=None, test_accuracy=58, training=18.0))
        made.hear("a", {"kind": "died", "reason": "its process died"})
        made.hear("a", started(epoch=1))
        made.hear("a", finished(status="failed", reason="diverged", error_message="[nan]"))
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
    made = Run(tmp_path, view(tmp_path, "a"))
    made.hear("a", started())
    made.hear("a", done(1))
    made.hear("a", done(2, validation_accuracy=59, test_accuracy=70))
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
    made = Run(tmp_path, view(tmp_path, "a"), view(tmp_path, "b"), terminal=True)
    made.hear("a", started())
    made.hear("a", done(1))
    made.hear("a", done(2, validation_accuracy=59, test_accuracy=70, training=18.0))
    text = shown(made)
    (row,) = [line for line in text.splitlines() if "a (seed 0)" in line]
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells[1:-1] == ["running", "2 / 4", "61.50 %", "1", "60.25 %", "67", "–"]
    (row,) = [line for line in text.splitlines() if "b (seed 0)" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")][1:3] == ["waiting", "0 / 4"]
    assert made.file.getvalue() == "", "lines would tear the live table"


def test_utilisation_stands_beside_the_speed(tmp_path: Path) -> None:
    message = started()
    message["facts"] |= {"multiply_adds": 10**9, "matrix_rate": 2e12, "world_size": 1}
    made = Run(tmp_path, view(tmp_path, "a"))
    made.hear("a", message)
    made.hear("a", done(1))
    # 100 images/s of 6 GFLOP each.
    assert "100 images/s, utilisation 30 %, left" in made.file.getvalue()
    (row,) = [line for line in shown(made).splitlines() if "a (seed 0)" in line]
    assert [cell.strip() for cell in row.split("│")][7:9] == ["100", "30 %"]


def test_live_table_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a"), terminal=True)
    with made.live():
        made.hear("a", started())
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
    made = Run(tmp_path, view(tmp_path, "a"), terminal=terminal)
    made.hear("a", started(1) | {"remark": "last.pt: damaged; goes on from previous.pt, epoch 1"})
    line = "a (seed 0): last.pt: damaged; goes on from previous.pt, epoch 1"
    assert made.file.getvalue().splitlines()[-1] == line


def test_saving_is_part_of_an_epoch(tmp_path: Path) -> None:
    made = Run(tmp_path, view(tmp_path, "a"))
    made.hear("a", started())
    made.hear("a", done(1, seconds_saving=5.0))
    assert made.seconds_left() == pytest.approx(3 * 15, abs=2)
