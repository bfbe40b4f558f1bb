"""Claims over two networks, judged on results that are written and read again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from resray.analysis.results import Analysis
from resray.analysis.verdicts import Verdict, verdicts
from tests.report_builder import RECIPE, trial, write_results

Rows = list[dict[str, Any]]


def write_study(path: Path, *claims: dict[str, Any], **changes: Any) -> Path:
    study = {
        "name": "two",
        "title": "Two networks",
        "question": "Which?",
        "recipe": {"model": "resnet18", "data": "cifar10", "epochs": 20},
        "trials": [{"name": "a"}, {"name": "b", "recipe": {"model": "resnet34"}}],
        "variants": {
            "long": {"description": "twice as long", "recipe": {"epochs": 40}},
            "only-b": {"description": "b with more", "trials": {"b": {"batch_size": 64}}},
        },
        "claims": list(claims),
        **changes,
    }
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def found(
    folder: Path, check: str | list[str], rows: Rows, pairing: str = "none", **tables: Any
) -> Verdict:
    """Return the verdict on one claim, by results that are written and read again."""
    claim: dict[str, Any] = {"id": "x", "text": "says x", "check": check}
    study = write_study(folder / "written.yaml", claim, pairing=pairing)
    tables = {"epochs": [], **tables}
    (only,) = verdicts(Analysis.of(write_results(folder, rows, study=study, **tables)))
    return only


def runs(name: str, accuracies: Sequence[float | None], **changes: Any) -> Rows:
    """Return a trial of each accuracy, with seeds 0, 1, ..."""
    return [
        trial(name, seed, **{"test_accuracy": accuracy, **changes})
        for seed, accuracy in enumerate(accuracies)
    ]


def pair(a: Sequence[float], b: Sequence[float], **changes: Any) -> Rows:
    return [*runs("a", a, **changes), *runs("b", b, **changes)]


def recipe(**changes: Any) -> str:
    return json.dumps({**RECIPE, "model": {"name": "resnet18"}, "epochs": 20, **changes})


BETTER = "test_accuracy[a] > test_accuracy[b]"
CLEAR = pair([93.0, 93.2, 92.9], [90.0, 90.3, 89.8])
