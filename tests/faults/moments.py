"""Random moments of a command's life."""

import time
from random import Random

from tests.faults.command import Command

MOMENTS = ("starting", "training", "training", "training", "ending")


def moment(command: Command, rng: Random, *choices: str) -> str:
    """Wait for a random moment of one of these sorts (`MOMENTS`); return which it was."""
    sort = rng.choice(choices or MOMENTS)
    return {"starting": starting, "training": training, "between": between, "ending": ending}[sort](
        command, rng
    )


def starting(command: Command, rng: Random) -> str:
    """While Python, torch and Ray start."""
    pause = rng.uniform(0.2, 9)
    command.wait_until(lambda: False, pause)
    return f"{pause:.1f} s after its start"


def training(command: Command, rng: Random) -> str:
    """When so many epochs are stored and a trial runs."""
    wanted, pause = rng.randrange(command.case.epochs), rng.uniform(0, 0.7)
    in_time = command.wait_until(lambda: command.trainers() and command.count("epochs") >= wanted)
    time.sleep(pause)
    return f"with {wanted} epochs stored + {pause:.1f} s" + ("" if in_time else ", or too late")


def between(command: Command, rng: Random) -> str:
    """When a trial has ended, as the next one takes its process."""
    wanted, pause = rng.randrange(1, command.case.trials), rng.choice([0, 0, 0.02, 0.08])
    command.wait_until(lambda: command.ended() >= wanted)
    time.sleep(pause)
    return f"with {wanted} trials ended + {pause} s"


def ending(command: Command, rng: Random) -> str:
    """While Ray ends and the report is written."""
    pause = rng.uniform(0, 3.5)
    command.wait_until(lambda: command.ended() >= command.case.trials)
    time.sleep(pause)
    return f"with all trials ended + {pause:.1f} s"
