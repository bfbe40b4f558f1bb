"""Works out a claim's comparison from values, for many bootstrap samples at once."""

from collections.abc import Callable, Mapping

import numpy as np

from resray.study.claims import Expression, Statement, Value

Draws = Mapping[Value, np.ndarray]
"""Each value's draws; in first place the measured one."""
Function = Callable[[list[np.ndarray]], np.ndarray]

FUNCTIONS: dict[str, Function] = {
    "abs": lambda parts: np.abs(parts[0]),
    "min": lambda parts: np.minimum.reduce(np.broadcast_arrays(*parts)),
    "max": lambda parts: np.maximum.reduce(np.broadcast_arrays(*parts)),
}
HELD_FUNCTIONS: dict[str, Function] = {
    "abs": lambda parts: -parts[0] if parts[0][0] < 0 else parts[0],
    "min": lambda parts: min(parts, key=lambda part: part[0]),
    "max": lambda parts: max(parts, key=lambda part: part[0]),
}
"""The same with the choice that the measured values make: of abs the sign, of min and max the part.

Where a difference is near zero, noise can only raise its absolute value. Percentiles of that would
call |difference| < 0.1 contradicted, however small the difference may be; those of the signed
difference do not.
"""


def margins(
    statement: Statement, draws: Draws, functions: Mapping[str, Function] = FUNCTIONS
) -> np.ndarray:
    """Return by how much the comparison holds in each draw, negative where it does not.

    Not finite where it divides by zero.
    """
    left, right = sides(statement, draws, functions)
    with np.errstate(all="ignore"):
        return left - right if statement.operator.startswith(">") else right - left


def sides(
    statement: Statement, draws: Draws, functions: Mapping[str, Function] = FUNCTIONS
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides of the comparison in each draw."""
    with np.errstate(all="ignore"):
        left = evaluate(statement.left, draws, functions)
        return left, evaluate(statement.right, draws, functions)


def evaluate(expression: Expression, draws: Draws, functions: Mapping[str, Function]) -> np.ndarray:
    """Return an expression's value in each draw, or once if it names no trial."""
    if isinstance(expression, Value):
        return draws[expression]
    if isinstance(expression, float):
        return np.array([expression])
    parts = [evaluate(part, draws, functions) for part in expression.parts]
    if expression.operator in functions:
        return functions[expression.operator](parts)
    if len(parts) == 1:
        return -parts[0]
    return ARITHMETIC[expression.operator](parts[0], parts[1])


ARITHMETIC: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
