"""Commands about results and trained networks: evaluate, predict."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from resray.cli.options import (
    DataDirOption,
    SeedsOption,
    SelectOption,
    TrustOption,
    option,
    parse_seeds,
    path_option,
)
from resray.errors import InputError
from resray.files import user_path

ResultsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A study's results, e.g. results/depth-family, or a checkpoint's file.",
        parser=partial(user_path, option="results"),
    ),
]
CheckpointOption = Annotated[str, option("--checkpoint", "best, last, or one such as epoch-0010.")]
OrderOption = Annotated[
    str | None,
    option("--order", "Of flat rows of pixels in INPUT: hwc, or chw as CIFAR's."),
]
BatchSizeOption = Annotated[int, option("--batch-size", "Images per forward pass.")]


def evaluate(
    context: typer.Context,
    path: ResultsArgument,
    kind: Annotated[
        list[str] | None,
        option(
            "--kind",
            "test, train, tta, ensemble, corruptions, calibration, foreign or all (default); "
            "repeatable.",
        ),
    ] = None,
    select: SelectOption = None,
    seeds: SeedsOption = None,
    checkpoint: CheckpointOption = "best",
    data_dir: DataDirOption = None,
    input_file: Annotated[
        Path | None,
        path_option("--input", "Kind foreign: the file, or folder, of images."),
    ] = None,
    order: OrderOption = None,
    ensemble: Annotated[bool, option("--ensemble", "One ensemble of all selected trials.")] = False,
    limit: Annotated[int | None, option("--limit", "Only N images, class-balanced.")] = None,
    batch_size: BatchSizeOption = 500,
    trust: TrustOption = False,
    force: Annotated[
        bool, option("--force", "Evaluate also what the results hold already.")
    ] = False,
) -> None:
    """Evaluate stored checkpoints beyond the test set, and add what comes of it to the results."""
    from resray.evaluate import Evaluation, run_evaluation

    passed_on = ("checkpoint", "data_dir", "order", "ensemble", "limit", "batch_size", "force")
    asked = Evaluation(
        results=path,
        kinds=tuple(kind or ("all",)),
        select=tuple(select or ()),
        seeds=parse_seeds(seeds),
        input=input_file,
        trusted=trust,
        **{key: context.params[key] for key in passed_on},
    )
    run_evaluation(asked, Console())


def predict(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT... INPUT",
            help="Checkpoints, also others' (several are an ensemble), then the images: a pickle "
            "as CIFAR's, .npy, .npz, Parquet, or a folder.",
            parser=partial(user_path, option="predict"),
        ),
    ],
    output: Annotated[Path, path_option("--output", "The CSV to write.")] = Path("predictions.csv"),
    views: Annotated[int, option("--views", "Test-time views: 1, 5 or 10.")] = 1,
    order: OrderOption = None,
    batch_size: BatchSizeOption = 500,
    trust: TrustOption = False,
    names: Annotated[
        bool,
        option("--names/--no-names", "Write the classes' names too, as Class."),
    ] = True,
    force: Annotated[
        bool, option("--force", "Replace an output that predict did not write.")
    ] = False,
) -> None:
    """Predict the classes of images from elsewhere: a CSV with the columns ID,Label,Class."""
    from resray.evaluate.predict import Prediction, run_prediction

    *checkpoints, images = paths
    if not checkpoints:
        raise InputError(f"predict: name a checkpoint and the images; there is only {images}")
    passed_on = ("output", "views", "order", "batch_size", "names", "force")
    asked = Prediction(
        checkpoints=tuple(checkpoints),
        input=images,
        trusted=trust,
        **{key: context.params[key] for key in passed_on},
    )
    run_prediction(asked, Console())
