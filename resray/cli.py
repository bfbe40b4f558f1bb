"""The command line: parse, call one library function, print.

Torch and Ray are imported inside the commands that need them, so that `resray --help` answers at
once.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from resray.errors import InputError, ResrayError

if TYPE_CHECKING:
    from resray.bench import Outcome
    from resray.orchestration.plan import Bench
    from resray.study.expand import Options

app = typer.Typer(
    name="resray",
    help="Parallel, resumable, statistically honest benchmarks of the ResNet family on CIFAR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name (`resray list`) or a YAML file.")
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="RESRAY_DATA_DIR",
        help="The dataset, or the folder that holds cifar10/ and cifar100/. "
        "Without it CIFAR is downloaded on first use.",
    ),
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="GLOB", help="Only trials whose name matches; repeatable."),
]
VariantOption = Annotated[
    str | None, typer.Option("--variant", help="A variant of the study (`resray show STUDY`).")
]
SeedsOption = Annotated[
    str | None, typer.Option("--seeds", metavar="0,1,2", help="Seeds, separated by commas.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change the recipe: optimizer.lr=0.05; repeatable."
    ),
]
QuickOption = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="Minutes on two CPU cores: few epochs, few images; embedded ones if no "
        "--data-dir is given.",
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option("--epochs", min=1, help="Rescale the recipe (schedule, warm-up) to N epochs."),
]
StopAfterOption = Annotated[
    int | None,
    typer.Option("--stop-after", min=1, help="Only the first N epochs of the unchanged recipe."),
]
LimitTrainOption = Annotated[
    int | None, typer.Option("--limit-train", min=1, help="Class-balanced training images.")
]
LimitEvalOption = Annotated[
    int | None,
    typer.Option("--limit-eval", min=1, help="Class-balanced images of validation and of test."),
]


@app.command("list")
def list_studies() -> None:
    """List the studies that come with resray."""
    from resray.study.load import load_study, study_files

    table = Table("study", "question", "trials", "variants", title_justify="left")
    for name in study_files():
        study = load_study(name)
        variants = ", ".join([study.default_variant, *study.variants])
        table.add_row(name, study.question, str(len(study.trial_names)), variants)
    Console().print(table)


@app.command()
def show(
    study: StudyArgument,
    select: SelectOption = None,
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

    options = make_options(
        select,
        variant,
        seeds,
        overrides,
        quick,
        data_dir,
        epochs,
        stop_after,
        limit_train,
        limit_eval,
    )
    print_study(study, options, Console())


@app.command()
def bench(
    study: StudyArgument,
    select: SelectOption = None,
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
    from resray.orchestration.plan import Bench
    from resray.orchestration.resources import Request

    asked = Bench(
        study=study,
        options=make_options(
            select,
            variant,
            seeds,
            overrides,
            quick,
            data_dir,
            epochs,
            stop_after,
            limit_train,
            limit_eval,
        ),
        request=Request(gpus, gpus_per_trial, workers, workers_per_trial, cpus_per_trial),
        data_dir=data_dir,
        out=out,
        address=address,
        max_failures=max_failures,
        force=force,
    )
    if dry_run and as_json:
        raise InputError("--json: there is no outcome yet with --dry-run; leave out one of them")
    if dry_run:
        library.dry_run(asked, Console())
        return
    with duplicate(2 if as_json else 1) as file:
        outcome = library.run_bench(asked, Console(file=file))
    print_outcome(asked, outcome, as_json)
    raise typer.Exit(outcome.exit_code)


@app.command()
def report(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A study's results, e.g. results/depth-family.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The HTML file (default: reports/STUDY.html)."),
    ] = None,
) -> None:
    """Write the HTML report of all results in a folder."""
    from resray.report.page import write_report

    beside = path.resolve().parent.name == "results"
    folder = path.resolve().parents[1] / "reports" if beside else Path("reports")
    target = output or folder / f"{path.resolve().name}.html"
    try:
        print(write_report(path, target))
    except OSError as error:
        raise InputError(f"--output {target}: cannot be written ({error.strerror})") from error


@app.command()
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


def make_options(
    select: list[str] | None,
    variant: str | None,
    seeds: str | None,
    overrides: list[str] | None,
    quick: bool,
    data_dir: Path | None,
    epochs: int | None,
    stop_after: int | None,
    limit_train: int | None,
    limit_eval: int | None,
) -> "Options":
    """Return the expansion's options from the command line's."""
    from resray.study.expand import Options

    return Options(
        select=tuple(select or ()),
        variant=variant,
        seeds=parse_seeds(seeds),
        overrides=tuple(overrides or ()),
        quick=quick,
        data_given=data_dir is not None,
        epochs=epochs,
        stop_after=stop_after,
        limit_train=limit_train,
        limit_eval=limit_eval,
    )


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """Return ``0,1,2`` as numbers; raise InputError for anything else."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--seeds {text!r}: expected whole numbers, such as 0,1,2") from None


def duplicate(descriptor: int) -> Any:
    """Return a file of its own on stdout (1) or stderr (2), which stays when Ray's output moves."""
    return os.fdopen(os.dup(descriptor), "w", buffering=1)


def print_outcome(asked: "Bench", outcome: "Outcome", as_json: bool) -> None:
    """Print what came of a bench, for people or as JSON."""
    if as_json:
        facts = {
            "results": str(outcome.results),
            "report": str(outcome.report),
            "exit_code": outcome.exit_code,
            "summary": outcome.summary,
            "skipped": outcome.skipped,
            "trials": outcome.trials,
        }
        print(json.dumps(facts, default=str, indent=2))
        return
    states = ", ".join(f"{count} {state}" for state, count in outcome.summary.items())
    skipped = f" ({outcome.skipped} had ended before)" if outcome.skipped else ""
    for row in outcome.trials:
        if row["status"] == "failed":
            print(
                f"{row['name']} (seed {row['seed']}): {row['error_class']}: {row['error_message']}"
            )
    print(f"{states}{skipped}\nResults: {outcome.results}\nReport:  {outcome.report}")


def main() -> None:
    """Run the command line; an error that resray explains is one line and its exit code."""
    try:
        app()
    except ResrayError as error:
        print(f"resray: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
