"""Networks from elsewhere: torchvision's, timm's, and those of a user's own function.

They begin with random weights and nothing is downloaded. Every mistake in a name or an argument is
an InputError.
"""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import torch
import torchvision
from torch import nn

from resray.errors import InputError, one_line
from resray.study.model_spec import OutsideModel

Maker = Callable[..., Any]

LOADING = ("weights", "pretrained", "checkpoint_path")
"""Arguments with which torchvision and timm load weights."""


def build_outside(spec: OutsideModel, num_classes: int) -> nn.Module:
    """Return the network that ``torchvision:NAME``, ``timm:NAME`` or ``module:function`` gives.

    It is built on the CPU whatever the default device, because code from elsewhere may compute
    with tensors while it builds. Raises InputError if there is no such network, if it refuses the
    arguments, or if the result is no module.
    """
    source, _, name = spec.name.partition(":")
    check_arguments(source, spec.arguments)
    make = MAKERS.get(source, from_module)(source, name)
    try:
        with torch.device("cpu"):
            network = make(num_classes=num_classes, **spec.arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"model.arguments: {spec.name} refuses them: {one_line(error)}") from error
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise InputError(f"model.name: {spec.name} returns {kind}, not a torch.nn.Module")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"model.name: {spec.name} has no parameter to train")
    return network


def check_arguments(source: str, arguments: Iterable[str]) -> None:
    """Raise InputError for arguments that are not for a recipe to set."""
    for key in arguments:
        if key == "num_classes":
            raise InputError("model.arguments: num_classes is the dataset's, leave it out")
        if key in LOADING and source in MAKERS:
            raise InputError(f"model.arguments: {key} would load weights; networks begin without")


def from_torchvision(source: str, name: str) -> Maker:
    """Return torchvision's function for a classification network."""
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise not_offered(source, "network", name, names)
    return lambda **arguments: torchvision.models.get_model(name, weights=None, **arguments)


def from_timm(source: str, name: str) -> Maker:
    """Return timm's function for a network."""
    try:
        import timm
    except ImportError:
        message = f"timm:{name} needs timm, which is not installed: pip install 'resray[timm]'"
        raise InputError(f"model.name: {message}") from None
    if not timm.is_model(name):
        raise not_offered(source, "network", name, timm.list_models())
    return lambda **arguments: timm.create_model(name, pretrained=False, **arguments)


def from_module(source: str, name: str) -> Maker:
    """Return the user's function ``name`` of the module ``source``."""
    try:
        module = import_module(source)
    except ImportError as error:
        where = "is its folder the study file's, or in PYTHONPATH?"
        message = f"cannot import {source} ({one_line(error)}); {where}"
        raise InputError(f"model.name: {message}") from error
    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise not_offered(source, "function", name, own)
    return function


MAKERS: dict[str, Callable[[str, str], Maker]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
}


def not_offered(source: str, kind: str, name: str, names: Iterable[str]) -> InputError:
    """Return the error for a name that ``source`` does not have, with the closest it has."""
    close = get_close_matches(name, sorted(names), n=5)
    hint = f"; close to it: {', '.join(close)}" if close else ""
    return InputError(f"model.name: {source} has no {kind} {name!r}{hint}")
