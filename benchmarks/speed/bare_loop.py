"""How much of a bare training loop's speed resray keeps: loader, metrics and records included.

    uv run python benchmarks/speed/bare_loop.py --data-dir DIR [--model resnet18] [--pairs 5]

Epochs of resray's trainer and of a loop over batches that lie ready in memory take turns in one
process, with the same network, optimizer, precision and layout; the median ratio is printed.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from torch.nn import functional

from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.models.build import build_model
from resray.study.recipe_spec import Recipe
from resray.training.context import LocalContext
from resray.training.device import wait_for
from resray.training.fit import Trainer


def bare_epoch(trainer: Trainer, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Train once over ready batches and return images per second."""
    recipe, device = trainer.recipe, trainer.context.device
    model = build_model(recipe.model, len(trainer.splits.class_names)).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, fused=True
    )
    started = time.perf_counter()
    for images, labels in batches:
        with torch.autocast(device.type, torch.bfloat16, enabled=trainer.precision == "bf16"):
            logits = model(images)
        loss = functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    wait_for(device)
    return sum(len(labels) for _, labels in batches) / (time.perf_counter() - started)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    recipe = Recipe.model_validate(
        {
            "model": arguments.model,
            "data": {"name": "cifar10", "limit_train": arguments.images, "limit_eval": 10},
            "epochs": arguments.pairs + 1,
        }
    )
    splits = prepare(open_dataset(recipe.data, arguments.data_dir), recipe.data)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(recipe, splits, LocalContext(device), seed=0)
    ready = [trainer.train_loader.prepare(*inputs) for inputs in trainer.train_loader.epoch(1)]
    trainer.records.append(trainer.run_epoch())
    bare_epoch(trainer, ready)
    ratios = []
    for _ in range(arguments.pairs):
        bare = bare_epoch(trainer, ready)
        trainer.records.append(trainer.run_epoch())
        ours = trainer.records[-1]["images_per_second"]
        ratios.append(ours / bare)
        print(f"bare {bare:.1f} images/s, resray {ours:.1f}, ratio {ratios[-1]:.3f}", flush=True)
    print(
        f"{arguments.model}, {trainer.precision}, torch {torch.__version__}: median ratio "
        f"{statistics.median(ratios):.3f} (n = {len(ratios)})"
    )


if __name__ == "__main__":
    main()
