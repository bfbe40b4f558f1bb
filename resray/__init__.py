"""resray: parallel benchmarks of the ResNet family on CIFAR, run by Ray.

``resray.bench(study)`` and ``resray.tune(study)`` run and search a study and return its results, as
``resray.read_results(path)`` does; ``resray.figures`` draws them, ``resray.compare(a, b)`` compares
folders, ``resray.load_model(path)`` gives a trained network. docs/python.md shows each.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resray import figures
    from resray.api import Results, bench, compare, load_model, read_results, tune

__version__ = "0.1.0"
__all__ = ["Results", "__version__", "bench", "compare", "figures", "load_model", "read_results",
           "tune"]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the Python face on first use: pandas and torch take seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'resray' has no attribute {name!r}")
    if name == "figures":
        return import_module("resray.figures")
    return getattr(import_module("resray.api"), name)


def __dir__() -> list[str]:
    return list(__all__)
