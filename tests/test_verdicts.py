"""Claims meet results: what may be said of them, and never more than that."""

import json
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.comparability import WORDS
from resray.analysis.contrasts import contrasts, difference
from resray.analysis.metrics import sample_of
from resray.analysis.results import Analysis
from resray.analysis.verdicts import Outcome
from resray.report.claims_section import claims_section
from tests.report_builder import epochs_of, trial, write_results
from tests.verdict_case import BETTER, CLEAR, Rows, found, pair, recipe, runs, write_study

NAN = float("nan")


# --- with several seeds --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "a", "b", "outcome"),
    [
        (BETTER, [93.0, 93.2, 92.9], [90.0, 90.3, 89.8], Outcome.SUPPORTED),
        (BETTER, [90.0, 90.3, 89.8], [93.0, 93.2, 92.9], Outcome.CONTRADICTED),
        (BETTER, [93.0, 90.0, 92.0], [92.0, 91.0, 91.5], Outcome.UNDECIDED),
        ("test_accuracy[a] - test_accuracy[b] < 5", [93, 94, 92.5], [91, 92.1, 90.4], "supported"),
        ("test_accuracy[b] <= 0.5 * test_accuracy[a]", [90, 91, 92], [60, 62, 61], "contradicted"),
        ("abs(test_accuracy[a] - test_accuracy[b]) < 5", [90.1, 91, 92], [90, 91.1, 92],
         "supported"),
        ("abs(test_accuracy[a] - test_accuracy[b]) < 1", [90.1, 91, 92], [90, 91.1, 92],
         "undecided"),
        ("abs(test_accuracy[a] - test_accuracy[b]) > 1", [90.1, 91, 92], [70, 71.1, 72],
         "supported"),
        ("test_accuracy[a] / test_accuracy[b] < 0.95", [60, 62, 61], [90, 91, 92], "supported"),
        ("max(test_accuracy[a], test_accuracy[b]) - min(test_accuracy[a], test_accuracy[b]) < 9",
         [90, 91, 92], [90.5, 91, 92.1], "supported"),
        ("test_accuracy[a] / test_accuracy[b] < 0.95", [9.9, 10.1, 10], [10, 13, 11], "undecided"),
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


@pytest.mark.parametrize(
    ("check", "factor"),
    [
        (BETTER, 1.0),
        ("test_accuracy[a] - test_accuracy[b] < 5", 1.0),
        ("2 * test_accuracy[a] > 2 * test_accuracy[b]", 2.0),
        ("test_accuracy[a] / test_accuracy[b] < 0.95", None),
        ("abs(test_accuracy[a] - test_accuracy[b]) < 5", None),
        ("std(test_accuracy[a]) < 5", None),
    ],
)
def test_a_comparison_says_which_margin_it_would_have_shown(
    tmp_path: Path, check: str, factor: float | None
) -> None:
    (judgement,) = found(tmp_path, check, CLEAR).judgements
    results = Analysis.of(tmp_path)
    a, b = (sample_of(results, group, "test_accuracy") for group in results.groups)
    (alone,) = contrasts([difference(b, a)])
    expected = alone.detectable and factor and alone.detectable * factor
    assert judgement.detectable == (expected and pytest.approx(expected))
    section = claims_section(results)
    assert ("Detectable in 80\xa0% of such studies" in section) == (factor is not None)


def test_seeds_pair_only_where_the_study_says_so(tmp_path: Path) -> None:
    """What a seed does to both networks cancels out, and only then is the claim decided."""
    a, b = [90.0, 92.0, 94.0, 91.0], [89.4, 91.5, 93.4, 90.6]
    for name in ("declared", "apart"):
        (tmp_path / name).mkdir()
    assert found(tmp_path, BETTER, pair(a, b)).outcome == Outcome.UNDECIDED
    declared = found(tmp_path / "declared", BETTER, pair(a, b), pairing="seed")
    assert declared.outcome == Outcome.SUPPORTED
    assert declared.judgements[0].method == "paired t"
    others = [trial("b", seed + 10, test_accuracy=value) for seed, value in enumerate(b)]
    rows = [*runs("a", a), *others]
    assert (
        found(tmp_path / "apart", BETTER, rows, pairing="seed").judgements[0].method == "Welch's t"
    )


def test_what_no_seed_changes_is_exact(tmp_path: Path) -> None:
    verdict = found(tmp_path, BETTER, pair([90.2] * 3, [80.2] * 3))
    assert verdict.outcome == Outcome.SUPPORTED
    assert verdict.why == "no seed changes any of the values"


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


# --- never more than it can be -------------------------------------------------------------------


@pytest.mark.parametrize("a", [[93.0], [93.0, 93.1, 93.2]])
def test_one_seed_decides_nothing(tmp_path: Path, a: list[float]) -> None:
    verdict = found(tmp_path, BETTER, pair(a, [90]))
    assert (verdict.outcome, verdict.why) == (Outcome.UNDECIDED, "one seed")
    assert verdict.judgements[0].interval is None


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
        ("parameters[a] <= parameters[b]", ["2 of 20 epochs"], Outcome.SUPPORTED),
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


# --- times ---------------------------------------------------------------------------------------


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
    assert ("--workers 1" in verdict.why) == why.startswith("shared machine")


def test_accuracy_is_judged_on_a_shared_machine(tmp_path: Path) -> None:
    verdict = found(tmp_path, BETTER, [row | {"exclusive": False} for row in CLEAR])
    assert verdict.outcome == Outcome.SUPPORTED


# --- what is missing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "rows", "outcome", "why"),
    [
        (BETTER, runs("a", [90]), Outcome.NOT_TESTED, "b was not run"),
        (BETTER, [], Outcome.NOT_TESTED, "a was not run"),
        (BETTER, [*runs("a", [90]), trial("b", status="running")], "not tested",
         "b has not finished"),
        ("test_accuracy[a] > test_accuracy[b, variant=long]", CLEAR, "not tested",
         "b (variant long) was not run"),
        ("test_accuracy[a, epoch=19] > 5", CLEAR, "not judged",
         "test_accuracy[a, epoch=19] was not measured"),
        ("peak_memory_bytes[a] > 5", CLEAR, "not judged", "peak_memory_bytes[a] was not measured"),
        (BETTER, [*runs("a", [90]), *runs("b", [91], recipe=recipe(selection="test"))],
         "not judged", WORDS["selection"]),
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


# --- several comparisons -------------------------------------------------------------------------


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


# --- the section ---------------------------------------------------------------------------------


def test_section_shows_verdict_numbers_and_reason(tmp_path: Path) -> None:
    claims: Rows = [
        {"id": "x", "text": "a is <b>better</b>", "check": BETTER},
        {"id": "y", "text": "a is small", "check": [BETTER, "tta_accuracy[a] < 99"]},
        {"id": "z", "text": "unlikely", "untested": "needs <i>more</i>"},
    ]
    study = write_study(tmp_path / "written.yaml", *claims)
    html = claims_section(Analysis.of(write_results(tmp_path, CLEAR, epochs=[], study=study)))
    for text in (
        "3 claims: 1 supported, 1 not judged, 1 not testable here.",
        "a is &lt;b&gt;better&lt;/b&gt;",
        "test_accuracy[a] &gt; test_accuracy[b]",
        "<dt>Measured</dt><dd>93.03 against 90.03</dd>",
        "<dt>Margin</dt><dd>holds by 3</dd>",
        "<dt>n</dt><dd>3 seeds</dd>",
        "<dt>On</dt><dd>a, b</dd>",
        '<span aria-hidden="true">✓</span> supported',
        "tta_accuracy[a] was not measured",
        "needs &lt;i&gt;more&lt;/i&gt;",
    ):
        assert text in html


def test_results_without_a_study_have_no_claims(tmp_path: Path) -> None:
    assert not claims_section(Analysis.of(write_results(tmp_path, [trial()])))
