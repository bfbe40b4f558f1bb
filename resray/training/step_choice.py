"""Which form the training step takes where the recipe leaves it open, and what keeps a machine from
one: no CUDA graphs, nothing that compiles."""

import os
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from resray.errors import InputError
from resray.study.recipe_spec import Recipe

NAMES = {"cpu": "the CPU", "cuda": "a GPU", "mps": "Apple's MPS"}
"""What torch's kinds of devices are called; ROCm's are ``cuda`` too."""


class CompileGain(NamedTuple):
    """What compiling a network gains on a CPU, from `benchmarks/speed/training_step.py`."""

    images_per_second: float
    """Of the eager step."""
    gain: float
    """Images per second of the compiled step, divided by that."""
    seconds: float
    """Of compiling training and evaluation, without any cache."""


ON_CPU: dict[str, CompileGain] = {
    "resnet18": CompileGain(images_per_second=29.3, gain=0.96, seconds=385),
    "resnet50": CompileGain(images_per_second=15.1, gain=0.93, seconds=112),
}
"""In float32 and channels-last, on 2 cores of an AMD EPYC with AVX2 (resnet18: busy ones), torch
2.13, 30 November 2026, n = 5 and 3. What is not here is eager; a gain below 1 never pays."""

WORTH_IT = 1.5
"""How many times the seconds of compiling a run has to save by it."""


def choose_step(recipe: Recipe, *, use_gpu: bool, world_size: int, images: int) -> str:
    """Return the form of a trial's training step, where an epoch has so many ``images``.

    A recipe's ``auto`` is captured on a single GPU, compiled on a CPU where that was measured to
    pay within the trial's epochs and there is a C++ compiler, and else eager.
    """
    if recipe.step != "auto":
        return recipe.step
    if recipe.deterministic:
        return "eager"
    if use_gpu:
        return "captured" if world_size == 1 and recipe.precision != "fp16" else "eager"
    known = ON_CPU.get(recipe.model.name)
    if known is None or compile_obstacle("cpu") is not None:
        return "eager"
    saved = images * recipe.epochs / known.images_per_second * (1 - 1 / known.gain)
    return "compiled" if saved > WORTH_IT * known.seconds else "eager"


def check_step(recipe: Recipe, device: str, world_size: int = 1) -> None:
    """Raise InputError if a training on this kind of device cannot have the recipe's step."""
    reason, choices = None, "auto or eager"
    where = f"this trial runs on {NAMES.get(device, device)}"
    if recipe.step == "captured":
        reason, choices = capture_obstacle(device), "auto, eager or compiled"
        if world_size > 1:
            reason, where = "a single GPU", f"this trial has {world_size}"
        elif recipe.precision == "fp16":
            reason = "a precision without gradient scaling"
            where, choices = "this trial's is fp16", "bf16, or step: auto"
    elif recipe.step == "compiled":
        reason = compile_obstacle(device)
    if reason is not None:
        raise InputError(f"step: {recipe.step} needs {reason}; {where} (use {choices})")


def capture_obstacle(device: str) -> str | None:
    """Return what capturing the step as a graph lacks on this kind of device, None if nothing."""
    return None if device == "cuda" else "a CUDA or ROCm GPU"


def compile_obstacle(device: str) -> str | None:
    """Return what torch.compile lacks here for this kind of device, None if nothing."""
    if device == "cuda" and find_spec("triton") is None:
        return "the package triton"
    # Triton builds what starts its kernels with a C compiler; the CPU's kernels are C++.
    compiler = c_compiler() if device == "cuda" else cpp_compiler()
    if shutil.which(compiler) is None:
        return f"a compiler, and there is no {compiler}"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return None if header.exists() else f"Python's headers, and there is no {header}"


def cpp_compiler() -> str:
    """Return the C++ compiler that torch.compile calls."""
    return os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")


def c_compiler() -> str:
    """Return the C compiler that Triton calls."""
    return os.environ.get("CC", "gcc" if shutil.which("gcc") else "clang")
