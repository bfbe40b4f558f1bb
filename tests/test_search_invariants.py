"""The checks of a search's tables find what they are there to find."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.search_invariants import Row, Tables, outcome, violations

SEARCH = '{"grace":1,"reduction_factor":2,"rung_schedule":"full","scheduler":"asha"}'
START = datetime(2026, 1, 1, tzinfo=UTC)


def moments(count: int, first: int) -> list[datetime]:
    return [START + timedelta(seconds=first + number) for number in range(count)]


def trial(name: str, first: int, accuracies: list[float], status: str) -> dict[str, Any]:
    """Return the rows of a trial of two epochs that begins after so many seconds."""
    identity = {"trial_id": name, "name": name}
    done = len(accuracies)
    row = dict.fromkeys(("reason", "rung", "best_epoch", "validation_accuracy", "test_accuracy"))
    row |= {**identity, "role": "search", "space": "all", "point": name, "seed": 0, "audited": None}
    row |= {"status": status, "epochs": 2, "full_epochs": 2, "epochs_done": done, "attempts": 1}
    times = moments(done, first + 1)
    epochs = [
        {**identity, "epoch": number, "attempt": 1, "recorded": time, "validation_accuracy": value}
        for number, (time, value) in enumerate(zip(times, accuracies, strict=True), 1)
    ]
    events = [
        {**identity, "event": "started", "attempt": 1, "epoch": 0},
        {**identity, "event": status, "attempt": 1, "epoch": done},
    ]
    return {"trial": {**row, "reason": "asha: rung 1"}, "epochs": epochs, "events": events}


def decision(name: str, second: int, value: float, cutoff: float | None, arrived: int) -> Row:
    return {
        **{"trial_id": name, "name": name, "search": SEARCH, "scheduler": "asha", "rung": 1},
        **{"epoch": 1, "value": value, "cutoff": cutoff, "arrived": arrived},
        **{"stopped": cutoff is not None and value < cutoff},
        "decided": START + timedelta(seconds=second),
    }


@pytest.fixture
def tables() -> Tables:
    """A search in which the second of two trials is stopped after its first epoch."""
    found = {"good": trial("good", 0, [50.0, 60.0], "completed"),
             "bad": trial("bad", 10, [40.0], "stopped")}  # fmt: skip
    return Tables(
        trials=[each["trial"] for each in found.values()],
        epochs={name: each["epochs"] for name, each in found.items()},
        events={name: each["events"] for name, each in found.items()},
        decisions={
            "good": [decision("good", 2, 50.0, None, 1)],
            "bad": [decision("bad", 12, 40.0, 50.0, 2)],
        },
    )


def test_a_sound_search_has_no_violations(tables: Tables) -> None:
    assert violations(tables, points=2) == []
    assert outcome(tables) == outcome(deepcopy(tables))


def test_a_lost_point_is_found(tables: Tables) -> None:
    assert violations(tables, points=3) == ["2 points, not 3"]


def test_an_epoch_twice_is_found(tables: Tables) -> None:
    tables.epochs["good"].append(tables.epochs["good"][-1])
    assert violations(tables, points=2) == ["good has epochs [1, 2, 2], not 1 to 2"]


def test_an_epoch_that_was_trained_anew_is_found(tables: Tables) -> None:
    tables.epochs["good"][0]["recorded"] = START + timedelta(seconds=100)
    assert violations(tables, points=2) == ["good: recorded goes back from one epoch to the next"]


def test_a_trial_that_was_run_again_is_found(tables: Tables) -> None:
    again = {"trial_id": "bad", "event": "resumed", "attempt": 2, "epoch": 1}
    tables.events["bad"].append(again)
    tables.trials[1]["attempts"] = 2
    assert violations(tables, points=2) == ["bad began again after its end"]


def test_a_trial_that_was_left_is_found(tables: Tables) -> None:
    tables.trials[0]["status"] = "interrupted"
    assert violations(tables, points=2) == ["good is interrupted"]


def test_a_stop_without_a_decision_is_found(tables: Tables) -> None:
    tables.decisions["bad"].clear()
    assert violations(tables, points=2) == ["bad ended after epoch 1, not by a decision: []"]


def test_a_stop_that_was_not_obeyed_is_found(tables: Tables) -> None:
    tables.decisions["good"][0] |= {"cutoff": 55.0, "stopped": True}
    assert "good completed, though a decision had stopped it" in violations(tables, points=2)


def test_two_decisions_at_a_rung_are_found(tables: Tables) -> None:
    tables.decisions["bad"].append(tables.decisions["bad"][0] | {"value": None})
    assert "bad was decided on 2 times at rung 1" in violations(tables, points=2)


def test_a_rung_that_forgot_its_arrivals_is_found(tables: Tables) -> None:
    tables.decisions["bad"][0] |= {"cutoff": None, "arrived": 1}
    (found,) = violations(tables, points=2)
    assert found == "bad at rung 1: (None, 1, True), by those before it (50.0, 2, True)"


def test_a_value_that_nobody_measured_is_found(tables: Tables) -> None:
    tables.decisions["bad"][0]["value"] = 41.0
    assert violations(tables, points=2) == ["bad was judged by 41.0 among [40.0]"]


def test_a_tested_trial_is_found(tables: Tables) -> None:
    tables.epochs["good"][1]["test_accuracy"] = 61.0
    assert violations(tables, points=2) == ["good has test_accuracy"]
