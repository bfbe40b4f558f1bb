"""deterministic, precision and memory: what is set for a trial's process, and what is refused."""

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.console import Console

from resray.errors import InputError
from resray.models.build import build_model
from resray.models.count import largest_output
from resray.run.command import run
from resray.run.plan import Planner, threads_of
from resray.run.request import Request
from resray.run.resources import Allocation, Machine, Shares
from resray.study.recipe_spec import Recipe
from resray.study.recipes import trial_id
from resray.training.batch_note import Shortage, note_out_of_memory, recipe_that_fits
from resray.training.device import (
    CONTEXT,
    CPU_EVAL_BATCH,
    choose_kernels,
    eval_batch,
    memory_cap,
    pick_precision,
)
from tests.training_case import job_of, messages_of, tiny_recipe, trainer_of, without_clocks

CPU = torch.device("cpu")
GPU = torch.device("cuda")
GIB = 2**30


def numerics() -> tuple[bool, ...]:
    backends = torch.backends
    return (
        torch.are_deterministic_algorithms_enabled(),
        backends.cudnn.deterministic,
        backends.cudnn.benchmark,
        backends.cudnn.allow_tf32,
        backends.cuda.matmul.allow_tf32,
    )


def test_each_trial_has_its_own_kernels_in_a_reused_process() -> None:
    usual = (False, False, True, False, False)
    choose_kernels(tiny_recipe(precision="fp32"), GPU)
    assert numerics() == usual, "float32 is float32"
    choose_kernels(tiny_recipe(precision="tf32", deterministic=True), GPU)
    assert numerics() == (True, True, False, True, True)
    choose_kernels(tiny_recipe(precision="bf16"), GPU)
    assert numerics() == usual
    choose_kernels(tiny_recipe(deterministic=True), CPU)
    assert not torch.are_deterministic_algorithms_enabled(), "one thread does it"
    choose_kernels(tiny_recipe(), CPU)


def test_tf32_is_refused_where_there_is_none(tmp_path: Path) -> None:
    recipe = tiny_recipe(precision="tf32")
    assert pick_precision(recipe, CPU) == "tf32"
    with pytest.raises(InputError, match=r"tf32 needs an NVIDIA GPU .*\(use fp32, bf16, fp16 or"):
        trainer_of(recipe)
    ended = messages_of(job_of(recipe, tmp_path))[-1]
    assert (ended["status"], ended["error_class"]) == ("failed", "InputError")
    assert "\n" not in ended["error_message"]


@pytest.mark.parametrize("trials", range(2, 9))
@pytest.mark.parametrize("total", [8 * GIB, 24 * GIB, 141 * GIB])
def test_who_runs_into_the_cap_of_a_shared_gpu_is_short_of_its_own_memory(
    trials: int, total: int
) -> None:
    share = 1 / trials
    cap = memory_cap(total, share)
    assert 0 < cap < share * total
    for neighbours in range(trials):
        others = int(neighbours * (cap + CONTEXT) + CONTEXT)
        assert Shortage(total, others).is_own(share)
    assert memory_cap(total, 1.0) == total


def test_evaluation_is_in_batches_that_fit(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    network = build_model(recipe.model, 4)
    assert largest_output(network, 8) == 8 * 8 * 8
    assert largest_output(build_model(tiny_recipe(model="resnet50").model, 10), 32) == 256 * 32 * 32
    assert eval_batch(recipe, CPU, lambda: 1) == CPU_EVAL_BATCH
    assert eval_batch(tiny_recipe(eval_batch_size=7), GPU, lambda: 1) == 7
    assert trainer_of(recipe).validation_loader.batch_size == CPU_EVAL_BATCH
    note_out_of_memory(tmp_path, recipe, Shortage(GIB, 0), 1.0)
    smaller = recipe_that_fits(recipe, tmp_path, GIB)
    assert (smaller.batch_size, smaller.eval_batch_size) == (16, 16), "training fits in more"


def identity(recipe: Recipe) -> str:
    return trial_id(recipe, 0, dataset_checksum="ab", world_size=1)


def test_the_old_batch_of_the_evaluation_counts_as_auto() -> None:
    auto, old, other = (tiny_recipe(eval_batch_size=size) for size in ("auto", 500, 100))
    assert identity(auto) == identity(old) != identity(other)
    assert Recipe.stored(old.model_dump_json()) == auto


def test_a_deterministic_trial_has_one_thread_on_a_cpu() -> None:
    alone = Allocation(side_by_side=1, world_size=1, cpus_per_trial=8, gpus_per_trial=0)
    exact = tiny_recipe(deterministic=True)
    assert threads_of(exact, alone) == 1
    assert threads_of(exact, replace(alone, world_size=2)) == 1
    assert threads_of(exact, replace(alone, gpus_per_trial=1)) == 8
    assert threads_of(tiny_recipe(), alone) == 8


STUDY = """
name: exact
title: Two trainings
question: Does it matter what runs beside a training?
recipe:
  model: {name: resnet, blocks: [1, 1], channels: [16, 32]}
  data: {name: embedded, classes: 4, images: 360, image_size: 16, validation_images: 40}
  epochs: 2
  batch_size: 32
  deterministic: true
  optimizer: {lr: 0.02}
trials:
  - {name: first}
  - {name: second, recipe: {label_smoothing: 0.1}}
"""


def test_a_deterministic_trial_is_the_same_alone_and_among_others(tmp_path: Path) -> None:
    """Alone in this process, and beside another one in Ray's."""
    study = tmp_path / "exact.yaml"
    study.write_text(STUDY)
    asked = Request(study=str(study), shares=Shares(gpus=0, workers=2), out=tmp_path)
    planner = Planner(asked)
    planned = planner.jobs(planner.allocation(Machine(cpus=2, gpus=0)))
    job = next(each.job for each in planned if each.trial.name == "first")
    assert job.threads == 1
    told = messages_of(replace(job, checkpoint_folder=str(tmp_path / "alone")))
    records = without_clocks([each["record"] for each in told if each["kind"] == "epoch"])
    alone = pd.DataFrame(records).dropna(axis="columns", how="all")
    assert run(asked, Console(file=io.StringIO())).exit_code == 0
    epochs = pd.read_parquet(tmp_path / "results/exact/epochs")
    among = epochs[epochs["name"] == "first"].sort_values("epoch").reset_index(drop=True)
    assert {"train_loss", "validation_loss", "test_loss"} <= {*alone}
    pd.testing.assert_frame_equal(alone, among[[*alone]], check_exact=True, check_dtype=False)
