"""What the results hold of one checkpoint's evaluations, and where new values go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from resray.results.store import ResultStore, Row

Values = dict[str, float]
"""Metrics and their values."""


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
        show: bool = True,
    ) -> Values:
        """Return what is known, or else measure it and write it down.

        Known is what was measured on this checkpoint and these data, with as many images or more.
        ``checksum`` is that of the data, by default the trial's dataset.
        """
        checksum = checksum or self.identity["dataset_checksum"]
        known = self._known(kind, condition, images, checksum)
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
