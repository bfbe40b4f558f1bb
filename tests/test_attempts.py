"""Exceptions in a training: told as what they are, tried again only where that can help."""

import os
import sys
from pathlib import Path
from socket import gethostname

import pandas as pd
import pytest
import torch

from resray.models.own_code import code_hash
from resray.training.attempts import can_differ
from tests.command_line import Resray
from tests.training_case import job_of, messages_of, tiny_recipe

NET = '''
import torch
from pathlib import Path

class Counting(torch.nn.Module):
    """Raises at the {at}-th training batch of rank 0, counted over all attempts."""

    def __init__(self, num_classes):
        super().__init__()
        self.head = torch.nn.Linear(192, num_classes)

    def forward(self, images):
        self.count(images)
        return self.head(images.flatten(1))

    def count(self, images):
        alone = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
        if alone and self.training and torch.is_grad_enabled():
            file = Path({file!r})
            seen = 1 + len(file.read_text()) if file.exists() else 1
            file.write_text("x" * seen)
            if seen == {at}:
                raise {error}
'''
STUDY = """
name: raising
title: T
question: Q?
recipe:
  model: raising_net:Counting
  data: {name: embedded, classes: 3, images: 80, image_size: 8, validation_images: 16}
  epochs: 3
  batch_size: 16
trials: [{name: a}]
"""


@pytest.fixture
def raising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study whose network raises in epoch 2, once."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "raising_net", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "raising.yaml").write_text(STUDY)
    return tmp_path / "raising_net.py"


def source(folder: Path, error: str) -> str:
    return NET.format(at=6, error=error, file=str(folder / "seen"))


def raised_at(file: Path) -> int:
    lines = file.read_text().splitlines()
    return next(at for at, line in enumerate(lines, 1) if line.lstrip().startswith("raise "))


def ranks(slow: int) -> pytest.MarkDecorator:
    """Return a test's two forms: a trial of one rank and of two, of which one is slow."""
    alone, two = ("--workers", "1"), ("--workers", "2", "--workers-per-trial", "2")
    marks = {slow: pytest.mark.slow}
    return pytest.mark.parametrize(
        "workers",
        [
            pytest.param(alone, id="alone", marks=marks.get(1, ())),
            pytest.param(two, id="two ranks", marks=marks.get(2, ())),
        ],
    )


@ranks(slow=1)
def test_what_every_attempt_would_raise_is_raised_once(
    resray: Resray, raising: Path, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    raising.write_text(source(tmp_path, 'ValueError("of a kind\\nthat nobody knows")'))
    answer = resray("bench", "./raising.yaml", "--trust", *workers)
    assert answer.code == 1, answer
    (trial,) = pd.read_parquet(tmp_path / "results/raising/trials").to_dict("records")
    assert (trial["status"], trial["attempts"], trial["epochs_done"]) == ("failed", 1, 1)
    assert trial["error_class"] == "ValueError"
    line = raised_at(raising)
    assert trial["error_message"] == f"of a kind that nobody knows (raising_net.py:{line} in count)"
    assert "a (seed 0): ValueError: of a kind that nobody knows (raising_net.py:" in answer.out
    traceback = Path(trial["traceback"])
    assert str(traceback) in answer.out
    said = traceback.read_text()
    assert said.rstrip().endswith("ValueError: of a kind\nthat nobody knows")
    assert "in count" in said
    assert "in run_trial" in said
    assert traceback.name in (tmp_path / "reports/raising.html").read_text()
    if "--workers-per-trial" in workers:
        return
    log = (tmp_path / "results/raising/ray.log").read_text()
    assert len(log.splitlines()) < 60, log
    # The same command tries it again: a bug may have been mended. Nothing of it is lost.
    assert resray("bench", "./raising.yaml", "--trust", *workers).code == 0
    (trial,) = pd.read_parquet(tmp_path / "results/raising/trials").to_dict("records")
    assert (trial["status"], trial["epochs_done"]) == ("completed", 3)
    assert pd.isna(trial["traceback"])


@pytest.mark.slow
@ranks(slow=2)
def test_what_may_pass_is_tried_again_and_said(
    resray: Resray, raising: Path, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    raising.write_text(source(tmp_path, 'ConnectionError("reset by peer")'))
    answer = resray("bench", "./raising.yaml", "--trust", *workers)
    assert answer.code == 0, answer
    said = (
        f"a (seed 0): ConnectionError: reset by peer (raising_net.py:{raised_at(raising)} in "
        "count); it starts again from its last checkpoint"
    )
    assert said in answer.out
    (trial,) = pd.read_parquet(tmp_path / "results/raising/trials").to_dict("records")
    assert (trial["status"], trial["attempts"]) == ("completed", 2)
    events = pd.read_parquet(tmp_path / "results/raising/events").sort_values("time")
    assert list(events["event"]) == ["started", "died", "resumed", "completed"]


@ranks(slow=2)
def test_what_does_not_pass_is_told_as_what_it_is(
    resray: Resray, raising: Path, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    text = source(tmp_path, 'OSError("no route")').replace("seen == 6", "seen >= 6")
    raising.write_text(text)
    answer = resray("bench", "./raising.yaml", "--trust", *workers, "--max-failures", "1")
    assert answer.code == 1, answer
    (trial,) = pd.read_parquet(tmp_path / "results/raising/trials").to_dict("records")
    assert (trial["status"], trial["attempts"]) == ("failed", 2)
    place = f"raising_net.py:{raised_at(raising)} in count"
    assert (trial["error_class"], trial["error_message"]) == ("OSError", f"no route ({place})")
    traceback = Path(trial["traceback"])
    assert f"a (seed 0): OSError: no route ({place}) (traceback: {traceback})" in answer.out
    said = traceback.read_text()
    assert said.rstrip().endswith("OSError: no route")
    assert "in run_trial" in said


class Raising(torch.nn.Linear):
    """A network with a bug."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(192, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            raise ValueError("a bug")
        return super().forward(images.flatten(1))


def test_on_a_full_disk_the_exception_itself_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    recipe = tiny_recipe(model={"name": f"{__name__}:Raising"})
    job = job_of(recipe, folder, own_code=code_hash(recipe.model.name))
    *_, ending = messages_of(job)
    assert ending["traceback"] == str(folder / "traceback.txt")
    said = ending["error_message"]
    assert said.startswith("a bug (test_attempts.py:")
    (folder / "traceback.txt").unlink()
    (folder / f".traceback.txt.{gethostname()}.{os.getpid()}.half").symlink_to("/dev/full")
    *_, ending = messages_of(job)
    assert (ending["status"], ending["error_class"]) == ("failed", "ValueError")
    assert (ending["error_message"], ending["traceback"]) == (said, None)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("stale file handle"), True),
        (TimeoutError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (torch.distributed.DistBackendError("NCCL error"), True),
        (RuntimeError("CUDA error: unspecified launch failure"), True),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), True),
        (RuntimeError("[gloo] Connection closed by peer"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("Expected more than 1 value per channel when training"), False),
        (TypeError(), False),
        (AssertionError(), False),
    ],
)
def test_which_exceptions_may_pass(error: Exception, *, expected: bool) -> None:
    assert can_differ(error) == expected
