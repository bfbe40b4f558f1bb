"""Points that TPE proposes: in the space, conditions kept, new ones only, learning from values."""

import math
from collections.abc import Iterable
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from resray.errors import InputError
from resray.run import proposals
from resray.run.proposals import Tpe
from resray.search.points import Point
from resray.study.search_spec import Search, SearchSettings

SETTINGS = SearchSettings(method="tpe", samples=30, seed=5)
OPTIMIZERS = {
    "axes": {
        "optimizer.name": {"grid": ["sgd", "adam"]},
        "optimizer.lr": [
            {"when": {"optimizer.name": "sgd"}, "loguniform": [0.01, 1]},
            {"when": {"optimizer.name": "adam"}, "loguniform": [0.0001, 0.01]},
        ],
        "optimizer.momentum": {"when": {"optimizer.name": "sgd"}, "uniform": [0.5, 0.99]},
    }
}
SCHEDULES = {
    "axes": {
        "schedule.milestones": {"choice": [[2, 4], [3]]},
        "epochs": {"int": [4, 6]},
        "policy": {"choice": {"plain": {}, "flipped": {"augmentation": {"flip": 0.5}}}},
    }
}


def search(**spaces: Any) -> Search:
    return Search.model_validate({"spaces": spaces})


BOTH = search(optimizers=OPTIMIZERS, schedules=SCHEDULES)


def tpe(space: Search = BOTH, settings: SearchSettings = SETTINGS) -> Tpe:
    return Tpe(space, settings, list(space.spaces))


def proposed(source: Tpe, keys: Iterable[Any]) -> list[Point]:
    points = [source.propose(str(key)) for key in keys]
    return [point for point in points if point is not None]


def trials(source: Tpe) -> list[FrozenTrial]:
    """Return what Optuna has learnt from."""
    return source._study.trials


def accuracy(point: Point) -> float:
    """Return how good a point is, were it trained: best with SGD at a rate of 0.1."""
    if point.values.get("optimizer.name") != "sgd":
        return 20.0
    return 90.0 - 30 * abs(math.log10(point.values["optimizer.lr"] / 0.1))


def test_points_keep_to_the_space_and_its_conditions() -> None:
    points = proposed(tpe(), range(60))
    assert {point.space for point in points} == {"optimizers", "schedules"}
    for point in points:
        values = point.values
        if point.space == "schedules":
            assert list(values) == list(SCHEDULES["axes"])
            assert values["schedule.milestones"] in ([2, 4], [3])
            assert values["epochs"] in (4, 5, 6)
            assert values["policy"] in ("plain", "flipped")
        elif values["optimizer.name"] == "sgd":
            assert 0.01 <= values["optimizer.lr"] <= 1
            assert 0.5 <= values["optimizer.momentum"] <= 0.99
        else:
            assert 0.0001 <= values["optimizer.lr"] <= 0.01
            assert "optimizer.momentum" not in values


def test_only_the_chosen_spaces_are_searched() -> None:
    source = Tpe(BOTH, SETTINGS, ["schedules"])
    assert {point.space for point in proposed(source, range(5))} == {"schedules"}


def learning(settings: SearchSettings) -> list[Point]:
    source, points = tpe(settings=settings), []
    for key in map(str, range(40)):
        points += proposed(source, [key])
        source.tell(key, accuracy(points[-1]))
    return points


def test_what_is_told_leads_to_better_points_and_the_seed_to_the_same() -> None:
    points = learning(SETTINGS)
    first, last = ([accuracy(point) for point in part] for part in (points[:10], points[-10:]))
    assert sum(last) / 10 > sum(first) / 10 + 20
    assert learning(SETTINGS) == points
    assert learning(SETTINGS.model_copy(update={"seed": 2**32 + 6})) != points


def known_before(source: Tpe, key: str, point: Point, value: float | None) -> None:
    """Let the source know a point whose trial ended in an earlier command."""
    source.expect(key, point)
    source.tell(key, value)


def test_what_was_known_before_counts_as_if_it_had_been_told() -> None:
    source = tpe()
    for number, point in enumerate(learning(SETTINGS)):
        again = Point.from_json(point.space, point.to_json())
        known_before(source, f"before {number}", again, accuracy(point))
    after, fresh = (sum(map(accuracy, proposed(each, range(20)))) / 20 for each in (source, tpe()))
    assert after > fresh + 10, "20 points at once, nothing told in between"


def test_a_resumed_search_goes_on_with_the_draws_that_come_next() -> None:
    whole = proposed(tpe(), range(8))
    resumed = tpe()
    known_before(resumed, "first", whole[0], 50.0)
    known_before(resumed, "second", whole[1], None)
    resumed.expect("still open", whole[2])
    assert proposed(resumed, range(5)) == whole[3:]
    before = [trial.value for trial in trials(resumed) if trial.value is not None]
    resumed.tell("still open", 77.0)
    after = [trial.value for trial in trials(resumed) if trial.value is not None]
    assert (before.count(77.0), after.count(77.0)) == (0, 1)


@pytest.mark.parametrize("are_told", [False, True])
def test_a_space_without_more_points_ends_the_search(are_told: bool) -> None:
    source, found = tpe(search(schedules=SCHEDULES)), set()
    for key in map(str, range(2 * 3 * 2)):
        (point,) = proposed(source, [key])
        found.add(point.to_json())
        if are_told:
            source.tell(key, 50.0 + point.values["epochs"])
    assert len(found) == 2 * 3 * 2
    assert source.propose("one more") is None


def test_a_point_proposed_twice_counts_with_the_value_of_its_one_trial() -> None:
    source = tpe(search(flips={"axes": {"augmentation.flip": {"choice": [0, 0.5]}}}))
    proposed(source, "ab")
    assert source.propose("c") is None
    source.tell("a", 70.0)
    source.tell("b", 60.0)
    flip = "flips augmentation.flip 0"
    told = {(trial.params[flip], trial.value) for trial in trials(source)}
    assert {value for _, value in told} == {60.0, 70.0}
    assert len(told) == 2 < len(trials(source))


@pytest.mark.parametrize(
    ("space", "values"),
    [
        ("gone", {"epochs": 4}),
        ("schedules", {"epochs": 4}),
        ("schedules", {"schedule.milestones": [9], "epochs": 4, "policy": "plain"}),
        ("schedules", {"schedule.milestones": [3], "epochs": 99, "policy": "plain"}),
        ("schedules", {"schedule.milestones": [3], "epochs": 4, "policy": "plain", "gone": 1}),
    ],
)
def test_a_point_that_the_spaces_no_longer_hold_teaches_nothing(
    space: str, values: dict[str, Any]
) -> None:
    source = tpe()
    known_before(source, "before", Point(space, values), 99.0)
    assert trials(source) == []
    known_before(source, "other", proposed(tpe(), "a")[0], 99.0)
    assert [trial.value for trial in trials(source)] == [99.0]


def test_a_diverged_trial_is_the_worst_and_nan_never_gets_in() -> None:
    source = tpe()
    proposed(source, "ab")
    source.tell("a", None)
    assert trials(source)[0].value == 0
    with pytest.raises(AssertionError):
        source.tell("b", math.nan)
    with pytest.raises(AssertionError):
        source.tell("b", math.inf)


def test_optuna_does_not_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    learning(SETTINGS)
    assert capfd.readouterr() == ("", "")


def test_without_optuna_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^--method tpe needs Optuna: install resray\[tpe\]$"):
        tpe()
