"""Reading one checkpoint's file: whole, of bounded size, and with the fields that resray writes.

A file is checked before anything of it is unpacked. It runs no code, whoever made it.
"""

import pickletools
import re
import zipfile
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from resray.errors import DataError, InputError, one_line
from resray.files import require_regular
from resray.limits import require_size
from resray.results.recovery import epoch_rows
from resray.study.recipe_spec import Recipe
from resray.study.strict import Count, Positive, first_mistake
from resray.training.attempts import is_out_of_memory

Checkpoint = dict[str, Any]
Weights = dict[str, torch.Tensor]

ALLOWED = re.compile(r"torch \w+Storage|torch\._utils _rebuild_tensor_v2|collections OrderedDict")
"""What a checkpoint's pickle may name: torch's own list holds what takes any amount of memory."""


class Content(BaseModel):
    """What a checkpoint holds; what only going on takes is the optimizer's to refuse."""

    model_config = ConfigDict(strict=True, arbitrary_types_allowed=True, protected_namespaces=())

    epoch: Count
    recipe: str
    seed: int
    class_names: Annotated[list[str], Field(min_length=1)]
    mean: Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    image_size: Count
    records: list[dict[str, str | int | float | None]]
    model: Weights
    ema: Weights = {}
    predicted: torch.Tensor | None = None
    own_code: str | None = None

    @field_validator("records")
    @classmethod
    def are_epochs(cls, records: list[Checkpoint]) -> list[Checkpoint]:
        epoch_rows(records)
        return records


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint at ``path`` with tensors on the CPU, or None where there is none.

    Raises DataError if the file is damaged, unpacks to more than is allowed, or if a field is
    missing or of another type; InputError if it may not be read, whatever it holds.
    """
    if not path.exists():
        return None
    try:
        require_whole(path)
        if foreign := {name for name in names_in(path) if not ALLOWED.fullmatch(name)}:
            raise ValueError(f"it names {min(foreign)}")
        checkpoint: Checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        Content.model_validate(checkpoint)
    except DataError:
        raise
    except ValidationError as error:
        message = f"{path}: no checkpoint of resray's ({first_mistake(error)})"
        raise DataError(message) from error
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    # A file that is no checkpoint can make torch's reader raise nearly anything.
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise DataError(f"{path}: not a readable checkpoint ({one_line(error)})") from error
    return checkpoint


def require_whole(path: Path) -> None:
    """Raise an exception that says why, if the file at ``path`` is not one that torch wrote."""
    require_regular(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("compressed, which no checkpoint is")
        require_size(sum(entry.file_size for entry in entries), path)
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"the checksum of {damaged} differs")


def names_in(path: Path) -> set[str]:
    """Return what the pickles in an archive name, such as ``collections OrderedDict``."""
    with zipfile.ZipFile(path) as archive:
        pickles = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
    steps = (step for each in pickles for step in pickletools.genops(each))
    return {str(argument) for operation, argument, _ in steps if operation.name == "GLOBAL"}


def read_recipe(checkpoint: Checkpoint, path: Path) -> Recipe:
    """Return the recipe of a checkpoint; DataError if this version of resray cannot read it."""
    try:
        return Recipe.stored(checkpoint["recipe"])
    except ValidationError as error:
        message = f"{path}: its recipe is not one of this version ({first_mistake(error)})"
        raise DataError(message) from error
