"""The three forms of the training step: eager, compiled and captured.

Eager is the reference: the device is told each operation. Compiled has torch.compile's code for the
network. Captured is one CUDA graph of everything, told at once. All give the same numbers but for
rounding. What a form does once, compiling and warming up, is done in `prepare`, before any clock
starts, and changes nothing of the training.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from resray.study.recipe_spec import Recipe
from resray.training.device import without_compiled_code
from resray.training.parts import Parts
from resray.training.step import Inputs, MicroBatch, TrainingStep

WARM_UPS = 3
"""Steps before a graph is captured, in which libraries choose their kernels."""


class Eager:
    """The step, operation by operation; the other forms tell the device in other ways."""

    name = "eager"

    def __init__(self, step: TrainingStep) -> None:
        self.step = step
        self._warm: set[int] = set()

    def prepare(self, recipe: Recipe, batches: Sequence[MicroBatch]) -> bool:
        """Make ready for an epoch of these batches, in which ``recipe`` is in force: let a GPU's
        libraries choose their kernels for each size. Return whether it was not ready."""
        self.step.recipe = recipe
        if self.step.loader.device.type != "cuda":
            return False
        # By the global size, as ranks exchange gradients: all warm up equally often.
        missing = {batch.size: batch for batch in batches if batch.size not in self._warm}
        for batch in missing.values():
            warm_up(self.step, batch, self.step.example(batch.images))
        self._warm |= missing.keys()
        return bool(missing)

    def __call__(self, batch: MicroBatch, inputs: Inputs, *, measured: bool) -> None:
        """Do what `TrainingStep` does."""
        self.step(batch, inputs, measured=measured)

    def reset(self) -> None:
        """Drop what holds on to the optimizer's state, which is now another."""


class Compiled(Eager):
    """With the network compiled for the largest of an epoch's batches; a smaller one is eager."""

    name = "compiled"

    def __init__(self, step: TrainingStep) -> None:
        super().__init__(step)
        self._ready: tuple[dict[str, Any], int] | None = None
        for network in dict.fromkeys((step.parts.network, step.parts.evaluated)):
            # In batch, so that the names of its weights stay. Whole, or not at all.
            network.compile(fullgraph=True, dynamic=False)

    def prepare(self, recipe: Recipe, batches: Sequence[MicroBatch]) -> bool:
        """Compile; raises what torch does where the network cannot be compiled whole."""
        self.step.recipe = recipe
        largest = max(batches)
        if self._ready == (now := (fixed_settings(recipe), largest.size)):
            return False
        self._ready = now
        # What was compiled for another network, or for other settings, counts to torch's limit.
        torch.compiler.reset()
        for batch in {batch.size: batch for batch in batches}.values():
            with self._stance(batch):
                warm_up(self.step, batch, self.step.example(batch.images))
        return True

    def __call__(self, batch: MicroBatch, inputs: Inputs, *, measured: bool) -> None:
        with self._stance(batch):
            self.step(batch, inputs, measured=measured)

    def _stance(self, batch: MicroBatch) -> AbstractContextManager[object]:
        assert self._ready is not None
        return without_compiled_code(batch.size != self._ready[1])


class Captured(Eager):
    """As one CUDA graph for each kind of batch; without CUDA, as what would be captured."""

    name = "captured"

    def __init__(self, step: TrainingStep) -> None:
        super().__init__(step)
        self._fixed: dict[str, Any] = {}
        self.reset()

    def prepare(self, recipe: Recipe, batches: Sequence[MicroBatch]) -> bool:
        """Capture what is missing: everything, where graphs hold on to what is no longer so."""
        if (now := fixed_settings(recipe)) != self._fixed:
            self._fixed = now
            self.reset()
        self.step.recipe = recipe
        missing = [batch for batch in dict.fromkeys(batches) if batch not in self._graphs]
        for batch in missing:
            inputs = self.step.example(batch.images)
            self._graphs[batch] = inputs, self._capture(batch, inputs)
        return bool(missing)

    def __call__(self, batch: MicroBatch, inputs: Inputs, *, measured: bool) -> None:
        buffers, graph = self._graphs[batch]
        for buffer, given in zip(buffers, inputs, strict=True):
            buffer.copy_(given)
        if graph is None:
            self.step(batch, buffers, measured=True)
        else:
            graph.replay()

    def reset(self) -> None:
        """Drop the graphs, and their pool with them: torch takes none again that was left empty."""
        self._graphs: dict[MicroBatch, tuple[Inputs, torch.cuda.CUDAGraph | None]] = {}
        self._pool = torch.cuda.graph_pool_handle() if torch.cuda.is_available() else None

    def _capture(self, batch: MicroBatch, inputs: Inputs) -> torch.cuda.CUDAGraph | None:
        """Return the graph; ``inputs`` are the buffers from which it takes what it is given."""
        if self.step.loader.device.type != "cuda":
            return None
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            # What waits, and so cannot be captured, is found before the capture, which it would
            # leave half done.
            warm_up(self.step, batch, inputs, times=WARM_UPS, watched=True)
            # One pool serves all: nothing that a graph leaves in it is read by another. The thread
            # that writes checkpoints may go on beside a capture.
            capture = torch.cuda.graph(
                graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"
            )
            with preserved(self.step.parts), capture:
                self.step(batch, inputs, measured=True)
        torch.cuda.current_stream().wait_stream(stream)
        return graph


FORMS = {form.name: form for form in (Eager, Compiled, Captured)}

BY_THE_HOST: Any = {
    "epochs": True, "schedule": True, "early_stopping": True, "selection": True, "phases": True,
    "evaluate_every": True, "step": True, "eval_batch_size": True,
    "optimizer": {"lr", "companion_lr"},
}  # fmt: skip
"""What of a recipe neither compiled code nor a graph holds on to."""


def fixed_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what of a recipe is in compiled code or a graph."""
    return recipe.model_dump(mode="json", exclude=BY_THE_HOST)


def failure_of(error: Exception) -> str:
    """Return on one line why a network can be neither compiled nor captured, and where."""
    text = str(error)
    batches = re.findall(r'File "([^"]+)", line (\d+)', text)
    where = f" at {Path(batches[-1][0]).name}:{batches[-1][1]}" if batches else ""
    return text.partition("\n")[0].strip() + where


def warm_up(
    step: TrainingStep, batch: MicroBatch, inputs: Inputs, times: int = 1, *, watched: bool = False
) -> None:
    """Do a step of this batch some times; afterwards the training is as it was.

    ``watched`` has CUDA raise RuntimeError for what waits for the device in the last one.
    """
    whole = batch._replace(begins=True, ends=True)
    with preserved(step.parts), warnings.catch_warnings():
        # That an optimizer which can be captured was not, the first times.
        warnings.simplefilter("ignore")
        for turn in range(times):
            with erring_on_sync() if watched and turn == times - 1 else nullcontext():
                step(whole, inputs, measured=True)
    step.tally.clear()


@contextmanager
def erring_on_sync() -> Iterator[None]:
    """Have CUDA raise RuntimeError for what waits for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@contextmanager
def preserved(parts: Parts) -> Iterator[None]:
    """Put back what a step changes: weights, the optimizer's and the scaler's state, generators."""
    before = [(tensor, tensor.clone()) for tensor in parts.tensors()]
    known = {tensor.data_ptr() for tensor, _ in before}
    scaler = parts.scaler.state_dict()
    device = before[0][0].device
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        for tensor, value in before:
            tensor.copy_(value)
        for tensor in parts.tensors():
            if tensor.data_ptr() not in known:
                # What an optimizer makes in its first step begins as 0.
                tensor.zero_()
        if parts.scaler.is_enabled():
            parts.scaler.load_state_dict(scaler)
