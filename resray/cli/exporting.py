"""The commands that write results for elsewhere: tables, figures, trained networks."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from resray.cli.options import SelectOption, TrustOption, option, path_option
from resray.cli.reporting import FoldersArgument, split_names
from resray.cli.results import CheckpointOption
from resray.errors import InputError, unknown
from resray.files import user_path


class Kinds(TyperGroup):
    """The commands below `resray export`; what is none of them is told in one line."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            raise InputError(f"{unknown('export', args[0], self.commands)}: the results come next")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Kinds,
    no_args_is_help=True,
    help="Share results: tables and figures as files, a trained network as a folder or on the hub.",
)

FileOption = Annotated[Path, path_option("--output", "Write this file.", metavar="FILE")]
WidthOption = Annotated[int | None, option("--width", "In pixels.", min=300, max=10000)]
ThemeOption = Annotated[str, option("--theme", "Light or dark.")]
ScaleOption = Annotated[
    float, option("--scale", "A PNG's pixels for one of its width.", min=0.5, max=10)
]


@app.command("list")
def list_names(folders: FoldersArgument, select: SelectOption = None) -> None:
    """Name the tables and figures of these results, with a figure's switches."""
    chosen = found(folders, select)
    from resray.export.everything import listing

    print("\n".join(listing(**chosen)))


@app.command("table")
def table(
    folders: FoldersArgument,
    output: FileOption,
    name: Annotated[str, option("--name", "The table (`resray export list`).")] = "epochs",
    file_format: Annotated[
        str | None,
        option("--format", "csv, json, markdown or latex (default: by the suffix)."),
    ] = None,
    select: SelectOption = None,
) -> None:
    """Write a table as a file."""
    chosen = found(folders, select)
    from resray.export.tables import export_table

    print(export_table(output=output, table=name, format=file_format, **chosen))


@app.command("figure")
def figure(
    folders: FoldersArgument,
    output: FileOption,
    name: Annotated[str, option("--name", "The figure (`resray export list`).")],
    file_format: Annotated[
        str | None, option("--format", "png, svg, json or csv (default: by the suffix).")
    ] = None,
    view: Annotated[
        list[str] | None,
        option(
            "--view",
            "Draw it with this switch so, e.g. quantity=loss; repeatable.",
            metavar="SWITCH=OPTION",
        ),
    ] = None,
    theme: ThemeOption = "light",
    width: WidthOption = None,
    height: Annotated[int | None, option("--height", "In pixels.", min=150, max=10000)] = None,
    scale: ScaleOption = 2.0,
    select: SelectOption = None,
) -> None:
    """Write a figure as a file, and print its caption."""
    chosen = found(folders, select)
    from resray.export.figures import Look, export_figure

    look = Look(tuple(view or ()), theme, width, height, scale)
    path, caption = export_figure(
        output=output, figure=name, format=file_format, look=look, **chosen
    )
    print(f"{path}\n{caption}")


@app.command("all")
def everything(
    folders: FoldersArgument,
    output: Annotated[
        Path, path_option("--output", "The folder to write, with contents.md.", metavar="DIR")
    ],
    file_format: Annotated[
        str | None,
        option("--format", "Of tables, as of `table` (csv), or of figures, as of `figure` (svg)."),
    ] = None,
    theme: ThemeOption = "light",
    width: WidthOption = None,
    scale: ScaleOption = 2.0,
    select: SelectOption = None,
) -> None:
    """Write all tables and figures into a folder."""
    chosen = found(folders, select)
    from resray.export.everything import export_all
    from resray.export.figures import Look

    look = Look(theme=theme, width=width, scale=scale)
    print(export_all(output=output, format=file_format, look=look, **chosen))


@app.command("model")
def model(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT|RESULTS",
            help="A study's results, e.g. results/depth-family, or a checkpoint in them.",
            parser=lambda text: user_path(text, option="export model"),
        ),
    ],
    output: Annotated[
        Path | None, path_option("--output", "Write the folder here.", metavar="DIR")
    ] = None,
    hub: Annotated[
        str | None, option("--hub", "Upload it to the Hugging Face hub.", metavar="OWNER/NAME")
    ] = None,
    private: Annotated[bool, option("--private", "A new repository is private.")] = False,
    select: Annotated[str | None, option("--select", "The trial's name or id.")] = None,
    seed: Annotated[int | None, option("--seed", "The trial's seed.")] = None,
    checkpoint: CheckpointOption = "best",
    license_name: Annotated[
        str | None, option("--license", "For the model card, e.g. mit.")
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Write a trained network as a folder for the Hugging Face hub, or upload it."""
    if (output is None) == (hub is None):
        raise InputError("export model: type one of --output DIR and --hub OWNER/NAME")
    if private and hub is None:
        raise InputError("--private: only for --hub, not for --output")
    if path.suffix == ".pt":
        # As `bench` lays them: RESULTS/checkpoints/TRIAL_ID/NAME.pt.
        if select is not None or seed is not None or checkpoint != "best":
            raise InputError(
                f"export model: {path} says which trial and checkpoint; leave out --select, --seed "
                "and --checkpoint"
            )
        path, select, checkpoint = path.absolute().parents[2], path.parent.name, path.stem
    from resray.results.folders import require_results

    require_results(path)
    from resray.export.folder import export_folder, export_to_hub

    chosen: dict[str, Any] = {
        "select": select,
        "seed": seed,
        "checkpoint": checkpoint,
        "license_name": license_name,
        "trusted": trust,
    }
    if hub is not None:
        print(export_to_hub(path, hub, private=private, **chosen))
    elif output is not None:
        print(export_folder(path, output, **chosen))


def found(folders: list[str], select: list[str] | None) -> dict[str, Any]:
    """Return which results are exported, by the names that the functions of the room take."""
    from resray.results.folders import require_results

    names, paths = split_names(folders)
    require_results(*paths)
    return {"folders": paths, "names": names, "select": tuple(select or ())}
