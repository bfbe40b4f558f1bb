"""What is known before a bench starts: shares, layouts, threads, what does not count as done."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from rich.console import Console

from resray.cpus import usable_cpus
from resray.results.store import ResultStore
from resray.run.apart import kept_apart
from resray.run.estimate import compared_hours, makespan
from resray.run.plan import Planner
from resray.run.request import Request, SearchOptions
from resray.run.resources import Machine, Shares
from resray.run.search import Search
from resray.run.search_plan import SearchPlanner
from resray.search.jobs import PlannedJob
from resray.study.expand import Options
from resray.study.recipe_spec import Recipe
from tests.command_line import Resray, assert_refused
from tests.inline_search import InlineSearch

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.head = torch.nn.Linear(256, num_classes)

    def forward(self, x):
        x = self.conv(x).relu()
        return self.head(x.view(x.size(0), -1))
"""


def study_file(folder: Path, **recipe: Any) -> str:
    data = {"name": "embedded", "classes": 4, "image_size": 8, "validation_images": 16}
    base = {"model": "resnet18", "epochs": 2, "batch_size": 32, **recipe}
    base["data"] = {**data, "images": 96, **recipe.get("data", {})}
    study = {"name": "plan", "title": "T", "question": "Q?", "recipe": base}
    trials = [{"name": "a"}, {"name": "b", "recipe": {"label_smoothing": 0.1}}]
    (folder / "plan.yaml").write_text(yaml.safe_dump({**study, "trials": trials}))
    return str(folder / "plan.yaml")


def jobs(made: Planner, machine: Machine) -> list[PlannedJob]:
    return made.jobs(made.allocation(machine))


def planner(
    folder: Path,
    gpus: int = 0,
    *,
    force: bool = False,
    shares: Shares | None = None,
    **recipe: Any,
) -> tuple[Planner, Machine]:
    study = study_file(folder, **recipe)
    bench = Request(study, Options(), shares or Shares(), out=folder, force=force)
    return Planner(bench), Machine(cpus=16, gpus=gpus)


def test_a_last_batch_of_one_image_is_told_before_the_start(resray: Resray, tmp_path: Path) -> None:
    """81 training images in batches of 16: resnet18's last stage has one pixel of an 8x8 image."""
    study = study_file(tmp_path, data={"images": 97}, batch_size=16)
    says = "^resray: a: batch_size 16: the last batch of 81 training images has 1, and it needs 2"
    answer = resray("bench", study, "--workers", "1")
    assert_refused(answer, 2, f"{says} or more; choose batch_size: 15$")
    assert resray("bench", study, "--dry-run", "--set", "batch_size=15").code == 0
    # Where its layers see more than a pixel, BatchNorm trains on one image.
    assert resray("bench", study, "--dry-run", "--set", "data.image_size=64").code == 0
    assert resray("bench", study, "--dry-run", "--set", "model.norm=group").code == 0


def test_a_step_that_the_device_cannot_have_is_told_before_the_start(
    resray: Resray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    for step, choices in (("captured", "auto, eager or compiled"), ("compiled", "auto or eager")):
        answer = resray("bench", study_file(tmp_path, step=step), "--gpus", "0")
        says = f"^resray: a: step: {step} needs a .*; this trial runs on the CPU"
        assert_refused(answer, 2, rf"{says} \(use {choices}\)$")
    made, machine = planner(tmp_path, gpus=1, step="captured")
    assert len(jobs(made, machine)) == 2


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (97, "has 1 for 2 ranks, and each needs 1 or more"),
        (98, "has 2 for 2 ranks, and each needs 2 or more"),
    ],
)
def test_no_plan_leaves_a_rank_without_images(
    resray: Resray, tmp_path: Path, images: int, says: str
) -> None:
    study = study_file(tmp_path, data={"images": images}, batch_size=16)
    ranks = ("--workers", "2", "--workers-per-trial", "2")
    assert_refused(resray("bench", study, *ranks), 2, f"^resray: a: batch_size 16: .* {says}")


def test_code_that_flattens_with_view_trains(
    resray: Resray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "view_net.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    study = study_file(tmp_path, model="view_net:Net")
    answer = resray("bench", study, "--trust", "--workers", "1", "--select", "a")
    assert answer.code == 0, answer
    trials = pd.read_parquet(tmp_path / "results/plan/trials")
    assert list(trials["channels_last"]) == [False]
    assert list(trials["attempts"]) == [1]
    checkpoint = str(tmp_path / "results/plan/checkpoints" / trials["trial_id"][0])
    resray("evaluate", "results/plan", "--kind", "test", "--trust")
    evaluated = pd.read_parquet(tmp_path / "results/plan/evaluations")
    assert set(evaluated["checkpoint"].str.partition("@")[0]) == {"best.pt"}, checkpoint
    forced = resray("bench", study, "--trust", "--set", "channels_last=true")
    assert_refused(
        forced, 2, "^resray: a: channels_last: true: the network cannot run so; use auto"
    )


@pytest.mark.parametrize(
    ("gpus", "batch_size", "images", "ranks", "side_by_side"),
    [
        (4, 128, 1040, 4, 1),
        # 32 images to a rank, and the GPUs that this leaves over train another trial.
        (8, 128, 1040, 4, 2),
        (6, 128, 1040, 3, 2),
        (4, 64, 1040, 2, 2),
        (4, 16, 1040, 1, 2),
        # The last batch of an epoch has 4 images: 2 for each of 2 ranks.
        (4, 128, 1044 - 128, 2, 2),
        (4, 128, 1042, 1, 2),
    ],
)
def test_data_parallel_as_far_as_the_batch_reaches(
    tmp_path: Path, gpus: int, batch_size: int, images: int, ranks: int, side_by_side: int
) -> None:
    made, machine = planner(tmp_path, gpus, batch_size=batch_size, data={"images": images})
    allocation = made.allocation(machine)
    assert (allocation.world_size, allocation.side_by_side) == (ranks, side_by_side)
    made.shares = replace(made.shares, gpus_per_trial=1)
    assert made.allocation(machine).world_size == 1, "what is asked for is given"


def test_a_search_gives_each_trial_one_gpu() -> None:
    asked = Request(study="depth-family", options=Options(quick=True), search=SearchOptions())
    allocation = SearchPlanner(asked).allocation(Machine(cpus=16, gpus=4))
    assert (allocation.gpus_per_trial, allocation.side_by_side) == (1, 4)
    asked = replace(asked, shares=Shares(gpus_per_trial=2))
    allocation = SearchPlanner(asked).allocation(Machine(cpus=16, gpus=4))
    assert (allocation.gpus_per_trial, allocation.side_by_side) == (2, 2)


def test_hours_of_both_ways_to_share_gpus(tmp_path: Path) -> None:
    """At an eighth of the speed for a quarter of the batch, two trials one by one take long."""
    made, machine = planner(tmp_path, gpus=4, batch_size=128, data={"images": 1040})
    allocation = made.allocation(machine)
    work = made.jobs(allocation)
    operations = 2 * made.work_left(work[0])
    seen: list[int] = []

    def speed(recipe: Recipe) -> float:
        seen.append(recipe.batch_size)
        return operations / (3600 if recipe.batch_size == 128 else 8 * 3600)

    told = compared_hours(made, work, allocation, machine, speed)
    assert told == "about 4 hours with 4 GPUs to a trial; about 1 hours with --gpus-per-trial 1"
    assert seen == [32, 128]
    made.shares = replace(made.shares, gpus_per_trial=4)
    assert compared_hours(made, work, allocation, machine, speed) is None


def test_the_longest_goes_first() -> None:
    assert makespan([1, 1, 1, 3], slots=2) == 3
    assert makespan([], slots=2) == 0


def row_of(made: Planner, machine: Machine, **columns: Any) -> None:
    """Put the first trial into the results as completed, but for ``columns``."""
    item = jobs(made, machine)[0]
    made.store.put_trial(
        {
            "trial_id": "0" * 16,
            "name": item.trial.name,
            "seed": 0,
            "status": "completed",
            "recipe": item.trial.recipe.model_dump_json(),
            "dataset_checksum": item.job.dataset_checksum,
            "world_size": 1,
            "test_accuracy": 50.0,
            "epochs_done": 2,
            "attempts": 1,
            "role": "bench",
            **columns,
        }
    )
    made.store.flush()


@pytest.mark.parametrize(
    ("columns", "warmup", "says"),
    [
        ({"world_size": 4}, 0, "1 trial completed with 4 ranks each, which is another training: "
                               "--workers-per-trial 4 counts as done"),
        ({}, 1, "1 trial completed by an older resray, which computed a warm-up from 0, or fp16, "
                "otherwise: trained anew, and kept apart"),
        ({"status": "failed", "world_size": 4}, 0, None),
        ({"dataset_checksum": "ab", "world_size": 4}, 0, None),
        ({"recipe": "{}", "world_size": 4}, 0, None),
        ({"test_accuracy": None, "world_size": 4}, 0, None),
    ],
)  # fmt: skip
def test_why_a_completed_trial_does_not_count(
    tmp_path: Path, columns: dict[str, Any], warmup: float, says: str | None
) -> None:
    made, machine = planner(tmp_path, schedule={"warmup_epochs": warmup})
    row_of(made, machine, **columns)
    work = jobs(made, machine)
    assert kept_apart(made.store, work) == ([] if says is None else [says])


def test_dry_run_tells_it(resray: Resray, tmp_path: Path) -> None:
    made, machine = planner(tmp_path)
    row_of(made, machine, world_size=4)
    answer = resray("bench", str(tmp_path / "plan.yaml"), "--dry-run")
    assert "--workers-per-trial 4 counts as done" in answer.out


def test_dry_run_of_a_search_tells_it_too(resray: Resray, tmp_path: Path) -> None:
    search = SearchPlanner(InlineSearch(tmp_path).request())
    first = search.candidates(search.allocation(Machine(1, 0)))[0].final
    completed = {
        "trial_id": "0" * 16,
        "name": first.trial.name,
        "seed": 0,
        "status": "completed",
        "recipe": first.trial.recipe.model_dump_json(),
        "dataset_checksum": first.job.dataset_checksum,
        "world_size": 4,
    }
    search.store.put_trial(completed)
    search.store.flush()
    answer = resray("tune", str(tmp_path / "small.yaml"), "--dry-run")
    assert "--workers-per-trial 4 counts as done" in answer.out


def test_threads_are_those_of_the_plan(tmp_path: Path) -> None:
    """The last trial that is left gets no more than its share, a begun one what it had."""
    made, machine = planner(tmp_path)
    first, second = jobs(made, machine)
    assert (first.job.threads, second.job.threads) == (8, 8)
    done = {"attempts": 1, "epochs_done": 2, "status": "completed", "threads": 8}
    made.store.put_trial({"trial_id": first.job.trial_id, **done})
    (left,) = [item for item in jobs(made, machine) if item.trial.name == second.trial.name]
    assert left.job.threads == 8, "alone it would get all 16"
    begun = {"attempts": 1, "epochs_done": 1, "status": "interrupted", "threads": 3}
    made.store.put_trial({"trial_id": second.job.trial_id, **begun})
    (resumed,) = [item for item in jobs(made, machine) if item.trial.name == second.trial.name]
    assert resumed.job.threads == 3


@pytest.mark.parametrize(
    ("device", "threads"),
    [("AMD EPYC (2 threads)", 2), ("AMD EPYC (1 thread)", 1), ("NVIDIA H200", 8), (None, 8)],
)
def test_older_rows_have_their_threads_in_the_device(
    tmp_path: Path, device: str | None, threads: int
) -> None:
    made, machine = planner(tmp_path)
    identity = jobs(made, machine)[0].job.trial_id
    begun = {"attempts": 1, "epochs_done": 1, "status": "interrupted", "device": device}
    made.store.put_trial({"trial_id": identity, **begun})
    (resumed,) = [each for each in jobs(made, machine) if each.job.trial_id == identity]
    assert resumed.job.threads == threads


def test_what_is_forced_gets_the_threads_that_are_asked_for(tmp_path: Path) -> None:
    made, machine = planner(tmp_path, force=True, shares=Shares(cpus_per_trial=4, workers=2))
    done = {"attempts": 1, "epochs_done": 2, "status": "completed", "threads": 1}
    for item in jobs(made, machine):
        made.store.put_trial({"trial_id": item.job.trial_id, **done})
    assert [item.job.threads for item in jobs(made, machine)] == [4, 4]


def test_a_forced_search_too(tmp_path: Path) -> None:
    begun = {"attempts": 1, "epochs_done": 1, "status": "interrupted", "threads": 1}
    for force, threads in ((False, 1), (True, 4)):
        asked = InlineSearch(tmp_path, force=force).request()
        planner = SearchPlanner(asked)
        allocation = planner.allocation(Machine(cpus=4, gpus=0))
        for each in planner.candidates(allocation):
            row = {"trial_id": each.final.trial_id, "role": "search", "search": "other", **begun}
            planner.store.put_trial(row)
        planner.store.flush()
        search = Search(planner, allocation, Console(quiet=True))
        search.begin()
        assert {each.final.job.threads for each in search.candidates} == {threads}


@pytest.mark.slow
@pytest.mark.parametrize("ranks", ["1", "2"])
def test_threads_stand_beside_every_epoch(resray: Resray, tmp_path: Path, ranks: str) -> None:
    """Also where two ranks have more threads, together, than the machine has cores."""
    study = study_file(tmp_path)
    shares = ("--workers-per-trial", ranks, "--cpus-per-trial", ranks)
    command = ("bench", study, "--select", "a", "--workers", "2", *shares)
    assert resray(*command, "--stop-after", "1").code == 0
    results, threads = ResultStore(tmp_path / "results/plan"), usable_cpus()
    for row in results.trials():
        results.put_trial({"trial_id": row["trial_id"], "threads": threads})
    results.flush()
    assert resray(*command).code == 0
    trials = pd.read_parquet(tmp_path / "results/plan/trials")
    epochs = pd.read_parquet(tmp_path / "results/plan/epochs")
    assert list(trials["threads"]) == [threads]
    assert epochs.groupby("epoch")["threads"].unique().map(list).to_dict() == {1: [1], 2: [threads]}
    assert torch.get_num_threads() == 1
