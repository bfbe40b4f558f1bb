"""The language of claims: comparisons over trials' metrics, read without running any of it.

    test_accuracy[resnet152] - test_accuracy[resnet18] < 5
    seconds_per_epoch[resnext50] <= 0.95 * seconds_per_epoch[resnet50]
    test_accuracy[resnet50, epoch=5] > test_accuracy[resnext50, epoch=5]
    abs(test_accuracy[a] - test_accuracy[b]) < 0.5

A value is a metric of a trial, ``metric[trial]``, of one epoch (``epoch=5``) or of a variant
(``variant=as2``). Numbers, + - * /, brackets, ``abs``, ``min`` and ``max`` combine values; one of
< <= > >= compares the two sides.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from resray.errors import not_known
from resray.study.metrics import EPOCH_METRICS, METRICS, TRIAL_METRICS

COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
FUNCTIONS = {"abs": abs, "min": min, "max": max}
_VALUE = re.compile(r"([A-Za-z_]\w*)\s*\[([^\[\]]*)\]")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


@dataclass(frozen=True)
class Value:
    """One metric of one trial."""

    metric: str
    trial: str
    epoch: int | None = None
    variant: str | None = None

    def __str__(self) -> str:
        options = f", epoch={self.epoch}" if self.epoch else ""
        options += f", variant={self.variant}" if self.variant else ""
        return f"{self.metric}[{self.trial}{options}]"


@dataclass(frozen=True)
class Statement:
    """A comparison that was read: ``left OPERATOR right``."""

    text: str
    operator: str
    values: tuple[Value, ...]
    """Every value that is named, in order, once."""
    _left: ast.expr = field(repr=False, compare=False)
    _right: ast.expr = field(repr=False, compare=False)

    def left(self, values: Mapping[Value, float]) -> float:
        """Return the left side. Raises ZeroDivisionError."""
        return _evaluate(self._left, self.values, values)

    def right(self, values: Mapping[Value, float]) -> float:
        """Return the right side. Raises ZeroDivisionError."""
        return _evaluate(self._right, self.values, values)

    def margin(self, values: Mapping[Value, float]) -> float:
        """Return by how much the comparison holds: positive if it does, negative if not."""
        difference = self.left(values) - self.right(values)
        return difference if self.operator.startswith(">") else -difference


def check_statement(text: str) -> Statement:
    """Read a comparison. Raises ValueError that says what is wrong and what is possible."""
    values: list[Value] = []

    def replace(match: re.Match[str]) -> str:
        value = _value(match[1], match[2])
        if value not in values:
            values.append(value)
        return f"_{values.index(value)}"

    replaced = _VALUE.sub(replace, text)
    try:
        tree = ast.parse(replaced.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{text!r} cannot be read; {_EXAMPLE}") from None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        raise ValueError(f"{text!r} is no comparison of two sides (< <= > >=); {_EXAMPLE}")
    operator = COMPARISONS.get(type(tree.ops[0]))
    if operator is None:
        raise ValueError(f"{text!r}: compare with < <= > or >=; {_EXAMPLE}")
    right = tree.comparators[0]
    for side in (tree.left, right):
        _check(side, text, len(values))
    if not values:
        raise ValueError(f"{text!r} names no trial; {_EXAMPLE}")
    return Statement(text, operator, tuple(values), tree.left, right)


_EXAMPLE = "write such as test_accuracy[resnet152] - test_accuracy[resnet18] < 5"


def _value(metric: str, inside: str) -> Value:
    if metric not in METRICS:
        raise ValueError(not_known(metric, METRICS))
    trial, *options = (part.strip() for part in inside.split(","))
    epoch: int | None = None
    variant: str | None = None
    for option in options:
        key, _, text = (part.strip() for part in option.partition("="))
        if key == "epoch" and text.isdigit() and int(text) > 0:
            epoch = int(text)
        elif key == "variant" and text:
            variant = text
        else:
            raise ValueError(f"{option!r}: only epoch=N and variant=NAME stand beside a trial")
    if epoch is None and metric not in TRIAL_METRICS:
        raise ValueError(f"{metric}[{inside}]: needs an epoch, such as {metric}[{trial}, epoch=5]")
    if epoch is not None and metric not in EPOCH_METRICS:
        raise ValueError(f"{metric}[{inside}]: {not_known(metric, EPOCH_METRICS)} by epoch")
    return Value(metric, trial, epoch, variant)


def _check(node: ast.expr, text: str, count: int) -> None:
    """Raise ValueError unless the side is arithmetic over numbers and values."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return
    if isinstance(node, ast.Name) and node.id in {f"_{index}" for index in range(count)}:
        return
    parts: list[ast.expr] | None = None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        parts = [node.operand]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        parts = node.args if node.func.id in FUNCTIONS and node.args else None
    if parts is None:
        shown = ast.unparse(node)
        raise ValueError(f"{text!r}: {shown!r} is neither a number nor metric[trial]; {_EXAMPLE}")
    for part in parts:
        _check(part, text, count)


def _evaluate(node: ast.expr, named: tuple[Value, ...], values: Mapping[Value, float]) -> float:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int | float)
        return float(node.value)
    if isinstance(node, ast.Name):
        return values[named[int(node.id[1:])]]
    if isinstance(node, ast.UnaryOp):
        return -_evaluate(node.operand, named, values)
    if isinstance(node, ast.BinOp):
        left = _evaluate(node.left, named, values)
        return _operate(node.op, left, _evaluate(node.right, named, values))
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    parts = [_evaluate(part, named, values) for part in node.args]
    # abs takes one number where min and max take several or one.
    return abs(parts[0]) if node.func.id == "abs" else FUNCTIONS[node.func.id](parts)


def _operate(operator: ast.operator, left: float, right: float) -> float:
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    return left * right if isinstance(operator, ast.Mult) else left / right
