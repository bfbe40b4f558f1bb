"""When each start of a trial began and ended, in the rows of the processes that trained them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd

from resray.analysis.groups import Row
from resray.analysis.search import BEGINS

ENDS = ("completed", "stopped", "interrupted", "failed")
"""Events that are written when they happen; a death may be noticed by the next command only."""
CUT_OFF = "cut off"
"""What became of a stretch after which none of these was written."""
PAUSE = timedelta(minutes=5)
"""Where nothing ran for longer than this, the command did not run: such time is left out."""
OVERLAP = timedelta(seconds=1)
"""By which an end may be written after the next start."""

Lane = tuple[str, int]
"""A host, and a number from 1."""
Process = tuple[str, int | str]


@dataclass(frozen=True)
class Stretch:
    """One start of a trial, up to its end or the next start."""

    trial_id: str
    host: str
    pid: int
    """Of rank 0; 0 if it is not known."""
    attempt: int
    epoch: int
    """Epochs that had been trained before."""
    start: datetime
    end: datetime
    outcome: str

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def process(self) -> Process:
        """The process that trained; one that is not known trained nothing else."""
        return (self.host, self.pid or f"{self.trial_id}, attempt {self.attempt}")


def by_trial(events: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the events of each trial that have a time, the first first."""
    found: dict[str, list[Row]] = {}
    for event in events:
        if event["time"] is not None:
            found.setdefault(event["trial_id"], []).append(event)
    return {trial_id: sorted(own, key=lambda event: event["time"])
            for trial_id, own in found.items()}  # fmt: skip


def of_trial(
    trial_id: str, events: Sequence[Row], epochs_of: Callable[[str], pd.DataFrame | None]
) -> Iterator[Stretch]:
    """Yield a trial's stretches; what died or was killed lasts to its last recorded epoch."""
    for place, event in enumerate(events):
        if event["event"] not in BEGINS:
            continue
        after = events[place + 1] if place + 1 < len(events) else None
        ended = after if after and after["event"] in ENDS else None
        end = ended["time"] if ended else last_epoch(epochs_of(trial_id), event)
        yield Stretch(
            trial_id,
            host=host_of(event),
            pid=event["pid"] or 0,
            attempt=event["attempt"] or 0,
            epoch=event["epoch"] or 0,
            start=event["time"],
            end=max(end, event["time"]),
            outcome=str(ended["event"]) if ended else CUT_OFF,
        )


def host_of(row: Row) -> str:
    return str(row["host"] or "unknown host")


def last_epoch(epochs: pd.DataFrame | None, start: Row) -> datetime:
    """Return when the last epoch of a start was recorded, or the start itself."""
    if epochs is None:
        return start["time"]
    recorded = epochs.loc[epochs["attempt"] == start["attempt"], "recorded"].dropna()
    return recorded.max().to_pydatetime() if len(recorded) else start["time"]


def in_time(found: Iterable[Stretch]) -> list[Stretch]:
    """Return stretches by their start, the first first.

    A process trains one trial at a time: what runs while its number is at work is another process,
    such as one of another container with the same host name, and counts as not known.
    """
    busy: dict[Process, datetime] = {}
    ordered = []
    for one in sorted(found, key=lambda one: (one.start, one.trial_id)):
        until = busy.get(one.process, one.start)
        apart = one.start >= until - OVERLAP
        ordered.append(one if apart else replace(one, pid=0))
        if apart:
            busy[one.process] = max(until, one.end)
    return ordered


def lanes(found: Sequence[Stretch]) -> dict[Process, Lane]:
    """Return for each process a lane of its host: two share one if the first ended before.

    Workers that train one trial after the other have a lane each; so have the places that fresh
    processes take in turn. The stretches are in order of their start.
    """
    ends: dict[Process, datetime] = {}
    for one in found:
        ends[one.process] = max(ends.get(one.process, one.end), one.end)
    until: dict[str, list[datetime]] = {}
    taken: dict[Process, Lane] = {}
    for one in found:
        if one.process not in taken:
            own = until.setdefault(one.host, [])
            free = (lane for lane, end in enumerate(own) if end <= one.start)
            lane = next(free, len(own))
            own[lane : lane + 1] = [ends[one.process]]
            taken[one.process] = (one.host, lane + 1)
    return taken


def without_pauses(found: Sequence[Stretch]) -> tuple[list[Stretch], timedelta]:
    """Return the stretches moved together over times in which nothing ran, and what was cut."""
    moved: list[Stretch] = []
    cut, until = timedelta(), found[0].start
    for one in found:
        if one.start - until > PAUSE:
            cut += one.start - until
        until = max(until, one.end)
        moved.append(replace(one, start=one.start - cut, end=one.end - cut) if cut else one)
    return moved, cut


def span_of(found: Sequence[Stretch]) -> float:
    """Return the seconds from the first start to the last end."""
    return (max(one.end for one in found) - found[0].start).total_seconds()


def utilisation(found: Sequence[Stretch], workers: int) -> float | None:
    """Return the share of the workers' time in which they had a trial."""
    span = span_of(found)
    return sum(one.seconds for one in found) / (workers * span) if span else None
