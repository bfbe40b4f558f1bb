"""What ends a search before its time: budget, failures of one kind, ``--fail-fast``."""

import time
from collections.abc import Mapping
from typing import Any

from resray.search.budget import Budget, Spending
from resray.search.failures import FailureWatch


class Limits:
    """Listens to a search's trials; ``began`` is when the command began, by `time.monotonic`."""

    def __init__(
        self, budget: Budget, spending: Spending, *, fail_fast: bool, began: float
    ) -> None:
        self.began = began
        self._budget = budget
        self._spending = spending
        self._watch = FailureWatch()
        self._fail_fast = fail_fast
        self._failed: str | None = None
        self.reached: str | None = None
        """What has ended the search, in words."""

    def hear(self, trial_id: str, message: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        """Take in a message that has been recorded, and the trial's row since then."""
        self._spending.take_in(row)
        self._watch.hear(trial_id, message, row)
        if self._fail_fast and row["status"] == "failed" and row["reason"] != "diverged":
            self._failed = f"--fail-fast: {row['name']} failed ({row['error_class']})"

    def check(self) -> bool:
        """Return whether something has ended the search."""
        if self.reached is None:
            elapsed = time.monotonic() - self.began
            spent = self._budget.exhausted(elapsed, self._spending.gpu_hours)
            self.reached = self._failed or self._watch.verdict() or spent
        return self.reached is not None
