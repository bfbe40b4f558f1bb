"""Points that are proposed one by one, learning from how good the earlier ones were: by Optuna's
TPE, or by a Ray Searcher of the user's."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Protocol

from ray import tune
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from resray.errors import InputError
from resray.run.resources import Allocation
from resray.run.schedulers import METRIC, made_by
from resray.run.search_plan import SearchPlanner
from resray.search.decisions import Decisions
from resray.search.jobs import Candidate
from resray.search.next_jobs import is_over
from resray.search.points import REPEATS, Point, rounded
from resray.study.axes import applicable
from resray.study.search_spec import Axis, Search, SearchSettings, Space

SPACE = "space"
"""Optuna's parameter for the choice among a search's spaces."""

Identity = tuple[str, str]
"""A point's space and values."""


class Method(Protocol):
    """What proposes points."""

    def propose(self, key: str) -> Point | None:
        """Return a new point, whose value is told under ``key``; None if there is none (yet)."""

    def expect(self, key: str, point: Point) -> None:
        """Take in a point that an earlier command proposed."""

    def tell(self, key: str, value: float | None) -> None:
        """Learn the highest validation accuracy (%) that the trial of a point has reached.

        To be told once, at its end. A stopped trial counts with what it had by then; None, a
        diverged or failed one, as 0 %.
        """


class Proposals:
    """Turns proposed points into candidates, up to the number of samples.

    ``candidates`` holds the points of earlier commands, and grows. The method knows them: it never
    proposes one of them again, and learns from those that have ended. A point with the recipe of an
    earlier one is no candidate; the method learns of it what it learns of that one.
    """

    def __init__(
        self,
        planner: SearchPlanner,
        allocation: Allocation,
        decisions: Decisions,
        candidates: list[Candidate],
    ) -> None:
        self._planner, self._allocation = planner, allocation
        self._decisions, self._candidates = decisions, candidates
        self._method = method_of(planner)
        self._keys: dict[str, tuple[list[str], Candidate]] = {}
        self._left = planner.settings.samples - len(candidates)
        self._asked = 0
        for candidate in candidates:
            key = f"before {candidate.final.trial_id}"
            self._method.expect(key, candidate.point)
            self._follow(key, candidate)

    def next(self) -> Candidate | None:
        """Return the candidate of a new point, None if there is none."""
        # After so many there seem to be no more different recipes.
        most = self._planner.settings.samples + REPEATS
        while self._left > 0 and self._asked < most:
            key = str(self._asked)
            point = self._method.propose(key)
            if point is None:
                return None
            self._asked += 1
            candidate = self._planner.proposed(point, self._allocation)
            if self._follow(key, candidate):
                self._left -= 1
                self._candidates.append(candidate)
                return candidate
        return None

    def ended(self, trial_id: str) -> None:
        """Tell the method how good a point is, if nothing of it is left to train."""
        keys, candidate = self._keys[trial_id]
        if is_over(candidate, self._planner.store.trial, self._decisions):
            for key in keys:
                self._method.tell(key, self._value(trial_id))

    def _follow(self, key: str, candidate: Candidate) -> bool:
        """Tell of a point's training when it is over; return whether it is a new training."""
        trial_id = candidate.final.trial_id
        is_new = trial_id not in self._keys
        keys, _ = self._keys.setdefault(trial_id, ([], candidate))
        keys.append(key)
        if is_over(candidate, self._planner.store.trial, self._decisions):
            self._method.tell(key, self._value(trial_id))
        return is_new

    def _value(self, trial_id: str) -> float | None:
        """Return the accuracy that a trial has reached; None if it failed."""
        row = self._planner.store.trial(trial_id)
        assert row is not None, f"trial {trial_id} was never planned"
        return None if row["status"] == "failed" else row["validation_accuracy"]


def method_of(planner: SearchPlanner) -> Method:
    """Return what proposes the points of a search; InputError if it cannot."""
    search = planner.study.search
    assert search is not None
    asked = search, planner.settings, planner.request.spaces
    return Tpe(*asked) if planner.settings.method == "tpe" else OwnSearcher(*asked)


class OwnSearcher:
    """Proposes the points of one space by a Ray `Searcher` that the user's function returns.

    It is given the axes as Ray Tune's search space, and told `METRIC`, to be high. Raises
    InputError for what is no Searcher, for several spaces and for axes with conditions.
    """

    def __init__(self, search: Search, settings: SearchSettings, spaces: Sequence[str]) -> None:
        option = f"--method {settings.method}"
        if len(spaces) > 1:
            raise InputError(f"{option}: searches one space; choose it with --space "
                             f"({', '.join(spaces)})")  # fmt: skip
        self._space = spaces[0]
        axes = search.spaces[self._space].axes
        if several := [name for name, each in axes.items() if len(each) > 1 or each[0].when]:
            raise InputError(f"{option}: axis {several[0]} applies only sometimes; a Searcher of "
                             "one's own takes axes without conditions")  # fmt: skip
        self._axes = {name: each[0] for name, each in axes.items()}
        self._searcher: Searcher = made_by(option, settings.method, Searcher)
        domains = {name: _domain(axis) for name, axis in self._axes.items()}
        self._searcher.set_search_properties(METRIC, "max", domains)
        self._points: dict[str, Point] = {}
        self._before: set[str] = set()

    def propose(self, key: str) -> Point | None:
        """Return a new point, whose value is told under ``key``; None if there is none (yet)."""
        values = self._searcher.suggest(key)
        if not isinstance(values, dict):  # None, or that there are no more
            return None
        self._points[key] = Point(
            self._space, {name: rounded_value(axis, values[name])
                          for name, axis in self._axes.items()}
        )  # fmt: skip
        return self._points[key]

    def expect(self, key: str, point: Point) -> None:
        """Take in a point that an earlier command proposed, whose trial goes on now."""
        self._points[key] = point
        self._before.add(key)

    def tell(self, key: str, value: float | None) -> None:
        """Learn the accuracy that a point has reached; see `Method.tell`."""
        reached = 0.0 if value is None else value
        if key not in self._before:
            self._searcher.on_trial_complete(key, {METRIC: reached})
            return
        # Not every Searcher learns from points that it did not propose.
        with suppress(NotImplementedError):
            self._searcher.add_evaluated_point(dict(self._points[key].values), reached)


def _domain(axis: Axis) -> Any:
    """Return an axis in Ray Tune's words."""
    if axis.options:
        return tune.choice(axis.options)
    low, high = axis.bounds
    if axis.form == "int":
        return tune.randint(int(low), int(high) + 1)
    return tune.loguniform(low, high) if axis.form == "loguniform" else tune.uniform(low, high)


def rounded_value(axis: Axis, value: Any) -> Any:
    """Return a value that a Searcher proposes as points have it."""
    return value if axis.options else rounded(axis, value)


class Tpe:
    """Proposes the points of a search by tree-structured Parzen estimation.

    Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011), as Optuna has it, through
    Ray Tune. Until 10 points are told, the others are drawn at random. The same seed proposes the
    same again only if the same values are told in the same order.
    """

    def __init__(self, search: Search, settings: SearchSettings, spaces: Sequence[str]) -> None:
        """Raises InputError if Optuna is not installed."""
        if find_spec("optuna") is None:
            raise InputError("--method tpe needs Optuna: install resray[tpe]")
        import optuna

        # By itself Optuna writes of each study to the terminal, where the progress is.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        storage = optuna.storages.InMemoryStorage()
        self._spaces = {name: search.spaces[name] for name in spaces}
        self._searcher = OptunaSearch(
            self._suggest,
            metric=METRIC,
            mode="max",
            seed=settings.seed % 2**32,
            storage=storage,
            study_name="resray",
        )
        # Ray's add_evaluated_point refuses spaces with conditions; Optuna's add_trial does not.
        self._study = optuna.load_study(study_name="resray", storage=storage)
        self._points: dict[str, Point] = {}
        self._values: dict[Identity, float] = {}
        # By point, what Optuna calls its proposals that wait for its value.
        self._waiting: dict[Identity, list[str]] = {}

    def propose(self, key: str) -> Point | None:
        """Return a new point, whose value is told under ``key``; None if no more can be found.

        A point that was proposed or expected is never proposed again.
        """
        assert key not in self._points, key
        for repeat in range(REPEATS):
            asked = f"{key} {repeat}"
            point = self._ask(asked)
            is_new = point.identity not in self._values.keys() | self._waiting.keys()
            self._waiting.setdefault(point.identity, []).append(asked)
            if is_new:
                self._points[key] = point
                return point
            if point.identity in self._values:
                # Told the same again, Optuna turns away from what it has proposed before.
                self._learn(point, self._values[point.identity])
        return None

    def expect(self, key: str, point: Point) -> None:
        """Take in a point that an earlier command proposed, whose trial goes on now."""
        assert key not in self._points, key
        self._points[key] = point
        self._waiting.setdefault(point.identity, [])

    def tell(self, key: str, value: float | None) -> None:
        """Learn the accuracy that a point has reached; see `Method.tell`."""
        self._learn(self._points[key], 0.0 if value is None else value)

    def _ask(self, asked: str) -> Point:
        suggestion = self._searcher.suggest(asked)
        assert suggestion is not None, asked
        point: Point = suggestion["point"]
        return point

    def _learn(self, point: Point, value: float) -> None:
        """Tell Optuna a point's value: for its proposals that wait for it, else as a point more."""
        assert math.isfinite(value), value
        self._values[point.identity] = value
        waiting = self._waiting.pop(point.identity, [])
        for asked in waiting:
            self._searcher.on_trial_complete(asked, {METRIC: value})
        if not waiting:
            self._add(point, value)

    def _add(self, point: Point, value: float) -> None:
        """Add a point that Optuna did not propose; one outside the spaces teaches it nothing."""
        from optuna.trial import create_trial

        if point.space not in self._spaces:
            return
        parameters, distributions = self._as_optuna(point)
        try:
            trial = create_trial(value=value, params=parameters, distributions=distributions)
        except ValueError:  # The parameters are not those of the distributions, or outside them.
            return
        self._study.add_trial(trial)

    def _suggest(self, trial: Any) -> dict[str, Point]:
        """Return a point whose values an Optuna trial suggests: Optuna's define-by-run function."""
        space = trial.suggest_categorical(SPACE, list(self._spaces))
        values: dict[str, Any] = {}
        for name, parameter, axis in _in_turn(space, self._spaces[space], values):
            values[name] = _suggested(trial, parameter, axis)
        return {"point": Point(space, values)}

    def _as_optuna(self, point: Point) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a point as Optuna's parameters, and the distributions of its space's."""
        from optuna.distributions import CategoricalDistribution

        left = dict(point.values)
        parameters: dict[str, Any] = {SPACE: point.space}
        distributions: dict[str, Any] = {SPACE: CategoricalDistribution(list(self._spaces))}
        for name, parameter, axis in _in_turn(point.space, self._spaces[point.space], point.values):
            distributions[parameter] = _distribution(axis)
            if name in left:
                value = left.pop(name)
                parameters[parameter] = _text(value) if axis.options else value
        return {**parameters, **left}, distributions


def _in_turn(name: str, space: Space, values: Mapping[str, Any]) -> Iterator[tuple[str, str, Axis]]:
    """Yield each axis that applies, given the values of those before it, and Optuna's name of it.

    Optuna takes the alternatives of one axis for different parameters: their ranges differ.
    """
    for axis_name, alternatives in space.axes.items():
        axis = applicable(alternatives, values)
        if axis is not None:
            yield axis_name, f"{name} {axis_name} {alternatives.index(axis)}", axis


def _suggested(trial: Any, parameter: str, axis: Axis) -> Any:
    if axis.options:
        return json.loads(trial.suggest_categorical(parameter, _texts(axis)))
    low, high = axis.bounds
    if axis.form == "int":
        return trial.suggest_int(parameter, int(low), int(high))
    logarithmic = axis.form == "loguniform"
    return rounded(axis, trial.suggest_float(parameter, low, high, log=logarithmic))


def _distribution(axis: Axis) -> Any:
    """Return the distribution that `_suggested` draws from."""
    from optuna import distributions

    if axis.options:
        return distributions.CategoricalDistribution(_texts(axis))
    low, high = axis.bounds
    if axis.form == "int":
        return distributions.IntDistribution(int(low), int(high))
    return distributions.FloatDistribution(low, high, log=axis.form == "loguniform")


def _texts(axis: Axis) -> list[str]:
    """Return an axis's options as Optuna's choices, which cannot be lists."""
    return [_text(option) for option in axis.options]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
