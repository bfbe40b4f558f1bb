"""Options that only `resray tune` has, in the groups of its help."""

from functools import partial
from typing import Annotated

from resray.cli.options import option

searched = partial(option, rich_help_panel="What is searched")
stopped = partial(option, rich_help_panel="What is stopped early")
after = partial(option, rich_help_panel="After the search")
budgeted = partial(option, rich_help_panel="Budget")

SpaceOption = Annotated[
    list[str] | None,
    searched(
        "--space",
        "Only spaces whose name matches (`resray show STUDY`); repeatable.",
        metavar="GLOB",
    ),
]
MethodOption = Annotated[
    str | None,
    searched(
        "--method",
        "Every combination, points drawn at random, or proposed by Optuna.",
        metavar="grid|random|tpe",
    ),
]
SamplesOption = Annotated[
    int | None,
    searched(
        "--samples",
        "grid: draws of what is no grid, for each combination; else: points in all.",
        min=1,
    ),
]
SearchSeedOption = Annotated[
    int | None,
    searched(
        "--seed", "Of drawing, order and audit: the same seed searches the same points.", min=0
    ),
]
OneSeedOption = Annotated[
    str | None,
    searched(
        "--seeds", "The one seed of all trainings (default: the study's first).", metavar="SEED"
    ),
]
SchedulerOption = Annotated[
    str | None,
    stopped(
        "--scheduler", "Who stops trials: see docs/search.md.", metavar="asha|halving|median|none"
    ),
]
GraceOption = Annotated[int | None, stopped("--grace", "Epochs before the first decision.", min=1)]
ReductionFactorOption = Annotated[
    int | None,
    stopped(
        "--reduction-factor",
        "One of so many goes on, to a rung that is so many times longer.",
        min=2,
    ),
]
RungScheduleOption = Annotated[
    str | None,
    stopped(
        "--rung-schedule",
        "A rung looks into the full schedule, or trains one of its own length.",
        metavar="full|rescaled",
    ),
]
ConfirmOption = Annotated[
    int | None,
    after("--confirm", "Fresh seeds with which the winner is trained in full and tested.", min=0),
]
AuditOption = Annotated[
    int | None,
    after(
        "--audit", "Stopped trials, drawn at random, that are trained to the end after all.", min=0
    ),
]
TimeBudgetOption = Annotated[
    str | None,
    budgeted("--time-budget", "Of this command; what runs then is stopped.", metavar="2h30m"),
]
MaxGpuHoursOption = Annotated[
    float | None, budgeted("--max-gpu-hours", "Of the whole search, whichever command spent them.")
]
MaxCostOption = Annotated[
    float | None, budgeted("--max-cost", "The same in money; needs --price-per-gpu-hour.")
]
PricePerGpuHourOption = Annotated[
    float | None,
    budgeted("--price-per-gpu-hour", "What a GPU costs in an hour; shows what was spent."),
]
FailFastOption = Annotated[
    bool, option("--fail-fast", "End the search when a trial fails, other than by diverging.")
]
