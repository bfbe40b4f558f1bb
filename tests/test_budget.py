"""What a search may spend: what is typed, when it is used up, and what is refused."""

import math
from typing import Any

import pytest

from resray.errors import InputError
from resray.search.budget import Budget, Spending, check_budget, in_words, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("30m", 1800),
        ("2h", 7200),
        ("2h30m", 9000),
        ("1d", 86400),
        ("1d2h3m4s", 93784),
        ("1.5h", 5400),
        (" 10m ", 600),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["90", "", "h", "30 minutes", "30m2h", "2h2h", "-5m", "1e3s", "٣h", "nan", "2h 30m x"]
)
def test_anything_else_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_duration(text)
    assert str(caught.value) == (
        f"--time-budget {text!r}: expected a number with a unit, or several from the largest "
        "to the smallest (d, h, m, s), such as 45s, 30m, 2h30m or 1d"
    )


@pytest.mark.parametrize("text", ["0s", "0h0m", "9" * 400 + "d"])
def test_a_duration_is_finite_and_above_zero(text: str) -> None:
    with pytest.raises(InputError, match="must be a finite time above 0"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (45, "45 s"),
        (1800, "30 min"),
        (9000, "2 h 30 min"),
        (93784, "26 h 3 min 4 s"),
        (0.1, "0.1 s"),
        (7_200_000_000, "2000000 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("budget", "below", "reached", "words"),
    [
        (Budget(seconds=1800), (1799.9, 99.0), (1800.0, 0.0), "time budget of 30 min"),
        (Budget(gpu_hours=4), (1e9, 3.99), (0.0, 4.0), "budget of 4 GPU-hours"),
        (
            Budget(cost=12.5, price_per_gpu_hour=2.5),
            (1e9, 4.99),
            (0.0, 5.0),
            "budget of 12.50 at 2.50 per GPU-hour",
        ),
    ],
)
def test_a_budget_is_used_up_when_its_limit_is_reached(
    budget: Budget, below: tuple[float, float], reached: tuple[float, float], words: str
) -> None:
    assert budget.exhausted(*below) is None
    assert budget.exhausted(*reached) == words


def test_the_first_limit_reached_ends_the_search() -> None:
    budget = Budget(seconds=60, gpu_hours=1, cost=1, price_per_gpu_hour=4)
    assert budget.exhausted(59, 0.2) is None
    assert budget.exhausted(59, 0.25) == "budget of 1.00 at 4.00 per GPU-hour"
    assert budget.exhausted(59, 1.0) == "budget of 1 GPU-hours"
    assert budget.exhausted(60, 1.0) == "time budget of 1 min"


def test_without_limits_nothing_is_ever_used_up() -> None:
    assert Budget().exhausted(1e12, 1e12) is None
    assert Budget(price_per_gpu_hour=2.5).exhausted(1e12, 1e12) is None


def test_a_price_tells_the_cost() -> None:
    assert Budget(price_per_gpu_hour=2.5).cost_of(4) == 10
    assert Budget(gpu_hours=4).cost_of(4) is None


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("seconds", "--time-budget"),
        ("gpu_hours", "--max-gpu-hours"),
        ("cost", "--max-cost"),
        ("price_per_gpu_hour", "--price-per-gpu-hour"),
    ],
)
def test_limits_are_finite_and_above_zero(name: str, option: str, value: float) -> None:
    with pytest.raises(InputError) as caught:
        Budget(**{name: value})
    assert str(caught.value) == f"{option} {value:g}: must be a finite number above 0"


def test_a_cost_needs_a_price() -> None:
    with pytest.raises(InputError) as caught:
        Budget(cost=5)
    assert str(caught.value) == "--max-cost 5: needs --price-per-gpu-hour"


@pytest.mark.parametrize(
    ("budget", "option"),
    [
        (Budget(gpu_hours=4), "--max-gpu-hours 4"),
        (Budget(cost=5, price_per_gpu_hour=2.5), "--max-cost 5"),
        (Budget(price_per_gpu_hour=2.5), "--price-per-gpu-hour 2.5"),
    ],
)
def test_gpu_hours_are_not_counted_on_cpu(budget: Budget, option: str) -> None:
    check_budget(budget, use_gpu=True)
    with pytest.raises(InputError) as caught:
        check_budget(budget, use_gpu=False)
    assert str(caught.value) == (
        f"{option}: the trials run on CPU, which has no GPU-hours; limit the time with "
        "--time-budget"
    )


def test_time_is_limited_anywhere() -> None:
    check_budget(Budget(seconds=60), use_gpu=False)
    check_budget(Budget(seconds=60), use_gpu=True)


def test_spending_counts_search_and_confirmation_of_all_commands() -> None:
    rows: list[dict[str, Any]] = [
        {"trial_id": "a", "role": "search", "gpu_hours": 1.5},
        {"trial_id": "b", "role": "confirmation", "gpu_hours": 0.5},
        {"trial_id": "c", "role": "bench", "gpu_hours": 8.0},
        {"trial_id": "d", "role": "search", "gpu_hours": None},
        {"trial_id": "e", "role": "search", "gpu_hours": math.nan},
    ]
    spending = Spending(rows)
    assert spending.gpu_hours == 2.0
    spending.take_in({"trial_id": "a", "role": "search", "gpu_hours": 2.0})
    spending.take_in({"trial_id": "d", "role": "search"})
    assert spending.gpu_hours == 2.5
