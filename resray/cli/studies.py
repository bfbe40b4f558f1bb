"""Commands about studies: list, show, bench."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from resray.cli.options import (
    AblateOption,
    DataDirOption,
    EpochsOption,
    LimitEvalOption,
    LimitTrainOption,
    QuickOption,
    SeedsOption,
    SelectOption,
    SetOption,
    StopAfterOption,
    StudyArgument,
    VariantOption,
    study_options,
)
from resray.errors import InputError

if TYPE_CHECKING:
    from resray.bench import Outcome
    from resray.orchestration.plan import Bench


def list_studies() -> None:
    """List the studies that come with resray."""
    from resray.study.load import load_study, study_files

    table = Table("study", "question", "trials", "variants", title_justify="left")
    for name in study_files():
        study = load_study(name)
        variants = ", ".join(study.variant_names)
        table.add_row(name, study.question, str(len(study.trial_names)), variants)
    Console().print(table)


def show(
    context: typer.Context,
    study: StudyArgument,
    select: SelectOption = None,
    ablate: AblateOption = None,
    variant: VariantOption = None,
    seeds: SeedsOption = None,
    overrides: SetOption = None,
    quick: QuickOption = False,
    epochs: EpochsOption = None,
    stop_after: StopAfterOption = None,
    limit_train: LimitTrainOption = None,
    limit_eval: LimitEvalOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show a study: its trials, how recipes differ, what was published, and what it will cost."""
    from resray.show import print_study

    print_study(study, study_options(context), Console())


def bench(
    context: typer.Context,
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]", help="A study's name (`resray list`) or a YAML file; or --all."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every study that comes with resray, one after another.")
    ] = False,
    select: SelectOption = None,
    ablate: AblateOption = None,
    variant: VariantOption = None,
    seeds: SeedsOption = None,
    overrides: SetOption = None,
    quick: QuickOption = False,
    epochs: EpochsOption = None,
    stop_after: StopAfterOption = None,
    limit_train: LimitTrainOption = None,
    limit_eval: LimitEvalOption = None,
    data_dir: DataDirOption = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus", help="GPUs to use in all (default: every GPU).")
    ] = None,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-trial",
            help="GPUs of one trial (default: all of them, data-parallel); a fraction packs "
            "several trials on one GPU.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Without GPUs: one-process slots (default: CPU cores)."),
    ] = None,
    workers_per_trial: Annotated[
        int | None,
        typer.Option("--workers-per-trial", help="Without GPUs: ranks of one trial (default: 1)."),
    ] = None,
    cpus_per_trial: Annotated[
        int | None,
        typer.Option(
            "--cpus-per-trial",
            help="CPU cores of one trial (default: cores divided by the trials side by side).",
        ),
    ] = None,
    max_failures: Annotated[
        int,
        typer.Option("--max-failures", min=0, help="Restarts of a trial whose process dies."),
    ] = 3,
    address: Annotated[
        str | None, typer.Option("--address", help="Join the running Ray cluster there.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for results/STUDY/ and reports/STUDY.html.")
    ] = Path(),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and start nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run finished trials anew; their results are replaced.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the outcome as JSON; progress goes to stderr.")
    ] = False,
) -> None:
    """Run a study's trials in parallel and write its results and its report.

    Finished trials are skipped, interrupted ones go on from their checkpoint.
    """
    from resray import bench as library

    if dry_run and as_json:
        raise InputError("--json: there is no outcome yet with --dry-run; leave out one of them")
    asked = [asked_for(name, context) for name in chosen_studies(study, every, context.params)]
    library.check_all(asked)
    if dry_run:
        for one in asked:
            library.dry_run(one, Console())
        return
    outcomes = []
    for one in asked:
        with duplicate(2 if as_json else 1) as file:
            outcomes.append(library.run_bench(one, Console(file=file)))
        if not as_json:
            print_outcome(outcomes[-1])
    if as_json:
        facts = [outcome_facts(outcome) for outcome in outcomes]
        print(json.dumps(facts if every else facts[0], default=str, indent=2))
    raise typer.Exit(max(outcome.exit_code for outcome in outcomes))


def chosen_studies(study: str | None, every: bool, typed: Mapping[str, Any]) -> list[str]:
    """Return the study that was named, or all shipped ones.

    Raises InputError for both or none, and for options beside ``--all`` that fit one study only.
    """
    from resray.study.load import study_files

    if every == (study is not None):
        names = ", ".join(study_files())
        wish = f"name one study ({names}, or a YAML file), or type --all"
        raise InputError(f"bench: {wish}{', not both' if every else ''}")
    for option in ("select", "ablate", "variant"):
        if every and typed[option]:
            raise InputError(f"--{option}: for one study only; name it in place of --all")
    return list(study_files()) if study is None else [study]


def asked_for(study: str, context: typer.Context) -> "Bench":
    """Return what the command line asks to run of a study."""
    from resray.orchestration.plan import Bench
    from resray.orchestration.resources import Request

    typed = context.params
    shares = ("gpus", "gpus_per_trial", "workers", "workers_per_trial", "cpus_per_trial")
    return Bench(
        study=study,
        options=study_options(context),
        request=Request(**{key: typed[key] for key in shares}),
        **{key: typed[key] for key in ("data_dir", "out", "address", "max_failures", "force")},
    )


def duplicate(descriptor: int) -> Any:
    """Return a file of its own on stdout (1) or stderr (2), which stays when Ray's output moves."""
    return os.fdopen(os.dup(descriptor), "w", buffering=1)


def outcome_facts(outcome: "Outcome") -> dict[str, Any]:
    """Return what came of a bench for ``--json``."""
    return {
        "results": str(outcome.results),
        "report": str(outcome.report),
        "exit_code": outcome.exit_code,
        "summary": outcome.summary,
        "skipped": outcome.skipped,
        "trials": outcome.trials,
    }


def print_outcome(outcome: "Outcome") -> None:
    """Print what came of a bench, for people."""
    states = ", ".join(f"{count} {state}" for state, count in outcome.summary.items())
    skipped = f" ({outcome.skipped} had ended before)" if outcome.skipped else ""
    for row in outcome.trials:
        if row["status"] == "failed":
            print(
                f"{row['name']} (seed {row['seed']}): {row['error_class']}: {row['error_message']}"
            )
    print(f"{states}{skipped}\nResults: {outcome.results}\nReport:  {outcome.report}")
