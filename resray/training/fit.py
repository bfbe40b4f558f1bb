"""Training one recipe: ``fit()`` yields one record per epoch and writes a checkpoint before it.

Pure PyTorch. With several ranks, torch.distributed is initialised by the caller and the model is
wrapped in DistributedDataParallel; the recipe's batch size is the global one.
"""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import torch
import torch.distributed
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from resray.data.loader import Batch, EvalLoader, TrainLoader
from resray.data.sources import Images
from resray.data.splits import Splits
from resray.errors import DataError, DivergedError
from resray.models.build import build_model
from resray.models.resnet import ResNet
from resray.study.recipe_spec import Recipe
from resray.training.checkpoints import Checkpoint, CheckpointFolder, read_checkpoint
from resray.training.context import Context
from resray.training.device import (
    check_device_options,
    peak_memory,
    pick_channels_last,
    pick_precision,
    wait_for,
)
from resray.training.energy import energy_between, energy_counter
from resray.training.evaluation import Tally, evaluate
from resray.training.gradients import GradientNorms
from resray.training.optimizers import build_optimizer
from resray.training.schedules import learning_rate_factor, set_learning_rate

Record = dict[str, Any]

PROGRESS_SECONDS = 2.0


class Trainer:
    """One recipe, one seed, one rank: network, optimizer and data, and how far they have come.

    ``records`` holds one record per finished epoch, also those of earlier attempts.
    """

    def __init__(
        self,
        recipe: Recipe,
        splits: Splits,
        context: Context,
        *,
        seed: int,
        checkpoints: CheckpointFolder | None = None,
    ) -> None:
        check_device_options(recipe, context.device)
        self.recipe, self.context, self.seed = recipe, context, seed
        self.splits = splits
        self.checkpoints = checkpoints
        self.precision = pick_precision(recipe, context.device)
        self.channels_last = pick_channels_last(recipe)
        self.records: list[Record] = []
        self.network = self._build_network()
        self.model = self._wrap(self.network)
        self.optimizer = build_optimizer(recipe.optimizer, self.network)
        self.train_loader = self._train_loader(splits.train)
        self.validation_loader = self._eval_loader(splits.validation)
        self.test_loader = self._eval_loader(splits.test)

    def _build_network(self) -> ResNet:
        torch.manual_seed(self.seed)
        network = build_model(self.recipe.model, len(self.splits.class_names))
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        network.to(self.context.device, memory_format=layout)  # type: ignore[call-overload]
        if self.recipe.sync_batchnorm and self.context.world_size > 1:
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # replaces the children in place
        return network

    def _wrap(self, network: nn.Module) -> nn.Module:
        if self.context.world_size == 1:
            return network
        on_gpu = self.context.device.type == "cuda"
        return DistributedDataParallel(
            network,
            device_ids=[self.context.device] if on_gpu else None,
            gradient_as_bucket_view=True,
            # BatchNorm's statistics are sent once before each evaluation, not at every step.
            broadcast_buffers=False,
        )

    def _train_loader(self, images: Images) -> TrainLoader:
        return TrainLoader(
            images,
            batch_size=self.recipe.batch_size,
            seed=self.seed,
            augmentation=self.recipe.augmentation,
            **self._loading(),
        )

    def _eval_loader(self, images: Images) -> EvalLoader:
        return EvalLoader(images, batch_size=self.recipe.eval_batch_size, **self._loading())

    def _loading(self) -> dict[str, Any]:
        """Return what both loaders need to know: where images go, and in which form."""
        return {
            "device": self.context.device,
            "mean": self.splits.mean,
            "std": self.splits.std,
            "rank": self.context.rank,
            "world_size": self.context.world_size,
            "channels_last": self.channels_last,
        }

    @property
    def epochs_done(self) -> int:
        """How many epochs are finished, over all attempts."""
        return len(self.records)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one.

        Raises DataError if the checkpoint is damaged or belongs to another recipe or seed.
        """
        checkpoint = read_checkpoint(self.checkpoints.last) if self.checkpoints else None
        if checkpoint is None:
            return
        assert self.checkpoints is not None
        # Compared as recipes: a field added since then has its default in both.
        recipe = Recipe.model_validate_json(checkpoint["recipe"])
        if recipe != self.recipe or checkpoint["seed"] != self.seed:
            raise DataError(
                f"{self.checkpoints.last}: belongs to another recipe or seed; delete it to train "
                "this trial from the start"
            )
        self.network.load_state_dict(checkpoint["model"])
        if checkpoint["epoch"] < self.recipe.epochs:
            self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.records = checkpoint["records"]

    def run_epoch(self) -> Record:
        """Train one epoch, evaluate, and return its record (columns of the epochs table).

        Raises DivergedError if a loss is not finite.
        """
        epoch = self.epochs_done + 1
        # Random numbers depend on nothing but this, so a resumed epoch draws what it would have.
        torch.manual_seed((self.seed * 1_000_003 + epoch) * 1_009 + self.context.rank)
        before = energy_counter(self.context.device)
        record = {"epoch": epoch, **self._train(epoch), **self._evaluate(epoch)}
        record["energy_joules"] = self._energy_since(before)
        record["peak_memory_bytes"] = peak_memory(self.context.device)
        record["recorded"] = datetime.now(UTC).isoformat()
        return record

    def _energy_since(self, before: float | None) -> float | None:
        """Return what the device used since; None for several ranks, which may share a counter."""
        if self.context.world_size > 1:
            return None
        return energy_between(before, energy_counter(self.context.device))

    def _train(self, epoch: int) -> Record:
        self.model.train()
        tally = Tally.empty(self.context.device)
        norms = GradientNorms(self.network.first_stage, self.network.last_stage)
        started = said = time.perf_counter()
        seen = 0
        for step, batch in enumerate(self.train_loader.epoch(epoch)):
            rate = self._step(epoch, step, batch, tally, norms)
            seen += batch.size
            clock = time.perf_counter()
            if clock - said > PROGRESS_SECONDS:
                said = clock
                self.context.progress(epoch, seen, self._images_per_epoch, clock - started)
        wait_for(self.context.device)
        seconds = time.perf_counter() - started
        loss, accuracy, images = tally.result(self.context.world_size)
        require_finite("training", loss, epoch)
        first, last = norms.means()
        return {
            "train_loss": loss,
            "train_accuracy": accuracy,
            "learning_rate": rate,
            "gradient_norm_first_stage": first,
            "gradient_norm_last_stage": last,
            "images": images,
            "seconds_training": seconds,
            "images_per_second": images / seconds,
        }

    @property
    def _images_per_epoch(self) -> int:
        return len(self.splits.train.labels)

    def _step(
        self, epoch: int, step: int, batch: Batch, tally: Tally, norms: GradientNorms
    ) -> float:
        """Do one optimizer step and return its learning rate."""
        rate = self.recipe.optimizer.lr * learning_rate_factor(
            self.recipe.schedule,
            step=(epoch - 1) * len(self.train_loader) + step,
            steps_per_epoch=len(self.train_loader),
            epochs=self.recipe.epochs,
        )
        set_learning_rate(self.optimizer, rate)
        device_type = self.context.device.type
        with torch.autocast(device_type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.model(batch.images)
        logits = logits.float()
        loss = functional.cross_entropy(
            logits, batch.labels, label_smoothing=self.recipe.label_smoothing
        )
        self.optimizer.zero_grad()
        # DDP averages over ranks: weighting by each rank's share gives the global batch's mean.
        (loss * (batch.weight * self.context.world_size)).backward()
        norms.sample(step)
        if self.recipe.clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_gradient_norm)
        self.optimizer.step()
        if batch.weight > 0:
            tally.add(loss * len(batch.labels), logits, batch.labels)
        return rate

    def _evaluate(self, epoch: int) -> Record:
        started = time.perf_counter()
        if self.context.world_size > 1:
            # Running statistics of BatchNorm differ by rank; all evaluate rank 0's network.
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)
        losses = {}
        loaders = {"validation": self.validation_loader, "test": self.test_loader}
        for split, loader in loaders.items():
            losses[f"{split}_loss"], losses[f"{split}_accuracy"] = evaluate(
                self.network,
                loader,
                device=self.context.device,
                precision=self.precision,
                world_size=self.context.world_size,
            )
            require_finite(split, losses[f"{split}_loss"], epoch)
        wait_for(self.context.device)
        return {**losses, "seconds_evaluating": time.perf_counter() - started}

    def save(self) -> None:
        """Write the checkpoints of the last finished epoch (rank 0 only)."""
        if self.checkpoints is None or self.context.rank > 0:
            return
        self.checkpoints.save(self._checkpoint(), is_best=is_best_so_far(self.records))

    def _checkpoint(self) -> Checkpoint:
        finished = self.epochs_done == self.recipe.epochs
        return {
            "epoch": self.epochs_done,
            "recipe": self.recipe.model_dump_json(),
            "seed": self.seed,
            "class_names": list(self.splits.class_names),
            "mean": list(self.splits.mean),
            "std": list(self.splits.std),
            "image_size": self.splits.image_size,
            "records": self.records,
            "model": self.network.state_dict(),
            # Nothing goes on from the schedule's end, and momentum doubles the file.
            **({} if finished else {"optimizer": self.optimizer.state_dict()}),
        }


def require_finite(split: str, loss: float | None, epoch: int) -> None:
    """Raise DivergedError if the loss is not finite; None says that the split has no images."""
    if loss is not None and not math.isfinite(loss):
        raise DivergedError(f"{split} loss is {loss} in epoch {epoch}")


def is_best_so_far(records: list[Record]) -> bool:
    """Return whether the last record has the highest validation accuracy, the first if equal.

    Without a validation split every epoch counts as the best so far: the last one is used.
    """
    accuracies = [record["validation_accuracy"] for record in records]
    if accuracies[-1] is None:
        return True
    return all(accuracies[-1] > earlier for earlier in accuracies[:-1])


def fit(trainer: Trainer, *, stop_after: int | None = None) -> Iterator[Record]:
    """Train on from where ``trainer`` is, to the recipe's end or to epoch ``stop_after``.

    Yields each epoch's record after its checkpoint is on disk, so a record once seen is never
    lost. Raises DivergedError when the loss is no longer finite.
    """
    until = min(trainer.recipe.epochs, stop_after or trainer.recipe.epochs)
    while trainer.epochs_done < until:
        record = trainer.run_epoch()
        trainer.records.append(record)
        trainer.save()
        yield record
