"""A process that has trained other trials trains the next one as a fresh process does."""

import json
import subprocess
import sys
import weakref
from pathlib import Path

import torch

from resray.data.opened import LAST
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.study.data_spec import Data
from resray.training.checkpoint_file import read_checkpoint
from tests.studies import made
from tests.training_case import DATA, job_of, messages_of, tiny_recipe, without_clocks

ALONE = """
import json, sys, torch
from resray.training.trial import Job
from tests.training_case import messages_of
torch.set_num_threads(1)
messages_of(Job(**json.loads(sys.argv[1])))
"""


def test_a_warm_process_gives_what_a_fresh_one_does(tmp_path: Path) -> None:
    recipe = tiny_recipe(mixing={"mixup_alpha": 0.2}, epochs=2)
    fresh = job_of(recipe, tmp_path / "fresh", seed=5)
    command = [sys.executable, "-c", ALONE, json.dumps(fresh.to_dict())]
    subprocess.run(command, check=True)
    other_data = tiny_recipe(data={**DATA, "classes": 3}, epochs=1)
    messages_of(job_of(other_data, tmp_path / "1"))
    messages_of(job_of(tiny_recipe(precision="bf16", channels_last=False), tmp_path / "2", seed=3))
    kept = LAST.splits
    messages_of(job_of(recipe, tmp_path / "warm", seed=5))
    assert LAST.splits is kept, "the data were not opened again"
    alone, after = (read_checkpoint(tmp_path / name / "last.pt") for name in ("fresh", "warm"))
    assert alone is not None
    assert after is not None
    assert without_clocks(after["records"]) == without_clocks(alone["records"])
    assert all(torch.equal(after["model"][key], value) for key, value in alone["model"].items())


def test_data_are_freed_when_others_are_opened() -> None:
    first, second = (made(Data, {**DATA, "classes": classes}) for classes in (3, 4))
    checksum = open_dataset(first).checksum
    pixels = weakref.ref(LAST.get(first, None, checksum, 0)[1].train.images)
    LAST.get(first, None, checksum, 1)
    assert pixels() is not None
    LAST.get(second, None, open_dataset(second).checksum, 0)
    assert pixels() is None


def test_a_split_by_the_trials_seed_is_that_of_each_trial(tmp_path: Path) -> None:
    """In one process, one after the other, as in processes of their own."""
    recipe = tiny_recipe(data={**DATA, "split_seed": "trial"}, epochs=1)
    data = recipe.data
    checksum = open_dataset(data).checksum
    for seed in (1, 2, 1):
        messages_of(job_of(recipe, tmp_path / f"{seed}", seed=seed))
        dataset, splits = LAST.get(data, None, checksum, seed)
        expected = prepare(dataset, data, seed)
        assert torch.equal(splits.train.images, expected.train.images)
        assert torch.equal(splits.validation.images, expected.validation.images)
    kept = LAST.dataset
    LAST.get(data, None, checksum, 3)
    assert LAST.dataset is kept, "split anew, not opened anew"


def test_data_that_have_changed_are_opened_again() -> None:
    spec = made(Data, DATA)
    checksum = open_dataset(spec).checksum
    dataset, _ = LAST.get(spec, None, checksum, 0)
    assert LAST.get(spec, None, checksum, 0)[0] is dataset
    assert LAST.get(spec, None, "that of other images", 0)[0] is not dataset
