"""resray: parallel benchmarks of the ResNet family on CIFAR, run by Ray.

``resray.load_model(path)`` gives a trained network, ``resray.read_results(path)`` a study's tables.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resray.api import load_model, read_results

__version__ = "0.1.0"
__all__ = ["__version__", "load_model", "read_results"]


def __getattr__(name: str) -> Any:
    """Import the Python face on first use: pandas and torch take seconds."""
    if name not in ("load_model", "read_results"):
        raise AttributeError(f"module 'resray' has no attribute {name!r}")
    from resray import api

    return getattr(api, name)
