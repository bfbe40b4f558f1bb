"""One rank of tests/test_distributed.py, which leaves its findings in files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed

from resray.data.loader import rank_share
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.study.recipe_spec import Recipe
from resray.training.context import LocalContext
from resray.training.fit import Trainer
from resray.training.predictions import gathered_in_order


@contextmanager
def group(rank: int, world_size: int, folder: Path) -> Iterator[LocalContext]:
    """Give the context of one rank that reaches the others over gloo, if there are others."""
    torch.set_num_threads(1)
    if world_size > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size
        )
    yield LocalContext(rank=rank, world_size=world_size)
    if world_size > 1:
        torch.distributed.destroy_process_group()


def gather_indices(images: int, classes: int, rank: int, world_size: int, folder: Path) -> None:
    """Gather as many class indices as there are images, counted down, in batches of two."""
    with group(rank, world_size, folder) as context:
        share = rank_share(images, rank, world_size)
        indices = [classes - 1 - index for index in share]
        batches = [torch.tensor(indices[at : at + 2]) for at in range(0, len(indices), 2)]
        found = gathered_in_order(batches, images, classes, context)
    torch.save(found, folder / f"gathered-{rank}.pt")


def train_epoch(recipe: Recipe, rank: int, world_size: int, folder: Path) -> None:
    """Train one epoch of the recipe as ``rank`` and store its record, gradients and predictions."""
    splits = prepare(open_dataset(recipe.data), recipe.data)
    with group(rank, world_size, folder) as context:
        trainer = Trainer(recipe, splits, context, seed=0)
        record = trainer.run_epoch()
    gradients = {name: p.grad for name, p in trainer.network.named_parameters()}
    torch.save(gradients, folder / f"gradients-{world_size}-{rank}.pt")
    torch.save(trainer.network.state_dict(), folder / f"weights-{world_size}-{rank}.pt")
    torch.save({"predicted": trainer.predicted}, folder / f"predicted-{world_size}-{rank}.pt")
    (folder / f"record-{world_size}-{rank}.json").write_text(json.dumps(record))
