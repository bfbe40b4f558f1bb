"""Commands about searches: tune, best."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from resray.cli import options as shared
from resray.cli.display import duplicate
from resray.cli.options import option
from resray.cli.studies import outcome_facts, print_outcome, readable
from resray.errors import InputError
from resray.hints import command
from resray.models.table import runs_own_code

if TYPE_CHECKING:
    from resray.analysis.search import Search
    from resray.run.command import Outcome
    from resray.run.request import Request

SETTINGS = ("method", "samples", "seed", "scheduler", "grace", "reduction_factor", "rung_schedule",
            "confirm", "audit")  # fmt: skip
"""Options that take the place of what the study file says under ``search``."""

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
        "Every combination, points drawn at random, proposed by Optuna, or by the Ray Searcher "
        "that module:function returns (--trust).",
        metavar="grid|random|tpe|…",
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
        "--scheduler",
        "Who stops trials, or the Ray TrialScheduler that module:function returns (--trust): see "
        "docs/search.md.",
        metavar="asha|halving|median|none|…",
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
        "A rung looks into the full schedule or (halving) trains one of its own length.",
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


def tune(
    context: typer.Context,
    study: shared.StudyArgument,
    spaces: SpaceOption = None,
    method: MethodOption = None,
    samples: SamplesOption = None,
    seed: SearchSeedOption = None,
    seeds: OneSeedOption = None,
    scheduler: SchedulerOption = None,
    grace: GraceOption = None,
    reduction_factor: ReductionFactorOption = None,
    rung_schedule: RungScheduleOption = None,
    confirm: ConfirmOption = None,
    audit: AuditOption = None,
    time_budget: TimeBudgetOption = None,
    max_gpu_hours: MaxGpuHoursOption = None,
    max_cost: MaxCostOption = None,
    price_per_gpu_hour: PricePerGpuHourOption = None,
    variant: shared.VariantOption = None,
    overrides: shared.SetOption = None,
    quick: shared.QuickOption = False,
    epochs: shared.EpochsOption = None,
    limit_train: shared.LimitTrainOption = None,
    limit_eval: shared.LimitEvalOption = None,
    data_dir: shared.DataDirOption = None,
    gpus: shared.GpusOption = None,
    gpus_per_trial: shared.GpusPerTrialOption = None,
    workers: shared.WorkersOption = None,
    workers_per_trial: shared.WorkersPerTrialOption = None,
    cpus_per_trial: shared.CpusPerTrialOption = None,
    max_failures: shared.MaxFailuresOption = 3,
    checkpoint_seconds: shared.CheckpointSecondsOption = 20.0,
    stall_timeout: shared.StallTimeoutOption = "30m",
    fail_fast: FailFastOption = False,
    address: shared.AddressOption = None,
    out: shared.OutOption = Path(),
    trust: shared.TrustOption = False,
    dry_run: shared.DryRunOption = False,
    force: shared.ForceOption = False,
    as_json: shared.JsonOption = False,
) -> None:
    """Search a study's space: train many recipes, stop the worse ones early, confirm the winner.

    Selects on validation; only the winner, trained anew with fresh seeds, is tested. The same
    command goes on where an earlier one ended, and runs only what is new when the search has grown.
    """
    shared.refuse_both(dry_run, as_json)
    asked = asked_for(context)
    from resray.run import command as library

    if dry_run:
        library.dry_run(asked, Console())
        return
    with duplicate(2 if as_json else 1) as file:
        outcome = library.run(asked, Console(file=file))
    if as_json:
        print(json.dumps(tune_facts(outcome), default=str, indent=2))
    else:
        print_tuned(outcome)
    raise typer.Exit(outcome.exit_code)


def asked_for(context: typer.Context) -> "Request":
    """Return what the command line asks to search. Raises InputError for what it cannot mean."""
    from resray.run.request import Request, SearchOptions
    from resray.search.budget import Budget, parse_duration

    typed = context.params
    options, time = shared.study_options(context), typed["time_budget"]
    budget = Budget(
        seconds=None if time is None else parse_duration(time),
        gpu_hours=typed["max_gpu_hours"],
        cost=typed["max_cost"],
        price_per_gpu_hour=typed["price_per_gpu_hour"],
    )
    if options.seeds is not None and len(options.seeds) > 1:
        raise InputError(
            f"--seeds {typed['seeds']}: a search trains each point with one seed; give one, and "
            "choose with --confirm how many fresh ones the winner gets"
        )
    search = SearchOptions(
        settings={key: typed[key] for key in SETTINGS if typed[key] is not None},
        spaces=tuple(typed["spaces"] or ()),
        budget=budget,
        fail_fast=typed["fail_fast"],
    )
    return Request(
        study=typed["study"],
        options=options,
        shares=shared.run_shares(context),
        search=search,
        stall_timeout=shared.parse_stall_timeout(typed["stall_timeout"]),
        **{key: typed[key] for key in shared.PASSED_ON},
    )


def tune_facts(outcome: "Outcome") -> dict[str, Any]:
    """Return what came of a search for ``--json``."""
    search = reported(outcome)
    return {
        **outcome_facts(outcome),
        "trials": [readable(row) for row in outcome.trials],
        "best": readable(outcome.best) if outcome.best else None,
        "confirmations": [readable(row) for row in outcome.confirmations],
        **(search_facts(search) if search else {}),
        "gpu_hours": outcome.gpu_hours,
        "cost": outcome.cost,
        "notes": list(outcome.notes),
    }


def search_facts(search: "Search") -> dict[str, Any]:
    """Return what became of a search's points, what they cost, and what its audit found."""
    from resray.analysis.search import STATES
    from resray.analysis.search_cost import DECIDED, audit_of, spent_on

    audit = audit_of(search)
    sampled = audit.sampled(search.audit_began)
    found = {
        "trained": audit.audited,
        "would_have_won": audit.won,
        "regret": audit.regret,
        "population": sampled.stopped,
        "at_most": sampled.most if sampled.audited else None,
    }
    return {
        "points": {state: len(search.of_state(state)) for state in STATES},
        "share_of_compute": spent_on(search.of_state(*DECIDED)).shares[1],
        "audit": found if audit.audited else None,
    }


def reported(outcome: "Outcome") -> "Search | None":
    """Return the search as its report has it."""
    from resray.analysis.results import Analysis
    from resray.analysis.search import search_of

    return search_of(
        Analysis.of(outcome.results, trial_ids=[row["trial_id"] for row in outcome.rows])
    )


def print_tuned(outcome: "Outcome") -> None:
    """Print what came of a search, for people."""
    from resray.report import search_words as words

    search = reported(outcome)
    for note in outcome.notes:
        print(note)
    if (won := outcome.best) is not None:
        values = ", ".join(f"{axis}: {value}" for axis, value in json.loads(won["point"]).items())
        print(f"Best:    {values}\n         validation accuracy {won['validation_accuracy']:.2f} %")
    for sentence in sentences(search) if search else ():
        print(sentence.replace("\u00a0", " "))
    if outcome.gpu_hours:
        cost = "" if outcome.cost is None else f", {outcome.cost:.2f} at the given price"
        print(f"Spent:   {outcome.gpu_hours:.2f} GPU-hours{cost}, by all searches in this folder")
    states = (words.outcome(search), words.confirmation_states(search)) if search else ()
    print_outcome(outcome, " ".join(filter(None, states)) or None)


def sentences(search: "Search") -> Iterator[str]:
    """Yield what the report says of the winner's confirmation, of the cost and of the audit."""
    from resray.analysis.search_cost import audit_of
    from resray.report import search_words as words

    if search.won is not None:
        yield words.confirmation_words(search)
    if saved := words.savings(search):
        yield saved
    if search.won is not None and audit_of(search).audited:
        yield from words.audit_words(search)


def best(
    study: Annotated[
        str,
        typer.Argument(metavar="STUDY", help="A study's name, its YAML file or its results."),
    ],
    output: Annotated[
        Path | None,
        shared.path_option("--out-file", "The study file to write (default: STUDY-best.yaml)."),
    ] = None,
    out: Annotated[
        Path, shared.path_option("--out", "The folder that holds results/STUDY/, as for `tune`.")
    ] = Path(),
    force: Annotated[bool, option("--force", "Replace a file that says something else.")] = False,
    as_json: Annotated[bool, option("--json", "Print it as JSON.")] = False,
) -> None:
    """Print the winner of a search, and write its recipe as a study file that `bench` takes."""
    from resray.results.folders import results_of

    folder = results_of(study, out)
    from resray.cli.best import print_winner, trial_rows, winner_facts
    from resray.search.winner import find_winner
    from resray.search.winner_file import write_winner

    winner = find_winner(folder, trial_rows(folder))
    if as_json:
        written = write_winner(winner, output, force=force)
        print(json.dumps(winner_facts(winner, written), default=str, indent=2))
        return
    print_winner(winner, Console())
    written = write_winner(winner, output, force=force)
    trust = runs_own_code(winner.recipe.model.name)
    train = command("bench", written, data_dir=winner.row.get("data_dir"), trust=trust)
    print(f"\n{written}: train it with `{train}`")
