"""Commands about studies, networks and the machine: list, show, bench, model, doctor."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from resray.cli import options as shared
from resray.cli.display import duplicate
from resray.cli.options import option
from resray.errors import InputError

if TYPE_CHECKING:
    from resray.run.request import Request


def list_studies() -> None:
    """List the studies that come with resray."""
    from resray.search.points import grid_size
    from resray.study.load import shipped_study, study_files

    table = Table("study", "question", "trials", "variants", "to search", title_justify="left")
    for name in study_files():
        study = shipped_study(name)
        variants = ", ".join(study.variant_names)
        search = study.search
        points = f"{grid_size(search, search, list(search.spaces))} points" if search else "–"
        table.add_row(name, study.question, str(len(study.trial_names)), variants, points)
    Console().print(table)


def show(
    context: typer.Context,
    study: shared.StudyArgument,
    select: shared.SelectOption = None,
    ablate: shared.AblateOption = None,
    variant: shared.VariantOption = None,
    seeds: shared.SeedsOption = None,
    overrides: shared.SetOption = None,
    quick: shared.QuickOption = False,
    epochs: shared.EpochsOption = None,
    stop_after: shared.StopAfterOption = None,
    limit_train: shared.LimitTrainOption = None,
    limit_eval: shared.LimitEvalOption = None,
    data_dir: shared.DataDirOption = None,
    trust: shared.TrustOption = False,
    brief: Annotated[
        bool, option("--brief", "Only the question, the variants and the trials: at once.")
    ] = False,
    detect: Annotated[
        float | None,
        option("--detect", "Say how many seeds a difference of so many points takes."),
    ] = None,
    spread: Annotated[
        float | None,
        option("--spread", "Standard deviation over seeds for --detect (default: that of --out)."),
    ] = None,
    out: shared.OutOption = Path(),
) -> None:
    """Show a study: its trials, how recipes differ, what was published, and what it will cost."""
    for name, value in (("--detect", detect), ("--spread", spread)):
        if value is not None and not 0 < value <= 100:
            raise InputError(f"{name}: {value:g} must be above 0 and at most 100 points")
    if detect is not None:
        from resray.cli.show.detect import print_detectable

        options = shared.study_options(context)
        print_detectable(study, options, detect, spread, out, Console())
        return
    if spread is not None:
        raise InputError("--spread: is for --detect; give both, or leave it out")
    from resray.cli.show.study import print_study

    print_study(study, shared.study_options(context), Console(), brief=brief)


def bench(
    context: typer.Context,
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY]", help="A study's name (`resray list`) or a YAML file; or --all."
        ),
    ] = None,
    every: Annotated[
        bool, option("--all", "Every study that comes with resray, one after another.")
    ] = False,
    select: shared.SelectOption = None,
    ablate: shared.AblateOption = None,
    variant: shared.VariantOption = None,
    seeds: shared.SeedsOption = None,
    overrides: shared.SetOption = None,
    quick: shared.QuickOption = False,
    epochs: shared.EpochsOption = None,
    stop_after: shared.StopAfterOption = None,
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
    address: shared.AddressOption = None,
    out: shared.OutOption = Path(),
    trust: shared.TrustOption = False,
    dry_run: shared.DryRunOption = False,
    profile: shared.ProfileOption = False,
    force: shared.ForceOption = False,
    as_json: shared.JsonOption = False,
) -> None:
    """Run a study's trials in parallel and write its results and its report.

    Finished trials are skipped, interrupted ones go on from their checkpoint.
    """
    from resray.run import command
    from resray.run.request import check_all

    shared.refuse_both(dry_run, as_json, profile)
    asked = [asked_for(name, context) for name in chosen_studies(study, every, context.params)]
    check_all(asked)
    if profile:
        for one in asked:
            command.profile(one, Console())
        return
    if dry_run:
        for one in asked:
            command.dry_run(one, Console())
        return
    outcomes = []
    for one in asked:
        with duplicate(2 if as_json else 1) as file:
            outcomes.append(command.run(one, Console(file=file)))
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
    for name in ("select", "ablate", "variant"):
        if every and typed[name]:
            raise InputError(f"--{name}: for one study only; name it in place of --all")
    return list(study_files()) if study is None else [study]


def asked_for(study: str, context: typer.Context) -> "Request":
    """Return what the command line asks to run of a study."""
    from resray.run.request import Request

    typed = context.params
    return Request(
        study=study,
        options=shared.study_options(context),
        shares=shared.run_shares(context),
        stall_timeout=shared.parse_stall_timeout(typed["stall_timeout"]),
        **{key: typed[key] for key in shared.PASSED_ON},
    )


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
    flat: Annotated[
        bool, option("--flat", "Number the layers as papers do (torchsummary): no levels.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        option("--set", "Change it: stem=imagenet; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    trust: shared.TrustOption = False,
) -> None:
    """Show a network layer by layer: output shapes, parameters, multiply-adds and memory."""
    from resray.models.table import require_trust
    from resray.study.overrides import model_from

    spec = model_from(name, overrides or [])
    require_trust(spec.name, trust, "model")
    # Only now, as it waits for torch: mistakes are told at once.
    from resray.cli.model_table import print_model

    print_model(spec, classes, image_size, Console(), depth, flat=flat)


def doctor(
    data_dir: shared.DataDirOption = None,
    measure: Annotated[
        bool,
        option("--measure", "Measure anew how fast the device multiplies matrices (seconds)."),
    ] = False,
) -> None:
    """Say what is installed, what the machine can do, and what is missing."""
    from resray.cli.doctor.diagnose import diagnose

    checks = diagnose(data_dir, measure=measure)
    table = Table("check", "state", "found", "what to do")
    colours = {"ok": "green", "warning": "yellow", "missing": "red"}
    for check in checks:
        state = f"[{colours[check.state]}]{check.state}[/]"
        table.add_row(check.name, state, check.found, check.advice)
    Console().print(table)
    raise typer.Exit(1 if any(check.state == "missing" for check in checks) else 0)


if TYPE_CHECKING:
    from resray.run.command import Outcome

WRITTEN_AS_JSON = ("recipe", "search", "point")
"""Columns of trials whose text is JSON."""


def outcome_facts(outcome: "Outcome") -> dict[str, Any]:
    """Return what came of a run for ``--json``."""
    return {
        "results": str(outcome.results),
        "report": str(outcome.report),
        "exit_code": outcome.exit_code,
        "summary": outcome.summary,
        "skipped": outcome.skipped,
        "trials": outcome.trials,
    }


def readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the trials table with what it holds as JSON taken apart, reductions in
    words."""
    from resray.search.best import parsed_or_text
    from resray.study.reduction import from_json

    parsed = {key: parsed_or_text(row[key]) for key in WRITTEN_AS_JSON if row.get(key)}
    return {**row, **parsed, "reductions": [str(each) for each in from_json(row["reductions"])]}


def print_outcome(outcome: "Outcome", states: str | None = None) -> None:
    """Print what came of a run, for people: results, failed trials, states, and where all lies.

    ``states`` says what became of the trials; None counts them by state.
    """
    from resray.cli.ending import print_results

    print_results(outcome, Console())
    for row in outcome.rows:
        if row["status"] == "failed":
            print(failure(row))
    states = states or ", ".join(f"{count} {state}" for state, count in outcome.summary.items())
    skipped = f" ({outcome.skipped} had ended before)" if outcome.skipped else ""
    print(f"{states}{skipped}\nResults: {outcome.results}\nReport:  {outcome.report}")


def failure(row: Mapping[str, Any]) -> str:
    """Return which trial failed, of what, and where its traceback lies."""
    traceback = f" (traceback: {row['traceback']})" if row.get("traceback") else ""
    cause = f"{row['error_class']}: {row['error_message']}{traceback}"
    return f"{row['name']} (seed {row['seed']}): {cause}"
