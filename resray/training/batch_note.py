"""Less memory for a trial that ran out of it: half the batch and twice the accumulation.

A note in the trial's checkpoint folder says what its next start takes, so it reaches every rank,
and also a later command. The optimizer steps stay those of the recipe: each takes the mean gradient
over the same images. What differs is what sees one batch at a time: BatchNorm, and mixing.

A trial whose neighbours took more than their part starts again as it is. The note holds until the
trial may have more memory than it had.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from resray.files import read_json, write_json
from resray.study.recipe_spec import Recipe
from resray.training.attempts import is_out_of_memory
from resray.training.device import memory_in_use

FILE = "batch.json"

KEYS = ("batch_size", "accumulation", "eval_batch_size")
"""What of a recipe the note replaces."""
MORE = 1.1
"""How many times as much memory a trial may have when it tries its whole batch again."""

OVERHEAD = 3 * 2**30
"""Bytes that no trial holds: CUDA's contexts; in a machine the system's, Ray's, the command's."""


@dataclass(frozen=True)
class Shortage:
    """Who held the memory of a device when it ran out, in bytes."""

    total: int
    others: int
    """What all but the trial's own process held."""

    def is_own(self, share: float) -> bool:
        """Whether a trial that may have ``share`` of the device ran out of it all by itself."""
        return self.others <= (1 - share) * self.total + OVERHEAD


@contextmanager
def halving_when_out_of_memory(
    folder: Path, recipe: Recipe, device: torch.device, share: float
) -> Iterator[None]:
    """If memory runs out inside, leave the note for the next start and raise OutOfMemoryError.

    ``recipe`` is the one that is trained, with what an earlier note says; ``share`` is how much of
    the device the trial may have. The exception's message says what the next start does.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        total, own, free = memory_in_use(device)
        shortage = Shortage(total, total - own - free)
        # Half of what this rank trained, not of the note: another rank may have written one.
        raise torch.OutOfMemoryError(_mended(folder, recipe, shortage, share)) from error


def note_out_of_memory(folder: Path, recipe: Recipe, shortage: Shortage, share: float) -> str:
    """Leave the note for a trial that could not: its process was killed for its memory.

    ``recipe`` is the planned one. Returns what the next start does, as text.
    """
    fitting = recipe_that_fits(recipe, folder, share * shortage.total)
    return _mended(folder, fitting, shortage, share)


def _mended(folder: Path, recipe: Recipe, shortage: Shortage, share: float) -> str:
    """Write the note if the shortage is the trial's own; return what its next start does."""
    size, accumulation = recipe.batch_size, recipe.accumulation
    if not shortage.is_own(share):
        return (
            f"out of memory, of which others hold {shortage.others / 2**30:.1f} of "
            f"{shortage.total / 2**30:.1f} GiB: it starts again as it is"
        )
    if size % 2:
        return f"out of memory with batch {size}, which cannot be halved; choose another batch_size"
    evaluated = recipe.eval_batch_size
    half = {
        "batch_size": size // 2,
        "accumulation": 2 * accumulation,
        # The evaluation may have been what did not fit, and its result depends on no batch. It
        # takes less memory for an image than training does.
        "eval_batch_size": size // 2 if evaluated == "auto" else -(-evaluated // 2),
    }
    allowed = share * shortage.total
    write_json(folder / FILE, {**half, "of": size * accumulation, "allowed": allowed})
    return (
        f"out of memory with batch {size}: it starts again with batch {size // 2} and accumulation "
        f"{2 * accumulation}"
    )


def recipe_that_fits(recipe: Recipe, folder: Path, allowed: float) -> Recipe:
    """Return the recipe as the trial's note has it, unchanged if there is none.

    Nor is it changed if the trial may have clearly more memory, ``allowed`` bytes, than it had when
    the note was left. A note that is damaged or belongs to another batch size is put aside.
    """
    path = folder / FILE
    try:
        note = read_json(path)
        taken = {**recipe.model_dump(mode="json"), **{key: note[key] for key in KEYS}}
        smaller = Recipe.model_validate(taken)
        # A note of the first version does not say whose memory it was.
        more = allowed > MORE * float(note.get("allowed", 0))
        if not same_steps(smaller, recipe):
            raise ValueError("of another batch_size or accumulation")
    except FileNotFoundError:
        return recipe
    except (ValueError, LookupError, TypeError, OverflowError):
        # Another rank may have been first.
        with suppress(OSError):
            path.replace(path.with_name(f"{FILE}.damaged"))
        return recipe
    return recipe if more else smaller


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
    effect = (
        ", so BatchNorm sees fewer images"
        if getattr(taken.model, "norm", "batch") == "batch"
        else ""
    )
    return (
        f"batch {taken.batch_size} with accumulation {taken.accumulation} instead "
        f"of {asked.batch_size} with {asked.accumulation}{effect}"
    )
