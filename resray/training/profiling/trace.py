"""What a profiler's Chrome trace says of a training: seconds by region, and of waiting."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]

BESIDE_STEPS = ("evaluation", "checkpoint")
"""Regions that are no part of training steps; the host's seconds count in them."""

ANNOTATION = "user_annotation"
LAUNCHES = ("cuda_runtime", "cuda_driver")
WORK_OF_A_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
"""Categories of events: regions, what the host asks of a GPU, and what the GPU does."""

HOST_WAITS = ("Synchronize", "_MultiProcessingDataLoaderIter.__next__")
"""What names of events hold in which the host does nothing: for the GPU, for loader processes."""

OUTSIDE = "other"
"""Work of a GPU that was launched outside all regions."""


@dataclass(frozen=True)
class Span:
    """From when to when, in seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def within(self, outer: "Span") -> bool:
        """Return whether it begins while ``outer`` lasts."""
        return outer.start <= self.start < outer.end


@dataclass(frozen=True)
class Measured:
    """What was measured, in seconds."""

    regions: dict[str, float]
    """Of the steps, by region and `OUTSIDE`: on a GPU the time of the work that was launched in it,
    on the CPU the time of the region; of other regions the host's."""
    waiting: float
    """Of the steps: on a GPU the time without work, on the CPU the time in no region and of waiting
    for loader processes."""
    host_waits: list[float]
    """How long each of the host's waits within the steps was."""


def read_trace(path: Path, regions: Iterable[str]) -> Measured:
    """Return what the trace at ``path`` says of ``regions``; nested ones count as the outer one."""
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e.get("ph") == "X"]
    named = set(regions)
    found_regions = [e for e in events if e.get("cat") == ANNOTATION and e["name"] in named]
    thread = min(found_regions, key=lambda event: event["ts"])["tid"]
    marked = list(outermost(e for e in found_regions if e["tid"] == thread))
    steps = [(name, span) for name, span in marked if name not in BESIDE_STEPS]
    window = Span(steps[0][1].start, steps[-1][1].end)
    waits = [span_of(e) for e in events if e["tid"] == thread and waits_in(e["name"])]
    waits = [wait for wait in waits if wait.within(window)]
    seconds = on_a_device(events, steps, window) or on_the_host(steps, waits)
    waiting = max(0.0, window.seconds - sum(seconds.values()))
    for name, span in marked:
        if name in BESIDE_STEPS:
            seconds[name] = seconds.get(name, 0.0) + span.seconds
    return Measured(seconds, waiting, [wait.seconds for wait in waits])


def waits_in(event: str) -> bool:
    """Return whether the host does nothing in an event of that name."""
    return any(part in event for part in HOST_WAITS)


def span_of(event: Event) -> Span:
    """Return when an event was; a trace counts microseconds."""
    return Span(event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6)


def outermost(events: Iterable[Event]) -> Iterator[tuple[str, Span]]:
    """Yield name and time of the regions that lie in no other, in order."""
    end = 0.0
    for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
        span = span_of(event)
        if span.start >= end:
            end = span.end
            yield event["name"], span


def on_the_host(steps: Sequence[tuple[str, Span]], waits: Sequence[Span]) -> dict[str, float]:
    """Return the seconds of each region, without those of waiting in it."""
    found: dict[str, float] = {}
    for name, span in steps:
        idle = sum(wait.seconds for wait in waits if wait.within(span))
        found[name] = found.get(name, 0.0) + span.seconds - idle
    return found


def on_a_device(
    events: Sequence[Event], steps: Sequence[tuple[str, Span]], window: Span
) -> dict[str, float]:
    """Return the seconds of a GPU's work by the region that launched it; nothing without a GPU.

    Work is found by when it was launched, from whichever thread: a backward pass has one of its own
    while the host's thread waits in its region. Of work that overlaps only what is new counts.
    """
    launches = {
        event["args"]["correlation"]: span_of(event)
        for event in events
        if event.get("cat") in LAUNCHES and "correlation" in event.get("args", {})
    }
    found: dict[str, float] = {}
    busy_until = window.start
    work = (event for event in events if event.get("cat") in WORK_OF_A_DEVICE)
    for event in sorted(work, key=lambda event: event["ts"]):
        launch, span = launches.get(event["args"]["correlation"]), span_of(event)
        if launch is None or not launch.within(window):
            continue
        place = next((name for name, region in steps if launch.within(region)), OUTSIDE)
        found[place] = found.get(place, 0.0) + max(0.0, span.end - max(span.start, busy_until))
        busy_until = max(busy_until, span.end)
    return found
