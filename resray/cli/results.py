"""Commands about results and trained networks: report, evaluate, predict, export."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from resray.cli.options import DataDirOption, SeedsOption, SelectOption, parse_seeds
from resray.errors import InputError

ResultsArgument = Annotated[
    Path, typer.Argument(metavar="PATH", help="A study's results, e.g. results/depth-family.")
]
CheckpointOption = Annotated[
    str, typer.Option("--checkpoint", help="best, last, or one such as epoch-0010.")
]
OrderOption = Annotated[
    str, typer.Option("--order", help="Of flat rows of pixels in INPUT: hwc or chw.")
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust", help="Build a network of the form module:function: runs code it names."
    ),
]
BatchSizeOption = Annotated[int, typer.Option("--batch-size", help="Images per forward pass.")]


def report(
    path: ResultsArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The HTML file (default: reports/STUDY.html)."),
    ] = None,
) -> None:
    """Write the HTML report of all results in a folder."""
    from resray.report.page import write_report

    beside = path.resolve().parent.name == "results"
    folder = path.resolve().parents[1] / "reports" if beside else Path("reports")
    target = output or folder / f"{path.resolve().name}.html"
    if output is not None and not output.parent.is_dir():
        raise InputError(f"--output {output}: must be a file in a folder that exists")
    try:
        print(write_report(path, target))
    except OSError as error:
        raise InputError(f"--output {target}: cannot be written ({error.strerror})") from error


def evaluate(
    path: ResultsArgument,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help="test, tta, ensemble, corruptions, calibration, foreign or all (default); "
            "repeatable.",
        ),
    ] = None,
    select: SelectOption = None,
    seeds: SeedsOption = None,
    checkpoint: CheckpointOption = "best",
    data_dir: DataDirOption = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", help="Kind foreign: the file, or folder, of images."),
    ] = None,
    order: OrderOption = "hwc",
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="One ensemble of all selected trials.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Only N test images, class-balanced.")
    ] = None,
    batch_size: BatchSizeOption = 500,
    trust: TrustOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Evaluate also what the results hold already.")
    ] = False,
) -> None:
    """Evaluate stored checkpoints beyond the test set, and add what comes of it to the results."""
    from resray.evaluate import Evaluation, run_evaluation

    asked = Evaluation(
        results=path,
        kinds=tuple(kind or ("all",)),
        select=tuple(select or ()),
        seeds=parse_seeds(seeds),
        checkpoint=checkpoint,
        data_dir=data_dir,
        input=input_file,
        order=order,  # type: ignore[arg-type]  # checked by the library
        ensemble=ensemble,
        limit=limit,
        batch_size=batch_size,
        trusted=trust,
        force=force,
    )
    run_evaluation(asked, Console())


def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT... INPUT",
            help="Checkpoints (several are an ensemble), then the images: a pickle as CIFAR's, "
            ".npy, .npz, Parquet, or a folder.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="The CSV to write.")] = Path(
        "predictions.csv"
    ),
    views: Annotated[int, typer.Option("--views", help="Test-time views: 1, 5 or 10.")] = 1,
    order: OrderOption = "hwc",
    batch_size: BatchSizeOption = 500,
    trust: TrustOption = False,
    names: Annotated[
        bool, typer.Option("--names", help="Write the classes' names, not their numbers.")
    ] = False,
) -> None:
    """Predict the classes of images from elsewhere: a CSV with the columns ID,Label."""
    from resray.predict import Prediction, run_prediction

    *checkpoints, images = paths
    if not checkpoints:
        raise InputError(f"predict: name a checkpoint and the images; there is only {images}")
    asked = Prediction(
        checkpoints=tuple(checkpoints),
        input=images,
        output=output,
        views=views,
        order=order,  # type: ignore[arg-type]  # checked by the library
        batch_size=batch_size,
        trusted=trust,
        names=names,
    )
    run_prediction(asked, Console())


def export(
    path: ResultsArgument,
    hub: Annotated[
        str | None, typer.Option("--hub", metavar="OWNER/NAME", help="Upload a trained network.")
    ] = None,
    hub_dir: Annotated[
        Path | None, typer.Option("--hub-dir", help="Write the same folder without uploading.")
    ] = None,
    select: SelectOption = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the network to share.")] = None,
    checkpoint: CheckpointOption = "best",
    license_name: Annotated[
        str | None, typer.Option("--license", help="For the model card, e.g. mit.")
    ] = None,
    trust: TrustOption = False,
    private: Annotated[
        bool, typer.Option("--private", help="A new repository is private.")
    ] = False,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of the table of epochs: csv, json, markdown, latex (default: by the suffix).",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the table of all epochs to this file.")
    ] = None,
) -> None:
    """Share results: the epochs as a table, or a trained network as a folder or on the hub."""
    targets = {"--output": output, "--hub-dir": hub_dir, "--hub": hub}
    only_for = {
        "--format": (file_format, ["--output"]),
        "--private": (private, ["--hub"]),
        "--seed": (seed, ["--hub-dir", "--hub"]),
        "--license": (license_name, ["--hub-dir", "--hub"]),
        "--trust": (trust, ["--hub-dir", "--hub"]),
        "--checkpoint": (None if checkpoint == "best" else checkpoint, ["--hub-dir", "--hub"]),
    }
    check_export(targets, only_for)
    if output is not None:
        from resray.export.tables import export_table

        print(export_table(path, output, format=file_format, select=select or ()))
        return
    if select is not None and len(select) > 1:
        raise InputError("--select: a single trial is shared; name one")
    chosen: dict[str, Any] = {
        "select": select[0] if select else None,
        "seed": seed,
        "checkpoint": checkpoint,
        "license_name": license_name,
        "trusted": trust,
    }
    if hub is not None:
        from resray.export.hub import export_to_hub

        print(export_to_hub(path, hub, private=private, **chosen))
    elif hub_dir is not None:
        from resray.export.folder import export_folder

        print(export_folder(path, hub_dir, **chosen))


def check_export(targets: dict[str, Any], only_for: dict[str, tuple[Any, list[str]]]) -> None:
    """Raise InputError unless there is one target, and for options that mean nothing beside it."""
    chosen = [name for name, value in targets.items() if value is not None]
    if len(chosen) != 1:
        raise InputError("export: type one of --output FILE, --hub-dir DIR and --hub OWNER/NAME")
    for option, (value, meant_for) in only_for.items():
        if value not in (None, False) and chosen[0] not in meant_for:
            raise InputError(f"{option}: only for {' and '.join(meant_for)}, not for {chosen[0]}")
