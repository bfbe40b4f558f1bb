"""Training without Ray: records, resuming, divergence, evaluation, trials, the device."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from resray.errors import DivergedError, InputError
from resray.results.schema import table_schema
from resray.study.recipe_spec import Recipe
from resray.training.checkpoint_file import read_checkpoint
from resray.training.device import cpu_computes_bf16, peak_memory, reset_peak_memory
from resray.training.energy import energy_between, energy_counter
from resray.training.evaluation import evaluate
from resray.training.fit import Record, fit
from resray.training.gradients import gradient_norm
from resray.training.stopping import is_best_so_far
from tests.training_case import (
    DATA,
    TINY,
    job_of,
    messages_of,
    tiny_recipe,
    trainer_of,
    without_clocks,
)


def test_records_have_the_tables_columns_and_learning_happens() -> None:
    recipe = tiny_recipe(
        data={**DATA, "images": 680, "image_size": 16},
        model={**TINY, "channels": (16, 32), "zero_init_residual": True},
        batch_size=16,
        augmentation={"crop_padding": 1},
        optimizer={"lr": 0.1},
    )
    records = list(fit(trainer_of(recipe)))
    identity = {"trial_id", "study", "name", "seed", "attempt"}
    assert set(records[0]) | identity == set(table_schema("epochs").names)
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert records[-1]["train_loss"] < records[0]["train_loss"]
    assert records[-1]["train_accuracy"] > 25 + 8, "a quarter would be chance; 63 seen"
    assert all(record["images"] == 640 for record in records)
    assert all(record["gradient_norm_first_stage"] > 0 for record in records)
    assert records[-1]["learning_rate"] < 0.1 * recipe.optimizer.lr


def test_a_resumed_training_equals_an_unbroken_one(tmp_path: Path) -> None:
    recipe = tiny_recipe(label_smoothing=0.1, clip_gradient_norm=1.0)
    unbroken = list(fit(trainer_of(recipe, tmp_path / "unbroken")))
    first = list(fit(trainer_of(recipe, tmp_path / "broken"), stop_after=1))
    again = trainer_of(recipe, tmp_path / "broken")
    again.resume()
    assert again.epochs_done == 1
    rest = list(fit(again))
    assert without_clocks(first + rest) == without_clocks(unbroken)
    last = read_checkpoint(tmp_path / "broken" / "last.pt")
    assert last is not None
    assert without_clocks(last["records"]) == without_clocks(unbroken)


def test_seeds_differ_and_repeat() -> None:
    recipe = tiny_recipe(epochs=1)
    losses = [next(fit(trainer_of(recipe, seed=seed)))["train_loss"] for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_best_is_the_first_of_equals() -> None:
    def records(split: str, *accuracies: float) -> list[Record]:
        unmeasured = {"validation_accuracy": None, "test_accuracy": None}
        return [{**unmeasured, f"{split}_accuracy": accuracy, "epoch": epoch}
                for epoch, accuracy in enumerate(accuracies, 1)]  # fmt: skip

    for split in ("validation", "test"):
        recipe, known = tiny_recipe(selection=split), records(split, 50.0, 60.0, 60.0)
        assert [is_best_so_far(recipe, known[:n]) for n in (1, 2, 3)] == [True, True, False]
    assert is_best_so_far(tiny_recipe(), records("test", 50.0, 40.0)), "nothing selects"


def test_training_without_a_validation_split() -> None:
    data = dict(tiny_recipe().data.model_dump(), validation_images=0)
    record = next(fit(trainer_of(tiny_recipe(data=data))))
    assert record["validation_accuracy"] is None
    assert record["validation_loss"] is None
    assert record["test_accuracy"] is not None


def test_a_search_trial_leaves_test_alone_and_is_else_the_same(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    tested = messages_of(job_of(recipe, tmp_path / "tested"))
    messages_of(job_of(recipe, tmp_path / "searched", evaluate_test=False, stop_after=1))
    searched = messages_of(job_of(recipe, tmp_path / "searched", evaluate_test=False))
    assert searched[0]["facts"]["test_images"] is None
    records = [*searched[0]["records"], *(message["record"] for message in searched[1:-1])]
    without = {"test_loss": None, "test_accuracy": None}
    expected = [{**message["record"], **without} for message in tested[1:-1]]
    assert without_clocks(records) == without_clocks(expected)
    summary = json.loads((tmp_path / "searched" / "metrics.json").read_text())["summary"]
    assert summary["validation_accuracy"] is not None
    assert {value for key, value in summary.items() if key.startswith("test_")} == {None}


def test_a_diverging_training_ends(tmp_path: Path) -> None:
    recipe = tiny_recipe(optimizer={"lr": 1e12})
    with pytest.raises(DivergedError, match="epoch"):
        list(fit(trainer_of(recipe, tmp_path)))


def test_a_trial_tells_its_whole_story(tmp_path: Path) -> None:
    messages = messages_of(job_of(tiny_recipe(epochs=2, model="resnet18"), tmp_path))
    assert [message["kind"] for message in messages] == ["started", "epoch", "epoch", "finished"]
    facts = messages[0]["facts"]
    assert facts["parameters"] == 11_170_884, "resnet18 with a CIFAR stem and 4 classes"
    assert (facts["train_images"], facts["validation_images"]) == (80, 40)
    assert facts["precision"] == "fp32"
    assert messages[-1]["status"] == "completed"


def test_a_trial_leaves_what_using_its_network_takes(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=2, batch_size=80)
    job = job_of(recipe, tmp_path, study="tiny", seed=3, checkpoints={"at": [1]})
    messages_of(job)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["study"], config["trial"], config["seed"]) == ("tiny", job.name, 3)
    assert Recipe.model_validate(config["recipe"]) == recipe
    assert len(config["class_names"]) == 4
    assert config["image_size"] == 8
    assert config["versions"]["torch_version"] == torch.__version__
    names = {path.name for path in tmp_path.iterdir()}
    held = {"best.pt", "last.pt", "epoch-0001.pt", "config.json", "metrics.json"}
    assert names == held | {"attempt"}


def test_stop_after_and_going_on(tmp_path: Path) -> None:
    recipe = tiny_recipe()
    stopped = messages_of(job_of(recipe, tmp_path, stop_after=1))
    assert stopped[-1]["status"] == "stopped"
    assert stopped[-1]["reason"] == "stop-after 1"
    gone_on = messages_of(job_of(recipe, tmp_path))
    assert gone_on[0]["epoch"] == 1
    assert len(gone_on[0]["records"]) == 1
    assert [message["epoch"] for message in gone_on[1:]] == [2, 3, 3]


def test_a_diverged_trial_says_so(tmp_path: Path) -> None:
    messages = messages_of(job_of(tiny_recipe(optimizer={"lr": 1e12}), tmp_path))
    assert messages[-1]["status"] == "failed"
    assert messages[-1]["reason"] == "diverged"
    assert "training loss is" in messages[-1]["error_message"]
    recorded = [message["record"] for message in messages if message["kind"] == "epoch"]
    assert all(math.isfinite(record["train_loss"]) for record in recorded)


def test_changed_data_are_refused(tmp_path: Path) -> None:
    job = job_of(tiny_recipe(), tmp_path, dataset_checksum="0" * 64)
    (message,) = messages_of(job)
    assert message["status"] == "failed"
    assert "checksum" in message["error_message"]


def test_evaluation_equals_a_plain_loop() -> None:
    trainer = trainer_of(tiny_recipe())
    assert trainer.test_loader is not None
    loss, accuracy = evaluate(
        trainer.network, trainer.test_loader, device=torch.device("cpu"), precision="fp32"
    )
    trainer.network.eval()
    with torch.no_grad():
        batches = [(trainer.network(images), labels) for images, labels in trainer.test_loader]
    logits = torch.cat([batch[0] for batch in batches])
    labels = torch.cat([batch[1] for batch in batches])
    assert loss == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert accuracy == pytest.approx(100 * (logits.argmax(1) == labels).float().mean().item())


def test_bf16_trains_too() -> None:
    record = next(fit(trainer_of(tiny_recipe(precision="bf16", epochs=1))))
    assert math.isfinite(record["train_loss"])


def test_bf16_is_read_from_the_cpus_flags(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t\t: fpu avx512f avx512_bf16 sse\n")
    assert cpu_computes_bf16(cpuinfo)
    cpuinfo.write_text("flags\t\t: fpu avx512f sse\n")
    assert not cpu_computes_bf16(cpuinfo)
    assert not cpu_computes_bf16(tmp_path / "absent")


def test_sync_batchnorm_needs_gpus() -> None:
    with pytest.raises(InputError, match="sync_batchnorm: true needs GPUs"):
        trainer_of(tiny_recipe(sync_batchnorm=True))


def test_peak_memory_begins_anew_for_each_trial() -> None:
    device = torch.device("cpu")
    ballast = torch.ones(64 * 2**20)
    reset_peak_memory(device)
    before = peak_memory(device)
    del ballast
    reset_peak_memory(device)
    assert peak_memory(device) < before - 100 * 2**20


def test_energy_is_summed_over_cpu_packages_and_null_where_nothing_tells(tmp_path: Path) -> None:
    assert energy_counter(torch.device("cpu"), tmp_path) is None
    for name, microjoules in (("intel-rapl:0", 2_000_000), ("intel-rapl:1", 500_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{microjoules}\n")
    (tmp_path / "intel-rapl:0:0").mkdir()
    (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("7\n")
    assert energy_counter(torch.device("cpu"), tmp_path) == 2.5
    assert energy_between(2.5, 4.0) == 1.5
    assert energy_between(None, 4.0) is None
    assert energy_between(4.0, 0.5) is None, "the counter started again"


def test_a_stage_without_gradients_has_no_norm() -> None:
    stage = torch.nn.Linear(2, 2)
    assert gradient_norm(stage).isnan()
    stage(torch.ones(1, 2)).sum().backward()
    assert gradient_norm(stage) == pytest.approx(6**0.5), "six derivatives of 1"
