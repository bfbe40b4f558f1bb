"""Claims about clean training images, about spreads over seeds, and about epochs to a share."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from resray.analysis.resampling import spread_draws
from resray.analysis.verdicts import Outcome
from resray.report.claims_section import published_sides
from resray.study.claims import check_statement
from resray.study.spec import Published
from tests.report_builder import evaluation, trial
from tests.verdict_case import CLEAR, Rows, found, pair, runs

NAN = float("nan")


# --- clean_train_accuracy ------------------------------------------------------------------------

GAP = "clean_train_accuracy[a] - test_accuracy[a] > clean_train_accuracy[b] - test_accuracy[b]"


def clean(rows: Rows, value: float, images: int = 45_000) -> list[dict[str, Any]]:
    """What `resray evaluate --kind train` stores of trials."""
    return [evaluation(row, "train", value + 0.1 * row["seed"], images=images) for row in rows]


def test_clean_training_accuracy_is_that_of_evaluate(tmp_path: Path) -> None:
    a, b = runs("a", [90.0, 90.3, 89.8]), runs("b", [93.0, 93.1, 92.9])
    stored = [*clean(a, 99.5), *clean(b, 99.0)]
    verdict = found(tmp_path, GAP, [*a, *b], evaluations=stored)
    assert verdict.outcome == Outcome.SUPPORTED
    assert verdict.judgements[0].left == pytest.approx(99.6 - 90.0333, abs=1e-3)


def test_what_was_not_evaluated_is_said_with_the_command_that_does(tmp_path: Path) -> None:
    verdict = found(tmp_path, GAP, CLEAR)
    assert verdict.outcome == Outcome.NOT_JUDGED
    command = f"resray evaluate {tmp_path} --kind train"
    assert verdict.why == f"clean_train_accuracy[a] was not measured; `{command}` measures it"
    hidden = found(tmp_path, "hidden_accuracy[a] > 50", CLEAR)
    assert hidden.why.endswith("--kind foreign --input FILE` measures it")


def test_fewer_training_images_only_point_somewhere(tmp_path: Path) -> None:
    rows = [row | {"train_images": 45_000} for row in runs("a", [90.0, 90.1, 90.2])]
    check = "clean_train_accuracy[a] > 95"
    (tmp_path / "all").mkdir()
    whole = found(tmp_path / "all", check, rows, evaluations=clean(rows, 99))
    assert whole.outcome == Outcome.SUPPORTED
    limited = found(tmp_path, check, rows, evaluations=clean(rows, 99, images=1000))
    assert limited.outcome == Outcome.TOWARDS
    assert "evaluated on 1,000 of 45,000 images" in limited.why


# --- std -----------------------------------------------------------------------------------------


def chi_square_interval(values: list[float]) -> tuple[float, float]:
    """The textbook's 95 % interval of a standard deviation."""
    df, deviation = len(values) - 1, np.std(values, ddof=1)
    ends = stats.chi2.ppf([0.975, 0.025], df)
    low, high = deviation * np.sqrt(df / ends)
    return float(low), float(high)


@pytest.mark.parametrize("values", [[93.0, 93.4], [93.0, 93.2, 92.9], [90.0, 91, 90, 92, 91, 90]])
def test_the_interval_of_a_spread_is_that_of_chi_square(
    tmp_path: Path, values: list[float]
) -> None:
    verdict = found(tmp_path, "std(test_accuracy[a]) > 0", runs("a", values))
    (judgement,) = verdict.judgements
    assert verdict.outcome == Outcome.SUPPORTED
    assert judgement.left == pytest.approx(np.std(values, ddof=1))
    assert judgement.interval is not None
    interval = (judgement.interval.low, judgement.interval.high)
    assert interval == pytest.approx(chi_square_interval(values), rel=2e-3)
    assert judgement.seeds == len(values)


def test_spreads_are_compared_as_f_does(tmp_path: Path) -> None:
    """A ratio of two: the interval of F, with either configuration's own seeds."""
    a, b = [90.0, 94.0, 92.0, 97.0, 88.0, 93.0], [90.0, 90.1, 90.2, 89.9]
    rows = [*runs("a", a), *runs("b", b)]
    check = "std(test_accuracy[a]) > 2 * std(test_accuracy[b])"
    verdict = found(tmp_path, check, rows)
    assert (verdict.outcome, verdict.judgements[0].seeds) == (Outcome.SUPPORTED, 4)
    ratio = found(tmp_path, "std(test_accuracy[a]) / std(test_accuracy[b]) > 0", rows)
    interval = ratio.judgements[0].interval
    assert interval is not None
    quotient = np.var(a, ddof=1) / np.var(b, ddof=1)
    ends = np.sqrt(quotient / stats.f.ppf([0.975, 0.025], 5, 3))
    assert (interval.low, interval.high) == pytest.approx(tuple(ends), rel=0.05)


def test_a_mean_beside_its_own_spread(tmp_path: Path) -> None:
    """As study 4 asks: is the goal within a standard deviation of what was reached?"""
    check = "94 - test_accuracy[a] <= std(test_accuracy[a])"
    verdict = found(tmp_path, check, runs("a", [93.0, 93.6, 92.4]))
    (judgement,) = verdict.judgements
    assert (judgement.left, judgement.right) == pytest.approx((1.0, 0.6))
    assert verdict.outcome == Outcome.UNDECIDED


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    verdict = found(tmp_path, "std(test_accuracy[a]) > 0.02", runs("a", [93.0]))
    assert verdict.outcome == Outcome.NOT_JUDGED
    assert verdict.why.startswith("std(test_accuracy[a]) needs two seeds or more, a has one; ")


def test_the_interval_of_a_spread_holds_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    for n in (3, 10):
        figures = np.linspace(0, 1, n)
        drawn = spread_draws(figures, generator)[1:] / figures.std(ddof=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        deviations = generator.normal(size=(20_000, n)).std(axis=1, ddof=1)
        held = (deviations * low <= 1) & (deviations * high >= 1)
        assert held.mean() == pytest.approx(0.95, abs=0.006)


# --- epochs_to -----------------------------------------------------------------------------------


def along(rows: Rows, courses: Mapping[str, Sequence[Sequence[float]]]) -> list[dict[str, Any]]:
    """Return epochs with these test accuracies, of each trial's seeds in order."""
    return [
        {**{key: row[key] for key in ("trial_id", "study", "name", "seed")},
         "epoch": epoch, "test_accuracy": accuracy, "attempt": 1}
        for row in rows
        for epoch, accuracy in enumerate(courses[row["name"]][row["seed"]], 1)
    ]  # fmt: skip


def test_epochs_to_a_share_of_the_highest_value(tmp_path: Path) -> None:
    """Of 80 and of 90: a is at 72 and at 81 in epochs 2 and 3, b in 4 and 4."""
    rows = pair([80.0, 90.0], [80.0, 80.0])
    courses: dict[str, list[list[float]]] = {
        "a": [[60, 72, 80, 79], [60, 80, 81, 90]],
        "b": [[20, NAN, 71.9, 80], [70, NAN, 60, 80]],
    }
    check = "epochs_to(0.9, test_accuracy[a]) < epochs_to(0.9, test_accuracy[b])"
    (judgement,) = found(tmp_path, check, rows, epochs=along(rows, courses)).judgements
    assert (judgement.left, judgement.right) == (2.5, 4.0)
    assert judgement.seeds == 2
    whole = check.replace("0.9", "1")
    (judgement,) = found(tmp_path, whole, rows, epochs=along(rows, courses)).judgements
    assert (judgement.left, judgement.right) == (3.5, 4.0)


def test_epochs_to_a_share_are_decided_by_their_interval(tmp_path: Path) -> None:
    rows = pair([80.0] * 4, [80.0] * 4)
    early = [[10, 70, 79, 80, 80, 80], [10, 74, 79, 80, 80, 80], [75, 70, 79, 80, 80, 80]]
    late = [[10, 20, 30, 40, 75, 80], [10, 20, 30, 40, 50, 80], [10, 20, 30, 40, 75, 80]]
    courses = {"a": [*early, early[0]], "b": [*late, late[1]]}
    check = "epochs_to(.9, test_accuracy[a]) < epochs_to(.9, test_accuracy[b])"
    verdict = found(tmp_path, check, rows, epochs=along(rows, courses))
    assert verdict.outcome == Outcome.SUPPORTED
    unknown = found(tmp_path, check.replace("test", "validation"), rows, epochs=[])
    assert unknown.why == "epochs_to(0.9, validation_accuracy[a]) was not measured"


def test_speed_of_an_epoch_has_a_share_too(tmp_path: Path) -> None:
    rows = [trial("a", 0)]
    epochs = [{**each, "images_per_second": rate} for each, rate in
              zip(along(rows, {"a": [[1, 1, 1]]}), (50.0, 95.0, 100.0), strict=True)]  # fmt: skip
    check = "epochs_to(0.9, iterations_per_second[a]) <= 2"
    assert found(tmp_path, check, rows, epochs=epochs).judgements[0].left == 2


# --- what was published --------------------------------------------------------------------------


@pytest.mark.parametrize("check", ["std(test_accuracy[a]) > 1", "epochs_to(1, test_accuracy[a])>1"])
def test_a_published_mean_is_neither_a_spread_nor_epochs(check: str) -> None:
    fields = {"trial": "a", "metric": "test_accuracy", "value": 93.0, "protocol": "p"}
    figure = Published.model_validate({**fields, "device": "d", "source": "s"})
    assert published_sides([figure], check_statement(check)) is None
    assert published_sides([figure], check_statement("test_accuracy[a] > 1")) is not None


# --- what is no linear combination ----------------------------------------------------------------

PRODUCT = "test_accuracy[a] * validation_accuracy[a] > 100"


def test_a_product_of_values_without_a_common_seed_is_not_judged(tmp_path: Path) -> None:
    rows = runs("a", [90.0, 91.0, 92.0, 93.0])
    for row in rows:
        row["test_accuracy" if row["seed"] < 2 else "validation_accuracy"] = None
    verdict = found(tmp_path, PRODUCT, rows)
    assert verdict.outcome == Outcome.NOT_JUDGED
    assert verdict.why.startswith("no seed has all of ")


def test_a_product_of_values_with_one_common_seed_is_of_one_seed(tmp_path: Path) -> None:
    rows = runs("a", [90.0, 91.0, 92.0])
    rows[0]["test_accuracy"] = rows[2]["validation_accuracy"] = None
    verdict = found(tmp_path, PRODUCT, rows)
    assert (verdict.outcome, verdict.why) == (Outcome.UNDECIDED, "one seed")


def test_two_spreads_are_drawn_alike_in_every_process(tmp_path: Path) -> None:
    """Whatever the order in which Python would hash them."""
    check = "std(test_accuracy[a]) < std(test_accuracy[b])"
    write = "import sys; from pathlib import Path; from tests.test_claim_values import *\n"
    write += "folder = Path(sys.argv[1]); rows = pair([1, 2, 4], [1, 5, 9])\n"
    write += f"print(found(folder, {check!r}, rows).judgements[0].interval)"
    said = set()
    for seed in ("1", "2", "3"):
        folder = tmp_path / seed
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", write, folder], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        said.add(done.stdout)
    assert len(said) == 1
