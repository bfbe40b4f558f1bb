"""How much memory a trial takes: measured over two optimizer steps and one evaluation batch."""

from dataclasses import dataclass
from itertools import islice

import torch

from resray.study.phases import recipe_at
from resray.training.attempts import is_out_of_memory
from resray.training.context import LocalContext
from resray.training.device import memory_in_use, peak_memory, pick_device, wait_for
from resray.training.epoch import TrainingEpoch
from resray.training.evaluation import evaluate
from resray.training.fit import Trainer
from resray.training.trial import Job, open_checked, recipe_of, set_up_process


@dataclass(frozen=True)
class StepMemory:
    """What a trial takes of a device's memory, in bytes."""

    needed: int
    """On a GPU with all that the process holds there: cached blocks, context and kernels."""
    total: int


def measure_step(job: Job) -> StepMemory:
    """Return the memory that a trial of one rank takes, by training its first steps.

    The device should be this process's own: on a GPU, what others hold counts as if it were the
    trial's. On the CPU it is what the process grows by. A trial that does not fit needs all there
    is. Raises DataError as opening the data does.
    """
    context = LocalContext(pick_device(job.use_gpu))
    set_up_process(job, context)
    before = peak_memory(context.device)
    total, _, _ = memory_in_use(context.device)
    try:
        train_two_steps(job, context)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return StepMemory(total, total)
    return StepMemory(taken_memory(context.device, before), total)


def train_two_steps(job: Job, context: LocalContext) -> None:
    """Build the trial as it will be, with all its data, train two steps and evaluate one batch.

    The first step leaves what the second one needs besides: the optimizer's state.
    """
    recipe = recipe_of(job, context.device)
    if recipe.eval_batch_size == "auto":
        # It takes what training leaves free of the trial's share, so it must not decide about that.
        recipe = recipe.model_copy(update={"eval_batch_size": recipe.batch_size})
    _, splits = open_checked(job, recipe)
    trainer = Trainer(
        recipe, splits, context, seed=job.seed, evaluate_test=job.evaluate_test, step=job.step
    )
    trainer.prepare()
    TrainingEpoch(
        recipe_at(recipe, 1),
        trainer.form,
        context,
        seed=job.seed,
        epoch=1,
        plateau=1.0,
        batches=2 * recipe.accumulation,
    ).run()
    evaluate(
        trainer.parts.evaluated,
        islice(trainer.validation_loader, 1),
        device=context.device,
        precision=trainer.precision,
    )
    wait_for(context.device)


def taken_memory(device: torch.device, before: int) -> int:
    """Return the most bytes that were taken; of a CPU process, beyond those ``before``."""
    if device.type != "cuda":
        return max(0, peak_memory(device) - before)
    free, total = torch.cuda.mem_get_info(device)
    # What lies on the device beside torch's blocks: CUDA's context, and kernels that were loaded.
    beside = total - free - torch.cuda.memory_reserved(device)
    return torch.cuda.max_memory_reserved(device) + beside
