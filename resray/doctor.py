"""What is installed, what the machine can do, what is missing and how to get it.

Every check is one row. Whatever is broken becomes a row too: nothing here raises.
"""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Literal

from resray.cpus import allowed_cpus, cpu_quota, usable_cpus
from resray.errors import ClusterError, ResrayError
from resray.files import home_folder
from resray.memory import usable_memory

LEAST_FREE_DISK = 5 * 10**9
LEAST_FREE_MEMORY = 3 * 10**9
# The engine asks Ray for an object store of 200 MB, and Ray wants a little more.
LEAST_SHARED_MEMORY = 300 * 10**6
LONGEST_SOCKET_PATH = 107
_SOCKET = "session_2000-01-01_00-00-00_000000_1234567/sockets/plasma_store"
RESULTS = Path("results")
_PACKAGES = ("torch", "torchvision", "ray", "pandas", "plotly", "pyarrow")
_CIFAR = ("cifar10", "cifar100")
STEP_KINDS = ("CUDA", "ROCm", "Apple's MPS", "the CPU")
SECONDS_MEASURED = 1.0
"""Of each precision, by ``doctor --measure``."""
_INSTALL = "pip install uv && uv run resray doctor"


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it is, and what to do if it is not well."""

    state: Literal["ok", "warning", "missing"]
    found: str
    advice: str = ""
    name: str = ""


def diagnose(data_dir: Path | None, *, measure: bool = False) -> list[Check]:
    """Look at packages, devices, Ray, data, disk and git; ``data_dir`` is ``--data-dir``, if given.

    ``measure`` measures the device's matrix rates anew, in each precision that it computes.
    ``missing`` is what resray cannot run without, ``warning`` what it runs without but worse.
    """
    checks: dict[str, Callable[[], Check]] = {
        "Python": lambda: Check("ok", f"{platform.python_version()} ({sys.executable})")
    }
    checks |= {name: partial(_package, name) for name in _PACKAGES}
    checks |= {"GPUs": _gpus, "CPU": _cpu, "Memory": _memory}
    checks |= {f"Step on {kind}": partial(_step, kind) for kind in STEP_KINDS}
    checks |= {"Matrix rates": partial(_matrix_rates, measure)}
    checks |= {"Shared memory": _shared_memory, "Ray's home": _ray_home}
    checks |= {"Ray's folder": _ray_folder, "Ray cluster": _ray_address}
    checks |= {"Data folder": partial(_data_dir, data_dir), "Downloaded data": _downloads}
    checks |= {"Decoded data": _decoded, "Locks": _locks, "git": _git}
    disks: dict[str, Callable[[], Path]] = {"results": RESULTS.absolute, "Ray": ray_folder}
    disks["the cache"] = lambda: _import("resray.data.cache").cache_folder()
    checks |= {f"Disk for {what}": partial(_disk, find) for what, find in disks.items()}
    return [_look(name, check) for name, check in checks.items()]


def _look(name: str, check: Callable[[], Check]) -> Check:
    """Do one check; what it meets on a broken machine is its finding."""
    try:
        return replace(check(), name=name)
    # A folder out of reach, no home folder, a driver that fails, a damaged dataset, no torch.
    except (OSError, RuntimeError, ValueError, ImportError, ResrayError) as error:
        return Check("warning", f"could not be looked at: {_one_line(error)}", name=name)


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _import(name: str) -> ModuleType:
    """Return the module; raise ImportError, whatever it was that kept it from importing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except Exception as error:  # A broken package can raise anything while it is imported.
        raise ImportError(f"{name} does not import ({_one_line(error)})") from error


# --- packages ---------------------------------------------------------------------------------


def _package(name: str) -> Check:
    try:
        module = _import(name)
    except ImportError as error:
        advice = f"install it: {_INSTALL}"
        if name == "torchvision" and "does not exist" in str(error):
            match = "torch and torchvision are of different builds; get a matching pair"
            advice = f"{match}: {_INSTALL}"
        return Check("missing", str(error), advice)
    version = str(getattr(module, "__version__", "version unknown"))
    least = _least_version(name)
    if least and _numbers(version) < _numbers(least):
        return Check("warning", version, f"resray needs {least} or later: {_INSTALL}")
    return Check("ok", version)


def _least_version(name: str) -> str | None:
    """Return the lowest version that resray's own metadata admits."""
    try:
        requirements = metadata.requires("resray") or []
    except metadata.PackageNotFoundError:
        return None
    pattern = re.compile(rf"{name}(\[[^]]*\])?\s*>=\s*([\d.]+)")
    return next((found[2] for text in requirements if (found := pattern.match(text))), None)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])


# --- devices ----------------------------------------------------------------------------------


def _gpus() -> Check:
    torch = _import("torch")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if available:
        every = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        return Check("ok", ", ".join(f"{gpu.name} ({_size(gpu.total_memory)})" for gpu in every))
    if shutil.which("nvidia-smi") is None:
        return Check("ok", "none; trials train on the CPU")
    reason = str(said[0].message).splitlines()[0] if said else f"torch is {torch.__version__}"
    advice = "install a CUDA build of torch that fits the driver (nvidia-smi tells its version)"
    return Check("warning", f"nvidia-smi is here but torch sees no GPU ({reason})", advice)


def _cpu() -> Check:
    cores, quota = f"{usable_cpus()} cores", cpu_quota()
    if quota < allowed_cpus():
        cores += f" of {allowed_cpus()}, as a quota grants {quota:g}"
    if not hasattr(os, "sched_getaffinity"):
        cores += " (this system does not tell which of them a process may use)"
    try:
        threads = _import("torch").get_num_threads()
        model = _import("resray.training.device").cpu_name()
    except ImportError:
        return Check("ok", f"{platform.machine()}, {cores}")
    return Check("ok", f"{model}, {cores}, torch uses {threads} threads")


def _step(kind: str) -> Check:
    """Say what of the fast step works on a kind of device, and what the rest needs."""
    torch = _import("torch")
    if kind == "Apple's MPS":
        seen = "here" if torch.backends.mps.is_available() else "not here"
        return Check("ok", f"{seen}; resray does not train on it: such trials use the CPU")
    built = "ROCm" if torch.version.hip else "CUDA"
    if kind != "the CPU" and not (kind == built and torch.cuda.is_available()):
        return Check("ok", f"not here: torch {torch.__version__} sees no such GPU")
    device = torch.device("cpu" if kind == "the CPU" else "cuda")
    needs = _import("resray.training.step_features").obstacles(device)
    found = "works: " + ", ".join(["eager", *(name for name in needs if needs[name] is None)])
    lacking = [f"{name} (needs {need})" for name, need in needs.items() if need is not None]
    found += "; not: " * bool(lacking) + ", ".join(lacking)
    if needs["compiled"] is None:
        return Check("ok", found)
    advice = "step: auto trains eager without a compiler: apt install g++ python3-dev"
    return Check("warning", found, advice)


def _matrix_rates(measure: bool) -> Check:
    """Say how fast this process's device multiplies matrices, by what was measured of it."""
    torch, rates = _import("torch"), _import("resray.training.matrix_rate")
    device = _import("resray.training.device").own_device()
    threads = torch.get_num_threads()
    precisions = _import("resray.training.step_features").precisions(device)
    known = [
        rates.measure(device, precision, threads, SECONDS_MEASURED) if measure
        else rates.kept_rate(device, precision, threads)
        for precision in precisions
    ]  # fmt: skip
    name = _import("resray.training.device").device_name(device, threads)
    found = ", ".join(str(rate) for rate in known if rate)
    if not found:
        return Check("ok", f"{name}: not measured yet; the first trial does, or --measure")
    return Check("ok", f"{name}: {found}")


# --- Ray --------------------------------------------------------------------------------------


def _memory() -> Check:
    total, free = usable_memory()
    found = f"{_size(free)} free of {_size(total)}"
    advice = "Ray and one trial need about 3 GB; close other programs or use --workers 1"
    return _if_too_little(free < LEAST_FREE_MEMORY, found, advice)


def _shared_memory(folder: Path = Path("/dev/shm")) -> Check:
    free = shutil.disk_usage(folder).free
    advice = "Ray will use its slower /tmp; in a container, start it with --shm-size=1g"
    too_little = free < LEAST_SHARED_MEMORY
    return _if_too_little(too_little, f"{_size(free)} free in {folder}", advice)


def _ray_home() -> Check:
    try:
        folder = home_folder() / ".ray"
    except ClusterError as error:
        return Check("missing", *str(error).split("; "))
    if _writable(folder) or os.environ.get("RAY_AUTH_MODE") == "disabled":
        return Check("ok", str(folder))
    advice = "Ray keeps a token there: set HOME to a writable folder, or RAY_AUTH_MODE=disabled"
    return Check("missing", f"{folder} cannot be written", advice)


def _ray_folder() -> Check:
    folder = ray_folder()
    length = len(os.fsencode(folder / _SOCKET))
    if length > LONGEST_SOCKET_PATH:
        found = f"{folder}: paths of sockets are {length} bytes, {LONGEST_SOCKET_PATH} are allowed"
        return Check("missing", found, "set RAY_TMPDIR to a shorter path")
    if not _writable(folder):
        advice = "set RAY_TMPDIR to a folder you can write"
        return Check("missing", f"{folder} cannot be written", advice)
    return Check("ok", str(folder))


def ray_folder() -> Path:
    """Return where Ray keeps its sessions: it reads RAY_TMPDIR, then TMPDIR."""
    chosen = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    return Path(chosen) / "ray"


def _ray_address() -> Check:
    if not (address := os.environ.get("RAY_ADDRESS")):
        return Check("ok", "resray starts its own; --address joins a running one")
    found = f"RAY_ADDRESS is {address}; resray starts its own Ray all the same"
    return Check("ok", found, f"to join it: --address {address}")


# --- data -------------------------------------------------------------------------------------


def _data_dir(data_dir: Path | None) -> Check:
    if data_dir is None:
        return Check("ok", "no --data-dir, no RESRAY_DATA_DIR: CIFAR is downloaded once")
    sources, spec = _import("resray.data.sources"), _import("resray.study.data_spec")
    reader = _import("resray.data.cifar").cifar_reader
    names = [key for key in _CIFAR if (data_dir / key).is_dir() or reader(key, data_dir)]
    specs = [spec.Cifar(name=key) for key in names]
    specs = specs or [spec.Folder(name="folder", image_size=32)]
    try:
        # As a training does; what is decoded for it here is in the cache when that begins.
        found = [sources.open_dataset(spec, data_dir) for spec in specs]
    except ResrayError as error:
        advice = "give the dataset's folder, or one that holds cifar10/ and cifar100/"
        return Check("missing", str(error), advice)
    texts = [f"{each.source}: {len(each.train):,} and {len(each.test):,} images" for each in found]
    if reduced := [text for each in found for text in each.reductions]:
        return Check("warning", f"{data_dir}: {'; '.join(reduced)}", "get the whole dataset")
    return Check("ok", f"{data_dir}: {'; '.join(texts)}")


def _downloads() -> Check:
    folder = _import("resray.data.sources").default_folder()
    reader = _import("resray.data.cifar").cifar_reader
    found = [name for name in _CIFAR if reader(name, folder)]
    if found:
        return Check("ok", f"{folder}: {', '.join(found)}")
    return Check("ok", f"none in {folder}; CIFAR comes there on first use")


def _decoded() -> Check:
    folder = _import("resray.data.cache").cache_folder()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Check("ok", f"{_size(size)} in {folder}")


# --- disk and git -----------------------------------------------------------------------------


def _locks() -> Check:
    folder = _existing(RESULTS.absolute())
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            advice = "run one command at a time there, or use --out DIR on another file system"
            return Check("warning", f"none in {folder} ({error.strerror})", advice)
    return Check("ok", f"a second command is kept out of {folder}")


def _disk(find: Callable[[], Path]) -> Check:
    folder = find()
    if not _writable(folder):
        return Check("warning", f"{folder} cannot be written", "choose another folder")
    free = shutil.disk_usage(_existing(folder)).free
    advice = "checkpoints of a study can take 5 GB: make room"
    return _if_too_little(free < LEAST_FREE_DISK, f"{_size(free)} free for {folder}", advice)


def _writable(folder: Path) -> bool:
    """Whether ``folder`` can be written, or made where it does not exist yet."""
    existing = _existing(folder)
    return os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK)


def _existing(folder: Path) -> Path:
    """Return the nearest folder above (or at) ``folder`` that exists."""
    return next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)


def _git() -> Check:
    advice = "without it results do not record the commit they come from: apt install git"
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("warning", f"does not run ({type(error).__name__})", advice)
    return Check("ok", done.stdout.strip().removeprefix("git version "))


def _if_too_little(too_little: bool, found: str, advice: str) -> Check:
    return Check("warning", found, advice) if too_little else Check("ok", found)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**8 else f"{count / 1e6:.1f} MB"
