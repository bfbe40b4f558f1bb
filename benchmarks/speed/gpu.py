"""What a single GPU makes of resray, without Ray, in two calls of at most six minutes each.

    python benchmarks/speed/pack_gpu.py 1        # here: data and wheels for call 1, and its command
    python benchmarks/speed/gpu.py --part 1 --data-dir DIR --out DIR        # there
    python benchmarks/speed/gpu_report.py DIR... --out reports/h200         # here again

Every row that a measurement gives is stored at once, in one Parquet file for each kind of
measurement, so it may be stopped at any moment. A measurement that fails, or takes longer than its
seconds, leaves a row that says so, and the next one begins; where CUDA itself is broken after it,
or the process dies, in a new process. Measurements begin in order as long as seconds are left.
``--tiny`` goes through all of it within two minutes on a CPU, on networks and images of a toy.
"""

import argparse
import datetime
import gc
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import torch
from gpu_measurements import MEASUREMENTS, Measurement, Row, Setup

from resray.training.device import device_name, own_device

SECONDS = 345.0
LEAST_SECONDS = 8.0
"""With fewer left, nothing begins."""
BROKEN = 3
"""How a process ends that cannot use its GPU any more."""


def main() -> None:
    """Go through a part's measurements, in a process that can be replaced."""
    asked = parse()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.until is not None:
        sys.exit(work(asked))
    # What stops it stops the process that measures too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    until = time.time() + asked.seconds
    waiting = [each.name for each in MEASUREMENTS[asked.part]]
    waiting = [name for name in waiting if name in (asked.only or waiting)]
    while waiting:
        command = [sys.executable, __file__, *sys.argv[1:], "--until", str(until)]
        code = subprocess.run([*command, "--only", *waiting]).returncode
        begun = journal(asked).read_text().split() if journal(asked).exists() else []
        lost = begun[-1:] if code not in (0, BROKEN) else []
        for name in lost:
            store(asked, named(asked.part, name), [failed(name, f"its process ended with {code}")])
        waiting = [name for name in waiting if name not in begun] if code else []
        if code and not begun:
            raise SystemExit(f"no measurement could begin: the process ended with {code}")
    journal(asked).unlink(missing_ok=True)


def parse() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", type=int, choices=sorted(MEASUREMENTS), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, help="holds cifar10/ and cifar100/")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--only", nargs="+", metavar="MEASUREMENT")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def journal(asked: argparse.Namespace) -> Path:
    """Return the file with the names of the measurements that have begun."""
    return Path(asked.out) / f"begun-{asked.part}.txt"


def named(part: int, name: str) -> Measurement:
    """Return a measurement by its name."""
    return next(each for each in MEASUREMENTS[part] if each.name == name)


def work(asked: argparse.Namespace) -> int:
    """Do what measurements there is time for; return how the process is to end."""
    setup = Setup(own_device(), asked.data_dir, asked.tiny)
    torch.backends.cudnn.benchmark = True
    for name in asked.only:
        measurement = named(asked.part, name)
        with journal(asked).open("a") as file:
            file.write(f"{name}\n")
        left = asked.until - time.time()
        if left < LEAST_SECONDS:
            store(asked, measurement, [failed(name, "no time was left")])
            continue
        say(f"{name}: at most {min(left, measurement.seconds):.0f} s")
        measure(asked, measurement, setup, min(left, measurement.seconds))
        gc.collect()
        if setup.device.type == "cuda":
            try:
                torch.cuda.synchronize()
                torch.cuda.empty_cache()
            except RuntimeError:
                return BROKEN
    return 0


def measure(
    asked: argparse.Namespace, measurement: Measurement, setup: Setup, seconds: float
) -> None:
    """Store each row as it comes, and what went wrong as one."""
    rows: list[Row] = []
    began = time.perf_counter()
    constant = {
        "measurement": measurement.name,
        "device": device_name(setup.device, torch.get_num_threads()),
        "torch_version": torch.__version__,
        "tiny": setup.tiny,
        "error": None,
    }
    try:
        with at_most(seconds):
            for row in measurement.rows(setup):
                known = {"at": datetime.datetime.now(datetime.UTC), **constant, **row}
                rows.append(known)
                say(" ".join(f"{key}={shown(value)}" for key, value in row.items()))
                store(asked, measurement, [known])
    except Exception as error:
        store(asked, measurement, [{**constant, **failed(measurement.name, reason(error))}])
    say(f"{measurement.name}: {len(rows)} rows in {time.perf_counter() - began:.1f} s")


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer, as soon as Python is there again."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took longer than {seconds:.0f} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def failed(name: str, error: str) -> Row:
    """Return the row of a measurement that failed."""
    say(f"{name} failed: {error}")
    return {"at": datetime.datetime.now(datetime.UTC), "measurement": name, "error": error}


def reason(error: Exception) -> str:
    """Return an error's class and its message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"


def store(asked: argparse.Namespace, measurement: Measurement, rows: list[Row]) -> None:
    """Add rows to the file of measurements of this kind, which is replaced as a whole."""
    path = Path(asked.out) / f"{measurement.kind}-{asked.part}.parquet"
    before = []
    with suppress(FileNotFoundError):
        before = pd.read_parquet(path).to_dict("records")
    half = path.with_suffix(".half")
    pd.DataFrame([*before, *rows]).to_parquet(half)
    half.replace(path)


def shown(value: Any) -> str:
    """Return a value as it stands in the log."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def say(text: str) -> None:
    """Print a line of the log at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
