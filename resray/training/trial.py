"""One trial from its job to its end: what runs in a trial's process, whoever started it.

Messages to the context, in this order:

    {"kind": "started", "epoch": k, "facts": {...}, "records": [...], "remark": ...}  k are done
    {"kind": "epoch", "epoch": k, "record": {...}, "saved": j}  a checkpoint covers 1 to j
    {"kind": "finished", "epoch": k, "status": ..., "reason": ..., "error_class": ..., ...}

The last one holds ``predictions`` (of test, by the chosen epoch) where the trial came to its end.
"""

import os
import platform
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed

import resray
from resray.code import installed
from resray.data.dataset import Dataset
from resray.data.opened import LAST
from resray.data.splits import Splits
from resray.errors import DataError, DivergedError, ResrayError, StorageError
from resray.files import write_json
from resray.models.count import count_multiply_adds, count_parameters
from resray.models.own_code import code_hash
from resray.results.summary import best_epoch
from resray.study.recipe_spec import Recipe
from resray.study.spec import CheckpointPolicy
from resray.training.attempts import PassingError, TrainingError, can_differ, keep_traceback, told
from resray.training.batch_note import (
    batch_remark,
    halving_when_out_of_memory,
    recipe_that_fits,
)
from resray.training.checkpoints import CheckpointFolder
from resray.training.context import Context, Preempted
from resray.training.device import (
    cap_memory,
    choose_kernels,
    device_name,
    memory_in_use,
    pick_precision,
    reset_peak_memory,
)
from resray.training.fit import Trainer, fit
from resray.training.matrix_rate import matrix_rate
from resray.training.predictions import prediction_columns
from resray.training.stopping import ending_of

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """Everything that a trial's process needs; plain values, so that it travels anywhere."""

    trial_id: str
    name: str
    recipe: dict[str, Any]
    seed: int
    stop_after: int | None
    checkpoint_folder: str
    data_dir: str | None
    dataset_checksum: str
    world_size: int
    threads: int
    use_gpu: bool
    study: str = ""
    checkpoints: dict[str, Any] = field(default_factory=dict)
    """Keys of a `CheckpointPolicy`."""
    evaluate_test: bool = True
    """False for a search's trials: nothing may be chosen by what is known of test."""
    multiply_adds: int | None = None
    """Of one image's forward pass, if the planner has counted them."""
    own_code: str | None = None
    """Hash of the source files of the recipe's ``module:function``."""
    memory_share: float = 1.0
    """How much of the device each rank may hold."""
    step: str = "eager"
    """Form of the training step, chosen when the trial is planned: eager, compiled or captured."""
    checkpoint_seconds: float = 20.0
    """The shortest time from one checkpoint to the next, but for those that must be."""
    rungs: tuple[int, ...] = ()
    """Epochs at which a search decides on the trial as it trains: always evaluated and saved."""

    def to_dict(self) -> dict[str, Any]:
        """Return the job as a dictionary of plain values."""
        return asdict(self)


def run_trial(job: Job, context: Context) -> None:
    """Train ``job`` on from its last checkpoint to its end, telling ``context`` of every step.

    A diverged training, everything that resray itself explains (a damaged checkpoint, changed data)
    and what every attempt would raise (a bug in a network) end the trial as ``failed`` with a
    message. Any other exception reaches the caller as a PassingError, who may try again: where
    memory ran out, that takes half the batch (`resray.training.batch_note`). So does, of several
    ranks, what one raises on its own, as a TrainingError or StorageError: the others wait in vain;
    and Preempted, where the process is to end.
    """
    started = time.perf_counter()
    set_up_process(job, context)
    trainer = None
    try:
        recipe = on_all_ranks(context, lambda: recipe_of(job, context.device))
        folder = Path(job.checkpoint_folder)
        with halving_when_out_of_memory(folder, recipe, context.device, job.memory_share):
            trainer, dataset = prepare_trainer(job, recipe, context)
            context.report(starting(job, trainer, dataset, started))
            # Closed, nothing is written any more when the process takes its next trial.
            with closing(fit(trainer, stop_after=job.stop_after)) as records:
                for record in records:
                    context.report(epoch_message(record, trainer.saved))
            ending = ending_of(trainer.recipe, trainer.records, job.stop_after)
            assert ending is not None, "fit went on to one of its ends"
            ending["predictions"] = predictions_of(trainer, dataset)
    except ResrayError as error:
        # Only the rank that writes hears of a disk; all others are told.
        if context.world_size > 1 and isinstance(error, StorageError):
            raise
        ending = failure(error)
    except Preempted:
        raise
    except Exception as error:
        message, kind, text = told(error)
        if can_differ(error):
            raise PassingError(message, kind, text) from error
        raised = TrainingError(message, kind, keep_traceback(text, job.checkpoint_folder))
        if context.world_size > 1:
            raise raised from error
        ending = failure(raised)
    epoch = trainer.epochs_done if trainer else 0
    context.report({"kind": "finished", "epoch": epoch, **ending})


def set_up_process(job: Job, context: Context) -> None:
    """Set what holds for the whole process, which an earlier trial may have used."""
    torch.set_num_threads(job.threads)
    # Where it never was it is measured now: its matrices are no part of the trial's memory.
    rate_of(job, context)
    choose_kernels(Recipe.model_validate(job.recipe), context.device)
    reset_peak_memory(context.device)
    cap_memory(context.device, job.memory_share)


def rate_of(job: Job, context: Context) -> float | None:
    """Return the matrix rate of rank 0's device in the trial's precision; other ranks wait."""
    if context.rank > 0:
        return None
    precision = pick_precision(Recipe.model_validate(job.recipe), context.device)
    return matrix_rate(context.device, precision, job.threads)


def recipe_of(job: Job, device: torch.device) -> Recipe:
    """Return the recipe to train: the job's, with a smaller batch if a note asks for that."""
    allowed = job.memory_share * memory_in_use(device)[0]
    return recipe_that_fits(Recipe.model_validate(job.recipe), Path(job.checkpoint_folder), allowed)


def prepare_trainer(job: Job, recipe: Recipe, context: Context) -> tuple[Trainer, Dataset]:
    """Open the data, build the trainer and go to its last checkpoint."""
    dataset, splits = on_all_ranks(context, lambda: open_checked(job, recipe))
    policy = CheckpointPolicy.model_validate(job.checkpoints)
    checkpoints = CheckpointFolder(
        Path(job.checkpoint_folder),
        policy,
        job.own_code,
        seconds=job.checkpoint_seconds,
        rungs=tuple(job.rungs),
    )
    if context.rank == 0:
        # Before any rank reads them: below they wait for each other first.
        checkpoints = checkpoints.claimed()
    on_all_ranks(context, lambda: require_same_code(job, recipe))
    trainer = Trainer(
        recipe,
        splits,
        context,
        seed=job.seed,
        checkpoints=checkpoints,
        evaluate_test=job.evaluate_test,
        evaluate_at={*job.rungs, job.stop_after or 0},
        step=job.step,
    )
    # What the trial before has left is taken over or gone by now.
    reset_peak_memory(context.device)
    on_all_ranks(context, trainer.resume)
    require_same_start(context, trainer, checkpoints.folder)
    if context.rank == 0:
        checkpoints.clear_remains()
        if trainer.remark is not None:
            checkpoints.put_damaged_aside()
        elif trainer.finished:
            # A kill may have come before it was removed.
            checkpoints.previous.unlink(missing_ok=True)
    if not trainer.finished:
        trainer.prepare()
    if context.rank == 0:
        facts = trial_facts(job, trainer, dataset)
        write_json(checkpoints.config, {**config_of(job, recipe, splits), "facts": facts})
    return trainer, dataset


def starting(job: Job, trainer: Trainer, dataset: Dataset, started: float) -> dict[str, Any]:
    """Return the message that a trial has started, which it did at the clock's ``started``."""
    facts = trial_facts(job, trainer, dataset)
    facts["seconds_starting"] = time.perf_counter() - started
    return {
        "kind": "started",
        "epoch": trainer.epochs_done,
        "facts": facts,
        "records": list(trainer.records),
        "remark": trainer.remark,
    }


def epoch_message(record: dict[str, Any], saved: int) -> dict[str, Any]:
    """Return the message of an epoch's end; a checkpoint covers the epochs up to ``saved``."""
    return {"kind": "epoch", "epoch": record["epoch"], "record": record, "saved": saved}


def predictions_of(trainer: Trainer, dataset: Dataset) -> dict[str, Any] | None:
    """Return what the chosen epoch predicted of test as columns of the predictions table, bytes in
    base64; None on ranks that nobody hears, and where that is not known."""
    predicted, recipe = trainer.predicted, trainer.recipe
    best = best_epoch(trainer.records, recipe.selection)
    if trainer.context.rank > 0 or predicted is None or best is None:
        return None
    columns = prediction_columns(predicted, best["epoch"], dataset, recipe.data)
    return {key: b64encode(value).decode() if isinstance(value, bytes) else value
            for key, value in columns.items()}  # fmt: skip


def config_of(job: Job, recipe: Recipe, splits: Splits) -> dict[str, Any]:
    """Return what config.json says: what is trained, and what using the network takes."""
    return {
        "study": job.study,
        "trial": job.name,
        "trial_id": job.trial_id,
        "seed": job.seed,
        "recipe": recipe.model_dump(mode="json"),
        "class_names": list(splits.class_names),
        "mean": list(splits.mean),
        "std": list(splits.std),
        "image_size": splits.image_size,
        "versions": versions(),
    }


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, PyTorch and resray, and a hash of resray's source files."""
    return {
        "python_version": platform.python_version(),
        "torch_version": torch.__version__,
        "resray_version": resray.__version__,
        "resray_code": installed()[1],
    }


def open_checked(job: Job, recipe: Recipe) -> tuple[Dataset, Splits]:
    """Open the job's data; raise DataError if it is not what the study was started with."""
    data_dir = Path(job.data_dir) if job.data_dir else None
    dataset, splits = LAST.get(recipe.data, data_dir, job.dataset_checksum, job.seed)
    if dataset.checksum != job.dataset_checksum:
        raise DataError(
            f"{dataset.source} on {socket.gethostname()}: checksum {dataset.checksum[:12]} is not "
            f"that of the data the study was started with ({job.dataset_checksum[:12]})"
        )
    return dataset, splits


def require_same_code(job: Job, recipe: Recipe) -> None:
    """Raise DataError if one's own code is not what it was when the trial was planned."""
    if code_hash(recipe.model.name) != job.own_code:
        raise DataError(
            f"{recipe.model.name}: its source files on {socket.gethostname()} are not those that "
            "the command was started with; run it again"
        )


def on_all_ranks(context: Context, action: Callable[[], T]) -> T:
    """Return what ``action`` gives on this rank; if it fails on one rank, raise on every rank.

    A rank that went on alone would wait for the others until a time-out.
    """
    result: list[T] = []
    message = None
    try:
        result.append(action())
    except ResrayError as error:
        message = str(error)
    failures = [text for text in gathered(context, message) if text is not None]
    if failures:
        raise DataError(failures[0])
    return result[0]


def require_same_start(context: Context, trainer: Trainer, folder: Path) -> None:
    """Raise DataError on every rank if they would go on from different files of the folder."""
    starts = gathered(context, (trainer.epochs_done, trainer.recipe.batch_size))
    if len(set(starts)) > 1:
        raise DataError(
            f"{folder}: ranks see different checkpoints (epoch and batch size: {starts}); "
            "checkpoints must lie where every node sees them"
        )


def gathered(context: Context, value: T) -> list[T]:
    """Return every rank's ``value``."""
    if context.world_size == 1:
        return [value]
    values: list[Any] = [None] * context.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def trial_facts(job: Job, trainer: Trainer, dataset: Dataset) -> dict[str, Any]:
    """Return the columns of the trials table that only the trial's process knows.

    ``note``, there if something was changed on the way, is to be added to the row's reductions.
    """
    context, splits = trainer.context, trainer.splits
    return {
        **data_facts(dataset, splits, job.evaluate_test),
        **batch_facts(job, trainer.recipe, context),
        "precision": trainer.precision,
        "step": trainer.step,
        "channels_last": trainer.parts.channels_last,
        "parameters": count_parameters(trainer.network),
        "multiply_adds": job.multiply_adds
        or count_multiply_adds(trainer.network, splits.image_size),
        "matrix_rate": rate_of(job, context),
        "world_size": context.world_size,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "device": device_name(context.device, job.threads),
        **versions(),
    }


def batch_facts(job: Job, recipe: Recipe, context: Context) -> dict[str, Any]:
    """Return what the trials table says of batches, which memory may have made smaller."""
    remark = batch_remark(Recipe.model_validate(job.recipe), recipe)
    return {
        "batch_size": recipe.batch_size,
        "accumulation": recipe.accumulation,
        "batch_per_rank": -(-recipe.batch_size // context.world_size),
        **({} if remark is None else {"note": remark}),
    }


def data_facts(dataset: Dataset, splits: Splits, evaluate_test: bool) -> dict[str, Any]:
    """Return what the trials table says of the data."""
    return {
        "data_source": dataset.source,
        "dataset_checksum": dataset.checksum,
        "train_images": len(splits.train.labels),
        "validation_images": len(splits.validation.labels),
        "test_images": len(splits.test.labels) if evaluate_test else None,
        "image_size": splits.image_size,
    }


def failure(error: ResrayError) -> dict[str, Any]:
    """Return how a trial ended that cannot go on; where a disk refused, it can later."""
    diverged = isinstance(error, DivergedError)
    raised = error if isinstance(error, TrainingError) else None
    return {
        "status": "interrupted" if isinstance(error, StorageError) else "failed",
        "reason": "diverged" if diverged else "error",
        "error_class": raised.kind if raised else type(error).__name__,
        "error_message": str(error),
        "traceback": raised.traceback if raised else None,
    }
