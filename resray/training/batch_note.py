"""Less memory for a trial that ran out of it: half the batch and twice the accumulation.

A note in the trial's checkpoint folder says what its next start takes, so it reaches every rank,
and also a later command. The optimizer steps stay those of the recipe: each takes the mean gradient
over the same images. What differs is what sees one batch at a time: BatchNorm, and mixing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from resray.errors import DataError
from resray.study.recipe_spec import Recipe
from resray.training.checkpoints import write_json

FILE = "batch.json"

REMARK = "out of memory: "
"""Begins what a trial's row says of its smaller batch."""
KEYS = ("batch_size", "accumulation", "eval_batch_size")
"""What of a recipe the note replaces."""

_SIGNS = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
"""What torch's other errors say of missing memory: CUDA's, the CPU allocator's, cuBLAS's."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory, of the device or the process, ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


@contextmanager
def halving_when_out_of_memory(folder: Path, recipe: Recipe) -> Iterator[None]:
    """If memory runs out inside, leave the note for the next start and raise OutOfMemoryError.

    ``recipe`` is the one that is trained, with what an earlier note says. The exception's message
    says what the next start does.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        # Half of what this rank trained, not of the note: another rank may have written one.
        raise torch.OutOfMemoryError(_write_half(folder, recipe)) from error


def note_out_of_memory(folder: Path, recipe: Recipe) -> str:
    """Leave the note for a trial that could not: its process was killed for its memory.

    ``recipe`` is the planned one. Returns what the next start does, as text. Raises DataError if an
    earlier note is damaged.
    """
    return _write_half(folder, recipe_that_fits(recipe, folder))


def _write_half(folder: Path, recipe: Recipe) -> str:
    size, accumulation = recipe.batch_size, recipe.accumulation
    if size % 2:
        return f"out of memory with batch {size}, which cannot be halved; choose another batch_size"
    half = {
        "batch_size": size // 2,
        "accumulation": 2 * accumulation,
        # The evaluation may have been what did not fit, and its result depends on no batch.
        "eval_batch_size": -(-recipe.eval_batch_size // 2),
    }
    write_json(folder / FILE, {**half, "of": size * accumulation})
    return (
        f"out of memory with batch {size}: it starts again with batch {size // 2} and accumulation "
        f"{2 * accumulation}"
    )


def recipe_that_fits(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe as the trial's note has it, unchanged if there is none.

    Raises DataError if the note is damaged or belongs to another batch size.
    """
    path = folder / FILE
    if not path.exists():
        return recipe
    try:
        note = json.loads(path.read_text())
        taken = {**recipe.model_dump(mode="json"), **{key: note[key] for key in KEYS}}
        smaller = Recipe.model_validate(taken)
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path}: not a readable note; delete it") from error
    if not same_steps(smaller, recipe):
        raise DataError(f"{path}: belongs to another batch_size or accumulation; delete it")
    return smaller


def same_steps(one: Recipe, other: Recipe) -> bool:
    """Return whether two recipes are the same, however an optimizer step's images are batched."""
    return _unbatched(one) == _unbatched(other)


def _unbatched(recipe: Recipe) -> Recipe:
    images = recipe.batch_size * recipe.accumulation
    whole = {"batch_size": images, "accumulation": 1, "eval_batch_size": 1}
    return recipe.model_copy(update=whole)


def batch_remark(asked: Recipe, taken: Recipe) -> str | None:
    """Return what a trial's row says of a batch that is smaller than asked for, else None."""
    if taken.batch_size == asked.batch_size:
        return None
    effect = ", so BatchNorm sees fewer images" if taken.model.norm == "batch" else ""
    return (
        f"{REMARK}batch {taken.batch_size} with accumulation {taken.accumulation} instead "
        f"of {asked.batch_size} with {asked.accumulation}{effect}"
    )
