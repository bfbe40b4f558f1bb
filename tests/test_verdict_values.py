"""What a claim is judged on: which trials, which of their values, and which interval."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resray.analysis.resampling import (
    HELD_FUNCTIONS,
    margins,
    percentile_interval,
    resampled_means,
)
from resray.analysis.statistics import (
    Interval,
)
from resray.analysis.verdicts import Outcome
from resray.study.claims import Value, check_statement
from tests.report_builder import RECIPE, START, epochs_of, evaluation, trial
from tests.verdict_case import BETTER, CLEAR, Rows, found, pair, recipe, runs

# --- which trials --------------------------------------------------------------------------------


def test_whole_runs_are_taken_before_reduced_ones(tmp_path: Path) -> None:
    limited = {"recipe": recipe(data={**RECIPE["data"], "limit_train": 500}),
               "reductions": '["500 training images"]'}  # fmt: skip
    quick = [row | limited | {"trial_id": f"quick-{row['trial_id']}", "test_accuracy": 20.0}
             for row in CLEAR]  # fmt: skip
    verdict = found(tmp_path, BETTER, [*quick, *CLEAR])
    assert verdict.outcome == Outcome.SUPPORTED
    assert verdict.judgements[0].left == pytest.approx(93.0333, abs=1e-3)


def test_reduced_and_whole_runs_are_not_mixed(tmp_path: Path) -> None:
    quick = [row | {"recipe": recipe(epochs=2), "reductions": '["2 of 20 epochs"]'}
             for row in runs("b", [20, 21])]  # fmt: skip
    verdict = found(tmp_path, BETTER, [*runs("a", [93, 94]), *quick])
    assert verdict.outcome == Outcome.NOT_TESTED
    assert (
        verdict.why == "no finished runs of a, b share data, length, variant and changes by --set"
    )


def test_default_variant_is_meant_where_none_is_named(tmp_path: Path) -> None:
    long = [row | {"variant": "long", "trial_id": f"long-{row['trial_id']}"}
            for row in pair([99, 99.1, 99.2, 99.3], [80, 80.2, 80.1, 80.3])]  # fmt: skip
    check = "test_accuracy[a, variant=long] - test_accuracy[a] < test_accuracy[b] / 10"
    verdict = found(tmp_path, check, [*long, *CLEAR])
    assert verdict.outcome == Outcome.SUPPORTED
    assert verdict.judgements[0].right == pytest.approx(9.00333, abs=1e-4)
    assert verdict.judgements[0].groups == ("a · variant=long", "a · variant=standard",
                                            "b · variant=standard")  # fmt: skip


def test_other_variant_is_taken_where_the_default_was_not_run(tmp_path: Path) -> None:
    rows = [row | {"variant": "long"} for row in CLEAR]
    assert found(tmp_path, BETTER, rows).outcome == Outcome.SUPPORTED


def test_a_variant_is_not_compared_with_itself(tmp_path: Path) -> None:
    long = [row | {"variant": "long"} for row in runs("a", [90, 91, 92])]
    check = "test_accuracy[a, variant=long] - test_accuracy[a] >= 0.5"
    verdict = found(tmp_path, check, long)
    assert (verdict.outcome, verdict.why) == (
        Outcome.NOT_TESTED, "a (variant standard) was not run")  # fmt: skip


def test_variants_of_one_recipe_are_not_compared_with_each_other(tmp_path: Path) -> None:
    check = "test_accuracy[a, variant=only-b] - test_accuracy[a] >= 0.5"
    verdict = found(tmp_path, check, CLEAR)
    why = "a has the same recipe in the variants only-b and standard"
    assert (verdict.outcome, verdict.why) == (Outcome.NOT_TESTED, why)


def test_trial_that_a_variant_leaves_unchanged_counts_in_it(tmp_path: Path) -> None:
    """The planner does not train it again, so that its row keeps the variant that came first."""
    changed = [row | {"variant": "only-b"} for row in runs("b", [80, 80.1, 80.2])]
    check = "test_accuracy[a, variant=only-b] > test_accuracy[b, variant=only-b] + 10"
    verdict = found(tmp_path, check, [*runs("a", [93, 93.2, 92.9]), *changed])
    assert verdict.outcome == Outcome.SUPPORTED


def test_seeds_trained_under_either_of_two_equal_variants_are_one_group(tmp_path: Path) -> None:
    rows = runs("a", [93, 93.1, 93.2])
    later = [row | {"variant": "only-b"} for row in rows[1:]]
    verdict = found(tmp_path, "test_accuracy[a] > 90", [rows[0], *later])
    assert (verdict.outcome, verdict.judgements[0].seeds) == (Outcome.SUPPORTED, 3)


def test_whole_runs_are_not_compared_with_runs_changed_by_hand(tmp_path: Path) -> None:
    changed = [row | {"reductions": '["changed: optimizer.lr=0.5"]'} for row in runs("b", [20])]
    verdict = found(tmp_path, BETTER, [*runs("a", [93]), *changed])
    assert verdict.outcome == Outcome.NOT_TESTED
    assert verdict.why.endswith("share data, length, variant and changes by --set")


def test_stopping_early_is_told(tmp_path: Path) -> None:
    rows = [row | {"epochs_done": 9} if row["name"] == "b" else row for row in CLEAR]
    verdict = found(tmp_path, BETTER, rows)
    assert verdict.outcome == Outcome.SUPPORTED
    assert verdict.why.endswith("; b stopped early at epoch 9 of 20")


# --- metrics -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("seconds_per_epoch[a]", 10.0),
        ("seconds_per_epoch[a, epoch=1]", 100.0),
        ("iterations_per_second[a]", 2.5),
        ("iterations_per_second[a, epoch=2]", 7.5),
        ("images_per_second[a, epoch=2]", 960.0),
        ("train_loss[a, epoch=3]", 0.25),
        ("gradient_ratio[a]", 4.0),
        ("tta_accuracy[a]", 91.0),
        ("corruption_accuracy[a]", 71.0),
        ("hidden_accuracy[a]", 80.0),
        ("best_epoch[a]", 3.0),
    ],
)
def test_value_of_each_metric(tmp_path: Path, metric: str, value: float) -> None:
    row = trial("a", epochs=3, images_per_second=320.0)
    last = {"gradient_norm_first_stage": 8.0, "gradient_norm_last_stage": 2.0, "train_loss": 0.25}
    epochs = [e | {"seconds_training": 100.0 if e["epoch"] == 1 else 10.0,
                   "images_per_second": 960.0, **last} for e in epochs_of(row)]  # fmt: skip
    evaluations = [
        evaluation(row, "tta", 50.0, condition="5 views"),
        evaluation(row, "tta", 91.0, condition="10 views"),
        evaluation(row, "tta", 3.0, condition="10 views", checkpoint="last.pt@3"),
        evaluation(row, "corruptions", 71.0, condition="mean"),
        evaluation(row, "corruptions", 40.0, condition="blur 3"),
        evaluation(row, "foreign", 80.0, condition="hidden.pkl"),
        evaluation(row, "foreign", 5.0, condition="hidden.pkl", **{"class": "cat"}),
        evaluation(row, "foreign", 0.7, condition="hidden.pkl", metric="loss"),
    ]
    verdict = found(tmp_path, f"{metric} > 0", [row], epochs=epochs, evaluations=evaluations)
    assert verdict.judgements[0].left == pytest.approx(value)


def ensemble(rows: Rows, accuracy: float, **changes: Any) -> dict[str, Any]:
    """Return the row of an ensemble of trials, at the checkpoints that validation selected."""
    made = {
        "trial_id": "+".join(row["trial_id"] for row in rows),
        "seed": None,
        "members": json.dumps([row["trial_id"] for row in rows]),
        "checkpoint": "best.pt@" + ",".join(str(row["best_epoch"]) for row in rows),
    }
    return evaluation(rows[0], "ensemble", accuracy, **(made | changes))


def test_ensemble_stands_beside_the_mean_of_its_seeds_as_one_value(tmp_path: Path) -> None:
    rows = runs("a", [90.0, 91.0, 92.0])
    other = ensemble(rows, 1.0, trial_id="other", members='["a-0-20", "gone"]')
    evaluations = [ensemble(rows, 93.0), ensemble(rows[:2], 99.0), other]
    check = "ensemble_accuracy[a] - test_accuracy[a] >= 1"
    verdict = found(tmp_path, check, rows, evaluations=evaluations)
    assert (verdict.outcome, verdict.why) == (Outcome.UNDECIDED, "one ensemble of 3 members")
    assert verdict.judgements[0].left == pytest.approx(2.0)


def test_newest_of_ensembles_of_one_size_is_taken_not_the_best(tmp_path: Path) -> None:
    rows = runs("a", [90.0, 91.0, 92.0])
    later = START + timedelta(hours=1)
    evaluations = [ensemble(rows[:2], 99.0), ensemble(rows[1:], 93.0, evaluated=later)]
    verdict = found(tmp_path, "ensemble_accuracy[a] > 1", rows, evaluations=evaluations)
    assert verdict.judgements[0].left == pytest.approx(93.0)
    assert verdict.why == "one ensemble of 2 members"


@pytest.mark.parametrize(
    ("metric", "kind", "condition"),
    [("tta_accuracy", "tta", "10 views"), ("corruption_accuracy", "corruptions", "mean")],
)
def test_values_of_a_superseded_checkpoint_are_not_measured(
    tmp_path: Path, metric: str, kind: str, condition: str
) -> None:
    row = trial("a", best_epoch=18)
    old = {"condition": condition, "checkpoint": "best.pt@2", "epoch": 2}
    verdict = found(tmp_path, f"{metric}[a] > 1", [row], evaluations=[
        evaluation(row, kind, 50.0, **old)])  # fmt: skip
    assert verdict.outcome == "not judged"
    assert verdict.why.startswith(f"{metric}[a] was not measured; `resray evaluate ")


def test_ensemble_of_a_superseded_checkpoint_is_not_measured(tmp_path: Path) -> None:
    rows = runs("a", [90.0, 91.0])
    before = ensemble(rows, 93.0, checkpoint="best.pt@20,2")
    verdict = found(tmp_path, "ensemble_accuracy[a] > 1", rows, evaluations=[before])
    assert verdict.outcome == Outcome.NOT_JUDGED


def test_evaluation_of_fewer_images_is_a_reduction(tmp_path: Path) -> None:
    rows = runs("a", [90.0, 90.2, 90.4])
    evaluations = [evaluation(row, "tta", 92.0 + row["seed"], condition="10 views", images=100)
                   for row in rows]  # fmt: skip
    check = "tta_accuracy[a] - test_accuracy[a] > 0"
    verdict = found(tmp_path, check, rows, evaluations=evaluations)
    why = "reduced run: evaluated on 100 of 10,000 images"
    assert (verdict.outcome, verdict.why) == (Outcome.TOWARDS, why)


def test_accuracies_on_different_foreign_files_are_not_judged(tmp_path: Path) -> None:
    rows = pair([90], [80])
    files = {"a": "a" * 64, "b": "b" * 64}
    evaluations = [evaluation(row, "foreign", 70.0, condition="hidden.pkl",
                              dataset_checksum=files[row["name"]]) for row in rows]  # fmt: skip
    check = "hidden_accuracy[a] >= hidden_accuracy[b]"
    verdict = found(tmp_path, check, rows, evaluations=evaluations)
    assert verdict.outcome == Outcome.NOT_JUDGED
    names = "hidden.pkl (aaaaaaaa, 10,000 images), hidden.pkl (bbbbbbbb, 10,000 images)"
    assert verdict.why == f"different foreign files: {names}"
    same = [row | {"dataset_checksum": "a" * 64} for row in evaluations]
    (tmp_path / "same").mkdir()
    assert found(tmp_path / "same", check, rows, evaluations=same).outcome == Outcome.UNDECIDED


# --- the statistics ------------------------------------------------------------------------------


def coverage(seeds: int, repetitions: int = 250) -> float:
    """Return how often, in percent, the interval of a mean of normal values holds the true one."""
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(repetitions):
        draws = resampled_means(generator.normal(size=(1, seeds)), generator)
        interval = percentile_interval(draws[0])
        held += interval.low <= 0 <= interval.high
    return 100 * held / repetitions


@pytest.mark.parametrize("seeds", [3, 5])
def test_interval_of_few_seeds_covers_what_it_promises(seeds: int) -> None:
    assert 92 <= coverage(seeds) <= 98


def test_small_difference_is_not_contradicted_for_its_absolute_value() -> None:
    """Of |d| alone the percentiles never reach down to zero, so that any limit is exceeded."""
    statement = check_statement("abs(test_accuracy[a]) < 0.1")
    generator = np.random.default_rng(3)
    contradicted = {True: 0, False: 0}
    for _ in range(100):
        draws = resampled_means(generator.normal(size=(1, 3)), generator)[0]
        values = {Value("test_accuracy", "a"): draws}
        each, held = margins(statement, values), margins(statement, values, HELD_FUNCTIONS)
        contradicted[False] += percentile_interval(each).high < 0
        contradicted[True] += percentile_interval(each, held).high < 0
    assert contradicted[False] > 30
    assert contradicted[True] <= 10


def test_draws_that_are_not_finite_give_no_firm_interval() -> None:
    interval = percentile_interval(np.array([1.0, np.inf, -np.inf, np.nan]))
    assert not np.isfinite([interval.low, interval.high]).any()
    assert percentile_interval(np.array([1.0, 1.0]), np.array([3.0])) == Interval(1.0, 3.0)
