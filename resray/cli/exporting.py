"""The command that writes results for elsewhere: tables, figures, trained networks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from resray.cli.options import SelectOption, TrustOption, option, path_option
from resray.cli.reporting import split_names
from resray.cli.results import CheckpointOption
from resray.errors import InputError

NETWORK = ("--hub-dir", "--hub")
FILES = ("--output",)


def export(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH...",
            help="A study's results, e.g. results/depth-family; several, as for report, for "
            "tables and figures.",
        ),
    ],
    output: Annotated[
        Path | None,
        path_option("--output", "Write a table or a figure to this file (--all: folder)."),
    ] = None,
    list_names: Annotated[
        bool, option("--list", "Name the tables and figures of these results.")
    ] = False,
    table: Annotated[
        list[str] | None,
        option("--table", "The table to write (default: epochs).", metavar="NAME"),
    ] = None,
    figure: Annotated[
        list[str] | None, option("--figure", "Write this figure.", metavar="NAME")
    ] = None,
    everything: Annotated[
        bool, option("--all", "Write all tables and figures into the folder --output.")
    ] = False,
    file_format: Annotated[
        str | None,
        option(
            "--format",
            "Of tables: csv, json, markdown, latex; of figures: png, svg, json, csv "
            "(default: by the suffix).",
        ),
    ] = None,
    view: Annotated[
        list[str] | None,
        option(
            "--view",
            "Draw the figure with this switch so, e.g. quantity=loss; repeatable.",
            metavar="SWITCH=OPTION",
        ),
    ] = None,
    theme: Annotated[str, option("--theme", "Of figures: light or dark.")] = "light",
    width: Annotated[
        int | None, option("--width", "Of a figure, in pixels.", min=300, max=10000)
    ] = None,
    height: Annotated[
        int | None, option("--height", "Of a figure, in pixels.", min=150, max=10000)
    ] = None,
    scale: Annotated[
        float,
        option("--scale", "A PNG's pixels for one of its width.", min=0.5, max=10),
    ] = 2.0,
    select: SelectOption = None,
    hub: Annotated[
        str | None, option("--hub", "Upload a trained network.", metavar="OWNER/NAME")
    ] = None,
    hub_dir: Annotated[
        Path | None, path_option("--hub-dir", "Write the same folder without uploading.")
    ] = None,
    seed: Annotated[int | None, option("--seed", "Of the network to share.")] = None,
    checkpoint: CheckpointOption = "best",
    license_name: Annotated[
        str | None, option("--license", "For the model card, e.g. mit.")
    ] = None,
    trust: TrustOption = False,
    private: Annotated[bool, option("--private", "A new repository is private.")] = False,
) -> None:
    """Share results: a table or a figure as a file, or a trained network as a folder or on the
    hub."""
    names, folders = split_names(paths)
    only_one = {"table": single("--table", table), "figure": single("--figure", figure)}
    typed = {**context.params, **only_one, "paths": folders, "names": names}
    target = check_export(typed)
    from resray.results.folders import require_results

    require_results(*folders)
    if target == "--list":
        from resray.export.everything import listing

        print("\n".join(listing(folders, select or (), names)))
    elif target == "--output":
        export_files(typed)
    else:
        export_network(typed)


def single(name: str, values: list[str] | None) -> str | None:
    """Return an option's value; raise InputError if it was typed twice, of which one would win."""
    if values and len(values) > 1:
        raise InputError(f"{name}: a file holds one; --all writes them all into a folder")
    return values[0] if values else None


def export_files(typed: dict[str, Any]) -> None:
    """Write a table, a figure, or all of them."""
    from resray.export.everything import export_all
    from resray.export.figures import Look, export_figure
    from resray.export.tables import EPOCHS, export_table

    paths, output = typed["paths"], typed["output"]
    chosen: dict[str, Any] = {
        "format": typed["file_format"],
        "select": tuple(typed["select"] or ()),
        "names": typed["names"],
    }
    look = Look(
        views=tuple(typed["view"] or ()),
        **{key: typed[key] for key in ("theme", "width", "height", "scale")},
    )
    if typed["everything"]:
        print(export_all(paths, output, look=look, **chosen))
    elif typed["figure"] is not None:
        path, caption = export_figure(paths, output, figure=typed["figure"], look=look, **chosen)
        print(f"{path}\n{caption}")
    else:
        print(export_table(paths, output, table=typed["table"] or EPOCHS, **chosen))


def export_network(typed: dict[str, Any]) -> None:
    """Write a trained network to a folder, or upload it."""
    paths, select = typed["paths"], typed["select"] or ()
    if len(paths) > 1:
        raise InputError("export: a network is shared from the results of one folder; name one")
    if len(select) > 1:
        raise InputError("--select: a single trial is shared; name one")
    chosen: dict[str, Any] = {
        "select": select[0] if select else None,
        "seed": typed["seed"],
        "checkpoint": typed["checkpoint"],
        "license_name": typed["license_name"],
        "trusted": typed["trust"],
    }
    if typed["hub"] is not None:
        from resray.export.folder import export_to_hub

        print(export_to_hub(paths[0], typed["hub"], private=typed["private"], **chosen))
    else:
        from resray.export.folder import export_folder

        print(export_folder(paths[0], typed["hub_dir"], **chosen))


def check_export(typed: dict[str, Any]) -> str:
    """Return the target that was typed: --output, --list, --hub-dir or --hub.

    Raises InputError unless there is one, and for options that mean nothing beside it.
    """
    targets = {"--output": typed["output"], "--hub-dir": typed["hub_dir"], "--hub": typed["hub"],
               "--list": typed["list_names"] or None}  # fmt: skip
    chosen = [name for name, value in targets.items() if value is not None]
    if len(chosen) != 1:
        raise InputError(
            "export: type one of --output FILE, --hub-dir DIR and --hub OWNER/NAME, or --list"
        )
    for name, (value, meant_for) in only_for(typed).items():
        if value and chosen[0] not in meant_for:
            raise InputError(f"{name}: only for {' and '.join(meant_for)}, not for {chosen[0]}")
    check_content(typed)
    return chosen[0]


def only_for(typed: dict[str, Any]) -> dict[str, tuple[Any, tuple[str, ...]]]:
    """Return, for options that not every target has, whether they were typed, and the targets."""
    return {
        "--format": (typed["file_format"], FILES),
        "--table": (typed["table"], FILES),
        "--figure": (typed["figure"], FILES),
        "--all": (typed["everything"], FILES),
        "--private": (typed["private"], ("--hub",)),
        "--seed": (typed["seed"] is not None, NETWORK),
        "--license": (typed["license_name"], NETWORK),
        "--trust": (typed["trust"], NETWORK),
        "--checkpoint": (typed["checkpoint"] != "best", NETWORK),
    }


def check_content(typed: dict[str, Any]) -> None:
    """Raise InputError for two contents of one file, and a look for what has none."""
    contents = {
        "--table": typed["table"],
        "--figure": typed["figure"],
        "--all": typed["everything"],
    }
    chosen = [name for name, value in contents.items() if value]
    if len(chosen) > 1:
        raise InputError(f"export: type one of {' and '.join(chosen)}")
    look = {"--view": typed["view"], "--theme": typed["theme"] != "light",
            "--width": typed["width"], "--height": typed["height"],
            "--scale": typed["scale"] != 2}  # fmt: skip
    for name, value in look.items():
        drawn = ["--figure"] if name in ("--view", "--height") else ["--figure", "--all"]
        if value and (not chosen or chosen[0] not in drawn):
            raise InputError(f"{name}: only for {' and '.join(drawn)}")
