"""What a trial costs beyond its work: `resray tune` beside plain Ray Tune, on trivial trials.

    uv run python benchmarks/speed/search_overhead.py [--trials 50] [--rounds 3] [--plain-rounds 1]

A generated study searches a grid of learning rates for a network with one block: one epoch over 64
embedded images of 8 x 8, milliseconds of work. Then plain Ray Tune runs the same trials, through
the same function: a process for each trial, and its loggers, as it comes.

Counted is the time between the end of the first ``--warm-up`` trials and that of the last one,
times the slots, less what the trials in between trained and evaluated, for each of them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.tune
import yaml
from ray.tune.experiment import Trial

from resray.data.sources import open_dataset
from resray.results.store import read_table
from resray.run.worker import train_alone
from resray.study.recipe_spec import Recipe
from resray.training.trial import Job

NAME = "overhead"


@dataclass(frozen=True)
class Ended:
    """When a trial ended, by the driver's clock, and its seconds of training and evaluation."""

    at: float
    work: float


def beyond_work(ended: list[Ended], slots: int, warm_up: int) -> float:
    """Return the seconds that a trial cost beyond its work, once ``warm_up`` trials had ended."""
    in_order = sorted(ended, key=lambda one: one.at)
    counted = in_order[warm_up:]
    wall = counted[-1].at - in_order[warm_up - 1].at
    return (wall * slots - sum(one.work for one in counted)) / len(counted)


def study(trials: int) -> dict[str, Any]:
    """Return the study file: as many learning rates as there are to be trials."""
    rates = [round(0.001 * (index + 1), 6) for index in range(trials)]
    return {
        "name": NAME,
        "title": "What a trial costs beyond its work",
        "question": "How long does a trial take that does nothing?",
        "recipe": {
            "model": {"name": "resnet", "blocks": [1], "channels": [8]},
            "data": {
                "name": "embedded",
                "images": 96,
                "classes": 4,
                "image_size": 8,
                "validation_images": 32,
            },
            "epochs": 1,
            "batch_size": 32,
        },
        "trials": [{"name": "base"}],
        "search": {
            "scheduler": "none",
            "confirm": 0,
            "spaces": {"rates": {"axes": {"optimizer.lr": {"grid": rates}}}},
        },
    }


def with_resray(trials: int, workers: int, folder: Path) -> tuple[list[Ended], list[Job]]:
    """Search with the command, in a process of its own; return its trials' ends, and as jobs."""
    file = folder / f"{NAME}.yaml"
    file.write_text(yaml.safe_dump(study(trials)))
    command = Path(sys.executable).with_name("resray")
    options = ["--gpus", "0", "--workers", str(workers), "--out", str(folder)]
    subprocess.run([command, "tune", file, *options], check=True, stdout=subprocess.DEVNULL)
    rows = read_table(folder / "results" / NAME, "trials").to_dict("records")
    work = [row["seconds_training"] + row["seconds_evaluating"] for row in rows]
    ended = [row["ended"].timestamp() for row in rows]
    return list(map(Ended, ended, work)), [job_of(row, folder / "plain") for row in rows]


def job_of(row: dict[Any, Any], folder: Path) -> Job:
    """Return the job of a trial's row, with checkpoints elsewhere."""
    recipe = Recipe.model_validate_json(row["recipe"])
    return Job(
        trial_id=row["trial_id"],
        name=row["name"],
        recipe=json.loads(row["recipe"]),
        seed=int(row["seed"]),
        stop_after=None,
        checkpoint_folder=str(folder / row["trial_id"]),
        data_dir=None,
        dataset_checksum=open_dataset(recipe.data).checksum,
        world_size=1,
        threads=1,
        use_gpu=False,
        evaluate_test=False,
    )


class Clock(ray.tune.Callback):
    """Notes when Ray Tune's trials end, and how long they worked."""

    def __init__(self) -> None:
        self.work: dict[str, float] = {}
        self.ended: list[Ended] = []

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Take the seconds from the record of the trial's epoch."""
        if result["kind"] == "epoch":
            record = result["record"]
            self.work[trial.trial_id] = record["seconds_training"] + record["seconds_evaluating"]

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Note the end."""
        self.ended.append(Ended(time.time(), self.work[trial.trial_id]))


def with_plain_tune(jobs: list[Job], workers: int, folder: Path) -> list[Ended]:
    """Run the jobs with Ray Tune as it comes; return its trials' ends."""
    # resray turns them off.
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "0"
    ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
    clock = Clock()
    try:
        ray.tune.Tuner(
            ray.tune.with_resources(train_alone, {"cpu": 1}),
            param_space={"job": ray.tune.grid_search([job.to_dict() for job in jobs])},
            run_config=ray.tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[clock]),
        ).fit()
    finally:
        ray.shutdown()
    return clock.ended


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-rounds", type=int, default=1)
    asked = parser.parse_args()
    costs: dict[str, list[float]] = {"resray tune": [], "plain Ray Tune": []}
    for number in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            ended, jobs = with_resray(asked.trials, asked.workers, Path(folder))
            costs["resray tune"].append(beyond_work(ended, asked.workers, asked.warm_up))
            if number < asked.plain_rounds:
                ended = with_plain_tune(jobs, asked.workers, Path(folder))
                costs["plain Ray Tune"].append(beyond_work(ended, asked.workers, asked.warm_up))
    for tool, measured in costs.items():
        if measured:
            each = ", ".join(f"{seconds:.3f}" for seconds in measured)
            print(f"{tool}: {statistics.median(measured):.3f} s a trial beyond its work ({each})")


if __name__ == "__main__":
    main()
