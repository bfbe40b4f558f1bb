"""Checkpoints: which are written, which stay, what stands beside them, and using them again."""

import io
import json
import os
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from resray.api import load_model
from resray.errors import DataError
from resray.files import link_file
from resray.study.recipe_spec import Recipe
from resray.study.spec import CheckpointPolicy
from resray.training.checkpoint_file import read_checkpoint
from resray.training.checkpoints import CheckpointFolder, write_checkpoint
from resray.training.evaluation import evaluate
from resray.training.fit import fit
from resray.training.restore import load_network
from tests.test_checkpoint_writer import checkpoint_at
from tests.test_results import flipped
from tests.training_case import (
    job_of,
    messages_of,
    tiny_recipe,
    train,
    trainer_of,
    without_clocks,
)


def test_checkpoints_last_and_best(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    records = list(fit(trainer_of(recipe, tmp_path), stop_after=2))
    last, best = (read_checkpoint(tmp_path / name) for name in ("last.pt", "best.pt"))
    assert last is not None
    assert best is not None
    assert last["epoch"] == 2
    assert "optimizer" in last
    accuracies = [record["validation_accuracy"] for record in records]
    assert best["epoch"] == accuracies.index(max(accuracies)) + 1
    assert "optimizer" not in best
    assert not list(tmp_path.glob(".*")), "temporary files are renamed away"


def test_equal_checkpoints_are_one_file(tmp_path: Path) -> None:
    policy = CheckpointPolicy(every=1)
    folder = CheckpointFolder(tmp_path, policy)
    unfinished = checkpoint_at(1)
    folder.save(unfinished, unfinished)
    assert folder.best.samefile(folder.at(1))
    assert not folder.best.samefile(folder.last), "going on takes more than using it"
    finished = {**checkpoint_at(2), "finished": True}
    folder.save(finished, finished)
    assert folder.best.samefile(folder.at(2))
    assert folder.best.samefile(folder.last)
    again = tmp_path / "again"
    elsewhere = CheckpointFolder(again, policy)
    elsewhere.save(finished, None)
    assert sorted(path.name for path in again.iterdir()) == ["epoch-0002.pt", "last.pt"]
    folder.save(finished, finished)
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [
        "best.pt", "epoch-0001.pt", "epoch-0002.pt", "last.pt"]  # fmt: skip
    assert not list(tmp_path.glob(".*")), "names of the way there are gone"


def test_without_hard_links_equal_checkpoints_are_copies(tmp_path: Path) -> None:
    source = tmp_path / "best.pt"
    source.write_bytes(b"weights")
    # A link from another file system, as /proc is, cannot be made.
    link_file(tmp_path / "last.pt", Path("/proc/self/cmdline"))
    assert (tmp_path / "last.pt").read_bytes() == Path("/proc/self/cmdline").read_bytes()
    link_file(tmp_path / "last.pt", source)
    assert source.samefile(tmp_path / "last.pt")


def test_a_finished_trial_keeps_no_optimizer_and_resumes_to_nothing(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=1)
    list(fit(trainer_of(recipe, tmp_path)))
    again = trainer_of(recipe, tmp_path)
    again.resume()
    assert again.epochs_done == 1
    assert again.finished
    assert list(fit(again)) == []
    assert "optimizer" not in (read_checkpoint(tmp_path / "last.pt") or {})


def test_a_damaged_or_foreign_checkpoint_is_explained(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=2)
    list(fit(trainer_of(recipe, tmp_path), stop_after=1))
    with pytest.raises(DataError, match=r"last\.pt: belongs to another recipe or seed; put a copy"):
        trainer_of(recipe, tmp_path, seed=1).resume()
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert checkpoint is not None
    parts: list[dict[str, Any]] = [
        {"optimizer": {}},
        {"optimizer": 3},
        {"model": {"weight": torch.zeros(1)}},
    ]
    for part in parts:
        torch.save({**checkpoint, **part}, tmp_path / "last.pt")
        with pytest.raises(DataError, match=r"last\.pt: does not fit its recipe \("):
            trainer_of(recipe, tmp_path).resume()
    (tmp_path / "last.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(DataError, match=r"last\.pt: not a readable checkpoint"):
        trainer_of(recipe, tmp_path).resume()


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "pwned",))

    buffer = io.BytesIO()
    torch.save({"model": Evil()}, buffer)
    (tmp_path / "last.pt").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="not a readable checkpoint"):
        read_checkpoint(tmp_path / "last.pt")
    assert not (tmp_path / "pwned").exists()


def saved(content: object) -> bytes:
    """Return what torch saves of it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_no_flipped_bit_gives_another_checkpoint(tmp_path: Path) -> None:
    train(tiny_recipe(epochs=1), folder=tmp_path)
    path = tmp_path / "best.pt"
    whole, was = path.read_bytes(), read_checkpoint(path)
    assert was is not None
    weights = saved([was["model"], was["predicted"]])
    places = random.Random(0).sample(range(8 * len(whole)), 600)
    # The archive's own directory, whose every byte decides on all that follows, is at its end.
    places += range(8 * len(whole) - 8 * 400, 8 * len(whole), 7)
    refused = 0
    for place in places:
        path.write_bytes(flipped(whole, place))
        try:
            found = read_checkpoint(path)
        except DataError as error:
            said = str(error)
            refused += said.startswith(f"{path}: not a readable checkpoint (") and "\n" not in said
            continue
        assert found is not None
        assert saved([found["model"], found["predicted"]]) == weights
        plain = {"model": 0, "predicted": 0}
        assert {**found, **plain} == {**was, **plain}
    assert refused > 800


MISTAKES: dict[str, Any] = {
    "recipe": 3,
    "class_names": ["cat", 3],
    "mean": [0.5, 0.5],
    "std": ["a", "b", "c"],
    "image_size": "32",
    "epoch": -1,
    "seed": "0",
    "records": [1, 2],
    "model": {"weight": [1.0]},
    "ema": torch.zeros(1),
}


@pytest.mark.parametrize("field", [*MISTAKES, "epochs of records", "nothing", "all"])
def test_a_field_of_another_type_is_named(tmp_path: Path, field: str) -> None:
    recipe = tiny_recipe(epochs=2)
    list(fit(trainer_of(recipe, tmp_path), stop_after=1))
    path = tmp_path / "last.pt"
    checkpoint = read_checkpoint(path)
    assert checkpoint is not None
    if field in MISTAKES:
        torch.save({**checkpoint, field: MISTAKES[field]}, path)
    elif field == "epochs of records":
        torch.save({**checkpoint, "records": [{**checkpoint["records"][0], "epoch": 2**60}]}, path)
    else:
        torch.save({} if field == "nothing" else torch.zeros(2), path)
    named = {"epochs of records": "records", "nothing": "epoch", "all": "Input"}.get(field, field)
    for use in (load_network, load_model, lambda _: trainer_of(recipe, tmp_path).resume()):
        with pytest.raises(
            DataError, match=rf"{path}: no checkpoint of resray's \({named}"
        ) as said:
            use(path)
        assert "\n" not in str(said.value)


def test_what_unpacks_to_gigabytes_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.pt"
    whole = saved({"model": torch.zeros(300_000)})
    with zipfile.ZipFile(io.BytesIO(whole)) as stored, zipfile.ZipFile(path, "w", 8) as deflated:
        for name in stored.namelist():
            deflated.writestr(name, stored.read(name))
    with pytest.raises(DataError, match=r"best\.pt: not a readable checkpoint \(compressed"):
        read_checkpoint(path)
    path.write_bytes(whole)
    monkeypatch.setenv("RESRAY_MAX_GB", "0.001")
    with pytest.raises(DataError, match=r"best\.pt: would unpack to .*set RESRAY_MAX_GB"):
        read_checkpoint(path)
    path.write_bytes(saved({"model": bytearray(8)}))
    with pytest.raises(DataError, match=r"not a readable checkpoint \(it names .*bytearray"):
        read_checkpoint(path)


def test_a_pipe_in_place_of_a_checkpoint_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "last.pt")
    for use in (load_network, load_model):
        with pytest.raises(DataError, match="not a regular file"):
            use(tmp_path / "last.pt")
    with pytest.raises(DataError, match="not a regular file"):
        trainer_of(tiny_recipe(), tmp_path).resume()


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    _, unbroken = train(recipe, folder=tmp_path / "unbroken")
    assert not (tmp_path / "unbroken" / "previous.pt").exists(), "it is for going on"
    folder = tmp_path / "broken"
    list(fit(trainer_of(recipe, folder), stop_after=2))
    last = (folder / "last.pt").read_bytes()
    (folder / "last.pt").write_bytes(flipped(last, 4 * len(last)))
    started, *_ = messages_of(job_of(recipe, folder))
    assert started["epoch"] == 1
    assert re.search(
        r"last\.pt: not a readable .*; goes on from previous\.pt, epoch 1$", started["remark"]
    )
    assert (folder / "last.pt.damaged").read_bytes() == flipped(last, 4 * len(last))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert without_clocks(metrics["records"]) == without_clocks(unbroken)
    left = sorted(path.name for path in folder.glob("*.pt*"))
    assert left == ["best.pt", "last.pt", "last.pt.damaged"]


NEWEST = """
import os, resource, sys, traceback
from pathlib import Path
from resray.training.checkpoints import CheckpointFolder
{restriction}
try:
    CheckpointFolder(Path(sys.argv[1])).newest()
except Exception as error:
    print(type(error).__name__, error)
"""
LITTLE_MEMORY = """
import torch
torch.set_num_threads(1)
size = next(line for line in open("/proc/self/status") if line.startswith("VmSize:")).split()[1]
limit = int(size) * 1024 + 2**26
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


@pytest.mark.parametrize(
    ("restriction", "said"),
    [
        ("os.setuid(65534)", "InputError {0}/last.pt: cannot be read (Permission denied)"),
        (LITTLE_MEMORY, "RuntimeError "),
    ],
)
def test_what_cannot_be_read_now_is_not_damaged(restriction: str, said: str) -> None:
    """Neither a missing permission nor missing memory says that the one before is to be taken."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        trainer = trainer_of(tiny_recipe(), Path(folder))
        list(fit(trainer, stop_after=2))
        checkpoint = read_checkpoint(Path(folder, "last.pt"))
        assert checkpoint is not None
        checkpoint["model"]["large"] = torch.zeros(2**25)
        write_checkpoint(Path(folder, "last.pt"), checkpoint)
        Path(folder, "last.pt").chmod(0o600)
        code = NEWEST.format(restriction=restriction)
        command = [sys.executable, "-c", code, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(said.format(folder)), done.stdout


def test_a_checkpoint_that_is_being_replaced_has_one_before_it(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    list(fit(trainer_of(recipe, tmp_path), stop_after=2))
    # Killed between the two renames.
    (tmp_path / "last.pt").replace(tmp_path / "previous.pt")
    again = trainer_of(recipe, tmp_path)
    again.resume()
    assert (again.epochs_done, again.remark) == (2, None)
    for name in ("last.pt", "previous.pt"):
        (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(DataError, match=r"last\.pt: not a readable.*, nor is there one before it"):
        trainer_of(recipe, tmp_path).resume()


def test_saving_takes_time_that_is_told(tmp_path: Path) -> None:
    records = list(fit(trainer_of(tiny_recipe(), tmp_path)))
    assert all(record["seconds_saving"] > 0 for record in records)
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert checkpoint is not None
    known = [record["seconds_saving"] for record in checkpoint["records"]]
    assert known == [record["seconds_saving"] for record in records[:-1]] + [None]
    assert [each["seconds_saving"] for each in fit(trainer_of(tiny_recipe()))] == [None] * 3


def test_the_time_of_saving_outlives_a_resume(tmp_path: Path) -> None:
    """The checkpoint lacks that of its own epoch."""
    recipe = tiny_recipe()
    (*_, first, _) = messages_of(job_of(recipe, tmp_path, stop_after=1))
    started, *_ = messages_of(job_of(recipe, tmp_path))
    assert started["records"] == [first["record"]]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert [record["seconds_saving"] is None for record in metrics["records"]] == [False] * 3
    assert metrics["summary"]["seconds_saving"] > 0


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ({}, []),
        ({"every": 2}, [2, 4, 6]),
        ({"at": (1, 5)}, [1, 5]),
        ({"every": 1, "keep_last": 2}, [5, 6]),
        ({"every": 2, "at": (2, 3), "keep_last": 1}, [2, 3, 6]),
    ],
)
def test_the_policy_says_which_checkpoints_stay(
    tmp_path: Path, policy: dict[str, Any], kept: list[int]
) -> None:
    train(tiny_recipe(epochs=6, batch_size=80), folder=tmp_path, policy=policy)
    expected = [f"epoch-{epoch:04d}.pt" for epoch in kept]
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == expected
    for epoch, name in zip(kept, expected, strict=True):
        checkpoint = read_checkpoint(tmp_path / name)
        assert checkpoint is not None
        assert checkpoint["epoch"] == len(checkpoint["records"]) == epoch
        assert "optimizer" not in checkpoint
    assert (tmp_path / "last.pt").exists()
    assert (tmp_path / "best.pt").exists()


def test_pruning_goes_on_after_a_resume(tmp_path: Path) -> None:
    recipe, policy = tiny_recipe(epochs=4, batch_size=80), {"every": 1, "keep_last": 2}
    list(fit(trainer_of(recipe, tmp_path, policy=policy), stop_after=2))
    again = trainer_of(recipe, tmp_path, policy=policy)
    again.resume()
    list(fit(again))
    names = sorted(path.name for path in tmp_path.glob("epoch-*"))
    assert names == ["epoch-0003.pt", "epoch-0004.pt"]


def test_metrics_stand_beside_the_checkpoints(tmp_path: Path) -> None:
    trainer, records = train(tiny_recipe(), folder=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["records"] == records == trainer.records
    accuracies = [record["validation_accuracy"] for record in records]
    best = accuracies.index(max(accuracies))
    assert metrics["summary"]["best_epoch"] == best + 1
    assert metrics["summary"]["test_accuracy"] == records[best]["test_accuracy"]


def test_unfinished_files_are_removed(tmp_path: Path) -> None:
    for name in (".last.pt.17", ".metrics.json.17", ".config.json.17", "last.pt"):
        (tmp_path / name).write_text("half")
    CheckpointFolder(tmp_path).clear_remains()
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("decay", [None, 0.5], ids=["plain", "averaged"])
def test_a_restored_network_is_the_one_that_was_evaluated(
    tmp_path: Path, decay: float | None
) -> None:
    trainer, records = train(tiny_recipe(ema_decay=decay), folder=tmp_path)
    restored = load_network(tmp_path / "last.pt")
    assert not restored.network.training
    assert (restored.recipe, restored.epoch) == (trainer.recipe, 3)
    assert restored.class_names == trainer.splits.class_names
    assert (restored.mean, restored.std) == (trainer.splits.mean, trainer.splits.std)
    assert restored.image_size == 8
    assert trainer.test_loader is not None
    loss, _ = evaluate(
        restored.network, trainer.test_loader, device=torch.device("cpu"), precision="fp32"
    )
    assert loss == pytest.approx(records[-1]["test_loss"], rel=1e-6)


def test_what_cannot_be_restored_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    with pytest.raises(DataError, match=r"best\.pt: there is no such checkpoint"):
        load_network(path)
    train(tiny_recipe(epochs=1), folder=tmp_path)
    checkpoint = read_checkpoint(path)
    assert checkpoint is not None
    other = Recipe.model_validate_json(checkpoint["recipe"]).model_dump()
    other["model"]["channels"] = (8, 24)
    torch.save({**checkpoint, "recipe": Recipe.model_validate(other).model_dump_json()}, path)
    with pytest.raises(DataError, match="its weights do not fit its recipe's network"):
        load_network(path)
    torch.save({**checkpoint, "recipe": "{}"}, path)
    with pytest.raises(DataError, match="its recipe is not one of this version"):
        load_network(path)


@pytest.mark.parametrize(
    "content",
    [b"#!/bin/sh\nexit 0\n", b"", b"\x80\x02}q\x00.", b"PK\x03\x04", b"cos\nsystem\n."],
)
def test_any_other_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"run\.pt: (not a readable|no) checkpoint"):
        load_network(path)
