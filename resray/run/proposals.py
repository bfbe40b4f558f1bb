"""Points that Optuna's TPE proposes, one by one, learning from how good the earlier ones were."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from ray.tune.search.optuna import OptunaSearch

from resray.errors import InputError
from resray.search.points import REPEATS, Point, rounded
from resray.study.axes import applicable
from resray.study.search_spec import Axis, Search, SearchSettings, Space

METRIC = "validation_accuracy"
SPACE = "space"
"""Optuna's parameter for the choice among a search's spaces."""

Identity = tuple[str, str]
"""A point's space and values."""


class TpeProposals:
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
        """Learn the highest validation accuracy (%) that the trial of a point has reached.

        To be told once, at its end. A stopped trial counts with what it had by then; None, a
        diverged or failed one, as 0 %.
        """
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
