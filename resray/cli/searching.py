"""Commands about searches: tune, best."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from resray.cli.options import (
    AddressOption,
    CpusPerTrialOption,
    DataDirOption,
    DryRunOption,
    EpochsOption,
    ForceOption,
    GpusOption,
    GpusPerTrialOption,
    JsonOption,
    LimitEvalOption,
    LimitTrainOption,
    MaxFailuresOption,
    OutOption,
    QuickOption,
    SetOption,
    StudyArgument,
    VariantOption,
    WorkersOption,
    WorkersPerTrialOption,
    refuse_both,
    run_request,
    study_options,
)
from resray.cli.outcomes import duplicate, outcome_facts, print_outcome
from resray.cli.search_options import (
    AuditOption,
    ConfirmOption,
    FailFastOption,
    GraceOption,
    MaxCostOption,
    MaxGpuHoursOption,
    MethodOption,
    OneSeedOption,
    PricePerGpuHourOption,
    ReductionFactorOption,
    RungScheduleOption,
    SamplesOption,
    SchedulerOption,
    SearchSeedOption,
    SpaceOption,
    TimeBudgetOption,
)
from resray.errors import InputError

if TYPE_CHECKING:
    from resray.report.search import Search
    from resray.search.budget import Budget
    from resray.tune import Tune, TuneOutcome

SETTINGS = ("method", "samples", "seed", "scheduler", "grace", "reduction_factor", "rung_schedule",
            "confirm", "audit")  # fmt: skip
"""Options that take the place of what the study file says under ``search``."""


def tune(
    context: typer.Context,
    study: StudyArgument,
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
    variant: VariantOption = None,
    overrides: SetOption = None,
    quick: QuickOption = False,
    epochs: EpochsOption = None,
    limit_train: LimitTrainOption = None,
    limit_eval: LimitEvalOption = None,
    data_dir: DataDirOption = None,
    gpus: GpusOption = None,
    gpus_per_trial: GpusPerTrialOption = None,
    workers: WorkersOption = None,
    workers_per_trial: WorkersPerTrialOption = None,
    cpus_per_trial: CpusPerTrialOption = None,
    max_failures: MaxFailuresOption = 3,
    fail_fast: FailFastOption = False,
    address: AddressOption = None,
    out: OutOption = Path(),
    dry_run: DryRunOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search a study's space: train many recipes, stop the worse ones early, confirm the winner.

    Selects on validation; only the winner, trained anew with fresh seeds, is tested. The same
    command goes on where an earlier one ended, and runs only what is new when the search has grown.
    """
    refuse_both(dry_run, as_json)
    asked = asked_for(context)
    from resray import tune as library

    if dry_run:
        library.dry_run(asked, Console())
        return
    with duplicate(2 if as_json else 1) as file:
        outcome = library.run_tune(asked, Console(file=file))
    if as_json:
        print(json.dumps(tune_facts(outcome), default=str, indent=2))
    else:
        print_tuned(outcome)
    raise typer.Exit(outcome.exit_code)


def asked_for(context: typer.Context) -> "Tune":
    """Return what the command line asks to search. Raises InputError for what it cannot mean."""
    typed = context.params
    options, budget = study_options(context), budget_from(typed)
    if options.seeds is not None and len(options.seeds) > 1:
        raise InputError(
            f"--seeds {typed['seeds']}: a search trains each point with one seed; give one, and "
            "choose with --confirm how many fresh ones the winner gets"
        )
    from resray.tune import Tune

    passed_on = ("study", "data_dir", "out", "address", "max_failures", "fail_fast", "force")
    return Tune(
        options=options,
        settings={key: typed[key] for key in SETTINGS if typed[key] is not None},
        spaces=tuple(typed["spaces"] or ()),
        request=run_request(context),
        budget=budget,
        **{key: typed[key] for key in passed_on},
    )


def budget_from(typed: dict[str, Any]) -> "Budget":
    """Return what the search may spend, from the options of a command."""
    from resray.search.budget import Budget, parse_duration

    time = typed["time_budget"]
    return Budget(
        seconds=None if time is None else parse_duration(time),
        gpu_hours=typed["max_gpu_hours"],
        cost=typed["max_cost"],
        price_per_gpu_hour=typed["price_per_gpu_hour"],
    )


def tune_facts(outcome: "TuneOutcome") -> dict[str, Any]:
    """Return what came of a search for ``--json``."""
    from resray.report.search_cost import DECIDED, spent_on

    search = reported(outcome)
    shares = spent_on(search.of_state(*DECIDED)).shares if search else None
    return {
        **outcome_facts(outcome),
        "best": outcome.best,
        "confirmations": outcome.confirmations,
        "share_of_compute": shares[1] if shares else None,
        "gpu_hours": outcome.gpu_hours,
        "cost": outcome.cost,
        "notes": list(outcome.notes),
    }


def reported(outcome: "TuneOutcome") -> "Search | None":
    """Return the search as its report has it."""
    from resray.report.aggregate import load_results
    from resray.report.search import search_of

    rows = [*outcome.trials, *outcome.confirmations]
    return search_of(load_results(outcome.results, [row["trial_id"] for row in rows]))


def print_tuned(outcome: "TuneOutcome") -> None:
    """Print what came of a search, for people."""
    from resray.best import mean_and_spread
    from resray.report.search_words import savings
    from resray.report.statistics import summarise

    for note in outcome.notes:
        print(note)
    if (won := outcome.best) is not None:
        values = ", ".join(f"{axis}: {value}" for axis, value in json.loads(won["point"]).items())
        print(f"Best:    {values}\n         validation accuracy {won['validation_accuracy']:.2f} %")
    if tested := summarise(row["test_accuracy"] for row in outcome.confirmations):
        print(f"Test:    {mean_and_spread(tested)} with fresh seeds (n = {tested.n})")
    search = reported(outcome)
    if search and (saved := savings(search)):
        print(saved.replace("\u00a0", " "))
    if outcome.gpu_hours:
        cost = "" if outcome.cost is None else f", {outcome.cost:.2f} at the given price"
        print(f"Spent:   {outcome.gpu_hours:.2f} GPU-hours{cost}")
    print_outcome(outcome)


def best(
    study: Annotated[
        str,
        typer.Argument(metavar="STUDY", help="A study's name, its YAML file or its results."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--out-file", help="The study file to write (default: STUDY-best.yaml)."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="The folder that holds results/STUDY/, as for `tune`.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that says something else.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print the winner of a search, and write its recipe as a study file that `bench` takes."""
    from resray import best as library

    found = library.find_best(study, out)
    if as_json:
        written = library.write_best(found, output, force=force)
        facts = {**library.best_facts(found), "study_file": str(written)}
        print(json.dumps(facts, default=str, indent=2))
        return
    library.print_best(found, Console())
    written = library.write_best(found, output, force=force)
    print(f"\n{written}: train it with `resray bench {written}`")
