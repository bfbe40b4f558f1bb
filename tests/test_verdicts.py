"""Claims meet results: what may be said of them, and never more than that."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from resray.report.aggregate import load_results
from resray.report.claims_section import claims_section
from resray.report.margins import HELD_FUNCTIONS, margins
from resray.report.statistics import (
    T_QUANTILES,
    Interval,
    percentile_interval,
    resampled_means,
)
from resray.report.verdicts import Outcome, Verdict, verdicts
from resray.study.claims import Value, check_statement
from tests.report_builder import RECIPE, epochs_of, evaluation, trial, write_results

Rows = list[dict[str, Any]]
NAN = float("nan")


def write_study(path: Path, *claims: dict[str, Any]) -> Path:
    study = {
        "name": "two",
        "title": "Two networks",
        "question": "Which?",
        "recipe": {"model": "resnet18", "data": "cifar10", "epochs": 20},
        "trials": [{"name": "a"}, {"name": "b", "recipe": {"model": "resnet34"}}],
        "variants": {"long": {"description": "twice as long", "recipe": {"epochs": 40}}},
        "claims": list(claims),
    }
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def found(folder: Path, check: str | list[str], rows: Rows, **tables: Any) -> Verdict:
    """Return the verdict on one claim, by results that are written and read again."""
    study = write_study(folder / "written.yaml", {"id": "x", "text": "says x", "check": check})
    tables = {"epochs": [], **tables}
    (only,) = verdicts(load_results(write_results(folder, rows, study=study, **tables)))
    return only


def runs(name: str, accuracies: Sequence[float | None], **changes: Any) -> Rows:
    """Return a trial of each accuracy, with seeds 0, 1, ..."""
    return [
        trial(name, seed, **{"test_accuracy": accuracy, **changes})
        for seed, accuracy in enumerate(accuracies)
    ]


def pair(a: Sequence[float], b: Sequence[float], **changes: Any) -> Rows:
    return [*runs("a", a, **changes), *runs("b", b, **changes)]


BETTER = "test_accuracy[a] > test_accuracy[b]"
CLEAR = pair([93.0, 93.2, 92.9], [90.0, 90.3, 89.8])


# --- with several seeds -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "a", "b", "outcome"),
    [
        (BETTER, [93.0, 93.2, 92.9], [90.0, 90.3, 89.8], Outcome.SUPPORTED),
        (BETTER, [90.0, 90.3, 89.8], [93.0, 93.2, 92.9], Outcome.CONTRADICTED),
        (BETTER, [93.0, 90.0, 92.0], [92.0, 91.0, 91.5], Outcome.UNDECIDED),
        ("test_accuracy[a] - test_accuracy[b] < 5", [93, 94, 92.5], [91, 92.1, 90.4], "supported"),
        ("test_accuracy[b] <= 0.5 * test_accuracy[a]", [90, 91, 92], [60, 62, 61], "contradicted"),
        ("abs(test_accuracy[a] - test_accuracy[b]) < 1", [90.1, 91, 92], [90, 91.1, 92],
         "supported"),
        ("max(test_accuracy[a], 95) > test_accuracy[b]", [90, 91, 92], [60, 62, 61], "supported"),
    ],
)  # fmt: skip
def test_interval_over_seeds_decides(
    tmp_path: Path, check: str, a: list[float], b: list[float], outcome: str
) -> None:
    verdict = found(tmp_path, check, pair(a, b))
    assert verdict.outcome == outcome
    (judgement,) = verdict.judgements
    assert judgement.seeds == 3
    assert judgement.interval is not None
    assert judgement.margin is not None
    assert judgement.interval.low <= judgement.margin <= judgement.interval.high


def test_same_seeds_are_paired(tmp_path: Path) -> None:
    """What a seed does to both networks cancels out, and only then is the claim decided."""
    a, b = [90.0, 92.0, 94.0, 91.0], [89.4, 91.5, 93.4, 90.6]
    together, apart = tmp_path / "together", tmp_path / "apart"
    for folder in (together, apart):
        folder.mkdir()
    assert found(together, BETTER, pair(a, b)).outcome == Outcome.SUPPORTED
    others = [trial("b", seed + 10, test_accuracy=value) for seed, value in enumerate(b)]
    assert found(apart, BETTER, [*runs("a", a), *others]).outcome == Outcome.UNDECIDED


def test_seeds_without_a_spread_decide_nothing(tmp_path: Path) -> None:
    # The differences are equal but for rounding.
    verdict = found(tmp_path, BETTER, pair([90.1, 90.2, 90.3], [80.1, 80.2, 80.3]))
    assert verdict.outcome == Outcome.TOWARDS
    assert verdict.why == "all 3 seeds gave the same margin, so their spread is unknown"


def test_failed_and_stopped_trials_and_missing_figures_do_not_count(tmp_path: Path) -> None:
    rows = [*CLEAR, trial("a", 3, test_accuracy=10.0, status="failed"),
            trial("a", 4, test_accuracy=10.0, status="stopped", epochs_done=1),
            trial("b", 5, test_accuracy=NAN)]  # fmt: skip
    verdict = found(tmp_path, BETTER, rows)
    assert verdict.outcome == Outcome.SUPPORTED
    assert verdict.judgements[0].seeds == 3


def test_verdict_does_not_change_from_one_report_to_the_next(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = (found(tmp_path / name, BETTER, CLEAR) for name in ("one", "two"))
    assert first == second


# --- never more than it can be ------------------------------------------------------------------


def test_one_seed_only_points_somewhere(tmp_path: Path) -> None:
    for name in ("for", "against"):
        (tmp_path / name).mkdir()
    verdict = found(tmp_path / "for", BETTER, pair([93], [90]))
    assert (verdict.outcome, verdict.why) == (Outcome.TOWARDS, "one seed")
    assert verdict.judgements[0].interval is None
    assert found(tmp_path / "against", BETTER, pair([90], [93])).outcome == Outcome.AGAINST


def test_one_seed_of_one_trial_is_one_seed(tmp_path: Path) -> None:
    verdict = found(tmp_path, BETTER, [*runs("a", [93, 93.1, 93.2]), *runs("b", [90])])
    assert (verdict.outcome, verdict.why) == (Outcome.TOWARDS, "one seed")


def test_reduced_runs_only_point_somewhere_and_say_what_was_reduced(tmp_path: Path) -> None:
    reductions = '["2 of 20 epochs", "512 training images"]'
    rows = [row | {"reductions": reductions} for row in CLEAR]
    verdict = found(tmp_path, BETTER, rows)
    assert verdict.outcome == Outcome.TOWARDS
    assert verdict.why == "reduced run: 2 of 20 epochs, 512 training images"


def test_runs_that_ended_early_only_point_somewhere(tmp_path: Path) -> None:
    early = {"status": "stopped", "stop_after": 5, "epochs_done": 5}
    verdict = found(tmp_path, BETTER, [row | early for row in CLEAR])
    assert (verdict.outcome, verdict.why) == (Outcome.TOWARDS, "reduced run: ended early")


def test_images_that_were_encoded_again_are_told(tmp_path: Path) -> None:
    rows = [row | {"data_source": "CIFAR-10 (Parquet folder, JPEG)"} for row in pair([93], [90])]
    assert found(tmp_path, BETTER, rows).why == "one seed; JPEG images"


def test_epochs_value_does_not_depend_on_where_the_training_was_stopped(tmp_path: Path) -> None:
    early = {"status": "stopped", "stop_after": 5, "epochs_done": 5,
             "reductions": '["stopped after 5 of 20 epochs"]'}  # fmt: skip
    rows = [row | early for row in CLEAR]
    check = "test_accuracy[a, epoch=5] > test_accuracy[b, epoch=5]"
    epochs = [e | {"test_accuracy": row["test_accuracy"]} for row in rows for e in epochs_of(row)]
    assert found(tmp_path, check, rows, epochs=epochs).outcome == Outcome.SUPPORTED


@pytest.mark.parametrize(
    ("check", "reductions", "outcome"),
    [
        ("parameters[a] < parameters[b]", [], Outcome.SUPPORTED),
        ("parameters[a] > parameters[b]", ["2 of 20 epochs"], Outcome.CONTRADICTED),
        ("parameters[a] <= parameters[a]", ["2 of 20 epochs"], Outcome.SUPPORTED),
        ("multiply_adds[a] < multiply_adds[b]", ["images of 16x16 pixels"], Outcome.TOWARDS),
        ("parameters[a] < parameters[b]", ["resnet18 in place of resnet50"], Outcome.TOWARDS),
        ("parameters[a] < parameters[b]", ["embedded images in place of cifar10"], "supported"),
        ("parameters[a] > parameters[b]", ["embedded images in place of cifar100"],
         "points against"),
    ],
)  # fmt: skip
def test_counts_are_exact_with_one_seed_unless_the_network_is_another(
    tmp_path: Path, check: str, reductions: list[str], outcome: str
) -> None:
    rows = [trial(name, parameters=size, multiply_adds=size, reductions=json.dumps(reductions))
            for name, size in (("a", 10), ("b", 20))]  # fmt: skip
    assert found(tmp_path, check, rows).outcome == outcome


# --- times --------------------------------------------------------------------------------------


FASTER = "seconds_per_epoch[a] <= 0.9 * seconds_per_epoch[b]"


def timed(**changes: Any) -> Rows:
    return [
        trial(name, seed, seconds_training=seconds + seed, **changes)
        for name, seconds in (("a", 1000.0), ("b", 2000.0))
        for seed in range(3)
    ]


def test_times_on_one_device_alone_are_judged(tmp_path: Path) -> None:
    epochs = [epoch for row in timed() for epoch in epochs_of(row)]
    assert found(tmp_path, FASTER, timed(), epochs=epochs).outcome == Outcome.SUPPORTED


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"exclusive": False}, "shared machine: b did"), ({"exclusive": None}, "shared machine: b"),
     ({"device": "Tesla T4"}, "different devices: NVIDIA H200, Tesla T4")],
)  # fmt: skip
def test_times_of_shared_or_different_devices_are_not_judged(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    rows = [row | changes if row["name"] == "b" else row for row in timed()]
    verdict = found(tmp_path, FASTER, rows)
    assert verdict.outcome == Outcome.NOT_JUDGED
    assert verdict.why.startswith(why)
    assert verdict.judgements[0].margin is None


def test_accuracy_is_judged_on_a_shared_machine(tmp_path: Path) -> None:
    verdict = found(tmp_path, BETTER, [row | {"exclusive": False} for row in CLEAR])
    assert verdict.outcome == Outcome.SUPPORTED


# --- what is missing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "rows", "outcome", "why"),
    [
        (BETTER, runs("a", [90]), Outcome.NOT_TESTED, "b was not run"),
        (BETTER, [], Outcome.NOT_TESTED, "a was not run"),
        (BETTER, [*runs("a", [90]), trial("b", status="running")], "not tested",
         "b has not finished"),
        ("test_accuracy[a] > test_accuracy[b, variant=long]", CLEAR, "not tested",
         "b (variant long) was not run"),
        ("test_accuracy[a, epoch=99] > 5", CLEAR, "not judged",
         "test_accuracy[a, epoch=99] was not measured"),
        ("tta_accuracy[a] > 5", CLEAR, "not judged", "tta_accuracy[a] was not measured"),
        ("peak_memory_bytes[a] > 5", CLEAR, "not judged", "peak_memory_bytes[a] was not measured"),
        (BETTER, pair([NAN], [NAN]), "not judged", "test_accuracy[a] was not measured"),
        ("test_accuracy[a] / test_accuracy[b] > 5", pair([90, 91, 92], [0, 0, 0]), "not judged",
         "divides by zero"),
        ("1 / (test_accuracy[a] - test_accuracy[b]) > 5", pair([90], [90]), "not judged",
         "divides by zero"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(
    tmp_path: Path, check: str, rows: Rows, outcome: str, why: str
) -> None:
    verdict = found(tmp_path, check, rows)
    assert verdict.outcome == outcome
    assert why in verdict.why


def test_division_by_what_may_be_zero_is_undecided(tmp_path: Path) -> None:
    rows = pair([90.0, 91.0], [89.0, 92.0])
    verdict = found(tmp_path, "1 / (test_accuracy[a] - test_accuracy[b] + 0.0001) > 1", rows)
    assert verdict.outcome == Outcome.UNDECIDED


# --- which trials -------------------------------------------------------------------------------


def recipe(**changes: Any) -> str:
    return json.dumps({**RECIPE, "model": {"name": "resnet18"}, "epochs": 20, **changes})


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
    assert verdict.why == "no finished runs of a, b share data, length and variant"


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


# --- metrics ------------------------------------------------------------------------------------


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


def test_ensemble_stands_beside_the_mean_of_its_seeds_as_one_value(tmp_path: Path) -> None:
    rows = runs("a", [90.0, 91.0, 92.0])
    members = json.dumps([row["trial_id"] for row in rows])
    ensemble = evaluation(rows[0], "ensemble", 93.0, trial_id="hash", seed=None, members=members)
    fewer = ensemble | {"trial_id": "two", "value": 99.0,
                        "members": json.dumps([row["trial_id"] for row in rows[:2]])}  # fmt: skip
    foreign = ensemble | {"trial_id": "other", "value": 1.0, "members": '["a-0-20", "gone"]'}
    check = "ensemble_accuracy[a] - test_accuracy[a] >= 1"
    verdict = found(tmp_path, check, rows, evaluations=[ensemble, fewer, foreign])
    assert (verdict.outcome, verdict.why) == (Outcome.TOWARDS, "one ensemble")
    assert verdict.judgements[0].left == pytest.approx(2.0)


# --- several comparisons ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        ("test_accuracy[a] > 80", Outcome.SUPPORTED),
        ("test_accuracy[a] > 93.0", Outcome.UNDECIDED),
        ("test_accuracy[a] > 99", Outcome.CONTRADICTED),
        ("tta_accuracy[a] > 1", Outcome.NOT_JUDGED),
        ("test_accuracy[a, variant=long] > 1", Outcome.NOT_TESTED),
    ],
)
def test_all_comparisons_of_a_claim_must_hold(
    tmp_path: Path, second: str, outcome: Outcome
) -> None:
    verdict = found(tmp_path, [BETTER, second], CLEAR)
    assert verdict.outcome == outcome
    assert [each.outcome for each in verdict.judgements] == [Outcome.SUPPORTED, outcome]


# --- the statistics -----------------------------------------------------------------------------


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


def test_quantiles_are_those_of_students_t() -> None:
    u = (np.arange(20_000) + 0.5) / 20_000
    for degrees, quantile in enumerate(T_QUANTILES, start=1):
        # The density beyond the quantile, with u from 0 to 1 in place of quantile / x.
        scale = (
            math.gamma((degrees + 1) / 2) / math.gamma(degrees / 2) / math.sqrt(degrees * math.pi)
        )
        density = scale * (1 + (quantile / u) ** 2 / degrees) ** (-(degrees + 1) / 2)
        assert float(np.mean(density * quantile / u**2)) == pytest.approx(0.025, rel=1e-4)


def test_draws_that_are_not_finite_give_no_firm_interval() -> None:
    interval = percentile_interval(np.array([1.0, np.inf, -np.inf, np.nan]))
    assert not np.isfinite([interval.low, interval.high]).any()
    assert percentile_interval(np.array([1.0, 1.0]), np.array([3.0])) == Interval(1.0, 3.0)


# --- the section --------------------------------------------------------------------------------


def test_section_shows_verdict_numbers_and_reason(tmp_path: Path) -> None:
    claims: Rows = [
        {"id": "x", "text": "a is <b>better</b>", "check": BETTER},
        {"id": "y", "text": "a is small", "check": [BETTER, "tta_accuracy[a] < 99"]},
        {"id": "z", "text": "unlikely", "untested": "needs <i>more</i>"},
    ]
    study = write_study(tmp_path / "written.yaml", *claims)
    html = claims_section(load_results(write_results(tmp_path, CLEAR, epochs=[], study=study)))
    for text in (
        "3 claims: 1 supported, 1 not judged, 1 not testable here.",
        "a is &lt;b&gt;better&lt;/b&gt;",
        "test_accuracy[a] &gt; test_accuracy[b]",
        "93.03 against 90.03; holds by 3 (95\u00a0% interval ",
        "; 3 seeds; on a, b",
        '<span aria-hidden="true">✓</span> supported',
        "tta_accuracy[a] was not measured",
        "needs &lt;i&gt;more&lt;/i&gt;",
    ):
        assert text in html


def test_results_without_a_study_have_no_claims(tmp_path: Path) -> None:
    assert "no claims" in claims_section(load_results(write_results(tmp_path, [trial()])))
