"""The Python face: studies run and searched, their results, networks to use (docs/python.md)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import pandas as pd
from rich.console import Console

from resray.analysis.results import Analysis
from resray.analysis.words import with_interval
from resray.errors import InputError, unknown
from resray.files import user_path
from resray.search.best import IMAGES, of_latest, winner

if TYPE_CHECKING:
    from torch import nn

    from resray.evaluate.predict import Predicted
    from resray.run.command import Outcome
    from resray.run.request import Request

PathText = str | Path
Texts = str | Iterable[str]
"""One text, or several."""


@dataclass(frozen=True)
class Trained:
    """A trial's trained network."""

    row: Mapping[str, Any]
    """The trial's, as in ``results.trials``."""
    checkpoint: Path
    """Its best.pt, after the epoch that was selected."""

    def model(self, *, trust: bool = False) -> "nn.Module":
        """Return the network, as `load_model` does."""
        return load_model(self.checkpoint, trust=trust)

    def predict(self, images: Any, *, views: int = 1, trust: bool = False) -> "Predicted":
        """Return the predicted ``labels``, ``classes`` (by name) and ``probabilities`` of images.

        ``images`` are uint8, an array or tensor (n, side, side, 3) or (n, 3, side, side), RGB; they
        are resized and normalised as the network needs it. ``views``: as for `resray predict`.
        Raises DataError for images or a checkpoint that are no such thing.
        """
        from resray.evaluate.predict import predict_images

        return predict_images(self.checkpoint, images, views, trusted=trust)


@dataclass(frozen=True)
class Results(Analysis):
    """The results of a study's folder, or of several: tables, the best network, a notebook's form.

    All that `Analysis` has, ``trials``, ``epochs``, ``events`` and ``evaluations`` first.
    """

    outcome: "Outcome | None" = None
    """How the run went that gave these results: its ``exit_code``, ``summary``, ``report`` ..."""

    def best(self, configuration: str | None = None) -> Trained:
        """Return the network with the highest validation accuracy; the test images have no say.

        Of the tested trials, or of those of one ``configuration``, a label; of a search that is not
        confirmed, its winner. Raises InputError if there is none, or if they were not validated on
        the same images.
        """
        labels = [group.label for group in self.groups]
        if configuration is not None and configuration not in labels:
            raise InputError(unknown("configuration", configuration, labels))
        validated = [
            row
            for group in self.groups
            if configuration in (None, group.label)
            for row in group.finished
            if row["validation_accuracy"] is not None
        ]
        if len({tuple(row[key] for key in IMAGES) for row in validated}) > 1:
            choices = ", ".join(labels)
            raise InputError(
                f"best: validated on different images; name a configuration: {choices}"
            )
        best = max(validated, key=lambda row: row["validation_accuracy"], default=None)
        best = best or (None if configuration else winner(of_latest(self.all_rows)))
        if best is None:
            raise InputError(f"best: no trial of {self.title!r} is finished and validated")
        return Trained(best, self.checkpoint_of(best["trial_id"], best["source"]))

    def _repr_html_(self) -> str:
        from resray.report.answer import answer
        from resray.report.text import plain_text, tag

        rows = [
            (group.label, len(group.finished), str(with_interval(group.summary("test_accuracy"))))
            for group in self.groups
        ]
        table = pd.DataFrame(rows, columns=["configuration", "n", "test accuracy, %"])
        table = table.set_index("configuration").rename_axis(columns=self.title)
        return table.to_html() + "".join(tag("p", plain_text(each)) for each in answer(self))


def read_results(folder: PathText, *others: PathText) -> Results:
    """Return the results of a study's folder, such as ``results/depth-family``, or of several.

    Raises InputError if there are no results in one, or if a newer resray wrote them.
    """
    return Results.of([user_path(each, "read_results") for each in (folder, *others)])


def compare(
    first: PathText, second: PathText, *others: PathText, metric: Texts = (), select: Texts = ()
) -> pd.DataFrame:
    """Compare results folders, as `resray compare` does: a row per metric and configuration.

    Columns as ``--json`` has them: means with n and ends of their 95 % intervals, the
    ``difference`` (second minus first) with its own, ``p``, ``verdict`` and ``why``. Raises
    InputError for a folder without results, an unknown metric, or nothing in common.
    """
    from resray.analysis.compare_facts import comparison_facts
    from resray.analysis.conditions import run_comparison

    paths = [user_path(each, "compare") for each in (first, second, *others)]
    found = run_comparison(paths, [None] * len(paths), several(metric), several(select))
    return pd.DataFrame([_flat(each) for each in comparison_facts(found)["comparisons"]])


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return facts with ``first_mean`` for what is within ``first``, ends for an interval."""
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        if key == "interval":
            flat[f"{prefix}low"], flat[f"{prefix}high"] = value or (None, None)
        elif key in ("first", "second"):
            flat |= _flat(value or {"mean": None, "n": 0, "interval": None}, f"{key}_")
        else:
            flat[prefix + key] = value
    return flat


class RunOptions(TypedDict, total=False):
    """What `bench` and `tune` take beside the study: options of the command, by their names."""

    out: PathText
    """The folder that receives results/STUDY/ and reports/STUDY.html; default: the working one."""
    data_dir: PathText
    variant: str
    seeds: int | Iterable[int]
    set: Mapping[str, Any]
    """Changes of the recipe: ``{"optimizer.lr": 0.05}``."""
    quick: bool
    epochs: int
    limit_train: int
    limit_eval: int
    gpus: int
    gpus_per_trial: float | Literal["auto"]
    workers: int
    workers_per_trial: int
    cpus_per_trial: int
    address: str
    max_failures: int
    checkpoint_seconds: float
    stall_timeout: float | None
    """In seconds; None: never."""
    force: bool
    trust: bool


class BenchOptions(RunOptions, total=False):
    """What only `bench` takes."""

    select: Texts
    """Globs on names of trials."""
    ablate: Texts
    stop_after: int


class TuneOptions(RunOptions, total=False):
    """What only `tune` takes; what there is not is the study's ``search``."""

    space: Texts
    """Globs on names of spaces."""
    method: str
    samples: int
    seed: int
    scheduler: str
    grace: int
    reduction_factor: int
    rung_schedule: str
    confirm: int
    audit: int
    time_budget: float
    """In seconds."""
    max_gpu_hours: float
    max_cost: float
    price_per_gpu_hour: float
    fail_fast: bool


BUDGET = ("time_budget", "max_gpu_hours", "max_cost", "price_per_gpu_hour")
"""Options that are the fields of a `Budget`, in their order."""


def bench(study: PathText, **options: Unpack[BenchOptions]) -> Results:
    """Run what is missing of a study, as `resray bench` does; return its results.

    ``study`` is a shipped study's name or a study file. Progress goes to standard output. Raises
    InputError, ClusterError, StorageError, and RunInterrupted after Ctrl-C.
    """
    from resray.run.request import Request

    return _run(Request(str(study), **_request_fields(BenchOptions, dict(options))))


def tune(study: PathText, **options: Unpack[TuneOptions]) -> Results:
    """Search a study's spaces, as `resray tune` does; return the search's results.

    Study, output and errors are as for `bench`.
    """
    from resray.run.request import Request, SearchOptions
    from resray.search.budget import Budget
    from resray.study.search_spec import SearchSettings

    given: dict[str, Any] = dict(options)
    search = SearchOptions(
        settings=taken(given, SearchSettings.model_fields),
        spaces=several(given.pop("space", ())),
        budget=Budget(*(given.pop(name, None) for name in BUDGET)),
        **taken(given, ["fail_fast"]),
    )
    return _run(Request(str(study), search=search, **_request_fields(TuneOptions, given)))


def _request_fields(known: type, given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a `Request` that options are. Raises TypeError for an unknown one."""
    from resray.run.resources import Shares
    from resray.study.expand import Options

    for name in given.keys() - known.__annotations__:
        raise TypeError(unknown("option", name, list(known.__annotations__)))
    given |= {key: several(given[key]) for key in ("select", "ablate", "seeds") if key in given}
    given |= {key: user_path(given[key], key) for key in ("data_dir", "out") if key in given}
    changes = given.pop("set", {})
    shares = Shares(**taken(given, [field.name for field in fields(Shares)]))
    options = Options(
        overrides=tuple(f"{key}={json.dumps(value)}" for key, value in changes.items()),
        data_given="data_dir" in given,
        trusted=given.pop("trust", False),
        **taken(given, [field.name for field in fields(Options)]),
    )
    return {"shares": shares, "options": options, **given}


def taken(given: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Take the options of these names out of ``given`` and return them."""
    return {name: given.pop(name) for name in names if name in given}


def several(given: Any) -> tuple[Any, ...]:
    """Return what was given as one text or number, or as several."""
    return (given,) if isinstance(given, str | int) else tuple(given)


def _run(request: "Request") -> Results:
    # torch and Ray take seconds to import, and tables need neither.
    from resray.cli.display import duplicate
    from resray.run.command import run

    # Descriptors 1 and 2 go to Ray's log while it runs.
    with duplicate(1) as file:
        outcome = run(request, Console(file=file))
    return replace(Results.of(outcome.results, trial_ids=outcome.shown), outcome=outcome)


def load_model(path: PathText, *, trust: bool = False) -> "nn.Module":
    """Return a trained network in eval mode, float32, on the CPU.

    ``path`` is a checkpoint file, also another repository's, a trial's checkpoint folder, which
    stands for the best.pt in it, or a folder that `resray export` wrote. The network maps images
    (n, 3, side, side), normalised as in its training, to logits (n, classes);
    `resray.training.restore.load_network` gives the normalisation, side and class names too.

    Loads tensors and plain values only; a network of one's own (``module:function``) is built by
    calling that function, where ``trust`` allows it. Raises DataError if there is no checkpoint
    or it is damaged, and InputError for a function that is not trusted.
    """
    # torch takes a second to import, and tables do not need it.
    from resray.export.loading import WEIGHTS, load_exported
    from resray.results.folders import checkpoint_file
    from resray.training.restore import load_network

    if (Path(path) / WEIGHTS).is_file():
        return load_exported(path, trust=trust)
    return load_network(checkpoint_file(Path(path)), trusted=trust).network
