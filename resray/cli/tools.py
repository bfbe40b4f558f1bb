"""Commands about networks and the machine: model, doctor."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from resray.cli.options import DataDirOption, TrustOption


def model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="resnet18, wrn-28-10, torchvision:NAME, timm:NAME, module:function"
        ),
    ],
    classes: Annotated[int, typer.Option("--classes", min=1, help="Classes to tell apart.")] = 10,
    image_size: Annotated[
        int, typer.Option("--image-size", min=1, help="Side of the images in pixels.")
    ] = 32,
    depth: Annotated[
        int, typer.Option("--depth", min=1, help="Levels of modules within modules.")
    ] = 3,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change it: stem=imagenet; repeatable."),
    ] = None,
    trust: TrustOption = False,
) -> None:
    """Show a network layer by layer: output shapes, parameters and multiply-adds."""
    from resray.model_table import print_model
    from resray.study.overrides import model_from

    spec = model_from(name, overrides or [])
    print_model(spec, classes, image_size, Console(), depth, trusted=trust)


def doctor(data_dir: DataDirOption = None) -> None:
    """Say what is installed, what the machine can do, and what is missing."""
    from resray.doctor import diagnose

    checks = diagnose(data_dir)
    table = Table("check", "state", "found", "what to do")
    colours = {"ok": "green", "warning": "yellow", "missing": "red"}
    for check in checks:
        state = f"[{colours[check.state]}]{check.state}[/]"
        table.add_row(check.name, state, check.found, check.advice)
    Console().print(table)
    raise typer.Exit(1 if any(check.state == "missing" for check in checks) else 0)
