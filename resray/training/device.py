"""What the device is, what it gains from, and how much memory it has used."""

import os
import platform
import resource
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import nn

from resray.cpus import usable_cpus
from resray.errors import InputError
from resray.memory import usable_memory
from resray.models.count import can_forward
from resray.models.table import is_outside
from resray.study.recipe_spec import Recipe
from resray.training.step_choice import check_step

AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

CONTEXT = 2**29
"""Bytes that CUDA itself takes of a GPU for each process, roughly."""

CPU_EVAL_BATCH, GPU_EVAL_BATCH = 500, 2500
"""Images that are evaluated at once; on a GPU fewer where its memory is small."""


def pick_device(use_gpu: bool) -> torch.device:
    """Return the CUDA device that this process was given, or the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if use_gpu else torch.device("cpu")


def own_device() -> torch.device:
    """Return this process's GPU, or the CPU with torch on no more cores than the process may use.

    torch itself counts the cores of its affinity, and does not know of a container's quota.
    """
    torch.set_num_threads(min(torch.get_num_threads(), usable_cpus()))
    return pick_device(torch.cuda.is_available())


def cpu_computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware (AVX512-BF16, AMX or Arm BF16)."""
    return cpu_has_any({"avx512_bf16", "amx_bf16", "bf16"}, cpuinfo)


def cpu_computes_fp16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU multiplies float16 in hardware (AVX512-FP16, AMX or Arm FP16)."""
    return cpu_has_any({"avx512_fp16", "amx_fp16", "asimdhp"}, cpuinfo)


def cpu_has_any(flags: Set[str], cpuinfo: Path) -> bool:
    """Return whether the CPU has one of these features, by the names that Linux gives them."""
    try:
        words = set(cpuinfo.read_text().split())
    except OSError:
        return False
    return not words.isdisjoint(flags)


def computes_bf16(device: torch.device) -> bool:
    """Return whether ``device`` multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_computes_bf16()


def pick_precision(recipe: Recipe, device: torch.device) -> str:
    """Return fp32, tf32, bf16 or fp16: the recipe's, or for auto what the device gains from.

    On a CPU with AVX512-BF16, bf16 autocast was measured 1.9 times as fast as float32 for resnet18
    in channels-last (docs/performance.md).
    """
    if recipe.precision == "auto":
        return "bf16" if computes_bf16(device) else "fp32"
    return recipe.precision


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a forward pass computes in ``precision``.

    Of fp32 and tf32 it does nothing: what a product of float32 is, `allow_tf32` says.
    """
    if precision not in AUTOCAST_TYPES:
        return nullcontext()
    return torch.autocast(device.type, AUTOCAST_TYPES[precision])


def without_compiled_code(wanted: bool) -> AbstractContextManager[object]:
    """Return a context in which compiled networks run operation by operation, if that is wanted."""
    return torch.compiler.set_stance("force_eager") if wanted else nullcontext()


def choose_kernels(recipe: Recipe, device: torch.device) -> None:
    """Set, for the whole process, by which kernels ``recipe`` is computed on ``device``.

    An earlier trial in the process may have had others. A deterministic one makes torch raise
    RuntimeError for what a GPU cannot compute so.
    """
    # cuBLAS reads it when it starts, which may be for a trial before the deterministic one.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # A CPU's kernels are deterministic for a number of threads.
    torch.use_deterministic_algorithms(recipe.deterministic and device.type == "cuda")
    torch.backends.cudnn.deterministic = recipe.deterministic
    # Batches have one shape, so cuDNN's search for its fastest kernels pays.
    torch.backends.cudnn.benchmark = not recipe.deterministic
    allow_tf32(pick_precision(recipe, device) == "tf32")


def allow_tf32(allowed: bool) -> None:
    """Let NVIDIA GPUs round the factors of float32 products to 10 bits, or not."""
    # By these two calls alone: torch refuses to tell of flags set partly by its newer ones.
    torch.backends.cudnn.allow_tf32 = allowed
    torch.set_float32_matmul_precision("high" if allowed else "highest")


def computes_tf32(device: torch.device) -> bool:
    """Return whether ``device`` is an NVIDIA GPU that has TF32."""
    nvidia = device.type == "cuda" and torch.version.hip is None
    return nvidia and torch.cuda.get_device_capability(device) >= (8, 0)


def pick_channels_last(recipe: Recipe, network: nn.Module, image_size: int) -> bool:
    """Return the recipe's choice.

    auto is True, which was faster on all that was measured, but for a network from elsewhere that
    cannot run so.
    """
    if recipe.channels_last != "auto":
        return recipe.channels_last
    return not is_outside(recipe.model.name) or can_forward(
        network, image_size, layout=torch.channels_last
    )


def check_device_options(recipe: Recipe, device: torch.device) -> None:
    """Raise InputError if the recipe asks for what the device cannot do."""
    if recipe.sync_batchnorm and device.type != "cuda":
        raise InputError("sync_batchnorm: true needs GPUs; this trial runs on the CPU (use false)")
    if recipe.precision == "tf32" and not computes_tf32(device):
        name = device_name(device, torch.get_num_threads())
        raise InputError(
            "precision: tf32 needs an NVIDIA GPU of compute capability 8.0 or higher; this trial "
            f"runs on {name} (use fp32, bf16, fp16 or auto)"
        )
    check_step(recipe, device.type)


def device_name(device: torch.device, threads: int) -> str:
    """Return a label such as ``NVIDIA H200`` or ``AMD EPYC (2 threads)``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()} ({threads} thread{'s' if threads > 1 else ''})"


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the CPU's model name."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cap_memory(device: torch.device, share: float) -> None:
    """Let this process hold no more than its share of a GPU, with what CUDA itself takes.

    What goes beyond it runs out of memory, and takes none from the trials beside it.
    """
    if device.type == "cuda":
        total = memory_in_use(device)[0]
        torch.cuda.set_per_process_memory_fraction(memory_cap(total, share) / total, device)


def memory_cap(total: int, share: float) -> float:
    """Return the bytes of tensors that a trial with a share of a GPU may hold."""
    return total if share >= 1 else max(share * total - CONTEXT, share * total / 2)


def eval_batch(recipe: Recipe, device: torch.device, numbers: Callable[[], int]) -> int:
    """Return how many images a rank evaluates at once: what the recipe says, or for auto as many as
    half of the memory of a GPU, or of this process's share, has room for, up to a limit.

    ``numbers`` returns those of the network's largest layer output for one image. Networks keep
    about four such outputs at a time, which is float32 at most.
    """
    if recipe.eval_batch_size != "auto":
        return recipe.eval_batch_size
    if device.type != "cuda":
        return CPU_EVAL_BATCH
    room = torch.cuda.get_per_process_memory_fraction(device) * memory_in_use(device)[0] / 2
    return max(1, min(GPU_EVAL_BATCH, int(room / (4 * 4 * numbers()))))


def reset_peak_memory(device: torch.device) -> None:
    """Start measuring anew: reused processes would else report an earlier trial's peak."""
    if device.type == "cuda":
        # Nor may they keep what that trial took from those beside them.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # Not Linux, or not allowed: the peak is then that of the whole process.


def peak_memory(device: torch.device) -> int:
    """Return the peak in bytes: allocated memory on a GPU, resident memory of a CPU process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        high_water = next(line for line in lines if line.startswith("VmHWM:"))
        return int(high_water.split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_in_use(device: torch.device) -> tuple[int, int, int]:
    """Return the bytes of the device, those that this process holds, and those that are free.

    For the CPU they are those of the machine, or of the container that the process is in.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total, torch.cuda.memory_reserved(device), free
    total, free = usable_memory()
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        # Not Linux: nobody else is known of.
        return total, total - free, free
    return total, resident * os.sysconf("SC_PAGE_SIZE"), free


def wait_for(device: torch.device) -> None:
    """Return when everything queued on ``device`` is done, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
