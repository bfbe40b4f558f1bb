"""One rank of tests/test_distributed.py, which leaves its findings in files."""

import json
from pathlib import Path

import torch
import torch.distributed

from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.study.recipe_spec import Recipe
from resray.training.context import LocalContext
from resray.training.fit import Trainer


def train_epoch(recipe: Recipe, rank: int, world_size: int, folder: Path) -> None:
    """Train one epoch of the recipe as ``rank`` and store its record, gradients and labels."""
    torch.set_num_threads(1)
    if world_size > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size
        )
    splits = prepare(open_dataset(recipe.data), recipe.data)
    context = LocalContext(rank=rank, world_size=world_size)
    trainer = Trainer(recipe, splits, context, seed=0)
    record = trainer.run_epoch()
    gradients = {name: p.grad for name, p in trainer.network.named_parameters()}
    torch.save(gradients, folder / f"gradients-{world_size}-{rank}.pt")
    torch.save(trainer.network.state_dict(), folder / f"weights-{world_size}-{rank}.pt")
    (folder / f"record-{world_size}-{rank}.json").write_text(json.dumps(record))
    if world_size > 1:
        torch.distributed.destroy_process_group()
