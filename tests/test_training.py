"""Training without Ray: schedules, records, resuming, divergence, checkpoints, evaluation."""

import io
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from resray.data.sources import open_dataset
from resray.data.splits import Splits, prepare
from resray.errors import DataError, DivergedError, InputError
from resray.results.schema import table_schema
from resray.study.recipe_spec import Optimizer, Recipe, Schedule
from resray.training.checkpoints import CheckpointFolder, read_checkpoint
from resray.training.context import LocalContext
from resray.training.device import cpu_computes_bf16, peak_memory, reset_peak_memory
from resray.training.energy import energy_between, energy_counter
from resray.training.evaluation import evaluate
from resray.training.fit import Record, Trainer, fit, is_best_so_far
from resray.training.optimizers import build_optimizer
from resray.training.schedules import learning_rate_factor
from resray.training.trial import Job, run_trial

CLOCKS = ("seconds_training", "seconds_evaluating", "images_per_second", "recorded")


def tiny_recipe(**changes: Any) -> Recipe:
    """A recipe whose epoch takes a fraction of a second."""
    data = {"name": "embedded", "images": 120, "image_size": 8, "validation_images": 40}
    fields: dict[str, Any] = {
        "model": "resnet18",
        "data": {**data, "classes": 4},
        "epochs": 3,
        "batch_size": 32,
        "optimizer": {"lr": 0.02},
        "precision": "fp32",
    }
    return Recipe.model_validate({**fields, **changes})


def splits_of(recipe: Recipe) -> Splits:
    return prepare(open_dataset(recipe.data), recipe.data)


def trainer_of(recipe: Recipe, folder: Path | None = None, seed: int = 0) -> Trainer:
    checkpoints = CheckpointFolder(folder) if folder else None
    return Trainer(recipe, splits_of(recipe), LocalContext(), seed=seed, checkpoints=checkpoints)


def without_clocks(records: list[Record]) -> list[Record]:
    hidden = (*CLOCKS, "peak_memory_bytes")
    return [{key: row[key] for key in row if key not in hidden} for row in records]


def factors(schedule: Schedule, epochs: int, steps_per_epoch: int) -> list[float]:
    return [
        learning_rate_factor(schedule, step=step, steps_per_epoch=steps_per_epoch, epochs=epochs)
        for step in range(epochs * steps_per_epoch)
    ]


def torch_factors(build: Any, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_pytorchs() -> None:
    from torch.optim.lr_scheduler import CosineAnnealingLR

    ours = factors(Schedule(name="cosine", end=0.01), epochs=5, steps_per_epoch=4)
    theirs = torch_factors(lambda o: CosineAnnealingLR(o, T_max=20, eta_min=0.01), 20)
    assert ours == pytest.approx(theirs)


def test_step_is_pytorchs_multistep() -> None:
    from torch.optim.lr_scheduler import MultiStepLR

    ours = factors(Schedule(name="step", milestones=(2, 4), gamma=0.2), 6, 3)
    theirs = torch_factors(lambda o: MultiStepLR(o, [6, 12], gamma=0.2), 18)
    assert ours == pytest.approx(theirs)


def test_warmup_then_cosine_is_pytorchs_sequence() -> None:
    from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

    def build(optimizer: torch.optim.Optimizer) -> SequentialLR:
        warmup = LinearLR(optimizer, start_factor=0.1, total_iters=8)
        cosine = CosineAnnealingLR(optimizer, T_max=12)
        return SequentialLR(optimizer, [warmup, cosine], milestones=[8])

    ours = factors(Schedule(name="cosine", warmup_epochs=2, warmup_start=0.1), 5, 4)
    assert ours == pytest.approx(torch_factors(build, 20))


def test_linear_ends_at_its_end() -> None:
    ours = factors(Schedule(name="linear", end=0.5), epochs=2, steps_per_epoch=5)
    assert ours == pytest.approx([1 - 0.05 * step for step in range(10)])


def test_records_have_the_tables_columns_and_learning_happens() -> None:
    data = dict(tiny_recipe().data.model_dump(), images=680, image_size=16)
    model = {"name": "resnet18", "zero_init_residual": True}
    augmentation = {"crop_padding": 1}
    recipe = tiny_recipe(data=data, model=model, batch_size=16, augmentation=augmentation)
    records = list(fit(trainer_of(recipe)))
    identity = {"trial_id", "study", "name", "seed", "attempt"}
    assert set(records[0]) | identity == set(table_schema("epochs").names)
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert records[-1]["train_loss"] < records[0]["train_loss"]
    assert records[-1]["train_accuracy"] > 25 + 8, "a quarter would be chance; 43 seen"
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


def test_a_finished_trial_keeps_no_optimizer_and_resumes_to_nothing(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=1)
    list(fit(trainer_of(recipe, tmp_path)))
    again = trainer_of(recipe, tmp_path)
    again.resume()
    assert again.epochs_done == 1
    assert list(fit(again)) == []


def test_a_damaged_or_foreign_checkpoint_is_explained(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=2)
    list(fit(trainer_of(recipe, tmp_path), stop_after=1))
    with pytest.raises(DataError, match="another recipe or seed"):
        trainer_of(recipe, tmp_path, seed=1).resume()
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


def test_best_is_the_first_of_equals() -> None:
    records = [{"validation_accuracy": value} for value in (50.0, 60.0, 60.0)]
    assert [is_best_so_far(records[:n]) for n in (1, 2, 3)] == [True, True, False]
    assert is_best_so_far([{"validation_accuracy": None}, {"validation_accuracy": None}])


def test_training_without_a_validation_split() -> None:
    data = dict(tiny_recipe().data.model_dump(), validation_images=0)
    record = next(fit(trainer_of(tiny_recipe(data=data))))
    assert record["validation_accuracy"] is None
    assert record["validation_loss"] is None
    assert record["test_accuracy"] is not None


def test_a_diverging_training_ends(tmp_path: Path) -> None:
    recipe = tiny_recipe(optimizer={"lr": 1e12})
    with pytest.raises(DivergedError, match="epoch"):
        list(fit(trainer_of(recipe, tmp_path)))


def job_of(recipe: Recipe, folder: Path, **changes: Any) -> Job:
    fields = {
        "trial_id": "0123456789abcdef",
        "name": "resnet18",
        "recipe": recipe.model_dump(mode="json"),
        "seed": 0,
        "stop_after": None,
        "checkpoint_folder": str(folder),
        "data_dir": None,
        "dataset_checksum": open_dataset(recipe.data).checksum,
        "world_size": 1,
        "threads": torch.get_num_threads(),
        "use_gpu": False,
    }
    return Job(**{**fields, **changes})


def messages_of(job: Job) -> list[Any]:
    context = LocalContext()
    run_trial(job, context)
    return list(context.messages)


def test_a_trial_tells_its_whole_story(tmp_path: Path) -> None:
    messages = messages_of(job_of(tiny_recipe(epochs=2), tmp_path))
    assert [message["kind"] for message in messages] == ["started", "epoch", "epoch", "finished"]
    facts = messages[0]["facts"]
    assert facts["parameters"] == 11_170_884, "resnet18 with a CIFAR stem and 4 classes"
    assert (facts["train_images"], facts["validation_images"]) == (80, 40)
    assert facts["precision"] == "fp32"
    assert messages[-1]["status"] == "completed"


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


def test_weight_decay_may_spare_norms_and_biases() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    everything = build_optimizer(Optimizer(weight_decay=0.1), model).param_groups
    assert [group["weight_decay"] for group in everything] == [0.1]
    spared = build_optimizer(Optimizer(weight_decay=0.1, decay_norm_and_bias=False), model)
    decayed, free = spared.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert {parameter.ndim for parameter in decayed["params"]} == {2, 4}
    assert {parameter.ndim for parameter in free["params"]} == {1}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_every_optimizer_lowers_a_loss(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Linear(8, 1)
    inputs = torch.randn(64, 8)
    targets = inputs.sum(dim=1, keepdim=True)
    optimizer = build_optimizer(Optimizer(name=name, lr=0.05, weight_decay=0), model)
    losses = []
    for _ in range(100):
        loss = functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


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
