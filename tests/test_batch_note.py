"""A trial that runs out of memory goes on with half the batch and the same optimizer steps."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from resray.study.recipe_spec import Recipe
from resray.training.batch_note import (
    OVERHEAD,
    Shortage,
    halving_when_out_of_memory,
    note_out_of_memory,
    recipe_that_fits,
)
from tests.training_case import DATA, TINY, job_of, messages_of, tiny_recipe

GROUP_NORM = {"model": {**TINY, "channels": (32, 32), "norm": "group"}}
"""A network in which an image does not see the others of its batch."""


CPU = torch.device("cpu")
HALF = 0.5
"""Of the machine: what else runs on it may hold the other half."""
ALL = 24 * 2**30
ALONE = Shortage(total=ALL, others=2**30)
"""The trial had the machine to itself, but for what the system takes."""


def leave_note(folder: Path, recipe: Recipe, shortage: Shortage = ALONE, share: float = 1.0) -> str:
    return note_out_of_memory(folder, recipe, shortage, share)


def fitting(recipe: Recipe, folder: Path, allowed: float = ALL) -> Recipe:
    return recipe_that_fits(recipe, folder, allowed)


def records_of(messages: list[Any]) -> list[Any]:
    return [message["record"] for message in messages if message["kind"] == "epoch"]


def test_a_trial_whose_memory_ran_out_completes_with_a_smaller_batch(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        data={**DATA, "images": 296, "image_size": 64},
        model={**TINY, "channels": (16, 16)},
        batch_size=256,
        eval_batch_size=40,
        epochs=1,
    )
    megabytes = 450 * 2**20  # Half the batch fits, the whole one does not, each by a good 100 MB.
    command = [sys.executable, "-m", "tests.out_of_memory_worker", recipe.model_dump_json()]
    done = subprocess.run(
        [*command, str(tmp_path), str(megabytes)], capture_output=True, text=True, check=True
    )
    first, *_, last = json.loads(done.stdout)
    assert first["error"].startswith("out of memory with batch 256: it starts again with batch 128")
    facts, finished = last["messages"][0]["facts"], last["messages"][-1]
    assert facts["batch_size"] < 256
    assert facts["batch_size"] * facts["accumulation"] == 256
    assert facts["note"].startswith(
        f"batch {facts['batch_size']} with accumulation {facts['accumulation']} "
        "instead of 256 with 1"
    )
    assert finished["status"] == "completed"
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["recipe"]["batch_size"] == facts["batch_size"]


def test_half_the_batch_goes_on_from_a_checkpoint_of_the_whole_one(tmp_path: Path) -> None:
    recipe = tiny_recipe(**GROUP_NORM, batch_size=24, schedule={"name": "onecycle"})
    whole = records_of(messages_of(job_of(recipe, tmp_path / "whole")))
    messages_of(job_of(recipe, tmp_path / "halved", stop_after=1))
    leave_note(tmp_path / "halved", recipe)
    halved = messages_of(job_of(recipe, tmp_path / "halved"))
    assert halved[0]["epoch"] == 1
    assert halved[0]["facts"]["batch_per_rank"] == 12
    assert "BatchNorm" not in halved[0]["facts"]["note"]
    exact = ("learning_rate", "momentum", "images", "epoch")
    for record, expected in zip(records_of(halved), whole[1:], strict=True):
        assert [record[key] for key in exact] == [expected[key] for key in exact]
        assert record["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-4)
        assert record["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-4)


def test_memory_that_runs_out_again_halves_again(tmp_path: Path) -> None:
    recipe = tiny_recipe(batch_size=20, accumulation=3, eval_batch_size=5)
    text = leave_note(tmp_path, recipe)
    assert text == "out of memory with batch 20: it starts again with batch 10 and accumulation 6"
    leave_note(tmp_path, recipe)
    smallest = fitting(recipe, tmp_path)
    assert (smallest.batch_size, smallest.accumulation, smallest.eval_batch_size) == (5, 12, 2)
    assert "batch 5, which cannot be halved" in leave_note(tmp_path, recipe)
    assert fitting(recipe, tmp_path) == smallest


def test_ranks_that_run_out_together_halve_once(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    for _ in range(2):
        with (
            pytest.raises(torch.OutOfMemoryError),
            halving_when_out_of_memory(tmp_path, recipe, CPU, HALF),
        ):
            raise torch.OutOfMemoryError("CUDA out of memory")
    assert fitting(recipe, tmp_path, 0).batch_size == recipe.batch_size // 2


@pytest.mark.parametrize(
    ("share", "others", "own"),
    [
        (1.0, OVERHEAD, True),
        (1.0, OVERHEAD + 1, False),
        # A quarter of a GPU: three neighbours that keep to theirs, and one that does not.
        (0.25, ALL * 3 // 4, True),
        (0.25, ALL * 3 // 4 + OVERHEAD + 1, False),
    ],
)
def test_only_who_held_the_memory_is_changed(
    tmp_path: Path, share: float, others: int, *, own: bool
) -> None:
    recipe = tiny_recipe()
    said = leave_note(tmp_path, recipe, Shortage(ALL, others), share)
    assert (fitting(recipe, tmp_path, share * ALL) != recipe) == own
    if not own:
        assert said == (
            f"out of memory, of which others hold {others / 2**30:.1f} of 24.0 GiB: it starts "
            "again as it is"
        )


def test_the_note_ends_with_its_cause(tmp_path: Path) -> None:
    """A trial that shared a GPU with others has it to itself now, or gets a larger one."""
    recipe = tiny_recipe()
    leave_note(tmp_path, recipe, Shortage(ALL, ALL // 2), share=0.5)
    assert fitting(recipe, tmp_path, ALL / 2).batch_size == recipe.batch_size // 2
    assert fitting(recipe, tmp_path, ALL / 2 * 1.05).batch_size == recipe.batch_size // 2
    assert fitting(recipe, tmp_path, ALL) == recipe


def test_a_note_of_the_first_version_does_not_say_whose_memory_it_was(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    note = {"batch_size": recipe.batch_size // 2, "accumulation": 2 * recipe.accumulation}
    (tmp_path / "batch.json").write_text(json.dumps({**note, "eval_batch_size": 9, "of": 32}))
    assert fitting(recipe, tmp_path) == recipe


def test_other_errors_leave_the_batch_alone(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"^something else$"),
        halving_when_out_of_memory(tmp_path, tiny_recipe(), CPU, 1.0),
    ):
        raise RuntimeError("something else")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "note",
    [
        "{",
        "[" * 100_000,
        '{"batch_size": 16}',
        '{"batch_size": -1, "accumulation": -32, "eval_batch_size": 1}',
        '{"batch_size": 8, "accumulation": 2, "eval_batch_size": 1}',
        f'{{"batch_size": 16, "accumulation": 2, "eval_batch_size": 9, "allowed": 1{"0" * 400}}}',
    ],
)
def test_a_note_that_cannot_be_right_is_put_aside(tmp_path: Path, note: str) -> None:
    """It is damaged, or another trial's: the planned batch is trained, and nothing is lost."""
    (tmp_path / "batch.json").write_text(note)
    first, *_, ending = messages_of(job_of(tiny_recipe(), tmp_path))
    assert ending["status"] == "completed"
    assert first["facts"]["batch_size"] == tiny_recipe().batch_size
    assert not (tmp_path / "batch.json").exists()
    assert (tmp_path / "batch.json.damaged").read_text() == note


def test_a_pipe_in_place_of_the_note_is_put_aside(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "batch.json")
    assert fitting(tiny_recipe(), tmp_path) == tiny_recipe()
    assert (tmp_path / "batch.json.damaged").is_fifo()
