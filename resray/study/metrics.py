"""The metrics that published figures and claims may name."""

TRIAL_METRICS = {
    "test_accuracy": "test accuracy (%) at the epoch that validation selects",
    "test_accuracy_best": "highest test accuracy (%) of any epoch: selects on test",
    "test_accuracy_last": "test accuracy (%) after the last epoch",
    "clean_train_accuracy": "accuracy (%) on the training images as they are, without augmentation",
    "validation_accuracy": "highest validation accuracy (%)",
    "best_epoch": "epoch that validation selects",
    "seconds_training": "seconds of training steps",
    "seconds_per_epoch": "mean seconds of an epoch's training steps, without those epochs that "
    "warmed up (the first of each start) if there are others",
    "images_per_second": "images trained on per second",
    "iterations_per_second": "images_per_second / batch size",
    "peak_memory_bytes": "largest memory in bytes",
    "gpu_hours": "GPUs times hours",
    "parameters": "trainable parameters",
    "multiply_adds": "multiply-adds of one image's forward pass",
    "corruption_accuracy": "newest mean accuracy (%) over the corruption suite",
    "hidden_accuracy": "newest accuracy (%) on foreign files (`resray predict`, `resray evaluate`)",
    "tta_accuracy": "test accuracy (%) with 10 test-time views",
    "ensemble_accuracy": "test accuracy (%) of the ensemble over a trial's seeds: one value",
    "gradient_ratio": "last epoch's gradient norm of the first stage divided by the last stage's",
}
"""One value for each trial."""

EPOCH_METRICS = {
    "train_loss": "mean loss (nats) over the epoch's images",
    "train_accuracy": "accuracy (%) over the epoch's images",
    "validation_loss": "validation loss (nats)",
    "validation_accuracy": "validation accuracy (%)",
    "test_loss": "test loss (nats)",
    "test_accuracy": "test accuracy (%)",
    "seconds_per_epoch": "seconds of the epoch's training steps",
    "images_per_second": "images trained on per second in the epoch",
    "iterations_per_second": "batches trained on per second in the epoch",
}
"""One value for each epoch: named with one, e.g. ``test_accuracy[resnet50, epoch=5]``."""

METRICS = tuple({**TRIAL_METRICS, **EPOCH_METRICS})
"""`resray.analysis.metrics` works them out."""

COUNTED = ("parameters", "multiply_adds")
"""Follow from the network alone, so that one seed says all and a reduced run says it too."""
