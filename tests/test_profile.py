"""--profile: what a trace says of regions and of waiting, and the page of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from resray.training.profiling.regions import REGIONS, region
from resray.training.profiling.trace import read_trace
from resray.training.profiling.trial import profile_trial
from tests.command_line import Resray, assert_refused
from tests.training_case import DATA, TINY, job_of, tiny_recipe


@pytest.fixture
def resray(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Resray:
    """The command line."""
    return Resray(monkeypatch, capfd)


def event(name: str, start: int, end: int, thread: int = 1, **more: Any) -> dict[str, Any]:
    """An event of a trace, its times in microseconds."""
    return {
        **{"ph": "X", "cat": "user_annotation", "name": name, "pid": 7, "tid": thread},
        **{"ts": start, "dur": end - start, **more},
    }


def launched(number: int, launch: int, start: int, end: int, thread: int = 1) -> Iterator[Any]:
    """The launch of a kernel, and the kernel, which overlap no other."""
    arguments = {"args": {"correlation": number}}
    yield event("cudaLaunchKernel", launch, launch + 1, thread, cat="cuda_runtime", **arguments)
    yield event(f"kernel {number}", start, end, thread=99, cat="kernel", **arguments)


@pytest.fixture
def trace(tmp_path: Path) -> Callable[..., Path]:
    """Write a trace with these events."""

    def write(*events: dict[str, Any]) -> Path:
        path = tmp_path / "trace.json"
        path.write_text(json.dumps({"traceEvents": [{"ph": "M", "name": "process"}, *events]}))
        return path

    return write


def microseconds(seconds: dict[str, float]) -> dict[str, int]:
    return {name: round(1e6 * value) for name, value in seconds.items()}


def test_on_the_cpu_a_region_has_its_own_time_and_the_rest_is_waiting(
    trace: Callable[..., Path],
) -> None:
    path = trace(
        event("gather and augment", 100, 140),
        event("enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__", 105, 135),
        event("forward", 150, 250),
        event("aten::conv2d", 150, 240, cat="cpu_op"),
        event("backward", 250, 450),
        event("metrics", 460, 500),
        event("optimizer", 470, 480),  # within another region: part of that one
        event("evaluation", 600, 900),
        event("forward", 610, 890),  # likewise
        event("checkpoint", 900, 950),
        event("checkpoint", 620, 640, thread=2),  # what another thread writes delays nobody
    )
    measured = read_trace(path, REGIONS)
    assert microseconds(measured.regions) == {
        **{"gather and augment": 10, "forward": 100, "backward": 200, "metrics": 40},
        **{"evaluation": 300, "checkpoint": 50},
    }
    assert round(1e6 * measured.waiting) == 400 - 350
    assert [round(1e6 * wait) for wait in measured.host_waits] == [30]


def test_on_a_gpu_work_belongs_to_the_region_that_launched_it(trace: Callable[..., Path]) -> None:
    path = trace(
        event("gather and augment", 0, 10),
        *launched(1, launch=5, start=20, end=50),
        event("forward", 10, 30),
        *launched(2, launch=15, start=50, end=150),
        event("backward", 30, 40),
        *launched(3, launch=35, start=150, end=350, thread=2),  # autograd has a thread of its own
        *launched(4, launch=42, start=340, end=360),  # outside all regions, overlaps for 10
        event("metrics", 50, 500),
        event("cudaStreamSynchronize", 60, 400, cat="cuda_runtime"),
        event("evaluation", 500, 600),
        *launched(5, launch=510, start=520, end=580),
    )
    measured = read_trace(path, REGIONS)
    assert microseconds(measured.regions) == {
        **{"gather and augment": 30, "forward": 100, "backward": 200, "other": 10},
        "evaluation": 100,
    }
    assert round(1e6 * measured.waiting) == 500 - 340
    assert [round(1e6 * wait) for wait in measured.host_waits] == [340]


def test_regions_cost_nothing_without_a_profile() -> None:
    assert isinstance(region("forward"), nullcontext)


def test_a_profile_has_every_part_of_an_epoch(tmp_path: Path) -> None:
    recipe = tiny_recipe(batch_size=8, data={**DATA, "images": 240}, mixing={"mixup_alpha": 1})
    job = job_of(recipe, tmp_path / "checkpoints", world_size=2, step="captured")
    profile = profile_trial(job, tmp_path / "trace.json")
    parts = {part.name: part for part in profile.parts}
    assert list(parts) == [*REGIONS, "waiting"]
    assert all(part.epoch_seconds > 0 for part in profile.parts)
    # 200 images in batches of 4 that a rank takes; 5 steps were profiled, 40 images evaluated.
    forward = parts["forward"]
    assert forward.step_seconds is not None
    assert forward.epoch_seconds == pytest.approx(50 * forward.step_seconds)
    assert parts["evaluation"].step_seconds is None
    assert profile.conditions["step"] == "eager"
    assert "captured" in profile.notes[0]
    assert profile.notes[1].startswith("One rank of 2, with its 4 images of each batch of 8;")
    assert not (tmp_path / "checkpoints").exists(), "nothing is stored of it"


def test_the_command_profiles_the_longest_trial_and_trains_none(
    resray: Resray, tmp_path: Path
) -> None:
    study = {
        "name": "tiny",
        "title": "Two trainings",
        "question": "Where does the time go?",
        "recipe": {"model": TINY, "data": DATA, "epochs": 2, "batch_size": 32},
        "trials": [{"name": "short"}, {"name": "long", "recipe": {"epochs": 3}}],
    }
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(study))
    command = ("bench", str(file), "--gpus", "0", "--out", str(tmp_path), "--profile")
    answer = resray(*command)
    assert answer.code == 0, answer.err
    folder = tmp_path / "results" / "tiny"
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "long.json",
        "long.md",
    }
    page = (folder / "profile" / "long.md").read_text()
    for part in (*REGIONS, "waiting", "epoch"):
        assert part in answer.out
        assert f"| {part} |" in page
    assert_refused(resray(*command, "--dry-run"), 2, "--dry-run: starts nothing, and --profile")
    assert_refused(resray(*command, "--json"), 2, "--json: there is no outcome yet with --profile")
    assert_refused(resray(*command, "--address", "auto"), 2, "--profile: only for this machine")
