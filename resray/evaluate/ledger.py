"""What the results hold of one checkpoint's evaluations, and where new values go."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from resray.results.store import ResultStore, Row, now

Values = dict[str, float]
"""Metrics and their values."""

Counts = Mapping[tuple[str, str], int]
"""How many images of a class (first) were taken for a class (second)."""


@dataclass(frozen=True)
class Shown:
    """A result for the table that the command ends with."""

    identity: Row
    kind: str
    condition: str | None
    values: Values
    images: int
    new: bool
    """False where an earlier command had measured it."""


@dataclass
class Ledger:
    """The evaluations of one checkpoint, or of one ensemble.

    Each value is on disk as soon as it is measured, so that a command that was broken off goes on
    where it was.
    """

    store: ResultStore
    identity: Row
    """The columns that all its rows share."""
    say: Callable[[str], None]
    """Tells the user what is being measured."""
    force: bool = False
    """Know nothing of earlier commands."""
    shown: list[Shown] = field(default_factory=list)

    def __post_init__(self) -> None:
        identity = self.identity["trial_id"]
        self._earlier = [] if self.force else self.store.evaluations(identity)

    def once(
        self,
        kind: str,
        condition: str | None,
        images: int,
        measure: Callable[[], Values],
        *,
        checksum: str | None = None,
        needs: str | None = None,
        show: bool = True,
    ) -> Values:
        """Return what is known, or else measure it and write it down.

        Known is what was measured on this checkpoint and these data, with as many images or more.
        ``checksum`` is that of the data, by default the trial's dataset. Where the metric ``needs``
        is not among what is known, an older version has measured it, and it is measured anew.
        """
        checksum = checksum or self.identity["dataset_checksum"]
        known = self._known(kind, condition, images, checksum)
        if known and needs and needs not in known[0]:
            known = None
        if not known:
            self.say(condition or kind)
        values = known[0] if known else measure()
        images = known[1] if known else images
        if not known:
            common = {"kind": kind, "condition": condition, "dataset_checksum": checksum}
            self._put([{**common, "metric": name, "value": value, "images": images}
                       for name, value in values.items()])  # fmt: skip
        if show:
            result = Shown(self.identity, kind, condition, values, images, new=not known)
            self.shown.append(result)
        return values

    def put_classes(self, kind: str, accuracies: Mapping[str, tuple[float, int]]) -> None:
        """Write classes' accuracies (percent) with their numbers of images."""
        common = {"kind": kind, "metric": "accuracy"}
        self._put([{**common, "class": name, "value": value, "images": images}
                   for name, (value, images) in accuracies.items()])  # fmt: skip

    def count_once(self, kind: str, images: int, measure: Callable[[], Counts]) -> None:
        """Count and write down which classes were taken for which, unless that is known.

        Known is what was counted on this checkpoint and these data, over as many images or more:
        accuracies may be known from a time before anything was counted.
        """
        cells = [row for row in self._earlier if self._is_cell(row, kind)]
        if sum(row["value"] for row in cells) < images:
            self.say("confusion")
            self._put_counts(kind, measure())

    def _put_counts(self, kind: str, counts: Counts) -> None:
        """Write the counts; cells that were written before and are empty now become 0."""
        written = self.store.evaluations(self.identity["trial_id"])
        before = [(row["class"], row["condition"]) for row in written if self._is_cell(row, kind)]
        totals: Counter[str] = Counter()
        for (label, _), count in counts.items():
            totals[label] += count
        common = {"kind": kind, "metric": "count", "evaluated": now()}
        cells = {**dict.fromkeys(before, 0), **counts}
        self._put([{**common, "class": label, "condition": taken, "value": float(count),
                    "images": totals[label]}
                   for (label, taken), count in cells.items()])  # fmt: skip

    def _is_cell(self, row: Row, kind: str) -> bool:
        """Return whether a row is a cell of this checkpoint's confusion matrix."""
        own = all(row[key] == self.identity[key] for key in ("checkpoint", "dataset_checksum"))
        return own and row["kind"] == kind and row["metric"] == "count"

    def _put(self, rows: list[Row]) -> None:
        complete = [{**self.identity, **row} for row in rows]
        self.store.put_evaluations(self.identity["trial_id"], complete)

    def _known(
        self, kind: str, condition: str | None, images: int, checksum: str
    ) -> tuple[Values, int] | None:
        wanted = {
            "checkpoint": self.identity["checkpoint"],
            "dataset_checksum": checksum,
            "kind": kind,
            "condition": condition,
            "class": None,
        }
        found = [
            row
            for row in self._earlier
            if row["images"] >= images and all(row[key] == wanted[key] for key in wanted)
        ]
        if not found:
            return None
        return {row["metric"]: row["value"] for row in found}, found[0]["images"]
