"""`resray bench` in this process with a real Ray: running, failing alone, skipping, refusing."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from resray.errors import InputError
from resray.results.lock import writer_lock
from resray.results.predictions import read_predictions, read_thumbnails
from resray.run import command
from resray.run.command import Outcome
from resray.run.request import Request
from resray.run.resources import Shares
from resray.study.expand import Options
from tests.table_files import in_older_layout

STUDY = """
name: three
title: Three trainings, one of which diverges
question: Does one failure stay alone?
recipe:
  model: resnet18
  data: {name: embedded, classes: 3, images: 180, image_size: 8, validation_images: 30}
  epochs: 2
  batch_size: 32
  optimizer: {lr: 0.02}
  precision: fp32
trials:
  - {name: plain}
  - {name: wild, recipe: {optimizer: {lr: 1.0e+12}}}
  - {name: smooth, recipe: {label_smoothing: 0.1}}
"""


def run(folder: Path, **options: object) -> tuple[Outcome, str]:
    study = folder / "three.yaml"
    study.write_text(STUDY)
    console = Console(file=io.StringIO(), width=120)
    chosen = Request(
        study=str(study),
        options=Options(**options),  # type: ignore[arg-type]
        shares=Shares(gpus=0, workers=2),
        out=folder,
    )
    outcome = command.run(chosen, console)
    assert isinstance(console.file, io.StringIO)
    return outcome, console.file.getvalue()


def test_trials_run_side_by_side_and_fail_alone(tmp_path: Path) -> None:
    outcome, said = run(tmp_path)
    assert outcome.exit_code == 1
    assert outcome.summary == {"completed": 2, "failed": 1}
    trials = pd.read_parquet(tmp_path / "results/three/trials").set_index("name")
    assert trials.loc["wild", "reason"] == "diverged"
    assert trials.loc["wild", "error_class"] == "DivergedError"
    assert trials.loc["wild", "attempts"] == 1, "diverging again would help nobody"
    assert trials["test_accuracy"].notna()["plain"]
    assert trials["exclusive"].isin([False]).any(), "two trials shared the machine"
    epochs = pd.read_parquet(tmp_path / "results/three/epochs")
    assert not epochs.duplicated(["trial_id", "epoch"]).any()
    assert sorted(epochs[epochs["name"] == "plain"]["epoch"]) == [1, 2]
    assert "plain (seed 0): epoch 2/2" in said
    predictions = read_predictions(tmp_path / "results/three").set_index("name")
    assert set(predictions.index) == {"plain", "smooth"}
    for name in ("plain", "smooth"):
        row, trial = predictions.loc[name], trials.loc[name]
        right = (row["predicted"] == row["labels"]).sum()
        assert 100 * right / row["images"] == trial["test_accuracy"]
        assert row["epoch"] == trial["best_epoch"]
    pictures = read_thumbnails(tmp_path / "results/three")
    assert (pictures["networks"] == 2).all()
    assert pictures["missed"].is_monotonic_decreasing
    page = outcome.report.read_text()
    assert "wild" in page
    assert "training loss is" in page

    again, said = run(tmp_path)
    assert again.skipped == 3
    assert "started" not in said
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "results/three/trials").set_index("name"), trials
    )


@pytest.mark.slow
def test_a_longer_schedule_is_another_trial_but_its_first_epochs_are_not(tmp_path: Path) -> None:
    longer, _ = run(tmp_path, select=("plain",), epochs=4, stop_after=1)
    assert longer.summary == {"stopped": 1}
    assert longer.exit_code == 0
    gone_on, said = run(tmp_path, select=("plain",), epochs=4)
    assert gone_on.summary == {"completed": 1}
    assert "goes on after epoch 1" in said
    assert gone_on.trials[0]["attempts"] == 2


def test_two_commands_may_not_write_the_same_results(tmp_path: Path) -> None:
    with (
        writer_lock(tmp_path / "results" / "three"),
        pytest.raises(InputError, match="another resray"),
    ):
        run(tmp_path)


@pytest.mark.slow
def test_what_was_damaged_comes_back_with_the_same_command(tmp_path: Path) -> None:
    """A row and another trial's epochs: nothing is trained again for them."""
    before, _ = run(tmp_path, select=("plain", "smooth"))
    assert before.summary == {"completed": 2}
    results, (first, second) = before.results, before.trials
    in_older_layout(results)
    for path in (results / "trials" / f"{first['trial_id']}.parquet",
                 results / "epochs" / f"{second['trial_id']}.parquet"):  # fmt: skip
        path.write_bytes(path.read_bytes()[:-9])
    after, said = run(tmp_path, select=("plain", "smooth"))
    assert after.summary == {"completed": 2}
    assert said.count("damaged, moved to") == 2
    for was, row in zip(before.trials, after.trials, strict=True):
        figures = (
            "name",
            "test_accuracy",
            "epochs_done",
            "device",
            "parameters",
            "images_per_second",
        )
        assert [row[key] for key in figures] == [was[key] for key in figures]
    assert len(pd.read_parquet(results / "epochs")) == 4
    assert "started on" not in said
