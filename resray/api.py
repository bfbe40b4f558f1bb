"""The Python face: running and searching studies, their results as tables, networks to use."""

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import pandas as pd
from rich.console import Console

from resray.results.store import read_table

if TYPE_CHECKING:
    from torch import nn

    from resray.run.command import Outcome
    from resray.run.request import SearchOptions


class Results(NamedTuple):
    """The tables of one study; docs/schema.md says what their columns mean."""

    trials: pd.DataFrame
    """One row per trial."""
    epochs: pd.DataFrame
    """One row per trial and epoch."""
    events: pd.DataFrame
    """One row per start, end or failure of a trial."""
    evaluations: pd.DataFrame
    """One row per value that `resray evaluate` measured."""


def read_results(path: str | PathLike[str]) -> Results:
    """Return the tables of a study's results folder, such as ``results/depth-family``.

    A table without rows is empty, with its columns. Raises InputError if there are no results at
    ``path``, or if a newer resray wrote them.
    """
    folder = Path(path)
    return Results(*(read_table(folder, table) for table in Results._fields))


class RunOptions(TypedDict, total=False):
    """What `bench` and `tune` take beside the study: options of the command line."""

    out: str | PathLike[str]
    """The folder that receives results/STUDY/ and reports/STUDY.html; default: the working one."""
    data_dir: str | PathLike[str]
    seeds: Iterable[int]
    overrides: Mapping[str, Any]
    """Changes of the recipe, as for ``--set``: ``{"optimizer.lr": 0.05}``."""
    quick: bool
    epochs: int
    limit_train: int
    limit_eval: int
    gpus: int
    workers: int
    address: str
    force: bool
    trusted: bool


def bench(
    study: str | PathLike[str], *, select: Iterable[str] = (), **options: Unpack[RunOptions]
) -> "Outcome":
    """Run what is missing of a study, as `resray bench` does; return what came of it.

    ``study`` is a shipped study's name or a study file, ``select`` holds globs on names of trials.
    Progress goes to standard output. Raises InputError, ClusterError, StorageError, and
    RunInterrupted after Ctrl-C.
    """
    return _run(study, select, None, options)


def tune(
    study: str | PathLike[str],
    *,
    settings: Mapping[str, Any] | None = None,
    spaces: Iterable[str] = (),
    **options: Unpack[RunOptions],
) -> "Outcome":
    """Search a study's spaces, as `resray tune` does; return what came of it.

    ``settings`` are keys of the study file's ``search``: ``{"scheduler": "median", "confirm": 5}``;
    ``spaces`` holds globs on names of spaces. All else is as for `bench`.
    """
    from resray.run.request import SearchOptions

    search = SearchOptions(settings=dict(settings or {}), spaces=tuple(spaces))
    return _run(study, (), search, options)


def _run(
    study: str | PathLike[str],
    select: Iterable[str],
    search: "SearchOptions | None",
    options: RunOptions,
) -> "Outcome":
    # torch and Ray take seconds to import, and tables need neither.
    from resray.cli.display import duplicate
    from resray.run.command import run
    from resray.run.request import Request
    from resray.run.resources import Shares
    from resray.study.expand import Options

    given: dict[str, Any] = dict(options)
    seeds, data_dir = given.pop("seeds", None), given.pop("data_dir", None)
    overrides = given.pop("overrides", {})
    shares = Shares(**{key: given.pop(key) for key in ("gpus", "workers") if key in given})
    passed_on = {key: given.pop(key) for key in ("address", "force") if key in given}
    request = Request(
        study=str(study),
        options=Options(
            select=tuple(select),
            seeds=None if seeds is None else tuple(seeds),
            overrides=tuple(f"{key}={json.dumps(value)}" for key, value in overrides.items()),
            data_given=data_dir is not None,
            **{key: value for key, value in given.items() if key != "out"},
        ),
        shares=shares,
        data_dir=None if data_dir is None else Path(data_dir),
        out=Path(given.get("out", "")),
        search=search,
        **passed_on,
    )
    # Descriptors 1 and 2 go to Ray's log while it runs.
    with duplicate(1) as file:
        return run(request, Console(file=file))


def load_model(path: str | PathLike[str], *, trusted: bool = False) -> "nn.Module":
    """Return a trained network in eval mode, float32, on the CPU.

    ``path`` is a checkpoint file, also another repository's, a trial's checkpoint folder, which
    stands for the best.pt in it, or a folder that `resray export` wrote. The network maps images
    (n, 3, side, side), normalised as in its training, to logits (n, classes);
    `resray.training.restore.load_network` gives the normalisation, side and class names too.

    Loads tensors and plain values only; a network of one's own (``module:function``) is built by
    calling that function, where ``trusted`` allows it. Raises DataError if there is no checkpoint
    or it is damaged, and InputError for a function that is not trusted.
    """
    # torch takes a second to import, and tables do not need it.
    from resray.export.loading import WEIGHTS, load_exported
    from resray.results.folders import checkpoint_file
    from resray.training.restore import load_network

    if (Path(path) / WEIGHTS).is_file():
        return load_exported(path, trusted=trusted)
    return load_network(checkpoint_file(Path(path)), trusted=trusted).network
