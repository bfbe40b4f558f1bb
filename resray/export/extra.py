"""The optional extra that sharing a model needs."""

from importlib.util import find_spec

from resray.errors import InputError

HUB_PACKAGES = ("huggingface_hub", "safetensors", "matplotlib")


def require_hub_extra(*packages: str) -> None:
    """Raise InputError if one of ``packages`` (all of the extra, if none) is not installed."""
    missing = [name for name in packages or HUB_PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f'sharing a model needs {" and ".join(missing)}; pip install "resray[hub]"'
        )
