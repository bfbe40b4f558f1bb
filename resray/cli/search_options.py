"""Options that only `resray tune` has, in the groups of its help."""

from typing import Annotated

import typer

SEARCH = "What is searched"
STOPPING = "What is stopped early"
AFTER = "After the search"
BUDGET = "Budget"

SpaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        metavar="GLOB",
        help="Only spaces whose name matches (`resray show STUDY`); repeatable.",
        rich_help_panel=SEARCH,
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="grid|random|tpe",
        help="Every combination, points drawn at random, or proposed by Optuna.",
        rich_help_panel=SEARCH,
    ),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        "--samples",
        min=1,
        help="grid: draws of what is no grid, for each combination; else: points in all.",
        rich_help_panel=SEARCH,
    ),
]
SearchSeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Of drawing, order and audit: the same seed searches the same points.",
        rich_help_panel=SEARCH,
    ),
]
OneSeedOption = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        metavar="SEED",
        help="The one seed of all trainings (default: the study's first).",
        rich_help_panel=SEARCH,
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="asha|halving|median|none",
        help="Who stops trials: see docs/search.md.",
        rich_help_panel=STOPPING,
    ),
]
GraceOption = Annotated[
    int | None,
    typer.Option(
        "--grace",
        min=1,
        help="Epochs before the first decision.",
        rich_help_panel=STOPPING,
    ),
]
ReductionFactorOption = Annotated[
    int | None,
    typer.Option(
        "--reduction-factor",
        min=2,
        help="One of so many goes on, to a rung that is so many times longer.",
        rich_help_panel=STOPPING,
    ),
]
RungScheduleOption = Annotated[
    str | None,
    typer.Option(
        "--rung-schedule",
        metavar="full|rescaled",
        help="A rung looks into the full schedule, or trains one of its own length.",
        rich_help_panel=STOPPING,
    ),
]
ConfirmOption = Annotated[
    int | None,
    typer.Option(
        "--confirm",
        min=0,
        help="Fresh seeds with which the winner is trained in full and tested.",
        rich_help_panel=AFTER,
    ),
]
AuditOption = Annotated[
    int | None,
    typer.Option(
        "--audit",
        min=0,
        help="Stopped trials, drawn at random, that are trained to the end after all.",
        rich_help_panel=AFTER,
    ),
]
TimeBudgetOption = Annotated[
    str | None,
    typer.Option(
        "--time-budget",
        metavar="2h30m",
        help="Of this command; what runs then is stopped.",
        rich_help_panel=BUDGET,
    ),
]
MaxGpuHoursOption = Annotated[
    float | None,
    typer.Option(
        "--max-gpu-hours",
        help="Of the whole search, whichever command spent them.",
        rich_help_panel=BUDGET,
    ),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        help="The same in money; needs --price-per-gpu-hour.",
        rich_help_panel=BUDGET,
    ),
]
PricePerGpuHourOption = Annotated[
    float | None,
    typer.Option(
        "--price-per-gpu-hour",
        help="What a GPU costs in an hour; shows what was spent.",
        rich_help_panel=BUDGET,
    ),
]
FailFastOption = Annotated[
    bool,
    typer.Option("--fail-fast", help="End the search when a trial fails, other than by diverging."),
]
