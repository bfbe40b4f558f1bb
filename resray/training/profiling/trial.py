"""Profiling a few steps of a trial: in this process, and stored nowhere as results."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from resray.data.dataset import Images
from resray.data.splits import Splits
from resray.study.recipe_spec import Recipe
from resray.training.checkpoints import CheckpointFolder
from resray.training.context import LocalContext
from resray.training.device import CPU_EVAL_BATCH, device_name, pick_device
from resray.training.fit import Trainer, fit
from resray.training.profiling.regions import REGIONS, profiled
from resray.training.profiling.trace import BESIDE_STEPS, OUTSIDE, Measured, read_trace
from resray.training.trial import Job, open_checked, recipe_of, set_up_process

STEPS = 5
"""As many again come before, to warm up."""
EVALUATED = 2000
"""Images of each split that are evaluated on a GPU; on the CPU it is one batch of the default."""


@dataclass(frozen=True)
class Part:
    """What a part of a training takes."""

    name: str
    step_seconds: float | None
    """Of a training step; None for what is no part of one."""
    epoch_seconds: float


@dataclass(frozen=True)
class Profile:
    """Where the time of an epoch goes."""

    trial: str
    conditions: dict[str, str]
    parts: list[Part]
    notes: list[str]

    @property
    def seconds(self) -> float:
        """What all parts of an epoch take."""
        return sum(part.epoch_seconds for part in self.parts)


def profile_trial(job: Job, trace: Path) -> Profile:
    """Train a few steps of a trial, evaluate a little and save once; write the trace of that.

    What is profiled is the second epoch over a few of its images; a whole epoch is reckoned from
    it. The process is used up: its threads are the trial's. Raises what training raises.
    """
    context = LocalContext(pick_device(job.use_gpu))
    set_up_process(job, context)
    planned = recipe_of(job, context.device)
    recipe, notes = profiled_recipe(job, planned)
    _, splits = open_checked(job, recipe)
    few = few_images(splits, recipe, EVALUATED if job.use_gpu else CPU_EVAL_BATCH)
    with TemporaryDirectory() as folder:
        saved = CheckpointFolder(Path(folder))
        trainer = Trainer(
            recipe,
            few,
            context,
            seed=job.seed,
            checkpoints=saved,
            evaluate_test=job.evaluate_test,
        )
        trainer.run_epoch()
        with profiled(context.device, trace):
            next(fit(trainer, stop_after=1))
    conditions = {
        "device": device_name(context.device, job.threads),
        "precision": trainer.precision,
        "step": recipe.step,
        "batch": f"{recipe.batch_size} images",
        "torch": torch.__version__,
    }
    measured = read_trace(trace, REGIONS)
    scale = Scale.of(splits, few, recipe, tested=job.evaluate_test, every=planned.evaluate_every)
    waits = f"{len(measured.host_waits)} times, {sum(measured.host_waits):.3f} s"
    notes.append(f"In the {scale.steps} steps the host waited for device or loader {waits}.")
    return Profile(job.name, conditions, parts_of(measured, scale), notes)


def profiled_recipe(job: Job, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Return the recipe as it is profiled, and what differs from how the trial is trained."""
    notes: list[str] = []
    changes: dict[str, Any] = {"step": job.step, "evaluate_every": 1}
    if job.step == "captured":
        changes["step"] = "eager"
        notes.append(
            "The trial's steps are captured, and the replay of a graph shows no regions: profiled "
            "is the same step in its eager form."
        )
    if job.world_size > 1:
        changes["batch_size"] = share = -(-recipe.batch_size // job.world_size)
        notes.append(
            f"One rank of {job.world_size}, with its {share} images of each batch of "
            f"{recipe.batch_size}; no gradients are exchanged."
        )
    return recipe.model_copy(update=changes), notes


def few_images(splits: Splits, recipe: Recipe, evaluated: int) -> Splits:
    """Return the splits with the images of `STEPS` steps, and as many of the others at most."""
    trained = STEPS * recipe.batch_size * recipe.accumulation
    return replace(
        splits,
        train=first(splits.train, trained),
        validation=first(splits.validation, evaluated),
        test=first(splits.test, evaluated),
    )


def first(images: Images, count: int) -> Images:
    """Return the first images, all if there are no more."""
    return images.select(torch.arange(min(count, len(images))))


@dataclass(frozen=True)
class Scale:
    """How much more an epoch is than what was profiled."""

    steps: int
    """Profiled."""
    training: float
    evaluation: float

    @classmethod
    def of(cls, whole: Splits, few: Splits, recipe: Recipe, *, tested: bool, every: int) -> "Scale":
        """Compare the images of an epoch, of which each ``every``-th is evaluated."""
        in_step = recipe.batch_size * recipe.accumulation
        steps = -(-len(few.train) // in_step)
        evaluated = [(whole.validation, few.validation), *[(whole.test, few.test)] * tested]
        images, profiled = (sum(map(len, split)) for split in zip(*evaluated, strict=True))
        return cls(steps, len(whole.train) / len(few.train), images / max(profiled, 1) / every)


def parts_of(measured: Measured, scale: Scale) -> list[Part]:
    """Return the parts of an epoch, all `REGIONS` among them, in order, and waiting last."""
    return [
        *(part_of(name, measured.regions.get(name, 0.0), scale) for name in REGIONS),
        *(
            part_of(name, measured.regions[name], scale)
            for name in [OUTSIDE]
            if name in measured.regions
        ),
        part_of("waiting", measured.waiting, scale),
    ]


def part_of(name: str, seconds: float, scale: Scale) -> Part:
    """Return a part that took ``seconds`` of what was profiled."""
    if name in BESIDE_STEPS:
        times = scale.evaluation if name == "evaluation" else 1
        return Part(name, None, seconds * times)
    return Part(name, seconds / scale.steps, seconds * scale.training)
