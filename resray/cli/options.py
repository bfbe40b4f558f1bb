"""Options that several commands share, and what they mean together."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resray.errors import InputError

if TYPE_CHECKING:
    from resray.study.expand import Options

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name (`resray list`) or a YAML file.")
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="RESRAY_DATA_DIR",
        help="The dataset, or the folder that holds cifar10/ and cifar100/. "
        "Without it CIFAR is downloaded on first use.",
    ),
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="GLOB", help="Only trials whose name matches; repeatable."),
]
AblateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ablate",
        metavar="FORM",
        help="Only these forms of the study's ablation: chain, add or remove; repeatable.",
    ),
]
VariantOption = Annotated[
    str | None, typer.Option("--variant", help="A variant of the study (`resray show STUDY`).")
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", metavar="0,1,2", help="Seeds, separated by commas.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change the recipe: optimizer.lr=0.05; repeatable."
    ),
]
QuickOption = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="Minutes on two CPU cores: few epochs, few images; embedded ones if no "
        "--data-dir is given.",
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        min=1,
        help="Rescale the recipe to N epochs: warm-up, schedule and phases; not patience (early "
        "stopping, plateau), nor which checkpoints stay.",
    ),
]
StopAfterOption = Annotated[
    int | None,
    typer.Option("--stop-after", min=1, help="Only the first N epochs of the unchanged recipe."),
]
LimitTrainOption = Annotated[
    int | None, typer.Option("--limit-train", min=1, help="Class-balanced training images.")
]
LimitEvalOption = Annotated[
    int | None,
    typer.Option("--limit-eval", min=1, help="Class-balanced images of validation and of test."),
]


def study_options(context: typer.Context) -> "Options":
    """Return the options of expanding a study that were typed to a command."""
    from resray.study.expand import Options

    typed = context.params
    return Options(
        select=tuple(typed["select"] or ()),
        ablate=tuple(typed["ablate"] or ()),
        variant=typed["variant"],
        seeds=parse_seeds(typed["seeds"]),
        overrides=tuple(typed["overrides"] or ()),
        quick=typed["quick"],
        data_given=typed["data_dir"] is not None,
        epochs=typed["epochs"],
        stop_after=typed["stop_after"],
        limit_train=typed["limit_train"],
        limit_eval=typed["limit_eval"],
    )


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """Return ``0,1,2`` as numbers; raise InputError for anything else."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--seeds {text!r}: expected whole numbers, such as 0,1,2") from None
