"""What is as run, selected on test or at its last epoch, is labelled and compared with no other."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from resray.analysis.comparability import WORDS
from resray.analysis.conditions import run_comparison
from resray.analysis.groups import selection
from resray.analysis.reaching import Reaching
from resray.analysis.results import Analysis
from resray.analysis.study_file import equal_variants, read_study
from resray.analysis.verdicts import verdicts
from resray.export.tables import export_table
from resray.report.answer import answer, warnings
from resray.report.differences import differences_section
from resray.report.generalisation_section import generalisation_section
from resray.report.reaching_section import reaching_table
from resray.report.sections import means_table
from resray.report.tables import Table
from resray.study.expand import Options, expand
from resray.study.load import load_study
from resray.study.spec import Study
from tests.report_builder import epochs_of, trial, write_results

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

UNHELD: dict[str, Any] = {
    **DOCUMENT,
    "as_run": [
        *DOCUMENT["as_run"],
        *({"name": f"{name}-last-as-run",
           "recipe": {"model": model, "data": {"validation_images": 0}}}
          for name, model in (("a", "resnet18"), ("b", "resnet34"))),
    ],
    "claims": [
        {"id": "mixed", "text": "t", "check": "test_accuracy[a-last-as-run] > test_accuracy[a]"},
        {"id": "kinds", "text": "t",
         "check": "test_accuracy[a-last-as-run] > test_accuracy[a-as-run]"},
        {"id": "alike", "text": "t",
         "check": "test_accuracy[a-last-as-run] < test_accuracy[b-last-as-run]"},
        {"id": "counted", "text": "t",
         "check": "parameters[a-last-as-run] + parameters[a] < 2 * parameters[b-as-run]"},
    ],
}  # fmt: skip
"""Two of the trials as run hold no images out, and nothing selects their epoch."""


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
def results(tmp_path: Path, study: Path) -> Analysis:
    return Analysis.of(both(tmp_path / "two", study))


def test_they_are_labelled_and_ranked_apart(results: Analysis, tmp_path: Path) -> None:
    labels = [group.label for group in results.groups]
    on_test = [f"{name}-as-run · selected on test, as run" for name in "ab"]
    assert labels == ["a", "b", *on_test]
    text = " ".join(answer(results))
    assert text.startswith("a, b share the highest measured test accuracy of 2 configurations")
    assert f"Not ranked, as data, length or variant differ: {', '.join(on_test)}" in text
    assert any("the epoch that is best on test" in line for line in warnings(results))
    exported = export_table(results.folder, tmp_path / "means.csv", table="means")
    assert list(pd.read_csv(exported)["Configuration"]) == labels


def test_claims_over_both_are_not_judged(results: Analysis) -> None:
    mixed, alike = verdicts(results)
    assert (mixed.outcome, mixed.why) == ("not judged", WORDS["selection"])
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


# --- without a validation split -----------------------------------------------------------------


@pytest.fixture
def unheld(tmp_path: Path) -> Analysis:
    """Three kinds of trials: selected by validation, on test, and their last epoch; a stated trial
    without validation images is of the first kind."""
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(UNHELD), encoding="utf-8")
    loaded = load_study(str(path))
    planned = [*expand(loaded, Options()), *expand(loaded, Options(variant="as-run"))]
    rows, epochs = [], []
    for one in planned:
        held_out = one.recipe.data.validation_images
        for seed in range(3):
            row = trial(one.name, seed, epochs=3, variant=one.variant, study="two",
                        recipe=one.recipe.model_dump_json(), validation_images=held_out,
                        parameters=2 if one.recipe.model.name == "resnet34" else 1,
                        test_accuracy=90 + seed / 10 + 2 * one.name.startswith("b"))  # fmt: skip
            rows.append(row | ({} if held_out else {"validation_accuracy": None}))
            epochs += [epoch | {"test_accuracy": 20.0 * (place + 1),
                                "validation_accuracy": 10.0 * (place + 1) if held_out else None}
                       for place, epoch in enumerate(epochs_of(row))]  # fmt: skip
    return Analysis.of(write_results(tmp_path / "made", rows, epochs=epochs, study=path))


LAST_EPOCH = "last epoch, as run"


def test_the_last_epoch_as_run_is_a_selection_of_its_own(unheld: Analysis) -> None:
    kinds = {group.label: group.selection for group in unheld.groups}
    assert list(kinds.values()) == ["validation"] * 2 + ["test"] * 2 + ["last epoch"] * 2
    assert [label for label in kinds if LAST_EPOCH in label] == [
        f"a-last-as-run · {LAST_EPOCH}", f"b-last-as-run · {LAST_EPOCH}"]  # fmt: skip
    text = " ".join(answer(unheld))
    assert text.startswith("b has the highest measured test accuracy of 2 configurations")
    assert any("with the last epoch, as no validation split" in line for line in warnings(unheld))
    shown = differences_section(unheld, "a").tables[0]
    assert isinstance(shown, Table)
    (why,) = (place for place, column in enumerate(shown.columns) if column.title == "Why")
    assert {row[0]: row[why] for row in shown.rows}[f"a-last-as-run · {LAST_EPOCH}"] == (
        WORDS["selection"]
    )


def test_only_what_is_counted_is_compared_across_selections(unheld: Analysis) -> None:
    found = {verdict.claim.id: verdict for verdict in verdicts(unheld)}
    for mixed in ("mixed", "kinds"):
        assert (found[mixed].outcome, found[mixed].why) == ("not judged", WORDS["selection"])
    assert found["alike"].judgements[0].right == pytest.approx(92.1)
    assert found["counted"].outcome == "supported"


def test_a_stated_trial_without_validation_stays_as_it_is() -> None:
    row = {"recipe": '{"data": {"validation_images": 0}}', "variant": "standard"}
    assert selection(row) == "validation"
    assert selection(row | {"variant": "as-run"}) == "last epoch"


def test_captions_say_what_chose_the_epoch(unheld: Analysis) -> None:
    exception = "(of as-run trials, the one that their label says)"
    assert exception in str(means_table(unheld.groups, {}))
    assert exception in str(generalisation_section(unheld))
    stated = [group for group in unheld.groups if group.selection == "validation"]
    assert exception not in str(means_table(stated, {}))


def test_time_to_accuracy_is_that_of_what_was_watched(unheld: Analysis) -> None:
    reaching = Reaching(unheld, unheld.groups)
    assert len(reaching.groups) == len(unheld.groups)
    needed = reaching.needed("epoch", [20.0])[:, 0]
    assert needed.tolist() == [2.0] * 6 + [1.0] * 12
    made = reaching_table(unheld, "epoch")
    assert any("as-run" in column.title for column in made.columns)
