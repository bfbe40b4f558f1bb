"""What a search costs as it grows, with trials whose training does nothing.

    uv run python benchmarks/speed/growth.py [--sizes 100 1000 10000] [--messages 20000]
    uv run python benchmarks/speed/growth.py --ray [--trials 40]
    uv run python benchmarks/speed/growth.py --finished 10000
    uv run python benchmarks/speed/growth.py --cluster

By itself: searches of so many points of 200 epochs under ASHA, 64 trials side by side, whose
messages are made up and fed to what the driver does with them (recorder, scheduler, store, board),
each size in a process of its own. Ray's own time is left out; ``--ray`` has it: the same messages
from two workers, beside what Ray Tune alone takes for them. ``--finished``: how long the same
command takes to find nothing to do. ``--cluster``: the makespan of 2,000 trials of the depth family
on 64 nodes of 8 GPUs, by a simulated clock, against the best that could be.
"""

import argparse
import heapq
import io
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import ray.tune
import yaml
from rich.console import Console

from resray.results.store import now
from resray.run import engine
from resray.run.bench import Bench
from resray.run.cluster import connect
from resray.run.jobs import Jobs
from resray.run.plan import Planner
from resray.run.request import Request, SearchOptions
from resray.run.resources import Machine, Shares
from resray.run.search import Search
from resray.run.search_plan import SearchPlanner
from resray.run.slots import Slots
from resray.run.worker import MESSAGE
from resray.search.jobs import PlannedJob
from resray.study.expand import Options

EPOCHS, SIDE_BY_SIDE = 200, 64
CLUSTER = Machine(cpus=64 * 16, gpus=64 * 8)


def study(points: int) -> dict[str, Any]:
    """Return a study file with so many points."""
    rates = [round(1e-5 * (index + 1), 6) for index in range(points)]
    data = {"name": "embedded", "images": 96, "classes": 4, "image_size": 8}
    return {
        "name": "growth",
        "title": "A search that grows",
        "question": "What does a message cost?",
        "recipe": {
            "model": {"name": "resnet", "blocks": [1], "channels": [8]},
            "data": {**data, "validation_images": 32},
            "epochs": EPOCHS,
            "batch_size": 32,
        },
        "trials": [{"name": "base"}],
        "search": {
            "scheduler": "asha",
            "grace": 5,
            "confirm": 0,
            "spaces": {"rates": {"axes": {"optimizer.lr": {"grid": rates}}}},
        },
    }


def planner_of(
    points: int, folder: Path, workers: int = SIDE_BY_SIDE, **settings: Any
) -> SearchPlanner:
    """Return the planner of a search of so many points."""
    file = folder / "growth.yaml"
    file.write_text(yaml.safe_dump(study(points)))
    shares = Shares(gpus=0, workers=workers, cpus_per_trial=1)
    options = SearchOptions(settings=settings)
    return SearchPlanner(Request(str(file), shares=shares, out=folder, search=options))


def facts() -> dict[str, Any]:
    """Return what a trial tells of itself at its start."""
    return {"pid": 1, "host": "here", "device": "none", "seconds_starting": 0.1}


def record(epoch: int, accuracy: float) -> dict[str, Any]:
    """Return the record of an epoch."""
    return {
        "epoch": epoch,
        "train_loss": 1.0,
        "train_accuracy": accuracy,
        "validation_loss": 1.0,
        "validation_accuracy": accuracy,
        "test_loss": None,
        "test_accuracy": None,
        "learning_rate": 0.1,
        "images": 64,
        "images_per_second": 64.0,
        "seconds_training": 1.0,
        "seconds_evaluating": 0.1,
        "peak_memory_bytes": 1,
        "recorded": now().isoformat(),
    }


def messages_of(planned: PlannedJob) -> Iterator[dict[str, Any]]:
    """Yield the messages of a trial, whose accuracy depends on its id."""
    stream = random.Random(planned.trial_id)
    best = stream.uniform(20, 90)
    yield {"kind": "started", "epoch": 0, "facts": facts(), "records": [], "remark": None}
    for epoch in range(1, planned.epochs + 1):
        accuracy = best * (1 - 0.98**epoch) + stream.gauss(0, 1)
        message = record(epoch, accuracy)
        yield {"kind": "epoch", "epoch": epoch, "record": message, "saved": epoch}
    yield {"kind": "finished", "epoch": planned.epochs, "status": "completed", "reason": None}


def feed(jobs: Jobs, most: int) -> int:
    """Let trials take turns to tell their next message, up to ``most``; return how many did."""
    running: dict[str, Iterator[dict[str, Any]]] = {}
    for count in range(most):
        while len(running) < SIDE_BY_SIDE and (planned := jobs.next()) is not None:
            running[planned.trial_id] = messages_of(planned)
        if not running:
            return count
        trial_id, messages = next(iter(running.items()))
        del running[trial_id]
        message = next(messages)
        if jobs.message(trial_id, message) or message["kind"] == "finished":
            jobs.ended(trial_id)
        else:
            running[trial_id] = messages
        jobs.tick()
    return most


def measure(points: int, most: int) -> dict[str, Any]:
    """Return what a search of so many points takes of the driver."""
    with tempfile.TemporaryDirectory() as text, open("/dev/null", "w") as nowhere:
        folder = Path(text)
        begun = time.perf_counter()
        planner = planner_of(points, folder)
        planner.results.mkdir(parents=True)
        allocation = planner.allocation(Machine(SIDE_BY_SIDE, 0))
        search = Search(planner, allocation, Console(file=nowhere))
        search.begin()
        planned = time.perf_counter()
        jobs = Jobs(search, search.recorder, search.board, max_failures=0)
        # The first round begins all rows of the board.
        feed(jobs, SIDE_BY_SIDE)
        began = time.perf_counter()
        count = feed(jobs, most)
        seconds = time.perf_counter() - began
        assert jobs.refusal is None, jobs.refusal
        planner.store.compact()
        return {
            "points": points,
            "messages": count,
            "messages per second": round(count / seconds),
            "planning, s": round(planned - begun, 1),
            "flush and compact, s": round(time.perf_counter() - began - seconds, 2),
            "memory, MB": memory(),
        }


def memory() -> dict[str, int]:
    """Return the process's memory (MB): all that is resident, and what of it is no file's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    known = dict(line.split(":") for line in lines)
    names = {"resident": "VmRSS", "anonymous": "RssAnon", "most resident": "VmHWM"}
    return {name: int(known[key].split()[0]) // 1024 for name, key in names.items()}


def sizes(points: list[int], most: int) -> None:
    """Measure each size in a process of its own, and print the table."""
    for size in points:
        command = [sys.executable, __file__, "--one", str(size), "--messages", str(most)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(done.stdout.strip().splitlines()[-1], flush=True)


def tell(config: dict[str, Any]) -> None:
    """Ray Tune's trainable: the messages of a trial at once."""
    stream = random.Random(config["job"]["trial_id"])
    message: dict[str, Any] = {"kind": "started", "epoch": 0, "facts": facts(), "records": []}
    ray.tune.report({MESSAGE: json.dumps(message)})
    for epoch in range(1, EPOCHS + 1):
        message = {"kind": "epoch", "epoch": epoch, "record": record(epoch, stream.uniform(0, 90)),
                   "saved": epoch}  # fmt: skip
        ray.tune.report({MESSAGE: json.dumps(message)})
    ending = {"kind": "finished", "epoch": EPOCHS, "status": "completed", "reason": None}
    ray.tune.report({MESSAGE: json.dumps(ending)})


def through_ray(trials: int) -> None:
    """Compare a search through Ray with plain Ray Tune on the same trials, two workers each."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        planner = planner_of(trials, folder, workers=2, scheduler="none")
        allocation = planner.allocation(Machine(2, 0))
        search = Search(planner, allocation, Console(file=io.StringIO()))
        planner.results.mkdir(parents=True)
        search.begin()
        jobs = Jobs(search, search.recorder, search.board, max_failures=0)
        planned = [job.job.to_dict() for job in search.jobs]
        engine.train_alone = tell
        count = trials * (EPOCHS + 2)
        with connect(None, Machine(2, 0), folder / "ray.log"):
            began = time.perf_counter()
            slots = Slots(allocation, planner.shares, None)
            engine.run_jobs(jobs, allocation, slots, storage=folder / ".ray", stall_timeout=None)
            ours = time.perf_counter() - began
            began = time.perf_counter()
            ray.tune.Tuner(
                ray.tune.with_resources(tell, {"cpu": 1}),
                param_space={"job": ray.tune.grid_search(planned)},
                tune_config=ray.tune.TuneConfig(max_concurrent_trials=2, reuse_actors=True),
                run_config=ray.tune.RunConfig(storage_path=str(folder / "plain"), verbose=0),
            ).fit()
            plain = time.perf_counter() - began
        assert jobs.exhausted, jobs.refusal
    print(f"{trials} trials, {count} messages, 2 workers: resray {ours:.1f} s "
          f"({count / ours:.0f} a second), Ray Tune alone {plain:.1f} s "
          f"({count / plain:.0f} a second), ratio {plain / ours:.2f}")  # fmt: skip


def finished(trials: int) -> None:
    """Write a search of so many trials that has ended, and time the command that finds so."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        planner = planner_of(trials, folder, workers=2, scheduler="none")
        planner.results.mkdir(parents=True)
        allocation = planner.allocation(Machine(2, 0))
        search = Search(planner, allocation, Console(quiet=True))
        search.begin()
        for job in search.jobs:
            ended = {"status": "completed", "epochs_done": EPOCHS, "best_epoch": EPOCHS,
                     "validation_accuracy": 50.0, "attempts": 1}  # fmt: skip
            planner.store.put_trial({"trial_id": job.trial_id, **ended})
            identity = {
                "trial_id": job.trial_id,
                "study": "growth",
                "name": job.trial.name,
                "seed": 0,
            }
            rows = ({**identity, **record(epoch, 50.0), "recorded": now()}
                    for epoch in range(1, EPOCHS + 1))  # fmt: skip
            planner.store.put_epochs(job.trial_id, rows)
            planner.store.release(job.trial_id)
        planner.store.compact()
        command = Path(sys.executable).with_name("resray"), "tune", folder / "growth.yaml"
        options = "--scheduler", "none", "--gpus", "0", "--workers", "2", "--out", folder
        began = time.perf_counter()
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
        print(f"{trials} finished trials of {EPOCHS} epochs: {time.perf_counter() - began:.1f} s")


def cluster() -> None:
    """Print the makespan of 2,000 trials of the depth family over that of a perfect schedule."""
    with tempfile.TemporaryDirectory() as text:
        options = Options(seeds=tuple(range(400)), quick=True)
        shares = Shares(gpus_per_trial=1)
        planner = Planner(Request("depth-family", options, shares, out=Path(text)))
        allocation = planner.allocation(CLUSTER)
        bench = Bench(planner, allocation, Console(quiet=True))
        (planner.results).mkdir(parents=True)
        bench.begin()
        jobs = Jobs(bench, bench.recorder, bench.board, max_failures=0)
        slots = Slots(allocation, planner.shares, None)
        clock, lengths = 0.0, []
        running: list[tuple[float, int, str]] = []
        for number in itertools.count():
            while len(running) < slots.available() and (planned := jobs.next()) is not None:
                length = planned.epochs * planned.work_per_epoch
                lengths.append(length)
                heapq.heappush(running, (clock + length, number, planned.trial_id))
            if not running:
                break
            clock, _, trial_id = heapq.heappop(running)
            jobs.ended(trial_id)
        best = max(sum(lengths) / slots.available(), max(lengths))
    print(f"{len(lengths)} trials on {slots.available()} slots: {clock / best:.3f} of the least")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--finished", type=int)
    parser.add_argument("--cluster", action="store_true")
    asked = parser.parse_args()
    if asked.one:
        print(measure(asked.one, asked.messages))
    elif asked.ray:
        through_ray(asked.trials)
    elif asked.finished:
        finished(asked.finished)
    elif asked.cluster:
        cluster()
    else:
        sizes(asked.sizes, asked.messages)


if __name__ == "__main__":
    main()
