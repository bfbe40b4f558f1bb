"""When a search has used up what it may spend: time, GPU-hours or money."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from resray.errors import InputError

SECONDS_PER_UNIT = {"d": 86400, "h": 3600, "m": 60, "s": 1}

_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in SECONDS_PER_UNIT), re.ASCII)

_OPTIONS = {
    "seconds": "--time-budget",
    "gpu_hours": "--max-gpu-hours",
    "cost": "--max-cost",
    "price_per_gpu_hour": "--price-per-gpu-hour",
}


@dataclass(frozen=True)
class Budget:
    """What a search may spend; None is without limit.

    Time is that of one command, from its start. GPU-hours, and the cost reckoned from them, are
    those of all search and confirmation trials in the results, whichever command ran them, so that
    a restart does not begin anew. Raises InputError for a limit that is not a number above 0, and
    for a cost without a price.
    """

    seconds: float | None = None
    gpu_hours: float | None = None
    cost: float | None = None
    """In the currency of the price."""
    price_per_gpu_hour: float | None = None

    def __post_init__(self) -> None:
        for name, option in _OPTIONS.items():
            value = getattr(self, name)
            if value is not None and not (isfinite(value) and value > 0):
                raise InputError(f"{option} {value:g}: must be a finite number above 0")
        if self.cost is not None and self.price_per_gpu_hour is None:
            raise InputError(f"--max-cost {self.cost:g}: needs --price-per-gpu-hour")

    def cost_of(self, gpu_hours: float) -> float | None:
        """Return what so many GPU-hours cost, or None without a price."""
        return None if self.price_per_gpu_hour is None else gpu_hours * self.price_per_gpu_hour

    def exhausted(self, elapsed_seconds: float, gpu_hours: float) -> str | None:
        """Return which limit is reached, in words, or None while there is some of each left.

        ``elapsed_seconds`` are those of this command, ``gpu_hours`` those of all of the search's
        trials (0 on CPU).
        """
        if self.seconds is not None and elapsed_seconds >= self.seconds:
            return f"time budget of {in_words(self.seconds)}"
        if self.gpu_hours is not None and gpu_hours >= self.gpu_hours:
            return f"budget of {self.gpu_hours:g} GPU-hours"
        spent = self.cost_of(gpu_hours)
        if self.cost is not None and spent is not None and spent >= self.cost:
            return f"budget of {self.cost:.2f} at {self.price_per_gpu_hour:.2f} per GPU-hour"
        return None


class Spending:
    """The GPU-hours of a search: of all its search and confirmation trials in the results.

    Starts from ``rows``, the whole trials table; rows of other roles are passed over.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._by_trial: dict[str, float] = {}
        self.gpu_hours = 0.0
        for row in rows:
            self.take_in(row)

    def take_in(self, row: Mapping[str, Any]) -> None:
        """Put a trial's row as it is now in the place of what was known of the trial."""
        if row["role"] in ("search", "confirmation"):
            measured = row.get("gpu_hours")
            # In a data frame what was not measured is NaN.
            hours = measured if measured is not None and isfinite(measured) else 0.0
            self.gpu_hours += hours - self._by_trial.get(row["trial_id"], 0.0)
            self._by_trial[row["trial_id"]] = hours


def check_budget(budget: Budget, use_gpu: bool) -> None:
    """Raise InputError if the budget counts GPU-hours and the trials run on CPU."""
    if use_gpu:
        return
    for name in ("gpu_hours", "cost", "price_per_gpu_hour"):
        value = getattr(budget, name)
        if value is not None:
            raise InputError(
                f"{_OPTIONS[name]} {value:g}: the trials run on CPU, which has no GPU-hours; "
                "limit the time with --time-budget"
            )


def parse_duration(text: str, option: str = "--time-budget") -> float:
    """Return the seconds of a duration such as 45s, 30m, 2h30m or 1d, which ``option`` was given.

    Raises InputError for anything else, a number without a unit among them.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or not found[0]:
        raise InputError(
            f"{option} {text!r}: expected a number with a unit, or several from the largest "
            "to the smallest (d, h, m, s), such as 45s, 30m, 2h30m or 1d"
        )
    parts = zip(found.groups(default="0"), SECONDS_PER_UNIT.values(), strict=True)
    seconds = sum(float(number) * unit for number, unit in parts)
    if not (isfinite(seconds) and seconds > 0):
        raise InputError(f"{option} {text!r}: must be a finite time above 0")
    return seconds


def in_words(seconds: float) -> str:
    """Return ``30 min``, ``2 h 30 min`` or ``45 s``, without parts that are zero."""
    minutes, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{round(number, 3):.12g} {unit}" for number, unit in parts if number)
