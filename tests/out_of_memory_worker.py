"""A trial of tests/test_batch_note.py in little memory: run as a script, it prints what it told."""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import torch

from resray.study.recipe_spec import Recipe
from resray.training.attempts import PassingError
from resray.training.context import LocalContext
from resray.training.trial import run_trial
from tests.training_case import job_of


def address_space() -> int:
    """The bytes of address space that this process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    size = next(line for line in lines if line.startswith("VmSize:"))
    return int(size.split()[1]) * 1024


def main(recipe: str, folder: str, extra: int) -> None:
    """Start the trial as often as its memory runs out, with ``extra`` bytes beyond torch's own."""
    torch.set_num_threads(1)
    # Others may hold the other half of the machine.
    job = job_of(Recipe.model_validate_json(recipe), Path(folder), memory_share=0.5)
    limit = address_space() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    attempts: list[Any] = []
    for _ in range(4):
        context = LocalContext()
        try:
            run_trial(job, context)
        except PassingError as error:
            attempts.append({"error": str(error), "messages": context.messages})
            continue
        attempts.append({"error": None, "messages": context.messages})
        break
    print(json.dumps(attempts))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
