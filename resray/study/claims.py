"""The language of claims: comparisons over trials' metrics, read without running any of it.

    test_accuracy[resnet152] - test_accuracy[resnet18] < 5
    seconds_per_epoch[resnext50] <= 0.95 * seconds_per_epoch[resnet50]
    test_accuracy[resnet50, epoch=5] > test_accuracy[resnext50, epoch=5]
    abs(test_accuracy[a] - test_accuracy[b]) < 0.5
    std(test_accuracy[a]) > 0.02
    epochs_to(0.95, test_accuracy[deep]) > 1.2 * epochs_to(0.95, test_accuracy[shallow])

A value is a metric of a trial, ``metric[trial]``, of one epoch (``epoch=5``) or of a variant
(``variant=as2``); ``std`` takes its standard deviation over a trial's seeds in place of their mean,
``epochs_to`` the first epoch that has a share of the highest value of any. Numbers, + - * /,
brackets, ``abs``, ``min`` and ``max`` combine values; one of < <= > >= compares the two sides.
Lines may be broken anywhere between words. docs/claims.md says what becomes of it.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from resray.errors import not_known
from resray.study.metrics import EPOCH_METRICS, METRICS, TRIAL_METRICS

COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
FUNCTIONS = ("abs", "min", "max", "std", "epochs_to")
DEEPEST = 100
"""Levels of brackets and operators; what is within them can be worked out by recursion."""
LONGEST_SHOWN = 200
"""Letters of a statement that a message repeats."""

_VALUE = re.compile(r"([A-Za-z_]\w*)\s*\[([^\[\]]*)\]")
_OPTION = re.compile(r"(epoch(?=\s*=\s*0*[1-9]\d{0,8}$)|variant)\s*=\s*(.+)")
_STAND_IN = "λ"
"""Begins the names that stand for values; a statement's own text is printable ASCII."""
_EXAMPLE = "write such as test_accuracy[resnet152] - test_accuracy[resnet18] < 5"


@dataclass(frozen=True)
class Value:
    """One metric of one trial."""

    metric: str
    trial: str
    epoch: int | None = None
    variant: str | None = None
    std: bool = False
    """Its standard deviation over seeds, in place of the mean."""
    share: float | None = None
    """The first epoch at which it has this share of the highest value of any epoch."""

    def __str__(self) -> str:
        options = f", epoch={self.epoch}" if self.epoch else ""
        options += f", variant={self.variant}" if self.variant else ""
        text = f"{self.metric}[{self.trial}{options}]"
        if self.share is not None:
            return f"epochs_to({self.share:g}, {text})"
        return f"std({text})" if self.std else text


@dataclass(frozen=True)
class Operation:
    """Arithmetic over parts: one of + - * / (- of one part negates), or one of `FUNCTIONS`."""

    operator: str
    parts: tuple["Expression", ...]


Expression = float | Value | Operation


@dataclass(frozen=True)
class Statement:
    """A comparison that was read: ``left OPERATOR right``."""

    text: str
    left: Expression
    operator: str
    right: Expression

    @property
    def values(self) -> tuple[Value, ...]:
        """Every value that is named, in order, once."""
        return tuple(dict.fromkeys([*_values(self.left), *_values(self.right)]))

    def holds(self, left: float, right: float) -> bool:
        """Return whether the comparison is true of two numbers."""
        if left == right:
            return self.operator.endswith("=")
        return (left > right) == self.operator.startswith(">")


def check_statement(text: str) -> Statement:
    """Read a comparison. Raises ValueError that says what is wrong and what is possible."""
    written = " ".join(text.split())
    shown = written if len(written) <= LONGEST_SHOWN else f"{written[:LONGEST_SHOWN]}..."
    if foreign := [letter for letter in written if not " " <= letter <= "~"]:
        raise ValueError(f"{shown!r}: {foreign[0]!r} is no part of a comparison; {_EXAMPLE}")
    values: list[Value] = []

    def stand_in(match: re.Match[str]) -> str:
        values.append(_value(match[1], match[2].strip()))
        return f" {_STAND_IN}{len(values) - 1} "

    compared = _parse(_VALUE.sub(stand_in, written).strip(), shown)
    sides = (compared.left, compared.comparators[0])
    try:
        left, right = (_expression(side, values, 1) for side in sides)
    except ValueError as error:
        raise ValueError(f"{shown!r}: {error}; {_EXAMPLE}") from None
    if not values:
        raise ValueError(f"{shown!r} names no trial; {_EXAMPLE}")
    if left == right:
        raise ValueError(f"{shown!r} compares a value with itself; {_EXAMPLE}")
    return Statement(written, left, COMPARISONS[type(compared.ops[0])], right)


def _parse(replaced: str, shown: str) -> ast.Compare:
    try:
        tree = ast.parse(replaced, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{shown!r} cannot be read; {_EXAMPLE}") from None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        raise ValueError(f"{shown!r} is no comparison of two sides (< <= > >=); {_EXAMPLE}")
    if type(tree.ops[0]) not in COMPARISONS:
        raise ValueError(f"{shown!r}: compare with < <= > or >=; {_EXAMPLE}")
    return tree


def _value(metric: str, inside: str) -> Value:
    """Read ``metric[inside]``."""
    shown = f"{metric}[{inside}]"
    if metric not in METRICS:
        raise ValueError(not_known(metric, METRICS))
    trial, *options = (part.strip() for part in inside.split(","))
    if not trial or "=" in trial:
        raise ValueError(f"{shown}: names no trial; write {metric}[TRIAL]")
    chosen = {found[1]: found[2] for found in map(_OPTION.fullmatch, options) if found}
    if len(chosen) != len(options):
        message = "only epoch=N (from 1) and variant=NAME stand beside a trial, each once"
        raise ValueError(f"{shown}: {message}")
    epoch = int(chosen["epoch"]) if "epoch" in chosen else None
    if epoch is None and metric not in TRIAL_METRICS:
        raise ValueError(f"{shown}: needs an epoch, such as {metric}[{trial}, epoch=5]")
    if epoch is not None and metric not in EPOCH_METRICS:
        raise ValueError(f"{shown}: has no value by epoch; only {', '.join(EPOCH_METRICS)} have")
    return Value(metric, trial, epoch, chosen.get("variant"))


def _expression(node: ast.expr, values: list[Value], depth: int) -> Expression:
    """Return a side as an `Expression`; ValueError unless it is arithmetic over values."""
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} operations within each other")
    number = node.value if isinstance(node, ast.Constant) else None
    if isinstance(number, int | float) and not isinstance(number, bool):
        if number > sys.float_info.max:
            raise ValueError("a number is too large")
        return float(number)
    if isinstance(node, ast.Name) and node.id.startswith(_STAND_IN):
        return values[int(node.id.removeprefix(_STAND_IN))]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return Operation("-", (_expression(node.operand, values, depth + 1),))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left = _expression(node.left, values, depth + 1)
        right = _expression(node.right, values, depth + 1)
        if isinstance(node.op, ast.Div) and right == 0:
            raise ValueError("divides by zero")
        return Operation(OPERATORS[type(node.op)], (left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _function(node.func.id, node.args, values, depth)
    raise ValueError(f"{_source(node, values)!r} is neither a number nor metric[trial]")


def _function(name: str, arguments: list[ast.expr], values: list[Value], depth: int) -> Expression:
    if name not in FUNCTIONS:
        raise ValueError(not_known(name, FUNCTIONS))
    if name in ("std", "epochs_to"):
        return _of_one_value(name, [_expression(part, values, depth + 1) for part in arguments])
    if name == "abs" and len(arguments) != 1:
        raise ValueError(f"abs takes one argument, not {len(arguments)}")
    if name != "abs" and len(arguments) < 2:
        raise ValueError(f"{name} takes two arguments or more, not {len(arguments)}")
    return Operation(name, tuple(_expression(part, values, depth + 1) for part in arguments))


def _of_one_value(name: str, parts: list[Expression]) -> Value:
    """Read ``std(VALUE)`` and ``epochs_to(SHARE, VALUE)``."""
    *shares, value = parts or [0.0]
    is_plain = isinstance(value, Value) and not value.std and value.share is None
    if len(shares) != (name == "epochs_to") or not is_plain:
        wish = "one metric[trial]" if name == "std" else "a share and one metric[trial]"
        raise ValueError(f"{name} takes {wish}")
    assert isinstance(value, Value)
    if name == "std":
        return replace(value, std=True)
    (share,) = shares
    if not isinstance(share, float) or not 0 < share <= 1:
        raise ValueError("epochs_to: the share must be a number above 0 and at most 1")
    if value.metric not in EPOCH_METRICS or value.epoch is not None:
        raise ValueError(f"epochs_to: {value} is no metric of every epoch")
    return replace(value, share=share)


def _source(node: ast.expr, values: list[Value]) -> str:
    """Return a part as it was written, or nearly so."""
    try:
        text = ast.unparse(node)
    except RecursionError:
        return "a part of it"
    return re.sub(rf"{_STAND_IN}(\d+)", lambda match: str(values[int(match[1])]), text)


def _values(expression: Expression) -> Iterator[Value]:
    if isinstance(expression, Value):
        yield expression
    elif isinstance(expression, Operation):
        for part in expression.parts:
            yield from _values(part)
