"""Commands about networks and the machine: model, doctor."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from resray.cli.options import DataDirOption, TrustOption, option


def model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="resnet18, wrn-28-10, torchvision:NAME, timm:NAME, module:function"
        ),
    ],
    classes: Annotated[int, option("--classes", "Classes to tell apart.", min=1)] = 10,
    image_size: Annotated[int, option("--image-size", "Side of the images in pixels.", min=1)] = 32,
    depth: Annotated[int, option("--depth", "Levels of modules within modules.", min=1)] = 3,
    overrides: Annotated[
        list[str] | None,
        option("--set", "Change it: stem=imagenet; repeatable.", metavar="KEY=VALUE"),
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
