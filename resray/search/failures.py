"""Whether a search fails as a whole: the first trials all end with the same error."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

AT_LEAST = 3
"""Failures of one kind before the first success that end a search."""

# In this order: a path may hold addresses and numbers, an address holds digits.
_VARYING = (
    (re.compile(r"(?:[a-z]:)?[\w.~-]*(?:[/\\][\w.~@=+-]+)+", re.IGNORECASE), "<path>"),
    (re.compile(r"0x[0-9a-f]+", re.IGNORECASE), "<address>"),
    (re.compile(r"\b(?=[a-f-]*\d)[0-9a-f-]{8,}\b", re.IGNORECASE), "<number>"),
    (re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?", re.IGNORECASE), "<number>"),
)


class FailureWatch:
    """Listens to a command's trials until one shows that the set-up works, or that it does not.

    An epoch recorded, and a training that diverged, show that data, network and machine work:
    what fails later fails alone. A network slow in its first epoch is given the time to end it: no
    verdict falls while a trial trains that had started before the failures were enough.
    """

    def __init__(self, at_least: int = AT_LEAST) -> None:
        self._at_least = at_least
        self._works = False
        self._training: set[str] = set()
        self._failures: list[Row] = []

    def hear(self, trial_id: str, message: Mapping[str, Any], row: Row) -> None:
        """Take in a message that has been recorded, and the trial's row since then."""
        if message["kind"] == "started" and len(self._failures) < self._at_least:
            self._training.add(trial_id)
        elif message["kind"] == "epoch":
            self._works = True
        elif message["kind"] == "finished":
            self._training.discard(trial_id)
            self._ended(row)

    def _ended(self, row: Row) -> None:
        if row["status"] == "failed" and row["reason"] != "diverged":
            self._failures.append(row)
        else:
            self._works = True

    def verdict(self) -> str | None:
        """Return what ends the search, as a sentence, or None while nothing does."""
        if self._works or self._training:
            return None
        return systematic(self._failures, self._at_least)


def systematic(failures: Sequence[Row], at_least: int = AT_LEAST) -> str | None:
    """Return that the first trials all failed the same way, as a sentence, or None if they did not.

    ``failures`` are the trials rows of all that ended so far, each failed by an error. The same way
    is the same class of error with the same message, but for paths, numbers and addresses.
    """
    if len(failures) < at_least or len({way_of_failing(row) for row in failures}) > 1:
        return None
    last = failures[-1]
    said = next(iter((last["error_message"] or "").strip().splitlines()), "")
    error = f"{last['error_class']}: {said}" if said else last["error_class"]
    return f"the first {len(failures)} trials all failed the same way: {error}"


def way_of_failing(row: Row) -> tuple[str, str]:
    """Return class and message of a failed trial's error, without what varies between trials."""
    message = row["error_message"] or ""
    for pattern, name in _VARYING:
        message = pattern.sub(name, message)
    return row["error_class"], message
