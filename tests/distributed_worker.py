"""One rank of tests/test_distributed.py: run as a script, it leaves its findings in a file."""

import json
import sys
from pathlib import Path

import torch
import torch.distributed

from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.study.recipe_spec import Recipe
from resray.training.context import LocalContext
from resray.training.fit import Trainer


def main(recipe_file: Path, rank: int, world_size: int, folder: Path) -> None:
    """Train one epoch of the recipe as ``rank`` and store its record, gradients and labels."""
    torch.set_num_threads(1)
    if world_size > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size
        )
    recipe = Recipe.model_validate_json(recipe_file.read_text())
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
