"""The conditions under which a comparison fails, as they are typed, and what is said of them."""

import math
import re
from collections.abc import Sequence

from resray.analysis.compare import COMPARABLE, Compared
from resray.analysis.conditions import Check, Condition
from resray.analysis.words import listed
from resray.errors import InputError, unknown
from resray.study.metrics import METRICS

EXAMPLES = "write such as 'test_accuracy < -0.5' or 'images_per_second < -10%'"
_CONDITION = re.compile(
    r"\s*([A-Za-z_]\w*)\s*(<=|>=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(%?)\s*",
    re.ASCII,
)


def read_condition(text: str, only_real: bool = False) -> Condition:
    """Read ``METRIC < NUMBER`` or ``METRIC < NUMBER%``, with one of < <= > >=.

    Raises InputError that says what is wrong and what is possible.
    """
    option = "--fail-if-real" if only_real else "--fail-if"
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise InputError(f"{option} {text!r}: is no condition; {EXAMPLES}")
    metric, operator, number, percent = found.groups()
    if metric not in COMPARABLE:
        raise InputError(unknown(f"{option} {text!r}", metric, COMPARABLE))
    if percent and METRICS[metric].in_points:
        raise InputError(f"{option} {text!r}: accuracies differ by points; leave out the %")
    if not math.isfinite(float(number)):
        raise InputError(f"{option} {text!r}: {number} is too large a number")
    return Condition(option, metric, operator, float(number), bool(percent), only_real)


def never_checked(checks: Sequence[Check]) -> str:
    """Return which conditions could be checked on no configuration, and why."""
    return "; ".join(
        f"{each.condition}: could be checked on no configuration ({reasons(each.unchecked)})"
        for each in checks
        if not each.checked
    )


def reasons(unchecked: Sequence[Compared]) -> str:
    """Return ``resnet18: one seed``, each reason once."""
    labels: dict[str, list[str]] = {}
    for one in unchecked:
        labels.setdefault(one.why or one.verdict, []).append(one.pair.label)
    return "; ".join(f"{listed(who)}: {why}" for why, who in labels.items())
