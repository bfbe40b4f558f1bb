"""The model card: README.md with the front matter that the Hugging Face hub reads."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from resray.analysis.groups import AS_LABELLED, name_of
from resray.analysis.metrics import is_short
from resray.analysis.published import amount, published_amount, signed_difference
from resray.analysis.words import duration, estimate, fixed, plural
from resray.export.facts import Facts
from resray.export.loading import CARD, CHECKPOINTS, CONFIG, METRICS, WEIGHTS
from resray.export.markdown import Markdown, bullets, fenced, table, text
from resray.export.pictures import PICTURES
from resray.models.table import runs_own_code
from resray.results.summary import LAST, TEST
from resray.study.layers import flatten
from resray.study.model_spec import ResNetModel
from resray.study.recipe_spec import Recipe
from resray.study.unions import in_use, of_this_version

HUB_DATASETS = {"cifar10": "uoft-cs/cifar10", "cifar100": "uoft-cs/cifar100"}
TITLES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "embedded": "generated images (embedded in resray)",
    "folder": "the author's own images",
}
ALONE = {
    True: "the trial had the device to itself among resray's trials",
    False: "the trial shared the device",
    None: "whether the trial shared the device was not recorded",
}
ALWAYS_SHOWN = (
    "model.name",
    "epochs",
    "batch_size",
    "optimizer.name",
    "optimizer.lr",
    "optimizer.momentum",
    "optimizer.weight_decay",
    "schedule.name",
    "augmentation.flip",
    "augmentation.crop_padding",
    "precision",
)
"""Of a recipe, also at its default."""


def model_card(
    facts: Facts, config: Mapping[str, Any], *, repository: str | None, license_name: str | None
) -> str:
    """Return the text of the card for an exported trial.

    Every figure comes with its protocol; what was reduced, unfinished or measured once is said
    first. Text of studies and results cannot become markup.
    """
    recipe = Recipe.model_validate(of_this_version(config["recipe"]))
    parts = [
        front_matter(facts, repository, license_name),
        headline(facts),
        *(f"![{PICTURES[name][0]}]({name})\n" for name in config["pictures"]),
        section("Accuracy", accuracy(facts)),
        section("Published figures beside it", published(facts)),
        section("Further evaluations", evaluations(facts)),
        section("Recipe", recipe_table(facts, recipe)),
        section("How to load it", loading(config, recipe, repository)),
        section("How it was measured", measurement(facts)),
        section("Files", files(config)),
    ]
    return "\n".join(part for part in parts if part)


def section(title: str, content: str) -> str:
    """Return a section, or nothing where it would be empty."""
    return f"## {title}\n\n{content}" if content else ""


def front_matter(facts: Facts, repository: str | None, license_name: str | None) -> str:
    """Return the YAML block, with the accuracy in the hub's model-index format."""
    from huggingface_hub import EvalResult, ModelCardData

    dataset, figure = str(facts.row["dataset"]), facts.at_epoch["test_accuracy"]
    result = EvalResult(
        task_type="image-classification",
        dataset_type=HUB_DATASETS.get(dataset, dataset),
        dataset_name=TITLES.get(dataset, dataset),
        dataset_split="test",
        metric_type="accuracy",
        metric_name="test accuracy (%)" + ("; reduced run" if facts.reductions else ""),
        metric_value=None if figure is None else round(figure, 2),
    )
    data = ModelCardData(
        license=license_name,
        tags=["image-classification", "resnet", "resray", str(facts.row["model"])],
        datasets=[HUB_DATASETS[dataset]] if dataset in HUB_DATASETS else None,
        metrics=["accuracy"],
        model_name=(repository or str(facts.row["name"])).rpartition("/")[2],
        eval_results=None if figure is None else [result],
        pipeline_tag="image-classification",
    )
    return f"---\n{data.to_yaml()}\n---\n"


def headline(facts: Facts) -> str:
    """Return title and what must be known before any number is read."""
    row = facts.row
    dataset = TITLES.get(str(row["dataset"]), row["dataset"])
    summary = (
        f"{text(row['model'])}, trained on {text(dataset)} by the study "
        f"{text(row['study'])} of resray (variant {text(row['variant'])}, seed {row['seed']})."
    )
    notes = "".join(f"> **{text(head)}** {text(line)}\n>\n" for head, line in cautions(facts))
    title = f"# {text(name_of(row))} on {text(dataset)}\n"
    return "\n".join([title, summary + "\n", notes.removesuffix(">\n")])


def cautions(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield what limits the figures: heading and sentence."""
    row = facts.row
    if facts.reductions:
        yield "A reduced run.", f"Not comparable with full ones: {'; '.join(facts.reductions)}."
    if label := AS_LABELLED.get(facts.group.selection):
        yield f"{label.capitalize()}.", "Not comparable with what validation selects."
    if row["status"] != "completed":
        reason = f" ({row['reason']})" if row["reason"] else ""
        done = f"{row['epochs_done'] or 0} of {row['epochs']} epochs"
        yield "The training did not complete.", f"Status {row['status']}{reason} after {done}."
    elif is_short(row):
        early = f"After epoch {row['epochs_done']} of {row['epochs']}"
        yield "Stopped early.", f"{early} ({row['reason'] or 'early stopping'})."
    if len(facts.group.finished) < 2:
        yield "One seed.", "No spread can be given, and another seed would differ."
    if "JPEG" in str(row["data_source"]) and row["dataset"] in HUB_DATASETS:
        encoded = f"{row['data_source']}: they were encoded again"
        yield "JPEG images.", f"{encoded}, which may cost about a point of accuracy."


def accuracy(facts: Facts) -> str:
    """Return the model's figures and those of all seeds, and how the epoch was chosen."""
    at = facts.at_epoch
    mine = f"this model, epoch {facts.epoch}"
    rows: list[list[object]] = [
        [f"{split} accuracy (%)", fixed(at[f"{split}_accuracy"]), seeds_cell(facts, split)]
        for split in ("test", "validation", "train")
    ]
    rows += [
        [f"{split} loss (nats)", fixed(at[f"{split}_loss"], 4), None]
        for split in ("test", "validation")
    ]
    selection = facts.group.selection
    chosen = LAST if selection == LAST else f"best {selection} epoch"
    heading = f"{seeds(facts)}, at the {chosen} of each"
    return table(["metric", mine, heading], rows) + "\n" + protocol(facts)


def seeds_cell(facts: Facts, split: str) -> str | None:
    """Return mean, half its 95 % interval and n, where that split has a summary."""
    summary = facts.group.summary(f"{split}_accuracy") if split != "train" else None
    return None if summary is None else estimate(summary).replace("\u00a0=\u00a0", " = ")


def choice(facts: Facts) -> str:
    """Return which epoch the weights are those of, in words."""
    selection = facts.group.selection
    if facts.checkpoint == "last":
        return "the last epoch that was trained"
    if facts.checkpoint != "best":
        return "an epoch fixed beforehand"
    if selection != TEST and not facts.row["validation_images"]:
        return "the last epoch, as no validation images were held out to choose by"
    return f"the epoch with the highest {selection} accuracy"


def protocol(facts: Facts) -> str:
    """Return how the epoch was chosen, and the figure that selects on test, marked as such."""
    row = facts.row
    held_out, selection = row["validation_images"], facts.group.selection
    used = "were used" if selection == TEST else "were not used"
    chosen = (
        f"The weights are those of {choice(facts)}, epoch {facts.epoch} of {row['epochs']}. "
        f"{images(held_out)} validation images were held out of train; the "
        f"{images(row['test_images'])} test images {used} to choose. Training figures are "
        "over augmented images, while training."
    )
    if len(facts.group.finished) > 1:
        chosen += " Behind a mean, ± is half of its 95 % interval over seeds (Student's t)."
    highest = (
        f"The highest test accuracy of any epoch, which selects on test as many published figures "
        f"do, is {fixed(row['test_accuracy_best'])} %; after the last epoch it is "
        f"{fixed(row['test_accuracy_last'])} %."
    )
    return f"{text(chosen)}\n\n{text(highest)}\n"


def images(count: int | None) -> str:
    """Return a number of images, or that it is not known."""
    return "an unknown number of" if count is None else f"{count:,}"


def published(facts: Facts) -> str:
    """Return what was published, the mean of ours beside it, and what lies between them."""
    rows = [
        [
            item.published.metric
            + (f", epoch {item.published.epoch}" if item.published.epoch else ""),
            published_amount(item.published),
            amount(item.published.metric, item.measured),
            signed_difference(item),
            item.notes,
            f"{item.published.protocol}; {item.published.device}; {item.published.source}",
        ]
        for item in facts.comparisons
    ]
    columns = ["metric", "published", f"here, {seeds(facts)}", "difference", "note",
               "published protocol; device; source"]  # fmt: skip
    return table(columns, rows) if rows else ""


def seeds(facts: Facts) -> str:
    """Return over how many seeds a mean is."""
    return plural(len(facts.group.finished), "finished seed")


def evaluations(facts: Facts) -> str:
    """Return what `resray evaluate` measured: views, ensembles, corruptions, calibration."""
    rows = [
        [row["kind"], row["condition"], row["checkpoint"], row["metric"], fixed(row["value"]),
         f"{row['images']:,}" if row["images"] else None]
        for row in facts.evaluations
        if row["class"] is None and (row["kind"] != "corruptions" or row["condition"] == "mean")
    ]  # fmt: skip
    columns = ["kind", "condition", "checkpoint", "metric", "value", "images"]
    return table(columns, rows) if rows else ""


def loading(config: Mapping[str, Any], recipe: Recipe, repository: str | None) -> str:
    """Return the two ways to load the weights, as code that runs in the folder."""
    size = config["image_size"]
    return (
        f"Images are RGB, {size} x {size} pixels, scaled to [0, 1] and normalised with the mean "
        f"and std below; the {len(config['class_names'])} outputs are logits in the order of "
        f"`class_names` in {CONFIG}.\n\nWith resray:\n\n"
        + fenced("python", resray_snippet(config, recipe, repository))
        + "\nWithout it, by safetensors alone:\n\n"
        + fenced("python", plain_snippet(config, recipe))
    )


def measurement(facts: Facts) -> str:
    """Return device, time and versions."""
    row = facts.row
    alone = ALONE[row["exclusive"]]
    precision = f"{row['precision']}, {plural(row['world_size'], 'rank')}"
    return bullets(
        [
            f"Device: {row['device']} ({precision}); {alone}",
            f"Time: {duration(row['seconds_training'])} of training, "
            f"{duration(row['seconds_evaluating'])} of evaluation",
            f"Data: {row['data_source']}, {images(row['train_images'])} training images, SHA-256 "
            f"{str(row['dataset_checksum'])[:12]}",
            f"Size: {images(row['parameters'])} parameters, {images(row['multiply_adds'])} "
            "multiply-adds per image",
            f"Versions: resray {row['resray_version']}, PyTorch {row['torch_version']}, Ray "
            f"{row['ray_version']}, Python {row['python_version']}",
        ]
    )


def files(config: Mapping[str, Any]) -> str:
    """Return what each file of the folder is."""
    listed = ", ".join(f"{name} (epoch {epoch})" for name, epoch in config["checkpoints"].items())
    return bullets(
        [
            Markdown(f"`{WEIGHTS}`: the weights ({config['weights']})"),
            Markdown(f"`{CONFIG}`: recipe, classes, normalisation, versions"),
            Markdown(f"`{METRICS}`: every epoch's figures, the summary over seeds, evaluations"),
            Markdown(f"`{CARD}`: this card, with the pictures above"),
            Markdown(f"`{CHECKPOINTS}/`: {text(listed)}"),
        ]
    )


def recipe_table(facts: Facts, recipe: Recipe) -> str:
    """Return what shapes the training beside resray's defaults, with what was assumed."""
    assumed = facts.results.study.assumed if facts.results.study else {}
    rows = [[key, shown(value), assumption(key, assumed)] for key, value in told(recipe).items()]
    note = f"The complete recipe is in {CONFIG}. What the study's source leaves unstated is marked."
    return table(["setting", "value", "assumed, because"], rows) + f"\n{note}\n"


def told(recipe: Recipe) -> dict[str, Any]:
    """Return the flattened recipe without what is off, not in use or left at its default.

    A phase that switches something off is told: that is what it does.
    """
    parts = [{"name": part.name, **part.model_dump(mode="json", exclude_defaults=True)}
             for part in getattr(recipe.schedule, "parts", ())]  # fmt: skip
    given = {**in_use(flatten(recipe)), "schedule.parts": parts}
    bare = flatten(Recipe.model_validate({"model": "resnet18", "data": "cifar10", "epochs": 1}))
    unset = object()
    return {
        key: value
        for key, value in given.items()
        if key in ALWAYS_SHOWN
        or key.startswith("phases.")
        or (value is not None and value != bare.get(key, unset))
    }


def shown(value: Any) -> str:
    """Return a recipe's value as a study file may write it."""
    return value if isinstance(value, str) else json.dumps(value)


def assumption(key: str, assumed: Mapping[str, str]) -> str:
    """Return why a value was assumed: for the key itself or for the part it belongs to."""
    return next((why for name, why in assumed.items() if f"{key}.".startswith(f"{name}.")), "")


TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d")
"""Networks that torchvision builds with the same parameter names."""


def resray_snippet(config: Mapping[str, Any], recipe: Recipe, repository: str | None) -> str:
    """Return code that loads the network with resray and classifies a batch."""
    trusted = ", trust=True" if runs_own_code(recipe.model.name) else ""
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
    stem = "" if getattr(recipe.model, "stem", "") == "imagenet" else CIFAR_STEM
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
    if not isinstance(model, ResNetModel) or model.name not in TORCHVISION:
        return False
    return model.norm == "batch" and model.shortcut == "projection" and not model.shared_stages


def use_lines(config: Mapping[str, Any]) -> str:
    """Return the lines that normalise images and classify them."""
    size = config["image_size"]
    return f"""mean = torch.tensor({list(config["mean"])}).view(3, 1, 1)
std = torch.tensor({list(config["std"])}).view(3, 1, 1)
images = torch.rand(8, 3, {size}, {size})  # pixels in [0, 1]
with torch.inference_mode():
    logits = network((images - mean) / std)
classes = logits.argmax(1)"""
