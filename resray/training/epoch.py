"""The training steps of one epoch: batches, schedule, and what is recorded of them."""

import gc
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from resray.data.loader import to_device
from resray.models.build import set_dropout, set_stochastic_depth
from resray.study.model_spec import OwnModel
from resray.study.phases import settings_in_force
from resray.study.recipe_spec import Recipe
from resray.training.context import Context
from resray.training.device import wait_for
from resray.training.evaluation import Record, require_finite
from resray.training.mixing import draw_epoch, mixes
from resray.training.optimizers import (
    momentum_in_force,
    set_learning_rate,
    set_momentum,
    set_weight_decay,
)
from resray.training.profiling.regions import region
from resray.training.schedules import learning_rate_factor, momentum_at, position
from resray.training.step import Inputs, MicroBatch, micro_batches
from resray.training.step_forms import Eager

PROGRESS_SECONDS = 2.0


class TrainingEpoch:
    """One epoch under the settings that are in force in it.

    An optimizer step takes the mean gradient over all images of ``recipe.accumulation`` batches; an
    epoch's last step may have fewer.
    """

    def __init__(
        self,
        recipe: Recipe,
        form: Eager,
        context: Context,
        *,
        seed: int,
        epoch: int,
        plateau: float,
        batches: int | None = None,
    ) -> None:
        """Take the recipe as it is in ``epoch``, and the factor of a plateau schedule's rate.

        ``batches`` ends it after so many.
        """
        self.recipe, self.form, self.context = recipe, form, context
        self.seed, self.epoch, self.plateau = seed, epoch, plateau
        self.parts, self.loader = form.step.parts, form.step.loader
        self.tally, self.norms = form.step.tally, form.step.norms
        self.sizes, self.counts = self.loader.sizes[:batches], self.loader.counts[:batches]
        self.batches = micro_batches(
            self.sizes, self.counts, recipe.accumulation, context.world_size
        )
        self.steps = sum(batch.ends for batch in self.batches)

    def prepare(self) -> bool:
        """Set what the epoch's settings are, and make the step ready for them; return whether it
        was not. Comes before `run`."""
        if isinstance(self.recipe.model, OwnModel):
            set_dropout(self.parts.network, self.recipe.model.dropout)
            set_stochastic_depth(self.parts.network, self.recipe.model.stochastic_depth)
        set_weight_decay(self.parts.optimizer, self.recipe.optimizer)
        self.loader.augment_by(self.recipe.augmentation)
        self.parts.model.train()
        was_missing = self.form.prepare(self.recipe, self.batches)
        wait_for(self.context.device)
        return was_missing

    def run(self) -> Record:
        """Train, and return the columns of the epochs table that tell of it.

        Raises DivergedError if the loss is not finite.
        """
        # Random numbers depend on nothing but this, so a resumed epoch draws what it would have.
        torch.manual_seed((self.seed * 1_000_003 + self.epoch) * 1_009 + self.context.rank)
        self.tally.clear()
        self.norms.samples.clear()
        started = time.perf_counter()
        with without_garbage_collection():
            step = 0
            for batch, inputs in zip(self.batches, self._watched(started), strict=False):
                step += self._train_on(step, batch, inputs)
        wait_for(self.context.device)
        seconds = time.perf_counter() - started
        with region("metrics"):
            measured = self._measured(seconds)
        return {**measured, **self._in_force()}

    def _train_on(self, step: int, batch: MicroBatch, inputs: Inputs) -> bool:
        """Train on a batch of the epoch's ``step``-th optimizer step; return whether it ends."""
        if batch.ends:
            self._set_rate(step)
        measured = batch.ends and self.norms.are_sampled(step)
        self.form(batch, inputs, measured=measured)
        self.tally.images += batch.images
        if measured:
            self.norms.keep()
        if batch.ends and self.parts.average is not None and step == 0 and self.epoch == 1:
            self.parts.average.begin()
        return batch.ends

    def _inputs(self) -> Iterator[Inputs]:
        """Yield the inputs of the epoch's batches."""
        if not mixes(self.recipe.mixing):
            yield from self.loader.epoch(self.epoch)
            return
        sides, key = self.loader.sides, (self.seed, self.epoch)
        drawn = draw_epoch(self.recipe.mixing, self.counts, sides, *key)
        partners, numbers = (to_device(each, self.context.device) for each in drawn)
        rows = zip(partners.split(self.counts), numbers, strict=True)
        for inputs, mixing in zip(self.loader.epoch(self.epoch), rows, strict=False):
            yield *inputs, *mixing

    def _watched(self, started: float) -> Iterator[Inputs]:
        """Yield the batches' inputs, and tell now and then how many have been trained on."""
        said, seen = started, 0
        given = self._inputs()
        for size in self.sizes:
            with region("gather and augment"):
                inputs = next(given)
            yield inputs
            self.context.check_in()
            seen += size
            clock = time.perf_counter()
            if clock - said > PROGRESS_SECONDS:
                said = clock
                self.context.progress(self.epoch, seen, sum(self.sizes), clock - started)

    def _set_rate(self, step: int) -> None:
        """Set learning rate and momentum as the schedule has them at the epoch's ``step``."""
        spec = self.recipe.optimizer
        place = position(
            self.recipe.schedule,
            step=(self.epoch - 1) * self.steps + step,
            steps_per_epoch=self.steps,
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
            "learning_rate": float(optimizer.param_groups[0]["lr"]),
            "momentum": momentum_in_force(optimizer),
            "dropout": getattr(recipe.model, "dropout", None),
            "label_smoothing": recipe.label_smoothing,
            "mixup_alpha": recipe.mixing.mixup_alpha,
            "cutmix_alpha": recipe.mixing.cutmix_alpha,
            "settings": json.dumps(settings_in_force(recipe, self.epoch)),
        }


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Keep Python from looking for unreachable objects, for which all ranks would wait."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
