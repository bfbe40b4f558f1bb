"""From an exported folder back to the network."""

import json
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resray.errors import DataError, InputError
from resray.models.own_code import require_code
from resray.models.table import require_trust
from resray.study.recipe_spec import Recipe

if TYPE_CHECKING:
    from torch import nn

CONFIG, METRICS, CARD, CURVES = "config.json", "metrics.json", "README.md", "curves.png"
WEIGHTS, CHECKPOINTS = "model.safetensors", "checkpoints"
MARK = "resray_export"
"""Key of config.json whose value is the version of the folder's layout."""
VERSION = 1


def load_exported(
    folder: str | PathLike[str], *, checkpoint: str | None = None, trusted: bool = False
) -> "nn.Module":
    """Return the network of a folder that `resray export` wrote, in eval mode, on the CPU.

    It maps float images (n, 3, size, size), normalised with config.json's ``mean`` and ``std``, to
    logits (n, classes). ``checkpoint`` names one of ``checkpoints/``; None takes the weights that
    the folder is about.

    Weights and configuration run no code. A network of the form ``module:function`` is built by
    calling what the configuration names, so that is done only where ``trusted`` says that the
    folder's author may choose it.

    Raises DataError if a file is missing, damaged or does not fit, and InputError for a function
    that is not trusted or has other source files than in training, or without safetensors.
    """
    require_hub_extra("safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    from resray.models.build import build_model

    folder = Path(folder)
    config = read_config(folder)
    recipe = Recipe.model_validate(config["recipe"])
    require_trust(recipe.model.name, trusted, str(folder / CONFIG))
    require_code(recipe.model.name, config.get("own_code"), str(folder / CONFIG))
    path = folder / (WEIGHTS if checkpoint is None else f"{CHECKPOINTS}/{checkpoint}.safetensors")
    if not path.is_file():
        raise DataError(f"{path}: there are no such weights")
    network = build_model(recipe.model, len(config["class_names"]))
    try:
        # Also those that the network uses in two places.
        load_model(network, path)
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: damaged, or not the recipe's network ({reason})") from error
    return network.eval()


def read_config(folder: Path) -> dict[str, Any]:
    """Return the content of an exported folder's config.json; DataError if it is not one."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({type(error).__name__})") from error
    if not isinstance(config, dict) or MARK not in config:
        raise DataError(f"{path}: not written by `resray export`")
    if config[MARK] != VERSION:
        raise DataError(f"{path}: layout {config[MARK]} is not one that this resray reads")
    return config


HUB_PACKAGES = ("huggingface_hub", "safetensors", "matplotlib")


def require_hub_extra(*packages: str) -> None:
    """Raise InputError if one of ``packages`` (all of the extra, if none) is not installed."""
    missing = [name for name in packages or HUB_PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f'sharing a model needs {" and ".join(missing)}; pip install "resray[hub]"'
        )
