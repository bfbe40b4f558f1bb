"""What is simulated, and how a measured error rate stands beside the stated one."""

import zlib
from dataclasses import dataclass

import models
import numpy as np

from resray.analysis.contrasts import LEVEL

STATED = 100 * LEVEL
CALLED = 6.0
"""What is called 5 % must not err more often: a test that is exact errs in 5 %, and in half of all
simulations in more."""
ANSWERED = 6.5
"""The same of the best among many."""
ROOM = 2
"""Monte Carlo standard errors by which a rate may miss its goal."""
DISTRIBUTIONS: dict[str, models.Drawn] = {
    "normal": models.normal,
    "unequal": models.unequal,
    "skewed": models.skewed,
}


@dataclass(frozen=True)
class Size:
    """Which cases are simulated, and how often each."""

    studies: int
    seeds: tuple[int, ...] = (2, 3, 5, 10)
    groups: tuple[int, ...] = (2, 5, 10, 20)
    errors: tuple[str, ...] = tuple(DISTRIBUTIONS)
    spread_of_runs: tuple[float, ...] = (0.0, 0.25)
    """In points, beside the spread that the images give."""
    is_quick: bool = False

    @property
    def few(self) -> int:
        """How often a case is simulated that takes long."""
        return max(self.studies // 4, 1)


QUICK = Size(800, (3,), (10,), ("normal",), (0.0,), is_quick=True)


@dataclass(frozen=True)
class Rate:
    """In how many of so many studies something was said."""

    what: str
    n: int
    k: int
    errors: str
    hits: int
    studies: int
    stated: float | None = None
    """What resray says of it, in percent."""
    goal: float | None = None
    at_least: bool = False
    """Whether the goal is a power."""

    @property
    def percent(self) -> float:
        return 100 * self.hits / self.studies

    @property
    def standard_error(self) -> float:
        share = self.hits / self.studies
        return 100 * float(np.sqrt(share * (1 - share) / self.studies))

    @property
    def word(self) -> str:
        """``ok``, ``within error`` of the goal, or ABOVE or BELOW it."""
        if self.goal is None:
            return ""
        beyond = (self.percent - self.goal) * (-1 if self.at_least else 1)
        if beyond <= 0:
            return "ok"
        if beyond <= ROOM * self.standard_error:
            return "within error"
        return "BELOW" if self.at_least else "ABOVE"

    @property
    def row(self) -> str:
        """The row of the table."""
        goal = "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {self.goal:g}"
        stated = "" if self.stated is None else f"{self.stated:g}"
        measured = f"{self.percent:.1f} ± {self.standard_error:.1f}"
        cells = (self.what, self.n, self.k, self.errors, measured, stated, goal, self.word)
        return f"| {' | '.join(map(str, cells))} |"


HEAD = """| verdict | n | k | errors | measured % | stated % | goal % | |
|---|---|---|---|---|---|---|---|"""


def generator(*key: object) -> np.random.Generator:
    """Return the generator of a case, the same whatever else is simulated."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))
