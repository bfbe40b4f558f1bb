"""A comparison of folders as plain values, for ``--json``."""

import math
from typing import Any

from resray.analysis.compare import Compared
from resray.analysis.conditions import Check, Comparison
from resray.analysis.contrasts import Method
from resray.analysis.pairs import by_difference
from resray.analysis.statistics import Interval, Summary, mean_interval

Facts = dict[str, Any]


def comparison_facts(found: Comparison) -> Facts:
    """Return everything that was found; metrics in their own units, memory in bytes."""
    folders = found.folders
    return {
        "folders": [
            {"name": name, "path": str(results.folder), "study": results.title}
            for name, results in folders.sources.items()
        ],
        "differing": [
            {"folder": name, "what": one.what, "first": one.first, "second": one.second,
             "configurations": labels}
            for name, matching in folders.matchings.items()
            for one, labels in by_difference(matching.pairs).items()
        ],
        "unmatched": [
            {"folder": name, "only_first": [group.label for group in matching.only_first],
             "only_second": [group.label for group in matching.only_second]}
            for name, matching in folders.matchings.items()
        ],
        "comparisons": [compared_facts(one) for rows in found.tables.values() for one in rows],
        "conditions": [check_facts(each) for each in found.checks],
        "exit_code": found.exit_code,
    }  # fmt: skip


def compared_facts(one: Compared) -> Facts:
    difference = one.difference
    found = difference.estimate if difference and difference.interval else None
    return {
        "metric": one.metric,
        "configuration": one.pair.label,
        "folder": one.name,
        "first": summary_facts(one.first),
        "second": summary_facts(one.second),
        "difference": finite(difference.value) if difference else None,
        "percent": finite(one.percent),
        "interval": interval_facts(difference.interval if difference else None),
        "method": found.method if found else None,
        "pairs": found.seeds[0] if found and found.method == Method.PAIRED else None,
        "p": difference.p if difference else None,
        "detectable": finite(difference.detectable) if difference else None,
        "verdict": one.verdict,
        "why": one.why,
    }  # fmt: skip


def summary_facts(summary: Summary | None) -> Facts | None:
    if summary is None:
        return None
    interval = interval_facts(mean_interval(summary))
    return {"mean": finite(summary.mean), "n": summary.n, "interval": interval}


def interval_facts(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [finite(interval.low), finite(interval.high)]


def check_facts(each: Check) -> Facts:
    return {
        "condition": str(each.condition),
        "checked": each.checked,
        "violations": [[one.name, one.pair.label] for one in each.violations],
        "lost": [[one.name, one.label, one.why] for one in each.lost],
        "unchecked": [[one.name, one.pair.label, one.why] for one in each.unchecked],
    }


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
