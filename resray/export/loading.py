"""From an exported folder back to the network."""

from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from resray.errors import DataError, InputError, one_line
from resray.files import read_json
from resray.models.own_code import require_code
from resray.models.table import require_trust
from resray.study.recipe_spec import Recipe
from resray.study.strict import Count, first_mistake
from resray.study.unions import of_this_version

if TYPE_CHECKING:
    from torch import nn

CONFIG, METRICS, CARD = "config.json", "metrics.json", "README.md"
WEIGHTS, CHECKPOINTS = "model.safetensors", "checkpoints"
MARK = "resray_export"
"""Key of config.json whose value is the version of the folder's layout."""
VERSION = 1


class Exported(BaseModel):
    """What of config.json is taken back."""

    model_config = ConfigDict(strict=True)

    recipe: Annotated[Recipe, BeforeValidator(of_this_version)]
    class_names: Annotated[list[str], Field(min_length=1)]
    checkpoints: dict[str, Count] = {}
    own_code: str | None = None


def load_exported(
    folder: str | PathLike[str], *, checkpoint: str | None = None, trust: bool = False
) -> "nn.Module":
    """Return the network of a folder that `resray export` wrote, in eval mode, on the CPU.

    It maps float images (n, 3, size, size), normalised with config.json's ``mean`` and ``std``, to
    logits (n, classes). ``checkpoint`` names one of ``checkpoints/``; None takes the weights that
    the folder is about.

    Weights and configuration run no code. A network of the form ``module:function`` is built by
    calling what the configuration names, so that is done only where ``trust`` says that the
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
    require_trust(config.recipe.model.name, trust, str(folder / CONFIG))
    require_code(config.recipe.model.name, config.own_code, str(folder / CONFIG))
    path = folder / (WEIGHTS if checkpoint is None else f"{CHECKPOINTS}/{checkpoint}.safetensors")
    if not path.is_file():
        raise DataError(f"{path}: there are no such weights")
    network = build_model(config.recipe.model, len(config.class_names))
    try:
        # Also those that the network uses in two places.
        load_model(network, path)
    except (SafetensorError, RuntimeError, OSError) as error:
        message = f"{path}: damaged, or not the recipe's network ({one_line(error)})"
        raise DataError(message) from error
    return network.eval()


def read_config(folder: Path) -> Exported:
    """Return the content of an exported folder's config.json; DataError if it is not one."""
    path = folder / CONFIG
    try:
        config = read_json(path)
        if not isinstance(config, dict) or MARK not in config:
            raise DataError(f"{path}: not written by `resray export`")
        if config[MARK] != VERSION:
            raise DataError(f"{path}: layout {config[MARK]} is not one that this resray reads")
        return Exported.model_validate(config)
    except ValidationError as error:
        raise DataError(f"{path}: not one of this version ({first_mistake(error)})") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason})") from error


HUB_PACKAGES = ("huggingface_hub", "safetensors")


def require_hub_extra(*packages: str) -> None:
    """Raise InputError if one of ``packages`` (all of the extra, if none) is not installed."""
    missing = [name for name in packages or HUB_PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f'sharing a model needs {" and ".join(missing)}; pip install "resray[hub]"'
        )
