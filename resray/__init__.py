"""resray: parallel benchmarks of the ResNet family on CIFAR, run by Ray.

``resray.bench(study)`` and ``resray.tune(study)`` run and search a study,
``resray.read_results(path)`` gives its tables, ``resray.load_model(path)`` a trained network.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resray.api import bench, load_model, read_results, tune

__version__ = "0.1.0"
__all__ = ["__version__", "bench", "load_model", "read_results", "tune"]


def __getattr__(name: str) -> Any:
    """Import the Python face on first use: pandas and torch take seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'resray' has no attribute {name!r}")
    from resray import api

    return getattr(api, name)
