"""Training one recipe: ``fit()`` yields one record per epoch and writes a checkpoint before it.

Pure PyTorch. With several ranks, torch.distributed is initialised by the caller and the model is
wrapped in DistributedDataParallel; the recipe's batch size is the global one.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import torch
from torch import nn

from resray.data.loader import EvalLoader, TrainLoader
from resray.data.per_image import PerImageLoader
from resray.data.sources import Images
from resray.data.splits import Splits
from resray.errors import DataError, InputError, one_line
from resray.results.recovery import kept_beside
from resray.study.optimizer_spec import Plateau
from resray.study.phases import recipe_at
from resray.study.recipe_spec import Recipe
from resray.training.attempts import is_out_of_memory
from resray.training.batch_note import same_steps
from resray.training.checkpoint_file import Checkpoint, read_recipe
from resray.training.checkpoints import MOVE_IT, CheckpointFolder
from resray.training.context import Context
from resray.training.device import check_device_options, peak_memory, wait_for
from resray.training.energy import energy_between, energy_counter
from resray.training.epoch import Record, TrainingEpoch, require_finite
from resray.training.evaluation import evaluate
from resray.training.parts import Parts, broadcast_buffers, build_parts
from resray.training.profile import region
from resray.training.schedules import plateau_factor
from resray.training.step import TrainingStep
from resray.training.step_choice import choose_step
from resray.training.step_forms import FORMS, StepForm
from resray.training.stopping import ending_of, is_best_so_far, selecting_accuracies


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
        evaluate_test: bool = True,
        step: str | None = None,
    ) -> None:
        """Build everything that training takes; without ``evaluate_test``, test is left alone.

        ``step`` is the form of the training step, None the recipe's.

        Raises InputError where the recipe selects on test and test is left alone.
        """
        if recipe.selection == "test" and not evaluate_test:
            raise InputError("selection: test needs test, which this training leaves alone (use "
                             "validation)")  # fmt: skip
        check_device_options(recipe, context.device)
        self.recipe, self.context, self.seed = recipe, context, seed
        self.splits = splits
        self.checkpoints = checkpoints
        self.records: list[Record] = []
        self.remark: str | None = None
        """What is to be told of the checkpoint that the training goes on from."""
        self.step = step or choose_step(
            recipe,
            use_gpu=context.device.type == "cuda",
            world_size=context.world_size,
            images=len(splits.train),
        )
        self.seconds_compiling = 0.0
        """Of what is not in a record yet."""
        self.parts = self._build()
        self.train_loader = self._train_loader(splits.train)
        self.validation_loader = self._eval_loader(splits.validation)
        self.test_loader = self._eval_loader(splits.test) if evaluate_test else None
        self.form = self._form()

    def _build(self) -> Parts:
        return build_parts(
            self.recipe, self.splits, self.context, self.seed, captured=self.step == "captured"
        )

    def _form(self) -> StepForm:
        return FORMS[self.step](TrainingStep(self.recipe, self.parts, self.train_loader))

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.parts.network

    @property
    def precision(self) -> str:
        """The precision in which it computes."""
        return self.parts.precision

    def _train_loader(self, images: Images) -> TrainLoader | PerImageLoader:
        options: dict[str, Any] = {
            "batch_size": self.recipe.batch_size,
            "seed": self.seed,
            "augmentation": self.recipe.augmentation,
            "shuffle": self.recipe.loader.shuffle,
            "drop_last": self.recipe.loader.drop_last,
            **self._loading(),
        }
        loader = self.recipe.loader
        if loader.name == "device":
            return TrainLoader(images, **options)
        return PerImageLoader(
            images, workers=loader.workers, pinned_memory=loader.pinned_memory, **options
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
            "channels_last": self.parts.channels_last,
        }

    @property
    def epochs_done(self) -> int:
        """How many epochs are finished, over all attempts."""
        return len(self.records)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return ending_of(self.recipe, self.records) is not None

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one; from the one before if it is damaged.

        Raises DataError if both are damaged, or if it belongs to another recipe or seed.
        """
        if self.checkpoints is None:
            return
        found = self.checkpoints.newest()
        if found is None:
            return
        checkpoint, path, damage = found
        # Compared as recipes: a field added since then has its default in both.
        own = same_steps(read_recipe(checkpoint, path), self.recipe)
        if not own or checkpoint["seed"] != self.seed:
            raise DataError(f"{path}: belongs to another recipe or seed; {MOVE_IT}")
        self.records = checkpoint["records"]
        if self.records:
            # The file was written before its time was known, which the metrics beside it have.
            last = self.records[-1]
            beside = {each["recorded"]: each for each in kept_beside(path.parent)[0]}
            last["seconds_saving"] = beside.get(last["recorded"], {}).get("seconds_saving")
        if damage is not None:
            self.remark = f"{damage}; goes on from {path.name}, epoch {self.epochs_done}"
        try:
            self.parts.load_weights(checkpoint)
            if not self.finished:
                self.parts.load_progress(checkpoint)
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).partition("\n")[0]
            raise DataError(f"{path}: does not fit its recipe ({reason}); {MOVE_IT}") from error

    def prepare(self) -> None:
        """Compile and warm up for the next epoch, where the step's form or the device needs that.

        A network that cannot be compiled or captured is trained by the eager step, and ``remark``
        says so.
        """
        began = time.perf_counter()
        try:
            self._epoch(self.epochs_done + 1).prepare()
            if self.step == "compiled" or self.context.device.type == "cuda":
                self._evaluate(self.epochs_done + 1, batches=1)
        except RuntimeError as error:
            if self.step == "eager" or is_out_of_memory(error):
                raise
            self.remark = f"step: {self.step} does not suit the network ({one_line(error)}): eager"
            self._become_eager()
        self.seconds_compiling += time.perf_counter() - began

    def _become_eager(self) -> None:
        state = {**self.parts.weights(), **self.parts.progress()}
        self.step = "eager"
        self.parts = self._build()
        self.parts.load_weights(state)
        self.parts.load_progress(state)
        self.form = self._form()
        self._epoch(self.epochs_done + 1).prepare()

    def run_epoch(self) -> Record:
        """Train one epoch, evaluate, and return its record (columns of the epochs table).

        Raises DivergedError if a loss is not finite.
        """
        epoch = self.epochs_done + 1
        before = energy_counter(self.context.device)
        record = {"epoch": epoch, **self._epoch(epoch).run(), **self._evaluate(epoch)}
        record["seconds_compiling"] += self.seconds_compiling
        self.seconds_compiling = 0.0
        record["energy_joules"] = self._energy_since(before)
        record["peak_memory_bytes"] = peak_memory(self.context.device)
        record["threads"] = torch.get_num_threads()
        record["recorded"] = datetime.now(UTC).isoformat()
        record["seconds_saving"] = None
        return record

    def _energy_since(self, before: float | None) -> float | None:
        """Return what the device used since; None for several ranks, which may share a counter."""
        if self.context.world_size > 1:
            return None
        return energy_between(before, energy_counter(self.context.device))

    def _epoch(self, epoch: int) -> TrainingEpoch:
        schedule, plateau = self.recipe.schedule, 1.0
        if isinstance(schedule, Plateau):
            accuracies = selecting_accuracies(self.recipe, self.records)
            plateau = plateau_factor(schedule, self.recipe.optimizer.lr, accuracies)
        return TrainingEpoch(
            recipe_at(self.recipe, epoch),
            self.form,
            self.context,
            seed=self.seed,
            epoch=epoch,
            plateau=plateau,
        )

    def _evaluate(self, epoch: int, batches: int | None = None) -> Record:
        """Return what is measured on the splits, or on so many batches of each."""
        started = time.perf_counter()
        network = self.parts.evaluated
        if self.context.world_size > 1:
            broadcast_buffers(network)
        measured = {
            **self._measure("validation", self.validation_loader, network, epoch, batches),
            **self._measure("test", self.test_loader, network, epoch, batches),
        }
        wait_for(self.context.device)
        return {**measured, "seconds_evaluating": time.perf_counter() - started}

    def _measure(
        self,
        split: str,
        loader: EvalLoader | None,
        network: nn.Module,
        epoch: int,
        batches: int | None,
    ) -> Record:
        """Return loss and accuracy of a split, None for one that this training leaves alone."""
        if loader is None:
            return {f"{split}_loss": None, f"{split}_accuracy": None}
        with region("evaluation"):
            loss, accuracy = evaluate(
                network,
                islice(loader, batches),
                device=self.context.device,
                precision="fp32" if self.recipe.eval_precision == "fp32" else self.precision,
                world_size=self.context.world_size,
            )
        require_finite(split, loss, epoch)
        return {f"{split}_loss": loss, f"{split}_accuracy": accuracy}

    def save(self) -> None:
        """Write the checkpoints of the last finished epoch (rank 0 only) and how long that took."""
        if self.checkpoints is None or self.context.rank > 0:
            return
        began = time.perf_counter()
        is_best = is_best_so_far(self.recipe, self.records)
        with region("checkpoint"):
            self.checkpoints.save(self._checkpoint(), is_best=is_best)
        self.records[-1]["seconds_saving"] = time.perf_counter() - began
        self.checkpoints.save_metrics(self.records, self.recipe.selection)

    def _checkpoint(self) -> Checkpoint:
        return {
            "epoch": self.epochs_done,
            "finished": self.finished,
            "recipe": self.recipe.model_dump_json(),
            "seed": self.seed,
            "class_names": list(self.splits.class_names),
            "mean": list(self.splits.mean),
            "std": list(self.splits.std),
            "image_size": self.splits.image_size,
            "records": self.records,
            **self.parts.weights(),
            # Nothing goes on from the schedule's end, and momentum doubles the file.
            **({} if self.finished else self.parts.progress()),
        }


def fit(trainer: Trainer, *, stop_after: int | None = None) -> Iterator[Record]:
    """Train on from where ``trainer`` is, to the recipe's end or to epoch ``stop_after``.

    Early stopping ends it too. Yields each epoch's record after its checkpoint is on disk, so a
    record once seen is never lost. Raises DivergedError when the loss is no longer finite.
    """
    while ending_of(trainer.recipe, trainer.records, stop_after) is None:
        record = trainer.run_epoch()
        trainer.records.append(record)
        trainer.save()
        yield record
