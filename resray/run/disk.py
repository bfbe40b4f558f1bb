"""What the checkpoints of a command will take of the disk, for `--dry-run`."""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path

from resray.errors import StorageError
from resray.files import size_text
from resray.run.cost import input_of, network_size
from resray.study.expand import PlannedTrial
from resray.study.optimizer_spec import Adam
from resray.study.recipe_spec import Recipe
from resray.study.spec import CheckpointPolicy

BYTES = 4
"""Of a weight, and of each number that an optimizer keeps of it: both are stored in fp32."""


@dataclass(frozen=True)
class Take:
    """What one trial's checkpoints take, in bytes; roughly, as buffers do not count."""

    left: int
    """At most once it has ended: the best one and the last may be one file."""
    writing: int
    """While it writes: the one before the last is still there."""


def take_of(trial: PlannedTrial, policy: CheckpointPolicy, *, may_stop: bool = False) -> Take:
    """Return what a trial takes. One that ends before its recipe, as one of a search may, can go
    on: its last two keep the optimizer."""
    recipe = trial.recipe
    epochs = min(recipe.epochs, trial.stop_after or recipe.epochs)
    finished = epochs == recipe.epochs and not may_stop
    network = BYTES * network_size(recipe.model, *input_of(recipe.data))[0]
    weights = network * (1 if recipe.ema_decay is None else 2)
    going_on = weights + network * slots(recipe)
    used = weights * (1 + kept_epochs(policy, epochs))
    return Take(used + (weights if finished else 2 * going_on), used + 3 * going_on)


def slots(recipe: Recipe) -> int:
    """Return how many numbers the recipe's optimizer keeps of a weight; of Muon's AdamW, too, as if
    it were Muon, which has nearly all weights."""
    optimizer = recipe.optimizer
    return 2 if isinstance(optimizer, Adam) else int(optimizer.momentum > 0)


def kept_epochs(policy: CheckpointPolicy, epochs: int) -> int:
    """Return how many epochs' checkpoints the policy keeps beside best and last."""
    at = {epoch for epoch in policy.at if epoch <= epochs}
    periodic = {*range(policy.every, epochs + 1, policy.every)} if policy.every else set()
    newest = sorted(periodic - at)[-(policy.keep_last or epochs) :]
    return len(at) + len(newest)


def checkpoints_fit(
    takes: Sequence[Take], side_by_side: int, results: Path, begun: Collection[Path] = ()
) -> str:
    """Return what the checkpoints will take of the disk, and what is free, in words.

    ``begun`` are folders of trials that go on, whose checkpoints are there already. Raises
    StorageError if what they will take cannot fit.
    """
    left = sum(each.left for each in takes)
    most = left + sum(nlargest(side_by_side, (each.writing - each.left for each in takes)))
    there = sum(path.stat().st_size for folder in begun for path in folder.glob("*.pt"))
    folder = next(each for each in (results, *results.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(folder).free
    words = f"checkpoints take up to {size_text(left)}, {size_text(most)} while they are written"
    if most - there > free:
        raise StorageError(
            f"{results}: {words}, and {size_text(free)} are free; make room (`resray clean`), "
            "choose another disk with --out DIR, or fewer trials"
        )
    return f"On disk: {words}; {size_text(free)} are free."
