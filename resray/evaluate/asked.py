"""What the user asks of `resray evaluate`, and which trials that means."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resray.data.choices import Order, check_order
from resray.data.reading import reading
from resray.errors import InputError, unknown
from resray.results.folders import require_results
from resray.study.expand import matching

if TYPE_CHECKING:
    from resray.results.store import ResultStore, Row

KINDS = {
    "test": "accuracy and loss on the test set, also by class, and the confusion matrix",
    "train": "accuracy and loss on the training images as they are, without augmentation",
    "tta": "test-time augmentation: the mean over 5 and 10 views of each test image",
    "ensemble": "the mean over the seeds of a trial",
    "corruptions": "six kinds of corrupted test images at five severities, and their mean",
    "calibration": "how far confidence is from accuracy on the test set",
    "foreign": "mean confidence on a file of one's own, and accuracy where it holds labels",
}
"""What can be evaluated; ``all`` is everything, ``foreign`` only where a file is given."""


@dataclass(frozen=True)
class Evaluation:
    """The options of `resray evaluate`."""

    results: Path
    """A study's results folder, e.g. results/depth-family, or a checkpoint's file, resray's own or
    in a form that `resray.models.foreign` knows."""
    kinds: tuple[str, ...] = ("all",)
    """Keys of `KINDS`, or ``all``."""
    select: tuple[str, ...] = ()
    """Globs on trial names; none selects all."""
    seeds: tuple[int, ...] | None = None
    checkpoint: str = "best"
    """``best``, ``last``, or one that the study's policy kept, such as ``epoch-0010``."""
    data_dir: Path | None = None
    input: Path | None = None
    """The file, or folder of images, for the kind ``foreign``."""
    order: Order | None = None
    """Of flat rows in that file, where it does not say it."""
    ensemble: bool = False
    """Average all selected trials, not only the seeds of each."""
    limit: int | None = None
    """Only this many test images (of training images for ``train``), class-balanced; null takes
    those that the trial was tested, or trained, on."""
    batch_size: int = 500
    trusted: bool = False
    """Build networks by calling the function that a checkpoint names."""
    force: bool = False
    """Evaluate also what is in the results already."""


def wanted_kinds(asked: Evaluation) -> tuple[str, ...]:
    """Return the kinds to evaluate, in the order of `KINDS`.

    Raises InputError for an unknown kind, for ``foreign`` without a file, or the reverse.
    """
    for kind in asked.kinds:
        if kind not in KINDS and kind != "all":
            raise InputError(unknown("--kind", kind, [*KINDS, "all"]))
    named = set(KINDS) if "all" in asked.kinds else set(asked.kinds)
    if asked.input is None:
        if "foreign" in asked.kinds:
            raise InputError("--kind foreign: needs --input FILE, the images to evaluate on")
        named.discard("foreign")
    elif "foreign" not in named:
        raise InputError(f"--input: {asked.input} is for --kind foreign, which was not asked for")
    if asked.ensemble and "ensemble" not in named:
        raise InputError("--ensemble: needs --kind ensemble")
    return tuple(kind for kind in KINDS if kind in named)


def check_rest(asked: Evaluation) -> None:
    """Raise InputError for a limit, batch size or order that cannot be, and for wrong paths."""
    for option, value in (("--limit", asked.limit), ("--batch-size", asked.batch_size)):
        if value is not None and value < 1:
            raise InputError(f"{option}: {value} must be at least 1")
    check_order(asked.order)
    if not asked.results.is_file():
        require_results(asked.results)
    if asked.input is not None:
        with reading(asked.input):
            asked.input.stat()


def selected_trials(asked: Evaluation, store: "ResultStore") -> "list[Row]":
    """Return the rows of the trials asked for, by name and seed.

    A search's trials are left out: they select, and what selects must not know of test. Raises
    InputError if there are none by such a name or seed.
    """
    from resray.results.store import read_table

    identities = read_table(asked.results, "trials")["trial_id"]
    rows = [row for identity in identities if (row := store.trial(identity)) is not None]
    rows = [row for row in rows if row["role"] != "search"]
    names = matching(sorted({row["name"] for row in rows}), asked.select, "--select")
    rows = [row for row in rows if row["name"] in names]
    seeds = sorted({row["seed"] for row in rows})
    for seed in asked.seeds or ():
        if seed not in seeds:
            raise InputError(unknown("--seeds", seed, map(str, seeds)))
    rows = [row for row in rows if asked.seeds is None or row["seed"] in asked.seeds]
    return sorted(rows, key=lambda row: (row["name"], row["variant"] or "", row["seed"]))


def checkpoint_path(asked: Evaluation, row: "Row") -> Path:
    """Return where the chosen checkpoint of a trial lies, or would lie."""
    return asked.results / "checkpoints" / row["trial_id"] / f"{asked.checkpoint}.pt"


def with_checkpoint(asked: Evaluation, rows: "list[Row]") -> "list[Row]":
    """Return the trials that have the chosen checkpoint.

    Raises InputError if none has it; the message lists those that there are.
    """
    found = [row for row in rows if checkpoint_path(asked, row).is_file()]
    if found:
        return found
    folder = asked.results / "checkpoints"
    kept = {path.stem for row in rows for path in (folder / row["trial_id"]).glob("[!.]*.pt")}
    if not kept:
        raise InputError(f"{folder}: holds no checkpoint of the {len(rows)} trials selected")
    raise InputError(unknown("--checkpoint", asked.checkpoint, kept))


def trial_label(row: "Row") -> str:
    """Return a trial's name with its seed; an ensemble has none."""
    return row["name"] if row["seed"] is None else f"{row['name']}, seed {row['seed']}"
