"""Numbers, times and lists in words, the same in tables, figures and on the terminal."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import wraps

from resray.analysis.statistics import Interval, Summary

MISSING = "–"


class Valued(str):
    """A number as text, which keeps the number: tables are sorted by it."""

    value: float | None

    def __new__(cls, text: str, value: float | None) -> "Valued":
        made = super().__new__(cls, text)
        made.value = value
        return made


def number(form: Callable[..., str]) -> Callable[..., Valued]:
    """Make a function that writes a number keep it; a missing or infinite one is a dash."""

    @wraps(form)
    def written(value: float | None, *options: int) -> Valued:
        if value is None or not math.isfinite(value):
            return Valued(MISSING, None)
        return Valued(form(value, *options), float(value))

    return written


@number
def fixed(value: float, digits: int = 2) -> str:
    """Return ``93.12``, or a dash for a missing value."""
    return f"{value:,.{digits}f}"


@number
def signed(value: float, digits: int = 2) -> str:
    """Return ``+1.20`` or ``−0.35``, or a dash for a missing value."""
    return f"{value:+.{digits}f}".replace("-", "−")


@number
def count(value: float) -> str:
    """Return a large number in four digits: ``11.17 M``."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            digits = 3 - len(str(int(abs(value) / size)))
            return f"{value / size:.{max(digits, 0) + 1}f}\u00a0{letter}"
    return f"{value:,.0f}"


@number
def duration(seconds: float) -> str:
    """Return ``4.2 s``, ``12 min 30 s`` or ``3 h 39 min``."""
    if seconds < 60:
        return f"{seconds:.2g}\u00a0s" if seconds < 10 else f"{seconds:.0f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60:,}\u00a0h {minutes % 60}\u00a0min"


def with_interval(
    summary: Summary | None, digits: int = 2, form: Callable[..., Valued] = fixed
) -> Valued:
    """Return ``93.12 ± 0.37``: mean, as ``form`` writes it, and, from two values on, half its 95 %
    interval."""
    if summary is None:
        return Valued(MISSING, None)
    half = summary.half
    after = "" if half is None else f"\u00a0±\u00a0{fixed(half, digits)}"
    return Valued(f"{form(summary.mean, digits)}{after}", summary.mean)


def estimate(summary: Summary | None, digits: int = 2) -> Valued:
    """Return ``93.12 ± 0.37 (n = 3)``: `with_interval`, and the number of values."""
    if summary is None:
        return Valued(MISSING, None)
    return Valued(f"{with_interval(summary, digits)} (n\u00a0=\u00a0{summary.n})", summary.mean)


def between(interval: Interval | None, digits: int = 2) -> Valued:
    """Return ``−0.35 to +1.20``, or a dash; its number is the lower end."""
    if interval is None or not math.isfinite(interval.high - interval.low):
        return Valued(MISSING, None)
    ends = (signed(end, digits) for end in (interval.low, interval.high))
    return Valued("\u00a0to ".join(ends), interval.low)


def chance(p: float | None) -> Valued:
    """Return a p value to three digits after the point, one below as ``< 0.001``, or a dash."""
    return Valued("<\u00a00.001", p) if p is not None and p < 0.001 else fixed(p, 3)


def listed(values: Iterable[object], most: int = 4) -> str:
    """Return the different values as ``a, b and 3 more``, or a dash."""
    texts = list(dict.fromkeys(str(value) for value in values if value is not None))
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return ", ".join(texts) or MISSING


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def plural(number: int, noun: str) -> str:
    """Return ``1 trial`` or ``3 trials``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def time_unit(seconds: Sequence[float]) -> tuple[float, str]:
    """Return the divisor and the name of the unit that suits the longest of these times."""
    longest = max(seconds, default=0.0)
    if longest >= 2 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if longest >= 120 else (1.0, "seconds")
