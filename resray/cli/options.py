"""Options that several commands share, and what they mean together."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from resray.errors import InputError
from resray.files import user_path

if TYPE_CHECKING:
    from resray.run.resources import Shares
    from resray.study.expand import Options


def option(name: str, help_text: str, **settings: Any) -> Any:
    """Return a typer option."""
    return typer.Option(name, help=help_text, **settings)


def path_option(name: str, help_text: str, **settings: Any) -> Any:
    """Return a typer option whose value is a `user_path`."""
    parser = partial(user_path, option=name)
    return option(name, help_text, **{"metavar": "PATH", **settings}, parser=parser)


StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name (`resray list`) or a YAML file.")
]
DataDirOption = Annotated[
    Path | None,
    path_option(
        "--data-dir",
        "The dataset, or the folder that holds cifar10/ and cifar100/. "
        "Without it CIFAR is downloaded on first use.",
        envvar="RESRAY_DATA_DIR",
    ),
]
SelectOption = Annotated[
    list[str] | None,
    option("--select", "Only trials whose name matches; repeatable.", metavar="GLOB"),
]
AblateOption = Annotated[
    list[str] | None,
    option(
        "--ablate",
        "Only these forms of the study's ablation: chain, add or remove; repeatable.",
        metavar="FORM",
    ),
]
VariantOption = Annotated[
    str | None, option("--variant", "A variant of the study (`resray show STUDY`).")
]
SeedsOption = Annotated[
    str | None, option("--seeds", "Seeds, separated by commas.", metavar="0,1,2")
]
SetOption = Annotated[
    list[str] | None,
    option("--set", "Change the recipe: optimizer.lr=0.05; repeatable.", metavar="KEY=VALUE"),
]
QuickOption = Annotated[
    bool,
    option(
        "--quick",
        "Minutes on two CPU cores: few epochs, few images; embedded ones if no "
        "--data-dir is given.",
    ),
]
EpochsOption = Annotated[
    int | None,
    option(
        "--epochs",
        "Rescale the recipe to N epochs: warm-up, schedule and phases; not patience (early "
        "stopping, plateau), nor which checkpoints stay.",
        min=1,
    ),
]
StopAfterOption = Annotated[
    int | None, option("--stop-after", "Only the first N epochs of the unchanged recipe.", min=1)
]
LimitTrainOption = Annotated[
    int | None, option("--limit-train", "Class-balanced training images.", min=1)
]
LimitEvalOption = Annotated[
    int | None, option("--limit-eval", "Class-balanced images of validation and of test.", min=1)
]
GpusOption = Annotated[int | None, option("--gpus", "GPUs to use in all (default: every GPU).")]
GpusPerTrialOption = Annotated[
    str | None,
    option(
        "--gpus-per-trial",
        "GPUs of one trial (default in bench: all, data-parallel, as far as its batch reaches; in "
        "tune: 1); a fraction packs several trials on one GPU; auto: as many as a measurement of "
        "their memory allows.",
        metavar="NUMBER|auto",
    ),
]
WorkersOption = Annotated[
    int | None, option("--workers", "Without GPUs: one-process slots (default: CPU cores).")
]
WorkersPerTrialOption = Annotated[
    int | None, option("--workers-per-trial", "Without GPUs: ranks of one trial (default: 1).")
]
CpusPerTrialOption = Annotated[
    int | None,
    option(
        "--cpus-per-trial",
        "CPU cores of one trial (default: cores divided by the trials side by side).",
    ),
]
MaxFailuresOption = Annotated[
    int, option("--max-failures", "Restarts of a trial whose process dies.", min=0)
]
CheckpointSecondsOption = Annotated[
    float,
    option(
        "--checkpoint-seconds",
        "Write a trial's checkpoint at most every so many seconds, at an epoch's end; 0: after "
        "each epoch.",
        metavar="SECONDS",
        min=0,
    ),
]
StallTimeoutOption = Annotated[
    str,
    option(
        "--stall-timeout",
        "Restart a trial that has finished no batch, evaluated none and saved nothing for so long; "
        "none: never.",
        metavar="TIME|none",
    ),
]
AddressOption = Annotated[str | None, option("--address", "Join the running Ray cluster there.")]
OutOption = Annotated[
    Path, path_option("--out", "Folder for results/STUDY/ and reports/STUDY.html.")
]
DryRunOption = Annotated[bool, option("--dry-run", "Say what would run, and start nothing.")]
ProfileOption = Annotated[
    bool,
    option(
        "--profile",
        "Instead of training, profile a few steps of the longest trial: a table, and a trace in "
        "results/STUDY/profile/.",
    ),
]
ForceOption = Annotated[
    bool, option("--force", "Run finished trials anew; their results are replaced.")
]
TrustOption = Annotated[
    bool, option("--trust", "Build a network of the form module:function: runs code it names.")
]
JsonOption = Annotated[
    bool, option("--json", "Print the outcome as JSON; progress goes to stderr.")
]


PASSED_ON = ("data_dir", "out", "address", "max_failures", "checkpoint_seconds", "force")
"""Options of bench and tune that `resray.run.request.Request` has by the same name."""


def study_options(context: typer.Context) -> "Options":
    """Return the options of expanding a study that were typed to a command.

    Those that the command does not have count as not typed.
    """
    from resray.study.expand import Options

    typed = context.params
    return Options(
        select=tuple(typed.get("select") or ()),
        ablate=tuple(typed.get("ablate") or ()),
        variant=typed["variant"],
        seeds=parse_seeds(typed["seeds"]),
        overrides=tuple(typed["overrides"] or ()),
        quick=typed["quick"],
        data_given=typed["data_dir"] is not None,
        epochs=typed["epochs"],
        stop_after=typed.get("stop_after"),
        limit_train=typed["limit_train"],
        limit_eval=typed["limit_eval"],
        trusted=typed["trust"],
    )


def parse_seeds(text: str | None) -> tuple[int, ...] | None:
    """Return ``0,1,2`` as numbers; raise InputError for anything else."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--seeds {text!r}: expected whole numbers, such as 0,1,2") from None


def run_shares(context: typer.Context) -> "Shares":
    """Return what was typed about the machine's share that trials get."""
    from resray.run.resources import Shares

    typed = context.params
    counts = ("gpus", "workers", "workers_per_trial", "cpus_per_trial")
    return Shares(
        gpus_per_trial=parse_share(typed["gpus_per_trial"]),
        **{key: typed[key] for key in counts},
    )


def parse_stall_timeout(text: str) -> float | None:
    """Return the seconds of a duration, None for ``none``; raise InputError for anything else."""
    from resray.search.budget import parse_duration

    return None if text == "none" else parse_duration(text, "--stall-timeout")


def parse_share(text: str | None) -> float | Literal["auto"] | None:
    """Return a number of GPUs, or ``auto``; raise InputError for anything else."""
    if text is None:
        return None
    try:
        return "auto" if text == "auto" else float(text)
    except ValueError:
        raise InputError(
            f"--gpus-per-trial {text!r}: expected a number, such as 1 or 0.5, or auto"
        ) from None


def refuse_both(dry_run: bool, as_json: bool, profile: bool = False) -> None:
    """Raise InputError if an outcome is asked for that ``--dry-run`` or ``--profile`` has not."""
    if dry_run and profile:
        raise InputError("--dry-run: starts nothing, and --profile trains; leave out one of them")
    if as_json and (dry_run or profile):
        option = "--profile" if profile else "--dry-run"
        raise InputError(f"--json: there is no outcome yet with {option}; leave out one of them")
