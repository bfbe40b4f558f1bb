"""The code on a model card: complete, and run by the tests."""

from collections.abc import Mapping
from typing import Any

from resray.export.loading import WEIGHTS
from resray.models.table import runs_own_code
from resray.study.recipe_spec import Recipe

TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d")
"""Networks that torchvision builds with the same parameter names."""


def resray_snippet(config: Mapping[str, Any], recipe: Recipe, repository: str | None) -> str:
    """Return code that loads the network with resray and classifies a batch."""
    trusted = ", trusted=True" if runs_own_code(recipe.model.name) else ""
    download = "" if repository is None else "from huggingface_hub import snapshot_download\n"
    folder = '"."' if repository is None else f'snapshot_download("{repository}")'
    return f"""import torch
{download}from resray.export import load_exported

folder = {folder}
network = load_exported(folder{trusted})  # in eval mode, on the CPU
{use_lines(config)}"""


def plain_snippet(config: Mapping[str, Any], recipe: Recipe) -> str:
    """Return code that loads the weights without resray: into torchvision's network if it fits."""
    if not is_torchvisions(recipe):
        return f"""from safetensors.torch import load_file

weights = load_file("{WEIGHTS}")  # name -> tensor, for a network of the same names"""
    name, classes = recipe.model.name, len(config["class_names"])
    stem = "" if recipe.model.stem == "imagenet" else CIFAR_STEM
    return f"""import torch
from safetensors.torch import load_model
from torchvision.models import {name}

network = {name}(num_classes={classes})
{stem}load_model(network, "{WEIGHTS}")
network.eval()
{use_lines(config)}"""


CIFAR_STEM = """network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
network.maxpool = torch.nn.Identity()
"""


def is_torchvisions(recipe: Recipe) -> bool:
    """Return whether torchvision's network of the same name computes the same."""
    model = recipe.model
    return model.name in TORCHVISION and model.norm == "batch" and not model.shared_stages


def use_lines(config: Mapping[str, Any]) -> str:
    """Return the lines that normalise images and classify them."""
    size = config["image_size"]
    return f"""mean = torch.tensor({list(config["mean"])}).view(3, 1, 1)
std = torch.tensor({list(config["std"])}).view(3, 1, 1)
images = torch.rand(8, 3, {size}, {size})  # pixels in [0, 1]
with torch.inference_mode():
    logits = network((images - mean) / std)
classes = logits.argmax(1)"""
