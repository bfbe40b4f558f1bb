"""How fast a device multiplies matrices: the limit that a training's speed is held against.

Measured once per device, precision and version of PyTorch, and kept as a small JSON file in
resray's cache folder. Several processes may measure at once; the file appears by rename.
"""

import math
import platform
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import median

import torch
from filelock import FileLock

from resray.data.cache import cache_root
from resray.errors import ResrayError
from resray.files import read_json, write_json
from resray.training.device import AUTOCAST_TYPES, allow_tf32, device_name, wait_for
from resray.training.step_features import precisions

SMALLEST, SMALL, LARGEST = 256, 1024, 8192
"""Sides of the square matrices: doubled until a product takes `LONG_ENOUGH`, from the second on for
what hardware computes. Of smaller ones, threads on busy cores mostly wait for each other."""
LONG_ENOUGH = 0.02
"""Seconds of one reading: waiting for a GPU adds some microseconds to each."""
SECONDS, FEWEST = 0.3, 3
"""How long is measured by default, and the fewest readings at any size."""


@dataclass(frozen=True)
class MatrixRate:
    """Readings of FLOP/s, where a multiply-add counts as 2."""

    device: str
    precision: str
    torch_version: str
    flops: float
    """Their median on a GPU; on a CPU the highest: what else its cores do can only slow one down,
    and nothing tells whether they do."""
    lowest: float
    highest: float
    readings: int
    size: int
    """Side of the matrices."""
    host: str
    measured: str
    """When, in ISO 8601."""

    def __str__(self) -> str:
        """Return ``bf16 812 TFLOP/s (790 to 815, n = 30)``."""
        unit, name = (1e12, "T") if self.flops >= 1e12 else (1e9, "G")
        middle, low, high = (f"{each / unit:.3g}" for each in
                             (self.flops, self.lowest, self.highest))  # fmt: skip
        return f"{self.precision} {middle} {name}FLOP/s ({low} to {high}, n = {self.readings})"


@cache
def matrix_rate(device: torch.device, precision: str, threads: int) -> float | None:
    """Return the FLOP/s of ``device`` in ``precision``, measured now if it never was.

    Of several processes one measures and the others wait. None where it cannot be measured: too
    little memory is free, or the device lacks the precision.
    """
    with one_at_a_time():
        try:
            known = kept_rate(device, precision, threads)
            return (known or measure(device, precision, threads)).flops
        except RuntimeError:  # So does torch tell of both.
            return None


def kept_rate(device: torch.device, precision: str, threads: int) -> MatrixRate | None:
    """Return what was measured before, None if nothing was, or if it cannot be read."""
    try:
        found = MatrixRate(**read_json(rate_file(device, precision, threads)))
        sound = math.isfinite(found.flops) and found.flops > 0
    except (OSError, ValueError, TypeError, ResrayError):
        return None
    return found if sound else None


def measure(
    device: torch.device, precision: str, threads: int, seconds: float = SECONDS
) -> MatrixRate:
    """Multiply matrices for about so long, on the CPU with as many threads as torch uses now, and
    keep the rate.

    Raises RuntimeError where the device cannot: memory, or a precision that it lacks.
    """
    allow_tf32(precision == "tf32")
    with torch.no_grad():
        size, each = large_enough(device, precision)
        product = Product(device, precision, size)
        times = math.ceil(LONG_ENOUGH / each)
        readings = max(FEWEST, math.ceil(seconds / (times * each)))
        rates = [2 * size**3 / product.seconds(times) for _ in range(readings)]
    rate = MatrixRate(
        device=device_name(device, threads),
        precision=precision,
        torch_version=torch.__version__,
        flops=max(rates) if device.type == "cpu" else median(rates),
        lowest=min(rates),
        highest=max(rates),
        readings=readings,
        size=size,
        host=platform.node(),
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with suppress(OSError, ResrayError):  # Where nothing can be kept it is measured again.
        write_json(rate_file(device, precision, threads), asdict(rate))
    return rate


def large_enough(device: torch.device, precision: str) -> tuple[int, float]:
    """Return the side of matrices whose product takes long enough, and its seconds."""
    size = SMALL if precision in precisions(device) else SMALLEST
    while True:
        product = Product(device, precision, size)
        # The first one loads libraries and chooses kernels, and any may be held up.
        seconds = min(product.seconds() for _ in range(FEWEST))
        if seconds >= LONG_ENOUGH or size >= LARGEST:
            return size, seconds
        size *= 2


class Product:
    """Two square matrices of one device and their product."""

    def __init__(self, device: torch.device, precision: str, size: int) -> None:
        kind = AUTOCAST_TYPES.get(precision, torch.float32)
        self.device = device
        # Of their own generator: a training's random numbers stay what they are.
        generator = torch.Generator(device).manual_seed(0)
        self.left, self.right = (
            torch.randn(size, size, device=device, generator=generator).to(kind) for _ in range(2)
        )
        self.out = torch.empty_like(self.left)

    def seconds(self, times: int = 1) -> float:
        """Return the mean seconds of one product among so many."""
        wait_for(self.device)
        began = time.perf_counter()
        for _ in range(times):
            torch.mm(self.left, self.right, out=self.out)
        wait_for(self.device)
        return (time.perf_counter() - began) / times


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep this machine's other processes from measuring, where the cache's file system can."""
    with ExitStack() as stack:
        with suppress(OSError, NotImplementedError, ResrayError):
            folder = rate_folder()
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folder / f"{platform.node()}.lock"))
        yield


def rate_folder() -> Path:
    """Return the folder of what was measured."""
    return cache_root() / "matrix-rates"


def rate_file(device: torch.device, precision: str, threads: int) -> Path:
    """Return the file of a rate; the name of a CPU holds its threads."""
    key = f"{device_name(device, threads)} {precision} {torch.__version__}"
    return rate_folder() / (re.sub(r"[^\w.+]+", "-", key) + ".json")
