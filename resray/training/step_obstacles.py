"""What keeps a machine from a form of the training step: no CUDA graphs, nothing that compiles."""

import os
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from resray.errors import InputError

NAMES = {"cpu": "the CPU", "cuda": "a GPU", "mps": "Apple's MPS"}
"""What torch's kinds of devices are called; ROCm's are ``cuda`` too."""


def check_step(step: str, device: str) -> None:
    """Raise InputError if a training on this kind of device cannot have this form of the step."""
    if step == "captured" and (reason := capture_obstacle(device)):
        raise InputError(f"step: captured: {reason} (use auto, eager or compiled)")
    if step == "compiled" and (reason := compile_obstacle(device)):
        raise InputError(f"step: compiled: {reason} (use auto or eager)")


def capture_obstacle(device: str) -> str | None:
    """Return why the step cannot be captured as a graph on this kind of device, None if it can."""
    if device == "cuda":
        return None
    return f"CUDA and ROCm GPUs have graphs; this trial runs on {NAMES.get(device, device)}"


def compile_obstacle(device: str) -> str | None:
    """Return why torch.compile cannot compile for this kind of device, None if it can."""
    if device == "cuda" and find_spec("triton") is None:
        return "torch.compile needs the package triton for GPUs"
    # Triton builds what starts its kernels with a C compiler, the CPU's kernels are C++.
    compiler = c_compiler() if device == "cuda" else cpp_compiler()
    if shutil.which(compiler) is None:
        return f"torch.compile needs a compiler, and there is no {compiler} here"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.exists():
        return f"torch.compile needs Python's headers, and there is no {header}"
    return None


def cpp_compiler() -> str:
    """Return the C++ compiler that torch.compile calls."""
    return os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")


def c_compiler() -> str:
    """Return the C compiler that Triton calls."""
    return os.environ.get("CC", "gcc" if shutil.which("gcc") else "clang")
