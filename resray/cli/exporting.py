"""The command that writes results for elsewhere: tables, figures, trained networks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from resray.cli.options import SelectOption
from resray.cli.results import CheckpointOption, ResultsArgument, TrustOption
from resray.errors import InputError


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
