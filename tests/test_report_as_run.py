"""What is selected on test, as its author did, is labelled and compared with nothing else."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from resray.compare.run import run_comparison
from resray.export.tables import export_table
from resray.report.aggregate import Results, load_results
from resray.report.alike import OTHER_SELECTION
from resray.report.answer import answer, warnings
from resray.report.study_file import equal_variants, read_study
from resray.report.verdicts import verdicts
from resray.study.expand import Options, expand
from resray.study.load import load_study
from resray.study.spec import Study
from tests.report_builder import trial, write_results

DOCUMENT: dict[str, Any] = {
    "name": "two",
    "title": "Two networks",
    "question": "Which?",
    "recipe": {"model": "resnet18", "data": "cifar10", "epochs": 20},
    "trials": [{"name": "a"}, {"name": "b", "recipe": {"model": "resnet34"}}],
    "as_run": [
        {"name": f"{name}-as-run", "recipe": {"selection": "test", "model": model}}
        for name, model in (("a", "resnet18"), ("b", "resnet34"))
    ],
    "claims": [
        {"id": "mixed", "text": "t", "check": "test_accuracy[a-as-run] > test_accuracy[a]"},
        {"id": "alike", "text": "t", "check": "test_accuracy[a-as-run] > test_accuracy[b-as-run]"},
    ],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    return path


def both(folder: Path, study: Path, gain: float = 0.0) -> Path:
    """Write results of the study's trials, those as run three points above the stated ones."""
    loaded = load_study(str(study))
    planned = [*expand(loaded, Options()), *expand(loaded, Options(variant="as-run"))]
    rows = [
        trial(one.name, seed, variant=one.variant, recipe=one.recipe.model_dump_json(),
              test_accuracy=90 + 3 * (one.variant == "as-run") + seed / 10 + gain)
        for one in planned for seed in range(3)
    ]  # fmt: skip
    return write_results(folder, rows, epochs=[], study=study)


@pytest.fixture
def results(tmp_path: Path, study: Path) -> Results:
    return load_results(both(tmp_path / "two", study))


def test_they_are_labelled_and_ranked_apart(results: Results, tmp_path: Path) -> None:
    labels = [group.label for group in results.groups]
    on_test = [f"{name}-as-run · selected on test, as run" for name in "ab"]
    assert labels == ["a", "b", *on_test]
    text = " ".join(answer(results))
    assert text.startswith("a, b share the highest test accuracy of 2 configurations")
    assert f"Not ranked, as data, length or variant differ: {', '.join(on_test)}" in text
    assert any("the epoch that is best on test" in line for line in warnings(results))
    exported = export_table(results.folder, tmp_path / "means.csv", table="means")
    assert list(pd.read_csv(exported)["Configuration"]) == labels


def test_claims_over_both_are_not_judged(results: Results) -> None:
    mixed, alike = verdicts(results)
    assert (mixed.outcome, mixed.why) == ("not judged", OTHER_SELECTION)
    assert alike.judgements[0].left == alike.judgements[0].right == pytest.approx(93.1)


def test_folders_are_compared_trial_by_trial(tmp_path: Path, study: Path) -> None:
    folders = [both(tmp_path / name / "two", study, gain) for name, gain in (("x", 0), ("y", 1))]
    found = run_comparison(folders, [None, None], ["test_accuracy"])
    rows = {one.pair.label.partition(" · ")[0]: one for one in found.tables["test_accuracy"]}
    assert rows.keys() == {"a", "b", "a-as-run", "b-as-run"}
    for one in rows.values():
        assert one.difference is not None, "each with its like"
        assert one.difference.value == pytest.approx(1)


def test_a_trial_is_of_one_kind_of_variant_only(study: Path) -> None:
    variants = equal_variants(load_study(str(study)))
    assert variants["a", "standard"] == ("standard",)
    assert variants["a-as-run", "as-run"] == ("as-run",)
    assert ("a", "as-run") not in variants


def test_a_target_accuracy_of_an_ablation_is_still_read(tmp_path: Path) -> None:
    changes = {"batch": {"batch_size": 256}, "amp": {"precision": "bf16"}}
    old = {key: DOCUMENT[key] for key in ("name", "title", "question", "recipe")}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**old, "ablate": {"target_accuracy": 60, "changes": changes}}))
    found = read_study(path)
    assert isinstance(found, Study)
    assert found.target_accuracy == 60
    assert found.ablate is not None
    assert found.ablate.changes == changes
