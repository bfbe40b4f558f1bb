"""Who has won a search, what confirms it, and `resray best`, which prints and writes it."""

import json
from typing import Any

import pytest

from resray.search.best import (
    better_audited,
    confirmations_of,
    fresh_seeds,
    ranked,
    winner,
)
from tests.report_builder import trial


def searched(name: str, accuracy: float | None, **changes: Any) -> dict[str, Any]:
    """Return the row of a search trial that was trained in full, with ``changes``."""
    made = {
        "trial_id": name,
        "role": "search",
        "space": "all",
        "point": json.dumps({"optimizer.lr": name}),
        "rung": 3,
        "full_epochs": 20,
        "audited": None,
        "reason": None,
        "validation_accuracy": accuracy,
        "test_accuracy": None,
        "test_accuracy_best": None,
        "test_accuracy_last": None,
    }
    return trial("resnet18") | {"name": name} | made | changes


def confirmed(won: dict[str, Any], seed: int, **changes: Any) -> dict[str, Any]:
    made = {"trial_id": f"confirmation-{seed}", "role": "confirmation", "seed": seed}
    return won | {"test_accuracy": 90.0 + seed, "rung": None, "full_epochs": None} | made | changes


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


ROWS = [
    searched("diverged", None, status="failed", reason="diverged"),
    searched("failed", 30.0, status="failed", reason="error"),
    searched("second", 80.0),
    searched("stopped-late", 41.0, status="stopped", rung=2),
    searched("stopped-high", 75.0, status="stopped", rung=1),
    searched("stopped-low", 40.0, status="stopped", rung=1),
    searched("audited", 95.0, audited=True),
    searched("first", 81.0),
    searched("a-rung", 90.0, epochs=5),
    searched("waiting", None, status="pending", rung=0),
    trial("resnet34", validation_accuracy=99.0) | {"role": "bench"},
]


def test_the_winner_is_the_best_on_validation_of_those_trained_in_full() -> None:
    won = winner(ROWS)
    assert won is not None
    assert won["name"] == "first"
    assert winner(ROWS[:2]) is None
    assert winner([searched("b", 80.0), searched("a", 80.0)])["name"] == "a"  # type: ignore[index]
    assert winner([searched("empty", None), searched("some", 1.0)])["name"] == "some"  # type: ignore[index]


def test_an_audited_trial_never_wins_but_is_named_if_it_was_better() -> None:
    won = searched("first", 81.0)
    assert better_audited(ROWS, won) == ROWS[6]
    assert better_audited(ROWS, searched("first", 95.0)) is None
    assert better_audited([searched("none", None, audited=True)], won) is None


def test_the_order_puts_rungs_before_values_and_what_diverged_last() -> None:
    assert names(ranked(ROWS)) == [
        "first", "second", "audited", "a-rung", "stopped-late", "stopped-high", "stopped-low",
        "waiting", "failed", "diverged",
    ]  # fmt: skip


def test_what_confirms_the_winner_is_its_recipe_with_other_seeds() -> None:
    won = searched("first", 81.0)
    waiting = {"status": "pending", "validation_accuracy": None}
    other = json.dumps({**json.loads(won["recipe"]), "epochs": 40})
    rows = [
        won,
        confirmed(won, 3),
        confirmed(won, 1, **waiting),
        confirmed(won, 0),
        confirmed(won, 2, recipe=other),
        confirmed(won, 5, dataset_checksum="of other images"),
        searched("second", 80.0, seed=6),
    ]
    assert [row["seed"] for row in confirmations_of(rows, won)] == [1, 3]


@pytest.mark.parametrize(
    ("search_seeds", "confirmed_with", "count", "seeds"),
    [
        ([0], [], 3, [1, 2, 3]),
        ([0], [], 0, []),
        ([0, 2, 1], [], 2, [3, 4]),
        ([7], [], 2, [0, 1]),
        ([0], [1, 2, 3], 3, [1, 2, 3]),
        ([0], [5], 3, [5, 1, 2]),
        ([0], [1, 2, 3], 2, [1, 2]),
        ([0, 1], [1, 2], 3, [1, 2, 3]),
        ([1, 0], [1, 2], 2, [2, 3]),
    ],
)
def test_fresh_seeds_are_unused_and_stay_what_they_were(
    search_seeds: list[int], confirmed_with: list[int], count: int, seeds: list[int]
) -> None:
    rows = [searched(f"trial-{seed}", 50.0, seed=seed) for seed in search_seeds]
    won = rows[0]
    rows += [confirmed(won, seed) for seed in confirmed_with]
    assert fresh_seeds(rows, won, count) == seeds
