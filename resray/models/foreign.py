"""What network others' weights are of, told from their keys and shapes.

Keys do not tell strides, pooling and activations: they are taken to be those of the form.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

import torch
from torch import nn

from resray.errors import DataError, InputError, one_line
from resray.limits import require_size
from resray.models.build import build_own
from resray.models.table import MODELS, ResNetShape
from resray.models.wideresnet import BASE_CHANNELS
from resray.study.model_spec import CustomModel, OwnModel, ResNetModel, WideModel

FORMS = {
    r"conv2_x\.": "weiaicunzai/pytorch-cifar100",
    r"residual_layers\.": "basicblock-depth",
    r"block1\.layer\.": "wrn-cifar100",
    r"linear\.": "kuangliu/pytorch-cifar",
    "": "torchvision",
}
"""How repositories name weights, by what a key begins with; timm and resray do as torchvision."""
PREFIX = r"^(module\.|_orig_mod\.)*"
"""Put before keys by DataParallel and torch.compile."""
COUNTER = "num_batches_tracked"
"""Not used, and not there in older files."""
LAYERS = {0: "conv1", 1: "bn1", 3: "conv2", 4: "bn2", 6: "conv3", 7: "bn3"}
NAMES = {
    r"^(linear|fc\.1|output_layer\.2)\.": "fc.",
    r"^(conv1|input_layer)\.0\.": "conv1.",
    r"^(conv1|input_layer)\.1\.": "bn1.",
    **{rf"^(conv{n + 1}_x|residual_layers\.{n - 1})\.": f"layer{n}." for n in range(1, 5)},
    **{rf"\.residual_function\.{n}\.": f".{layer}." for n, layer in LAYERS.items()},
    r"\.conv([12])\.0\.": r".conv\1.",
    r"\.conv([12])\.1\.": r".bn\1.",
    r"\.shortcut\.([01])\.": r".downsample.\1.",
    r"^block(\d)\.layer\.": r"layer\1.",
}
"""Patterns in others' keys, and what stands there in resray's."""
KNOWN = re.compile(r"(conv1|bn1?|fc|layer\d\.\d+\.(conv\d|bn\d|shortcut|downsample\.\d))\.\w+")
"""resray's keys."""


def recognise(weights: Mapping[str, Any], place: str) -> tuple[str, OwnModel, nn.Module]:
    """Return the form of ``weights``, the model they are of, and the network, in eval mode.

    Raises DataError, which begins with ``place``, for the first key that does not fit.
    """
    form = next(
        FORMS[mark] for mark in FORMS if any(re.match(PREFIX + mark, key) for key in weights)
    )
    names = {key: name_of(key, form) for key in weights}
    ours = {name: weights[key] for key, name in names.items()}

    def refuse(key: str, why: str) -> NoReturn:
        read = f"{why}; read as {form}; forms: {', '.join(FORMS.values())}"
        raise DataError(f"{place}: the first key that does not fit is {key!r} ({read})")

    for key, name in names.items():
        known = KNOWN.fullmatch(name) and isinstance(weights[key], torch.Tensor)
        if not known or ours[name] is not weights[key]:
            refuse(key, "no network here has it, or not twice")
    require_size(4 * sum(value.numel() for value in ours.values()), place)
    try:
        model = model_of(ours)
        with torch.device("meta"):
            network = build_own(model, len(ours["fc.weight"]))
    except KeyError as error:
        refuse(error.args[0], "it is missing")
    except (IndexError, TypeError, ValueError, ZeroDivisionError, InputError) as error:
        refuse(next(iter(weights)), f"its network cannot be built: {one_line(error)}")
    needed = network.state_dict()
    for key, name in names.items():
        shape, right = weights[key].shape, needed[name].shape if name in needed else None
        if shape != right:
            refuse(key, f"{tuple(shape)}, where {model.name} has {right and tuple(right)}")
    for name, value in needed.items():
        if name not in ours and not name.endswith(COUNTER):
            refuse(name, f"{model.name} has it")
        # A copy: what a file holds may share its memory.
        given = ours.get(name, torch.zeros(()))
        needed[name] = given.to(value.dtype, copy=True)
    network.load_state_dict(needed, assign=True)
    return form, model, network.eval()


def name_of(key: str, form: str) -> str:
    """Return resray's key for another's."""
    key = re.sub(PREFIX, "", key)
    if form == "wrn-cifar100":
        key = re.sub("^bn1", "bn", key)
    for pattern, ours in NAMES.items():
        key = re.sub(pattern, ours, key)
    return key


def model_of(weights: Mapping[str, torch.Tensor]) -> OwnModel:
    """Return what network weights under resray's keys are of.

    Raises KeyError for a key that is missing, and what comes of shapes that no network has.
    """
    first = {tuple(key.split(".")[:2]) for key in weights if key.startswith("layer")}
    blocks = Counter(stage for stage, _ in first)
    stages = sorted(blocks)

    def outputs(convolution: str) -> tuple[int, ...]:
        return tuple(len(weights[f"{stage}.0.{convolution}.weight"]) for stage in stages)

    if "bn.weight" in weights:
        width = outputs("conv1")[0] // BASE_CHANNELS[0]
        return WideModel(name=f"wrn-{6 * blocks['layer1'] + 4}-{width}")
    stem: Any = "imagenet" if weights["conv1.weight"].shape[-1] == 7 else "cifar"
    counts = tuple(blocks[stage] for stage in stages)
    if "layer1.0.conv3.weight" not in weights:
        shape = ResNetShape("basic", counts, outputs("conv1"))
    else:
        channels = tuple(each // 4 for each in outputs("conv3"))
        width, of_group = weights["layer1.0.conv2.weight"].shape[:2]
        same = len(set(outputs("conv2"))) == 1
        widths = (64, width) if same else (of_group * 64 // channels[0], None)
        shape = ResNetShape("bottleneck", counts, channels, width // of_group, *widths)
    name = next((name for name in MODELS if MODELS[name] == shape), None)
    if name is not None:
        return ResNetModel(name=name, stem=stem)
    return CustomModel(name="resnet", stem=stem, **asdict(shape))
