"""The training steps of one epoch: batches, gradients, updates, and what is recorded of them."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from resray.data.loader import Batch, TrainLoader
from resray.data.per_image import PerImageLoader
from resray.errors import DivergedError
from resray.models.build import outer_stages, set_dropout, set_stochastic_depth
from resray.study.model_spec import OwnModel
from resray.study.phases import settings_in_force
from resray.study.recipe_spec import Recipe
from resray.training.context import Context
from resray.training.device import autocast, wait_for
from resray.training.evaluation import Tally
from resray.training.gradients import GradientNorms
from resray.training.mixing import mix, mixed_correct, mixed_loss, mixing_generator
from resray.training.optimizers import (
    momentum_in_force,
    set_learning_rate,
    set_momentum,
    set_weight_decay,
)
from resray.training.parts import Parts
from resray.training.schedules import learning_rate_factor, momentum_at, position

Record = dict[str, Any]

PROGRESS_SECONDS = 2.0


class TrainingEpoch:
    """One epoch under the settings that are in force in it.

    An optimizer step takes the mean gradient over all images of ``recipe.accumulation`` batches; an
    epoch's last step may have fewer.
    """

    def __init__(
        self,
        recipe: Recipe,
        parts: Parts,
        loader: TrainLoader | PerImageLoader,
        context: Context,
        *,
        seed: int,
        epoch: int,
        plateau: float,
    ) -> None:
        """Take the recipe as it is in ``epoch``, and the factor of a plateau schedule's rate."""
        self.recipe, self.parts, self.loader, self.context = recipe, parts, loader, context
        self.seed, self.epoch, self.plateau = seed, epoch, plateau
        self.images = len(loader.labels)
        self.tally = Tally.empty(context.device)
        self.norms = GradientNorms(*outer_stages(parts.network))

    def run(self) -> Record:
        """Train, and return the columns of the epochs table that tell of it.

        Raises DivergedError if the loss is not finite.
        """
        self._set_regularisers()
        self.parts.model.train()
        started = time.perf_counter()
        for index, batch in enumerate(self._watched(started)):
            self._train_on(index, batch)
        wait_for(self.context.device)
        seconds = time.perf_counter() - started
        return {**self._measured(seconds), **self._in_force()}

    def _set_regularisers(self) -> None:
        """Set what phases may change and what lives in the network or the optimizer."""
        if isinstance(self.recipe.model, OwnModel):
            set_dropout(self.parts.network, self.recipe.model.dropout)
            set_stochastic_depth(self.parts.network, self.recipe.model.stochastic_depth)
        set_weight_decay(self.parts.optimizer, self.recipe.optimizer)

    def _watched(self, started: float) -> Iterator[Batch]:
        """Yield the epoch's batches, and tell now and then how many have been trained on."""
        said, seen = started, 0
        for batch in self.loader.epoch(self.epoch, augmentation=self.recipe.augmentation):
            yield batch
            seen += batch.size
            clock = time.perf_counter()
            if clock - said > PROGRESS_SECONDS:
                said = clock
                self.context.progress(self.epoch, seen, self.images, clock - started)

    def _train_on(self, index: int, batch: Batch) -> None:
        """Add the gradient of an epoch's batch, and update after the last one of a step."""
        step, place = divmod(index, self.recipe.accumulation)
        is_last = place == self.recipe.accumulation - 1 or index == len(self.loader) - 1
        if place == 0:
            self.parts.optimizer.zero_grad()
        with self._reducing(is_last):
            self._add_gradient(index, batch, batch.size / self._images_of(step))
        if is_last:
            self._update(step)

    def _images_of(self, step: int) -> int:
        """Return the images, over all ranks, that an optimizer step of the epoch is for."""
        whole = self.recipe.batch_size * self.recipe.accumulation
        return min(whole, self.images - step * whole)

    def _reducing(self, is_last: bool) -> AbstractContextManager[None]:
        """Return the context of a batch: ranks exchange gradients only at a step's last one."""
        model = self.parts.model
        if is_last or not isinstance(model, DistributedDataParallel):
            return nullcontext()
        return model.no_sync()

    def _add_gradient(self, index: int, batch: Batch, share: float) -> None:
        """Go forward and backward through a batch that is ``share`` of its step's images."""
        generator = mixing_generator(self.seed, self.epoch, index)
        mixed = mix(batch.images, batch.labels, self.recipe.mixing, generator)
        with autocast(self.context.device, self.parts.precision):
            logits = self.parts.model(mixed.images)
        logits = logits.float()
        loss = mixed_loss(logits, mixed, self.recipe.label_smoothing)
        # DDP averages over ranks: weighting by each rank's share gives the global batch's mean.
        weight = batch.weight * self.context.world_size * share
        self.parts.scaler.scale(loss * weight).backward()
        images = len(batch.labels)
        self.tally.add(loss * images, mixed_correct(logits, mixed), images)

    def _update(self, step: int) -> None:
        """Do the optimizer step that is the epoch's ``step``-th, from 0."""
        parts = self.parts
        self._set_rate(step)
        parts.scaler.unscale_(parts.optimizer)
        self.norms.sample(step)
        if self.recipe.clip_gradient_norm is not None:
            nn.utils.clip_grad_norm_(parts.network.parameters(), self.recipe.clip_gradient_norm)
        parts.scaler.step(parts.optimizer)
        parts.scaler.update()
        if parts.average is not None:
            parts.average.update_parameters(parts.network)

    def _set_rate(self, step: int) -> None:
        """Set learning rate and momentum as the schedule has them at the epoch's ``step``."""
        spec, steps_per_epoch = (
            self.recipe.optimizer,
            -(-len(self.loader) // self.recipe.accumulation),
        )
        place = position(
            self.recipe.schedule,
            step=(self.epoch - 1) * steps_per_epoch + step,
            steps_per_epoch=steps_per_epoch,
            epochs=self.recipe.epochs,
        )
        set_learning_rate(self.parts.optimizer, spec, learning_rate_factor(place, self.plateau))
        set_momentum(self.parts.optimizer, spec, momentum_at(place))

    def _measured(self, seconds: float) -> Record:
        loss, accuracy, images = self.tally.result(self.context.world_size)
        require_finite("training", loss, self.epoch)
        first, last = self.norms.means()
        return {
            "train_loss": loss,
            "train_accuracy": accuracy,
            "gradient_norm_first_stage": first,
            "gradient_norm_last_stage": last,
            "images": images,
            "seconds_training": seconds,
            "images_per_second": images / seconds,
        }

    def _in_force(self) -> Record:
        """Return the settings of the epoch; learning rate and momentum are the last step's."""
        recipe, optimizer = self.recipe, self.parts.optimizer
        return {
            "learning_rate": optimizer.param_groups[0]["lr"],
            "momentum": momentum_in_force(optimizer),
            "dropout": getattr(recipe.model, "dropout", None),
            "label_smoothing": recipe.label_smoothing,
            "mixup_alpha": recipe.mixing.mixup_alpha,
            "cutmix_alpha": recipe.mixing.cutmix_alpha,
            "settings": json.dumps(settings_in_force(recipe, self.epoch)),
        }


def require_finite(split: str, loss: float | None, epoch: int) -> None:
    """Raise DivergedError if the loss is not finite; None says that the split has no images."""
    if loss is not None and not math.isfinite(loss):
        raise DivergedError(f"{split} loss is {loss} in epoch {epoch}")
