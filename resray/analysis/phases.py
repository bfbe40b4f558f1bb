"""What settings of each configuration were in force over the epochs."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, groupby, repeat
from typing import Any

import numpy as np

from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.results.summary import parsed_json

Values = tuple[float | None, ...]
"""A setting's value in each recorded epoch; None: off, or not recorded."""
Course = dict[str, Values]
"""The settings of a training, each with its values."""
NAMES = {
    "learning_rate": "Learning rate",
    "momentum": "Momentum (Adam: beta1)",
    "mixing.mixup_alpha": "MixUp: alpha",
    "mixing.cutmix_alpha": "CutMix: alpha",
    "mixing.cutmix_chance": "CutMix: chance where both are on",
}
"""What settings are called whose key says it badly."""
UNITS = {"size": "pixels", "shear": "degrees", "crop_padding": "pixels"}


def in_order(
    epochs: Sequence[int], rates: Sequence[float], momenta: Sequence[float], texts: Sequence[object]
) -> Course:
    """Return every setting that a trial's epochs recorded, with its values from epoch 1 on."""
    places = {epoch: place for place, epoch in enumerate(epochs)}
    every = [places.get(epoch) for epoch in range(1, max(epochs, default=0) + 1)]
    found = {
        name: tuple(None if place is None else number(values[place]) for place in every)
        for name, values in (("learning_rate", rates), ("momentum", momenta))
    }
    told = groupby(None if place is None else texts[place] for place in every)
    # Of thousands of epochs few differ from the one before.
    runs = [(numbers_in_force(text), len(list(equal))) for text, equal in told]
    for key in dict.fromkeys(key for setting, _ in runs for key in setting):
        parts = (repeat(setting.get(key), length) for setting, length in runs)
        found[key] = tuple(chain.from_iterable(parts))
    return found


@lru_cache(maxsize=4096)
def numbers_in_force(text: Any) -> dict[str, float | None]:
    """Return an epoch's recorded settings that are numbers; pairs are limits.

    An augmentation that is off has a probability of 0 and no other setting.
    """
    found: dict[str, float | None] = {}
    for key, value in parsed_json(text if isinstance(text, str) else None, {}).items():
        if value is None and key.startswith("augmentation."):
            found[f"{key}.probability"] = 0.0
        elif isinstance(value, list):
            limits = zip(("lowest", "highest"), value, strict=False)
            found |= {f"{key}.{limit}": number(part) for limit, part in limits}
        else:
            found[key] = number(value)
    return found


def number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if usable else None


def changes(key: str, values: Values) -> bool:
    """Return whether a setting changes; that an augmentation is off, its probability says."""
    different = set(values)
    return len(different - {None} if key.startswith("augmentation.") else different) > 1


def all_courses(results: Analysis) -> list[tuple[Group, list[Course]]]:
    """Return the different courses of each group's settings, longest first.

    Seeds mostly share one; a trial that ended early repeats the beginning of another. Of trials
    that recorded the same, whatever their group, one is read.
    """
    records = Records(results)
    found = []
    for group in results.groups:
        own = [row["trial_id"] for row in group.trials if row["trial_id"] in records.places]
        different = {records.content(trial_id): trial_id for trial_id in own}
        courses = [records.course(trial_id) for trial_id in different.values()]
        found.append((group, without_beginnings(courses)))
    return found


class Records:
    """What the trials' epochs recorded of their settings; equal records are read once."""

    def __init__(self, results: Analysis) -> None:
        ids = list(results.epoch_table)
        self.places = {trial_id: place for place, trial_id in enumerate(ids)}
        self._epochs = results.epoch_table.numbers
        self._recorded = np.isfinite(results.epoch_table.arrays("epoch", ids))
        self._rates = results.epoch_table.arrays("learning_rate", ids)
        self._momenta = results.epoch_table.arrays("momentum", ids)
        self._codes, self._texts = results.epoch_table.codes("settings", ids)
        self._courses: dict[bytes, Course] = {}

    def content(self, trial_id: str) -> bytes:
        """Return what is equal for trials that recorded the same."""
        place = self.places[trial_id]
        columns = (self._recorded, self._rates, self._momenta, self._codes)
        return b"".join(column[place].tobytes() for column in columns)

    def course(self, trial_id: str) -> Course:
        content = self.content(trial_id)
        if content not in self._courses:
            place = self.places[trial_id]
            kept = self._recorded[place] & (self._epochs > 0)
            rates, momenta = (
                column[place][kept].tolist() for column in (self._rates, self._momenta)
            )
            texts = [self._texts[code] if code >= 0 else None for code in self._codes[place][kept]]
            epochs = self._epochs[kept].tolist()
            self._courses[content] = in_order(epochs, rates, momenta, texts)
        return self._courses[content]


def without_beginnings(courses: Sequence[Course]) -> list[Course]:
    """Return the courses, longest first, without those that are the beginning of another."""
    kept: list[Course] = []
    for course in sorted(courses, key=lambda course: -len(course["learning_rate"])):
        if not any(begins_with(longer, course) for longer in kept):
            kept.append(course)
    return kept


def begins_with(longer: Course, course: Course) -> bool:
    return all(longer.get(key, ())[: len(values)] == values for key, values in course.items())


def setting_name(key: str) -> str:
    """Return a setting's name for people: ``Cutout: size (pixels)``."""
    if key in NAMES:
        return NAMES[key]
    _, *parts = key.split(".") if "." in key else ("", key)
    unit = f" ({UNITS[parts[-1]]})" if parts[-1] in UNITS else ""
    words = ": ".join(part.replace("_", " ") for part in parts)
    return words[:1].upper() + words[1:] + unit
