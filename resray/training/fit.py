"""Training one recipe: ``fit()`` yields one record per epoch; checkpoints are written beside it.

Pure PyTorch. With several ranks, torch.distributed is initialised by the caller and the model is
wrapped in DistributedDataParallel; the recipe's batch size is the global one.
"""

import time
from collections.abc import Collection, Generator
from datetime import UTC, datetime

import torch
from torch import nn

from resray.data.loader import EvalLoader
from resray.data.sources import Images
from resray.data.splits import Splits
from resray.errors import DataError, InputError, ResrayError
from resray.results.recovery import kept_beside
from resray.study.optimizer_spec import Plateau
from resray.study.phases import recipe_at
from resray.study.recipe_spec import Recipe
from resray.training.attempts import is_out_of_memory
from resray.training.batch_note import same_steps
from resray.training.checkpoint_file import Checkpoint, read_recipe
from resray.training.checkpoint_writer import CheckpointWriter, Copied
from resray.training.checkpoints import MOVE_IT, CheckpointFolder
from resray.training.context import Context, Preempted
from resray.training.device import check_device_options, peak_memory
from resray.training.energy import energy_between, energy_counter
from resray.training.epoch import TrainingEpoch
from resray.training.evaluation import NOT_EVALUATED, Record, evaluate_splits
from resray.training.loaders import eval_loader_of, train_loader_of
from resray.training.parts import Parts, build_parts
from resray.training.predictions import gathered_in_order
from resray.training.profiling.regions import region
from resray.training.reuse import REUSABLE, ReusableStep
from resray.training.schedules import plateau_factor
from resray.training.step import TrainingStep
from resray.training.step_choice import choose_step
from resray.training.step_forms import FORMS, Eager, failure_of
from resray.training.stopping import ending_of, evaluates, is_best_so_far, watched_accuracies


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
        evaluate_at: Collection[int] = (),
        step: str | None = None,
    ) -> None:
        """Build everything that training takes; without ``evaluate_test``, test is left alone.

        ``evaluate_at`` are epochs that are evaluated beside those of ``recipe.evaluate_every``;
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
        # The other ranks have the same, and need not wait for it.
        self._writer = None
        if checkpoints is not None and context.rank == 0:
            self._writer = CheckpointWriter(checkpoints, recipe.selection)
        self.evaluate_at = evaluate_at
        self.records: list[Record] = []
        self.predicted: torch.Tensor | None = None
        """What the best epoch so far predicted of test, as `packed` gives it; None where that epoch
        was not tested, or by an older resray."""
        self.remark: str | None = None
        """What is to be told of how the training begins or goes on."""
        self.step = step or choose_step(
            recipe,
            use_gpu=context.device.type == "cuda",
            world_size=context.world_size,
            images=len(splits.train),
        )
        self.seconds_compiling = 0.0
        """Of what is not in a record yet."""
        reused = REUSABLE.take(recipe, splits, self.step)
        if reused is not None:
            reused.restart(recipe, splits, seed)
            self.parts, self.train_loader, self.form = reused.parts, reused.loader, reused.form
        else:
            self.parts = self._build()
            self.train_loader = train_loader_of(
                recipe, splits, context, seed=seed, channels_last=self.parts.channels_last
            )
            self.form = self._form()
        self.validation_loader = self._eval_loader(splits.validation)
        self.test_loader = self._eval_loader(splits.test) if evaluate_test else None

    def _build(self) -> Parts:
        return build_parts(
            self.recipe, self.splits, self.context, self.seed, captured=self.step == "captured"
        )

    def _form(self) -> Eager:
        return FORMS[self.step](TrainingStep(self.recipe, self.parts, self.train_loader))

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.parts.network

    @property
    def precision(self) -> str:
        """The precision in which it computes."""
        return self.parts.precision

    def _eval_loader(self, images: Images) -> EvalLoader:
        return eval_loader_of(
            images,
            self.recipe,
            self.splits,
            self.context,
            network=self.network,
            channels_last=self.parts.channels_last,
        )

    @property
    def epochs_done(self) -> int:
        """How many epochs are finished, over all attempts."""
        return len(self.records)

    @property
    def saved(self) -> int:
        """The epoch that the newest finished checkpoint covers, 0 without one."""
        return 0 if self._writer is None else self._writer.saved

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
        self.predicted = checkpoint.get("predicted")
        if self.records:
            # The end's was written before its time was known, which the metrics beside it have.
            last = self.records[-1]
            beside = {each["recorded"]: each for each in kept_beside(path.parent)[0]}
            last["seconds_saving"] = beside.get(last["recorded"], last).get("seconds_saving")
        if self._writer is not None:
            self._writer.saved = self.epochs_done
        if damage is not None:
            self.remark = f"{damage}; goes on from {path.name}, epoch {self.epochs_done}"
        try:
            self.parts.load_weights(checkpoint)
            if not self.finished:
                self.parts.load_progress(checkpoint)
                self.form.reset()
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
        began, epoch = time.perf_counter(), self.epochs_done + 1
        try:
            if self._epoch(epoch).prepare():
                self._evaluate(epoch, batches=1)
        except Exception as error:
            explained = isinstance(error, ResrayError) or is_out_of_memory(error)
            if self.step == "eager" or explained:
                raise
            fallback = f"step: {self.step} does not suit the network ({failure_of(error)}): eager"
            self.remark = "; ".join(filter(None, (self.remark, fallback)))
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
        self.prepare()
        epoch = self.epochs_done + 1
        before = energy_counter(self.context.device)
        record = {"epoch": epoch, **self._epoch(epoch).run()}
        is_evaluated = evaluates(self.recipe, epoch, self.evaluate_at)
        predicted: list[torch.Tensor] = []
        record |= self._evaluate(epoch, predicted=predicted) if is_evaluated else NOT_EVALUATED
        if is_best_so_far(self.recipe, [*self.records, record]):
            tested = record["test_accuracy"] is not None
            self.predicted = self._of_all_ranks(predicted) if tested else None
        record["seconds_compiling"], self.seconds_compiling = self.seconds_compiling, 0.0
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
            watched = watched_accuracies(self.recipe, self.records)
            accuracies = [accuracy for accuracy in watched if accuracy is not None]
            plateau = plateau_factor(schedule, self.recipe.optimizer.lr, accuracies)
        return TrainingEpoch(
            recipe_at(self.recipe, epoch),
            self.form,
            self.context,
            seed=self.seed,
            epoch=epoch,
            plateau=plateau,
        )

    def _evaluate(
        self, epoch: int, batches: int | None = None, predicted: list[torch.Tensor] | None = None
    ) -> Record:
        """Return what is measured on the splits, or on so many batches of each; to ``predicted``
        this rank's predictions of test are added."""
        loaders = {"validation": self.validation_loader, "test": self.test_loader}
        return evaluate_splits(
            loaders,
            self.parts,
            self.recipe,
            self.context,
            epoch=epoch,
            batches=batches,
            predicted=predicted,
        )

    def _of_all_ranks(self, predicted: list[torch.Tensor]) -> torch.Tensor:
        images, classes = len(self.splits.test), len(self.splits.class_names)
        return gathered_in_order(predicted, images, classes, self.context)

    def save(self, *, is_end: bool) -> None:
        """Copy the state of the last finished epoch and, if it is due, begin to write it; at the
        end, write it. The record then holds how long the training waited for that.

        Raises what went wrong in writing the one before, such as a StorageError.
        """
        if self._writer is None:
            return
        began, record = time.perf_counter(), self.records[-1]
        is_best = is_best_so_far(self.recipe, self.records)
        if is_end:
            self._writer.finish(self._checkpoint(self._state()), is_best=is_best)
            record["seconds_saving"] = time.perf_counter() - began
            self._writer.save_metrics(self.records)
            return
        is_due = self._writer.is_due(record["epoch"])
        copy = self._writer.copied(self._state(), self.context.device)
        record["seconds_saving"] = time.perf_counter() - began
        checkpoint = Copied(self._checkpoint(copy.content), copy.ready)
        if is_due:
            self._writer.begin(checkpoint, is_best=is_best)
        else:
            self._writer.hold(checkpoint, is_best=is_best)

    def save_newest(self) -> None:
        """Write the checkpoint of the last finished epoch, unless that is there."""
        if self._writer is not None:
            self._writer.write_newest()

    def close(self) -> None:
        """Return when nothing writes any more; the best weights so far are on disk then."""
        if self._writer is not None:
            self._writer.close()
        if self.step != "eager" and self.context.world_size == 1 and self.precision != "fp16":
            REUSABLE.step = ReusableStep(
                self.recipe, self.splits.train.images, self.parts, self.train_loader, self.form
            )

    def _state(self) -> Checkpoint:
        # Nothing goes on from the schedule's end, and momentum doubles the file.
        progress = {} if self.finished else self.parts.progress()
        predicted = {} if self.predicted is None else {"predicted": self.predicted}
        return {**self.parts.weights(), **progress, **predicted}

    def _checkpoint(self, state: Checkpoint) -> Checkpoint:
        return {
            "epoch": self.epochs_done,
            "finished": self.finished,
            "recipe": self.recipe.model_dump_json(),
            "seed": self.seed,
            "class_names": list(self.splits.class_names),
            "mean": list(self.splits.mean),
            "std": list(self.splits.std),
            "image_size": self.splits.image_size,
            "records": list(self.records),
            **state,
        }


def fit(trainer: Trainer, *, stop_after: int | None = None) -> Generator[Record]:
    """Train on from where ``trainer`` is, to the recipe's end or to epoch ``stop_after``.

    Early stopping ends it too. Yields each epoch's record at once; ``trainer.saved`` says up to
    which epoch they can never be lost any more, which at an end is the last one. However it ends,
    nothing is written any more after that: close it, to be sure, where it may not come to its end.
    Raises DivergedError when the loss is no longer finite, what writing a checkpoint raises, and
    Preempted, once the checkpoint of the last finished epoch is written.
    """

    def has_ended() -> bool:
        return ending_of(trainer.recipe, trainer.records, stop_after) is not None

    try:
        while not has_ended():
            trainer.records.append(trainer.run_epoch())
            with region("checkpoint"):
                trainer.save(is_end=has_ended())
            yield trainer.records[-1]
    except Preempted:
        trainer.save_newest()
        raise
    finally:
        trainer.close()
