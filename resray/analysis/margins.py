"""A claim's comparison as linear margins, with an interval that any value may lie in.

A claim says that a margin, the larger side less the smaller one, is above zero. Most margins are a
linear combination of means and have an interval by t. `max`, `min` and `abs` choose among such
margins, and that the data make the choice must not count as evidence: a choice is one of several
margins of which any, or all, must hold (`Choice`), whose ends come from each by itself. A ratio is
multiplied out, so that nothing is divided by what may be zero. What is no combination of these,
such as the product of two metrics, has no margins here and is resampled
(`resray.analysis.resampling`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from resray.analysis.contrasts import among
from resray.study.claims import Expression, Statement, Value


class NotLinearError(Exception):
    """An expression is no choice among linear combinations and their ratios."""


@dataclass(frozen=True)
class Linear:
    """A constant plus values, each with its coefficient."""

    constant: float
    coefficients: Mapping[Value, float]

    def plus(self, other: "Linear", factor: float = 1.0) -> "Linear":
        keys = dict.fromkeys([*self.coefficients, *other.coefficients])
        found = {
            key: self.coefficients.get(key, 0.0) + factor * other.coefficients.get(key, 0.0)
            for key in keys
        }
        kept = {key: value for key, value in found.items() if value}
        return Linear(self.constant + factor * other.constant, kept)

    def times(self, factor: float) -> "Linear":
        return Linear(0.0, {}).plus(self, factor)


ONE = Linear(1.0, {})


@dataclass(frozen=True)
class Ratio:
    """One linear combination divided by another, most often by one."""

    above: Linear
    below: Linear = ONE

    @property
    def is_number(self) -> bool:
        return not (self.above.coefficients or self.below.coefficients)

    def scaled(self, factor: float) -> "Ratio":
        return Ratio(self.above.times(factor), self.below)

    def plus(self, other: "Ratio") -> "Ratio":
        if self.below == other.below:
            return Ratio(self.above.plus(other.above), self.below)
        one, number = (self, other) if other.is_number else (other, self)
        if not number.is_number:
            raise NotLinearError
        share = number.above.constant / number.below.constant
        return Ratio(one.above.plus(one.below, share), one.below)

    def over(self, other: "Ratio") -> "Ratio":
        if self.below != ONE or other.below != ONE:
            raise NotLinearError
        if not other.above.coefficients:
            return self.scaled(1 / other.above.constant)
        return Ratio(self.above, other.above)


@dataclass(frozen=True)
class Choice:
    """The largest of several parts, or the smallest."""

    largest: bool
    parts: tuple["Tree", ...]


Tree = Ratio | Choice


def margin_tree(statement: Statement) -> Tree:
    """Return the margin by which a statement holds. Raises NotLinearError if it is not one."""
    left, right = tree(statement.left), tree(statement.right)
    if statement.operator.startswith(">"):
        return added(left, scaled(right, -1.0))
    return added(right, scaled(left, -1.0))


def tree(expression: Expression) -> Tree:
    """Return an expression as a choice among ratios. Raises NotLinearError if it is none."""
    if isinstance(expression, Value):
        return Ratio(Linear(0.0, {expression: 1.0}))
    if isinstance(expression, float):
        return Ratio(Linear(expression, {}))
    parts = [tree(part) for part in expression.parts]
    match expression.operator:
        case "min" | "max":
            return Choice(expression.operator == "max", tuple(parts))
        case "abs":
            return Choice(True, (parts[0], scaled(parts[0], -1.0)))
        case "-" if len(parts) == 1:
            return scaled(parts[0], -1.0)
        case "+":
            return added(*parts)
        case "-":
            return added(parts[0], scaled(parts[1], -1.0))
        case "*":
            return multiplied(*parts)
    return divided(*parts)


def mapped(form: Callable[[Ratio], Ratio], node: Tree, *, turned: bool = False) -> Tree:
    """Return a tree with another ratio for each; ``turned`` makes the largest the smallest."""
    if isinstance(node, Ratio):
        return form(node)
    parts = tuple(mapped(form, part, turned=turned) for part in node.parts)
    return Choice(node.largest != turned, parts)


def scaled(node: Tree, factor: float) -> Tree:
    return mapped(lambda ratio: ratio.scaled(factor), node, turned=factor < 0)


def added(one: Tree, other: Tree) -> Tree:
    """Return the sum of two trees: to each part of a choice the other is added."""
    if isinstance(one, Choice):
        return Choice(one.largest, tuple(added(part, other) for part in one.parts))
    if isinstance(other, Choice):
        return added(other, one)
    return one.plus(other)


def multiplied(one: Tree, other: Tree) -> Tree:
    number, node = (one, other) if is_number(one) else (other, one)
    if not (isinstance(number, Ratio) and number.is_number):
        raise NotLinearError
    return scaled(node, number.above.constant / number.below.constant)


def divided(one: Tree, other: Tree) -> Tree:
    if isinstance(other, Choice):
        raise NotLinearError
    if isinstance(one, Choice) and not other.is_number:
        # Below zero it would turn the choice.
        raise NotLinearError
    turned = other.is_number and other.above.constant < 0
    return mapped(lambda ratio: ratio.over(other), one, turned=turned)


def is_number(node: Tree) -> bool:
    return isinstance(node, Ratio) and node.is_number


Ends = Callable[[Ratio, float], tuple[float, float]]
"""Returns the ends of a ratio's two-sided interval whose level is one less the given number."""


def interval(node: Tree, ends: Ends, low: float, high: float | None = None) -> tuple[float, float]:
    """Return between which two numbers a margin lies.

    ``low`` and ``high`` are the chances, of both sides together, that an end is given. That all
    parts hold is shown where each is shown by itself (Berger, "Multiparameter Hypothesis Testing
    and Acceptance Sampling", 1982); that any does, where one is shown among so many (Sidak 1967).
    """
    high = low if high is None else high
    if isinstance(node, Ratio):
        return ends(node, low)[0], ends(node, high)[1]
    several = len(node.parts)
    below = among(low, several) if node.largest else low
    above = high if node.largest else among(high, several)
    found: Sequence[tuple[float, float]] = [
        interval(part, ends, below, above) for part in node.parts
    ]
    choose = max if node.largest else min
    return choose(one for one, _ in found), choose(other for _, other in found)


def leaves(node: Tree) -> list[Ratio]:
    """Return the ratios of a tree."""
    if isinstance(node, Ratio):
        return [node]
    return [ratio for part in node.parts for ratio in leaves(part)]
