"""The packages that resray needs, and git."""

import re
import subprocess
from importlib import metadata

from resray.cli.doctor.check import Check, try_import

INSTALL = "pip install uv && uv run resray doctor"


def package(name: str) -> Check:
    """Say which version of a package is there, and whether it is a version to run on."""
    try:
        module = try_import(name)
    except ImportError as error:
        advice = f"install it: {INSTALL}"
        if name == "torchvision" and "does not exist" in str(error):
            match = "torch and torchvision are of different builds; get a matching pair"
            advice = f"{match}: {INSTALL}"
        return Check("missing", str(error), advice)
    version = str(getattr(module, "__version__", "version unknown"))
    least = least_version(name)
    if least and numbers(version) < numbers(least):
        return Check("warning", version, f"resray needs {least} or later: {INSTALL}")
    return Check("ok", version)


def least_version(name: str) -> str | None:
    """Return the lowest version that resray's own metadata admits."""
    try:
        requirements = metadata.requires("resray") or []
    except metadata.PackageNotFoundError:
        return None
    pattern = re.compile(rf"{name}(\[[^]]*\])?\s*>=\s*([\d.]+)")
    return next((found[2] for text in requirements if (found := pattern.match(text))), None)


def numbers(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version, for comparing."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


def git() -> Check:
    """Say which git is there."""
    advice = "without it results do not record the commit they come from: apt install git"
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("warning", f"does not run ({type(error).__name__})", advice)
    return Check("ok", done.stdout.strip().removeprefix("git version "))
