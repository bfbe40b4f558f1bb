"""The three forms of the training step: eager, compiled and captured.

Eager is the reference: the device is told each operation. Compiled has torch.compile's code for the
network. Captured is one CUDA graph of everything, told at once. All give the same numbers but for
rounding. What a form does once, compiling and warming up, is done in `prepare`, before any clock
starts, and changes nothing of the training.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from resray.study.recipe_spec import Recipe
from resray.training.device import without_compiled_code
from resray.training.parts import Parts
from resray.training.step import Inputs, Place, TrainingStep

WARM_UPS = 3
"""Steps before a graph is captured, in which libraries choose their kernels."""


class StepForm(Protocol):
    """A training step, told to the device in one way."""

    name: str
    step: TrainingStep

    def prepare(self, recipe: Recipe, places: Sequence[Place]) -> None:
        """Make ready for an epoch with batches of these places, in which ``recipe`` is in force."""

    def __call__(self, place: Place, inputs: Inputs, *, measured: bool) -> None:
        """Do what `TrainingStep` does."""

    def forget(self) -> None:
        """Drop what holds on to the optimizer's state, which is now another."""


class Eager:
    """Operation by operation."""

    name = "eager"

    def __init__(self, step: TrainingStep) -> None:
        self.step = step
        self._warm: set[int] = set()

    def prepare(self, recipe: Recipe, places: Sequence[Place]) -> None:
        """Let a GPU's libraries choose their kernels for batches of these sizes."""
        self.step.recipe = recipe
        for place in places:
            if self.step.loader.device.type == "cuda" and place.images not in self._warm:
                self._warm.add(place.images)
                warm_up(self.step, place, self.step.example(place.images))

    def __call__(self, place: Place, inputs: Inputs, *, measured: bool) -> None:
        self.step(place, inputs, measured=measured)

    def forget(self) -> None:
        """Nothing holds on to the state."""


class Compiled:
    """With the network compiled for the largest of an epoch's batches; a smaller one is eager."""

    name = "compiled"

    def __init__(self, step: TrainingStep) -> None:
        self.step = step
        self._ready: tuple[Recipe, int] | None = None
        networks = (step.parts.network, step.parts.evaluated)
        for network in dict.fromkeys(networks):
            # In place, so that the names of its weights stay. Whole, or not at all.
            network.compile(fullgraph=True, dynamic=False)

    def prepare(self, recipe: Recipe, places: Sequence[Place]) -> None:
        """Compile; raises RuntimeError, torch's, where the network cannot be compiled whole."""
        self.step.recipe = recipe
        largest = max(places)
        if self._ready != (recipe, largest.images):
            self._ready = recipe, largest.images
            warm_up(self.step, largest, self.step.example(largest.images))

    def __call__(self, place: Place, inputs: Inputs, *, measured: bool) -> None:
        assert self._ready is not None
        with without_compiled_code(place.images != self._ready[1]):
            self.step(place, inputs, measured=measured)

    def forget(self) -> None:
        """Compiled is the network alone."""


class Captured:
    """As one CUDA graph for each place; without CUDA, as the function that would be captured."""

    name = "captured"

    def __init__(self, step: TrainingStep) -> None:
        self.step = step
        self._graphs: dict[Place, tuple[Inputs, torch.cuda.CUDAGraph | None]] = {}
        self._baked: dict[str, Any] = {}
        self._pool = torch.cuda.graph_pool_handle() if torch.cuda.is_available() else None

    def prepare(self, recipe: Recipe, places: Sequence[Place]) -> None:
        """Capture what is missing: everything, where graphs hold on to what is no longer so."""
        if (now := baked(recipe)) != self._baked:
            self._baked = now
            self._graphs.clear()
        self.step.recipe = recipe
        for place in dict.fromkeys(places):
            if place not in self._graphs:
                inputs = self.step.example(place.images)
                self._graphs[place] = inputs, self._capture(place, inputs)

    def __call__(self, place: Place, inputs: Inputs, *, measured: bool) -> None:
        kept, graph = self._graphs[place]
        for buffer, given in zip(kept, inputs, strict=True):
            buffer.copy_(given)
        if graph is None:
            self.step(place, kept, measured=True)
        else:
            graph.replay()

    def forget(self) -> None:
        """Drop the graphs."""
        self._graphs.clear()

    def _capture(self, place: Place, inputs: Inputs) -> torch.cuda.CUDAGraph | None:
        """Return the graph; ``inputs`` are the buffers from which it takes what it is given."""
        if self.step.loader.device.type != "cuda":
            return None
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            warm_up(self.step, place, inputs, times=WARM_UPS)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # One pool serves all: nothing that a graph leaves in it is read by another. The thread that
        # writes checkpoints may go on beside a capture.
        capture = torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local")
        with unchanged(self.step.parts), capture:
            self.step(place, inputs, measured=True)
        return graph


FORMS: dict[str, Callable[[TrainingStep], StepForm]] = {
    "eager": Eager,
    "compiled": Compiled,
    "captured": Captured,
}

BY_THE_HOST: Any = {
    "epochs": True, "schedule": True, "early_stopping": True, "selection": True, "phases": True,
    "evaluate_every": True, "eval_batch_size": True, "optimizer": {"lr", "companion_lr"},
}  # fmt: skip
"""What of a recipe neither compiled code nor a graph holds on to."""


def baked(recipe: Recipe) -> dict[str, Any]:
    """Return what of a recipe is in compiled code or a graph."""
    return recipe.model_dump(mode="json", exclude=BY_THE_HOST)


def reason(error: RuntimeError) -> str:
    """Return on one line why a network can be neither compiled nor captured, and where."""
    text = str(error)
    places = re.findall(r'File "([^"]+)", line (\d+)', text)
    where = f" at {Path(places[-1][0]).name}:{places[-1][1]}" if places else ""
    return text.partition("\n")[0].strip() + where


def warm_up(step: TrainingStep, place: Place, inputs: Inputs, times: int = 1) -> None:
    """Do a step of this place some times; afterwards the training is as it was."""
    whole = place._replace(begins=True, ends=True)
    with unchanged(step.parts):
        for _ in range(times):
            step(whole, inputs, measured=True)
    step.tally.clear()


@contextmanager
def unchanged(parts: Parts) -> Iterator[None]:
    """Put back what a step changes: weights, the optimizer's and the scaler's state, generators."""
    before = [(tensor, tensor.clone()) for tensor in parts.tensors()]
    known = {tensor.data_ptr() for tensor, _ in before}
    scaler = parts.scaler.state_dict()
    device = before[0][0].device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    for tensor, value in before:
        tensor.copy_(value)
    for tensor in parts.tensors():
        if tensor.data_ptr() not in known:
            # What an optimizer makes in its first step begins as 0.
            tensor.zero_()
    if parts.scaler.is_enabled():
        parts.scaler.load_state_dict(scaler)
