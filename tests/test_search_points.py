"""The points of a search: what is combined, what is drawn, and what stays when a search grows."""

import random
from collections import Counter
from typing import Any

import pytest

from resray.search.plan import search_settings
from resray.search.points import Point, grid_size, points, rounded
from resray.study.axes import applicable, sample_points, values_of
from resray.study.search_spec import Axis
from tests.search_study import AXES, CROPS, found, grown, names, planned, study


def test_every_combination_of_grids_has_its_draws_of_the_rest() -> None:
    drawn = found(study(), samples=3)
    assert len(drawn) == 2 * (2 * 3 + 3)
    combinations = Counter(
        tuple(point.values.get(name) for name in ("trial", "optimizer.name"))
        + ((point.values["optimizer.lr"],) if point.values["optimizer.name"] == "sgd" else ())
        for point in drawn
    )
    assert set(combinations.values()) == {3}
    assert len(combinations) == 6


def test_an_axis_without_a_matching_alternative_is_absent() -> None:
    axes = {**AXES, "optimizer.momentum": {"when": {"optimizer.name": "sgd"}, "grid": [0.8, 0.9]}}
    for point in found(study(axes), samples=4):
        sgd, mixup = point.values["optimizer.name"] == "sgd", point.values["mix"] == "mixup"
        assert ("optimizer.momentum" in point.values) is sgd
        assert ("mixing.mixup_alpha" in point.values) is mixup
        assert (point.values["optimizer.lr"] in (0.1, 0.3)) is sgd
        assert list(point.values) == [axis for axis in axes if axis in point.values]


def test_grids_alone_are_one_point_each() -> None:
    axes = {"epochs": {"grid": [10, 20]}, "batch_size": {"grid": [8, 16]}}
    assert sorted(names(study(axes), samples=7)) == ["10-16", "10-8", "20-16", "20-8"]


def test_random_draws_over_the_union_of_spaces() -> None:
    union = study(spaces={"main": {"axes": AXES}, "crops": CROPS})
    drawn = found(union, method="random", samples=40)
    spaces = Counter(point.space for point in drawn)
    # Of padding there are nine values only.
    assert (spaces["crops"], spaces["main"]) == (9, 31)
    chosen = {point.values["trial"] for point in drawn if point.space == "main"}
    assert chosen == {"small", "large"}


def test_numbers_lie_in_their_range_and_say_in_full_what_they_are() -> None:
    axes = {
        "optimizer.lr": {"loguniform": [0.0123456, 9.87654]},
        "ema_decay": {"uniform": [0.999, 0.9999]},
        "batch_size": {"int": [7, 9]},
    }
    drawn = found(study(axes), samples=300)
    assert Counter(point.values["batch_size"] for point in drawn).keys() == {7, 8, 9}
    rates = [point.values["optimizer.lr"] for point in drawn]
    assert 0.0123456 <= min(rates) < 0.02
    assert 6 < max(rates) <= 9.87654
    assert 120 < sum(rate < 0.35 for rate in rates) < 180, "half lie below the geometric mean"
    decays = [point.values["ema_decay"] for point in drawn]
    assert 0.999 <= min(decays) < 0.9991 < 0.9998 < max(decays) <= 0.9999
    assert max(len(str(decay)) for decay in decays) == len("0.999123")
    assert len({point.name for point in drawn}) == 300


def test_a_point_is_told_by_its_json_in_the_files_order() -> None:
    point = Point("main", {"trial": "large", "optimizer.lr": 0.1, "model.stem": None, "a": [1, 2]})
    text = '{"trial":"large","optimizer.lr":0.1,"model.stem":null,"a":[1,2]}'
    assert point.to_json() == text
    assert Point.from_json("main", text) == point
    assert point.name == "large-0.1-None-1_2"


def test_the_same_seed_gives_the_same_points_and_another_one_others() -> None:
    assert found(study(), samples=3) == found(study(), samples=3)
    assert set(names(study(), samples=3)) != set(names(study(), samples=3, seed=1))
    grids = {"epochs": {"grid": list(range(10, 30))}}
    first, other = names(study(grids)), names(study(grids), seed=1)
    assert sorted(first) == sorted(other)
    assert first != other
    assert first != sorted(first)


def test_a_draw_is_what_it_always_was() -> None:
    """A point that changes makes a finished search run again: change this only knowingly."""
    assert names(study(CROPS["axes"]), samples=3) == ["5", "7", "1"]
    assert names(study(), method="random", samples=2) == [
        "large-sgd-0.1-mixup-0.147",
        "small-adam-0.00172-mixup-0.349",
    ]


@pytest.mark.parametrize("method", ["grid", "random"])
def test_more_samples_keep_every_point_and_the_order(method: str) -> None:
    few, many = (found(study(), method=method, samples=samples) for samples in (3, 9))
    assert len(many) > len(few)
    assert grown(few, many)


def test_more_values_of_a_grid_keep_every_point_and_the_order() -> None:
    axes = {**AXES, "optimizer.name": {"grid": ["adamw", "sgd", "adam"]}}
    axes["optimizer.lr"] = [*AXES["optimizer.lr"], {"choice": [1e-3, 1e-2]}]
    few, many = found(study(), samples=3), found(study(axes), samples=3)
    assert len(many) == len(few) + 2 * 3
    assert grown(few, many)


def test_one_more_choice_takes_only_its_share_of_the_draws() -> None:
    values = [0.1 * number for number in range(1, 10)]
    axes = {"label_smoothing": {"choice": values[:8]}, "batch_size": {"int": [1, 10**8]}}
    few = found(study(axes), samples=400)
    many = found(study({**axes, "label_smoothing": {"choice": values}}), samples=400)
    changed = [point for point in many if point not in few]
    assert {point.values["label_smoothing"] for point in changed} == {values[8]}
    assert 20 < len(changed) < 80


def test_too_many_samples_give_every_point_once() -> None:
    axes = {"epochs": {"choice": [10, 20]}, "label_smoothing": {"choice": [0, 0.1, 0.2]}}
    plan = planned(study(axes), samples=50)
    assert len(plan.trials) == 6
    assert plan.notes == ("6 of 50 points: there are no more different ones",)


def random_axes(seed: int) -> dict[str, Any]:
    """Return axes with random forms, values and conditions on those before them."""
    rng = random.Random(seed)
    keys = ["batch_size", "accumulation", "eval_batch_size", "model.dropout", "label_smoothing"]
    axes: dict[str, Any] = {}
    for key in rng.sample(keys, rng.randint(1, 5)):
        whole = "." not in key and key != "label_smoothing"
        values = rng.sample([1, 2, 4, 8, 16] if whole else [0, 0.1, 0.2, 0.5], rng.randint(1, 4))
        form = rng.choice(["grid", "grid", "choice", "range"])
        kind: dict[str, Any] = {form: values}
        if form == "range":
            kind = {"int": [1, 9]} if whole else {"uniform": [0, 0.9]}
        able = [other for other, one in axes.items() if "grid" in one]
        if able and rng.random() < 0.6:
            other = rng.choice(able)
            kind["when"] = {other: rng.choice(axes[other]["grid"])}
        axes[key] = kind
    return axes


@pytest.mark.parametrize("seed", range(40))
def test_any_space_is_searched_in_full_once_and_as_its_conditions_say(seed: int) -> None:
    any_study = study(random_axes(seed))
    search = any_study.search
    assert search is not None
    settings = search_settings(any_study, {"samples": 3, "seed": seed}, quick=False)
    drawn = list(points(search, settings, ["main"]))
    assert len({point.to_json() for point in drawn}) == len(drawn)
    assert len(drawn) <= grid_size(search, settings, ["main"])
    for point in drawn:
        before: dict[str, Any] = {}
        for name, alternatives in search.spaces["main"].axes.items():
            axis = applicable(alternatives, before)
            assert (axis is not None) == (name in point.values)
            if axis is not None:
                before[name] = point.values[name]
                low, high = min(values_of(axis)), max(values_of(axis))
                assert before[name] in axis.options or low <= before[name] <= high
    assert len(planned(any_study, samples=3, seed=seed).trials) == len(drawn)
    more = points(search, settings.model_copy(update={"samples": 5}), ["main"])
    assert grown(drawn, list(more))


@pytest.mark.parametrize("seed", range(20))
def test_sample_points_hold_every_value_that_can_be(seed: int) -> None:
    space = study(random_axes(seed)).search.spaces["main"]
    samples = list(sample_points(space))
    wanted = [value for (axis,) in space.axes.values() for value in values_of(axis)]
    assert [value for _, value, _ in samples] == wanted
    for (_, name, _), value, point in samples:
        assert point is None or point[name] == value
        assert point is not None or space.axes[name][0].when, (
            "only a condition may keep a value from any point"
        )


def test_rounding_is_what_a_proposal_needs() -> None:
    plain = Axis.model_validate({"loguniform": [0.001, 0.1]})
    assert rounded(plain, 0.0123456) == 0.0123
    assert rounded(Axis.model_validate({"int": [1, 5]}), 3.0) == 3
    assert rounded(Axis.model_validate({"uniform": [0.9, 0.99]}), 0.987654) == 0.9877
