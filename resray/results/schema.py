"""The columns of the result tables, with types and meanings; docs/schema.md says the same in prose.

Accuracies are percentages (0 to 100), losses are mean cross-entropies in nats, times are seconds,
memory is in bytes. A value that was not measured is null, never 0.
"""

from functools import cache

import pyarrow as pa

from resray.results.folders import TABLE_NAMES
from resray.results.rows import STATUSES

VERSION = 7
VERSION_KEY = b"resray_schema_version"

UTC = pa.timestamp("us", tz="UTC")

_TRIALS: dict[str, tuple[pa.DataType, str]] = {
    "trial_id": (pa.string(), "hash of everything that determines the trial's result"),
    "study": (pa.string(), "the study's name"),
    "name": (pa.string(), "the trial's name within the study, e.g. resnet18"),
    "variant": (pa.string(), "the study's variant that the recipe belongs to"),
    "seed": (pa.int64(), "seed of initialisation, data order and augmentation"),
    "role": (pa.string(), "what it was run for: bench; of `resray tune`, search or confirmation"),
    "search": (pa.string(), "search: JSON of what decides which trials are stopped"),
    "space": (pa.string(), "search and confirmation: name of the space in the study file"),
    "point": (pa.string(), "search and confirmation: JSON object of each axis's value"),
    "rung": (pa.int64(), "search: rungs reached so far, 0 before the first"),
    "full_epochs": (pa.int64(), "search: epochs of the point's recipe at its full length"),
    "audited": (pa.bool_(), "search: whether it was trained on after its stop, for --audit"),
    "status": (pa.string(), ", ".join(STATUSES)),
    "reason": (pa.string(), "why a stopped or failed trial ended, e.g. diverged, stop-after, asha"),
    "error_class": (pa.string(), "class of the exception that ended a failed trial"),
    "error_message": (pa.string(), "its message"),
    "traceback": (pa.string(), "file with its full traceback"),
    "attempts": (pa.int64(), "how often training was started or resumed"),
    "recipe": (pa.string(), "the complete recipe, as JSON"),
    "implementation": (
        pa.string(),
        "what else determines the result: `2` where the first version computed otherwise, a hash "
        "of the source files of the recipe's own code; null for all others",
    ),
    "reductions": (
        pa.string(),
        "what was reduced against the study's recipe: JSON objects",
    ),
    "model": (pa.string(), "recipe: the model's name"),
    "dataset": (pa.string(), "recipe: the dataset's name"),
    "data_source": (pa.string(), "how the dataset was stored, e.g. Parquet folder (JPEG)"),
    "dataset_checksum": (pa.string(), "SHA-256 over the decoded images and labels"),
    "data_dir": (pa.string(), "folder that the images were read from, if one was given"),
    "train_images": (pa.int64(), "images trained on in each epoch"),
    "validation_images": (pa.int64(), "images held out of train for selection"),
    "test_images": (pa.int64(), "test images evaluated"),
    "image_size": (pa.int64(), "side of the square images, in pixels"),
    "epochs": (pa.int64(), "recipe: length of the schedule, in epochs"),
    "epochs_done": (pa.int64(), "epochs recorded so far"),
    "stop_after": (pa.int64(), "epoch at which the user asked to stop, if any"),
    "batch_size": (pa.int64(), "recipe: images per forward and backward pass over all ranks"),
    "accumulation": (pa.int64(), "recipe: batches averaged into one optimizer step"),
    "loader": (pa.string(), "recipe: how images come to the device, device or per-image"),
    "batch_per_rank": (pa.int64(), "images per forward and backward pass on one rank"),
    "optimizer": (pa.string(), "recipe: optimizer"),
    "learning_rate": (pa.float64(), "recipe: peak learning rate"),
    "weight_decay": (pa.float64(), "recipe: weight decay"),
    "schedule": (pa.string(), "recipe: learning rate schedule"),
    "precision": (pa.string(), "precision used: fp32, tf32, bf16 or fp16"),
    "step": (pa.string(), "form of the training step: eager, compiled or captured"),
    "channels_last": (pa.bool_(), "whether tensors were laid out channels-last"),
    "parameters": (pa.int64(), "trainable parameters"),
    "multiply_adds": (pa.int64(), "multiply-adds of one image's forward pass"),
    "world_size": (pa.int64(), "number of ranks that trained together"),
    "threads": (pa.int64(), "CPU threads of each rank, fixed when the trial is planned"),
    "host": (pa.string(), "host of rank 0"),
    "device": (pa.string(), "device model, e.g. NVIDIA H200 or AMD EPYC (2 threads)"),
    "exclusive": (pa.bool_(), "whether no other trial shared the device (on CPU: the machine)"),
    "python_version": (pa.string(), "Python"),
    "torch_version": (pa.string(), "PyTorch"),
    "ray_version": (pa.string(), "Ray"),
    "resray_version": (pa.string(), "resray"),
    "resray_code": (pa.string(), "hash of the source files of the resray that trained it"),
    "git_commit": (pa.string(), "commit of the working folder, if it is a git checkout"),
    "git_dirty": (pa.bool_(), "whether that checkout had uncommitted changes"),
    "started": (UTC, "first start"),
    "ended": (UTC, "last end"),
    "seconds_training": (pa.float64(), "seconds of training steps, over all attempts"),
    "seconds_evaluating": (pa.float64(), "seconds of validation and test"),
    "seconds_saving": (
        pa.float64(),
        "seconds that training waited for checkpoints: copying, the end's and an earlier write",
    ),
    "seconds_starting": (
        pa.float64(),
        "seconds of opening data and building the network",
    ),
    "seconds_compiling": (pa.float64(), "seconds of compiling and warming up, no training"),
    "peak_memory_bytes": (pa.int64(), "largest memory (GPU: allocated; CPU: process) of rank 0"),
    "images_per_second": (pa.float64(), "images trained on per second of training"),
    "matrix_rate": (
        pa.float64(),
        "FLOP/s (a multiply-add is 2) at which one rank's device multiplied matrices in precision",
    ),
    "utilisation": (
        pa.float64(),
        "share of what the ranks' devices can: 6 x multiply_adds x images_per_second / "
        "(matrix_rate x world_size)",
    ),
    "gpu_hours": (
        pa.float64(),
        "GPUs times hours of starting, training, evaluating, saving; null on CPU",
    ),
    "energy_joules": (pa.float64(), "energy over all epochs, where the device tells it"),
    "best_epoch": (pa.int64(), "epoch with the highest accuracy on the split that selects"),
    "validation_accuracy": (pa.float64(), "validation accuracy at best_epoch"),
    "test_accuracy": (pa.float64(), "test accuracy at best_epoch: honest unless test selects"),
    "test_accuracy_best": (pa.float64(), "highest test accuracy of any epoch: selects on test"),
    "test_accuracy_last": (pa.float64(), "test accuracy at the last epoch"),
    "updated": (UTC, "when this row was written"),
}

_EPOCHS: dict[str, tuple[pa.DataType, str]] = {
    "trial_id": (pa.string(), "the trial"),
    "study": (pa.string(), "the study's name"),
    "name": (pa.string(), "the trial's name"),
    "seed": (pa.int64(), "the trial's seed"),
    "epoch": (pa.int64(), "1 is the first"),
    "train_loss": (pa.float64(), "mean loss over the epoch's (augmented) images, while training"),
    "train_accuracy": (pa.float64(), "accuracy over the epoch's (augmented) images"),
    "validation_loss": (pa.float64(), "validation loss after the epoch"),
    "validation_accuracy": (pa.float64(), "validation accuracy after the epoch"),
    "test_loss": (pa.float64(), "test loss after the epoch"),
    "test_accuracy": (pa.float64(), "test accuracy after the epoch"),
    "learning_rate": (pa.float64(), "learning rate of the epoch's last step"),
    "momentum": (pa.float64(), "momentum (Adam: beta1) of the epoch's last step"),
    "dropout": (pa.float64(), "dropout in force in the epoch"),
    "label_smoothing": (pa.float64(), "label smoothing in force in the epoch"),
    "mixup_alpha": (pa.float64(), "MixUp's alpha in force in the epoch, 0 if off"),
    "cutmix_alpha": (pa.float64(), "CutMix's alpha in force in the epoch, 0 if off"),
    "settings": (
        pa.string(),
        "JSON of every setting that may change by epoch, with its value in this one",
    ),
    "gradient_norm_first_stage": (pa.float64(), "mean L2 norm of the first stage's gradient"),
    "gradient_norm_last_stage": (pa.float64(), "mean L2 norm of the last stage's gradient"),
    "images": (pa.int64(), "images trained on in the epoch, over all ranks"),
    "seconds_compiling": (pa.float64(), "seconds of compiling and warming up before the epoch"),
    "seconds_training": (pa.float64(), "seconds of the epoch's training steps"),
    "seconds_evaluating": (pa.float64(), "seconds of validation and test"),
    "seconds_saving": (
        pa.float64(),
        "seconds that training waited for checkpoints at the epoch's end",
    ),
    "images_per_second": (pa.float64(), "images / seconds_training"),
    "peak_memory_bytes": (pa.int64(), "largest memory so far (GPU: allocated; CPU: process)"),
    "energy_joules": (pa.float64(), "energy of the device in the epoch, where it tells"),
    "threads": (pa.int64(), "CPU threads of each rank in the epoch"),
    "attempt": (pa.int64(), "which start of the trial recorded the epoch"),
    "recorded": (UTC, "when the epoch ended"),
}

_EVENTS: dict[str, tuple[pa.DataType, str]] = {
    "trial_id": (pa.string(), "the trial"),
    "study": (pa.string(), "the study's name"),
    "name": (pa.string(), "the trial's name"),
    "seed": (pa.int64(), "the trial's seed"),
    "time": (UTC, "when"),
    "event": (
        pa.string(),
        "started, resumed, paused, completed, stopped, interrupted, failed, died, preempted",
    ),
    "attempt": (pa.int64(), "which start of the trial"),
    "epoch": (pa.int64(), "last epoch recorded at that moment, 0 before the first"),
    "host": (pa.string(), "host of rank 0"),
    "pid": (pa.int64(), "process of rank 0 on that host"),
    "detail": (pa.string(), "anything that explains the event"),
}

_EVALUATIONS: dict[str, tuple[pa.DataType, str]] = {
    "trial_id": (pa.string(), "the trial; of an ensemble, a hash of its members"),
    "study": (pa.string(), "the study's name"),
    "name": (pa.string(), "the trial's name; of an ensemble, its label"),
    "seed": (pa.int64(), "the trial's seed, null for an ensemble"),
    "members": (pa.string(), "JSON list of the trial ids that an ensemble averages, else null"),
    "checkpoint": (pa.string(), "file of the checkpoint, e.g. best.pt, and its epoch: best.pt@87"),
    "epoch": (pa.int64(), "epoch of the checkpoint, null for an ensemble"),
    "kind": (pa.string(), "test, train, tta, ensemble, corruptions, calibration or foreign"),
    "condition": (
        pa.string(),
        "what distinguishes values of one kind: 10 views; blur 3; mean; a file's name; of a "
        "count, the class predicted",
    ),
    "class": (pa.string(), "the (true) class that the value is of, null for all classes"),
    "metric": (
        pa.string(),
        "accuracy (%), loss (nats), calibration_error (%), calibration_error_debiased (%), "
        "brier_score (0 to 2), confidence (%), count (images)",
    ),
    "value": (pa.float64(), "the value"),
    "images": (pa.int64(), "images behind the value"),
    "dataset_checksum": (pa.string(), "checksum of the trial's dataset, or of the foreign file"),
    "device": (pa.string(), "device that evaluated"),
    "evaluated": (UTC, "when"),
}

_DECISIONS: dict[str, tuple[pa.DataType, str]] = {
    "trial_id": (pa.string(), "the trial"),
    "study": (pa.string(), "the study's name"),
    "name": (pa.string(), "the trial's name"),
    "seed": (pa.int64(), "the trial's seed"),
    "search": (pa.string(), "JSON of the scheduler and its settings, as in trials"),
    "scheduler": (pa.string(), "asha, halving, median, or module:function"),
    "rung": (pa.int64(), "1 is the first; null: the scheduler has none, or does not tell"),
    "epoch": (pa.int64(), "epochs done when it was decided"),
    "value": (
        pa.float64(),
        "highest validation accuracy up to that epoch (%); null: diverged or failed, ranks last",
    ),
    "cutoff": (
        pa.float64(),
        "value below which a trial is stopped; null: nothing to compare with, or not told",
    ),
    "arrived": (pa.int64(), "trials compared: those that had come this far, this one included"),
    "stopped": (pa.bool_(), "whether the trial was stopped"),
    "decided": (UTC, "when"),
}

_PREDICTIONS: dict[str, tuple[pa.DataType, str]] = {
    "trial_id": (pa.string(), "the trial"),
    "study": (pa.string(), "the study's name"),
    "name": (pa.string(), "the trial's name"),
    "seed": (pa.int64(), "the trial's seed"),
    "kind": (pa.string(), "images predicted: test"),
    "epoch": (pa.int64(), "epoch whose network predicted: best_epoch of trials at that moment"),
    "images": (pa.int64(), "images predicted"),
    "predicted": (
        pa.binary(),
        "class predicted of each image, in the dataset's order: one byte each up to 256 classes, "
        "else an unsigned little-endian integer of 2 (up to 32,768 classes) or 4 bytes",
    ),
    "labels": (pa.binary(), "true class of each image, in the same form"),
    "class_names": (pa.string(), "JSON list of the classes' names, by which 0 is the first"),
    "test_checksum": (
        pa.string(),
        "SHA-256 over the images, before a recipe resizes them, and labels: equal where two rows "
        "are of the same images in the same order",
    ),
    "device": (pa.string(), "device that predicted"),
    "recorded": (UTC, "when the row was made"),
}

_COLUMNS = (_TRIALS, _EPOCHS, _EVENTS, _EVALUATIONS, _DECISIONS, _PREDICTIONS)
TABLES = dict(zip(TABLE_NAMES, _COLUMNS, strict=True))


@cache
def table_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of one of `TABLES`, marked with its version."""
    fields = [pa.field(name, kind) for name, (kind, _) in TABLES[table].items()]
    return pa.schema(fields, metadata={VERSION_KEY: str(VERSION).encode()})
