"""Which claims are about the difference of two configurations that tables show."""

from pathlib import Path
from typing import Any

import pytest

from resray.analysis.results import Analysis
from resray.analysis.verdicts import declared, is_difference
from resray.study.claims import check_statement
from tests.report_builder import write_results
from tests.verdict_case import BETTER, pair, write_study


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (BETTER, True),
        ("test_accuracy[a] - test_accuracy[b] < 5", True),
        ("2 * test_accuracy[a] > 2 * test_accuracy[b, variant=long] - 1", True),
        ("abs(test_accuracy[a] - test_accuracy[b]) < 5", True),
        ("test_accuracy[a] > 0.9 * test_accuracy[b]", False),
        ("test_accuracy[a] / test_accuracy[b] > 1", False),
        ("test_accuracy[a] * test_accuracy[b] > 1", False),
        ("test_accuracy[a] > 90", False),
        ("test_accuracy[a, epoch=3] > test_accuracy[b, epoch=3]", False),
        ("std(test_accuracy[a]) > std(test_accuracy[b])", False),
        ("validation_accuracy[a] > validation_accuracy[b]", False),
        ("max(test_accuracy[a], test_accuracy[b]) > test_accuracy[c]", False),
        ("test_accuracy[a] - test_accuracy[b] > test_accuracy[c] - test_accuracy[d]", False),
    ],
)
def test_only_a_plain_difference_is_one(check: str, *, expected: bool) -> None:
    assert is_difference(check_statement(check)) == expected


def test_configurations_of_several_folders_are_those_that_are_judged(tmp_path: Path) -> None:
    claims: list[dict[str, Any]] = [
        {"id": "x", "text": "", "check": [BETTER, "test_accuracy[a] - test_accuracy[b] < 5"]},
        {"id": "y", "text": "", "check": "test_accuracy[b] > test_accuracy[c]"},
        {"id": "z", "text": "", "untested": "no"},
    ]
    names = [{"name": name} for name in "abc"]
    study = write_study(tmp_path / "written.yaml", *claims, trials=names, variants={})
    folders = [
        write_results(tmp_path / name, pair([93, 94], [90, 91]), epochs=[], study=study)
        for name in ("one", "two")
    ]
    assert set(declared(Analysis.of(folders[0]))) == {frozenset("ab")}
    both = {f"{name} · source=one" for name in "ab"}
    assert declared(Analysis.of(folders)) == {frozenset(both): ["x", "x"]}
