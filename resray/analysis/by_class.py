"""Accuracies of single classes and confusion matrices, as the table `evaluations` has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from resray.analysis.evaluations import checkpoint_name, evaluated_rows
from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise

MOST = 12
"""Configurations whose matrices are shown: the most accurate ones."""


@dataclass(frozen=True)
class ByClass:
    """The accuracy of each class, of a configuration's checkpoints of one name."""

    group: Group
    checkpoint: str
    classes: tuple[str, ...]
    accuracies: np.ndarray
    """In percent, (trials, classes); NaN where a trial was tested on no image of a class."""
    images: int
    """Test images behind them, of the trial that was tested on most."""

    @property
    def n(self) -> int:
        return len(self.accuracies)

    @cached_property
    def summaries(self) -> list[Summary | None]:
        """The summary of each class over the trials."""
        return [summarise(own) for own in self.accuracies.T.tolist()]


@dataclass(frozen=True)
class Confusion:
    """How many test images of each class were taken for which, by a configuration's trials."""

    group: Group
    checkpoint: str
    classes: tuple[str, ...]
    counts: np.ndarray
    """(trials, true classes, predicted classes)."""

    @property
    def n(self) -> int:
        return len(self.counts)

    @cached_property
    def shares(self) -> np.ndarray:
        """Percent of a true class's images, in the shape of the counts; NaN without an image."""
        totals = self.counts.sum(axis=2, keepdims=True)
        return 100 * self.counts / np.where(totals > 0, totals, np.nan)

    @cached_property
    def mean(self) -> np.ndarray:
        """The mean share over the trials that have one, (true classes, predicted classes)."""
        known = np.isfinite(self.shares)
        total = np.where(known, self.shares, 0.0).sum(axis=0)
        trials = known.sum(axis=0)
        return total / np.where(trials > 0, trials, np.nan)

    def share(self, label: int, taken: int) -> Summary | None:
        """Return the summary over the trials of how much of a class was taken for another one."""
        return summarise(self.shares[:, label, taken].tolist())


def class_accuracies(results: Analysis) -> list[ByClass]:
    """Return the accuracies by class of each configuration that was evaluated by class."""
    rows = of_classes(results)
    accuracies = rows[rows["metric"] == "accuracy"]
    classes = tuple(dict.fromkeys(accuracies["class"]))
    found = []
    for group, own in by_group(results.groups, accuracies):
        trials = list(dict.fromkeys(own["trial_id"]))
        values = np.full((len(trials), len(classes)), np.nan)
        values[places(own["trial_id"], trials), places(own["class"], classes)] = own["value"]
        images = own["images"].fillna(0).groupby(own["trial_id"]).sum()
        known = np.isfinite(values).any(axis=0)
        named = tuple(name for name, is_known in zip(classes, known, strict=True) if is_known)
        most = int(images.max()) if len(images) else 0
        found.append(ByClass(group, name_of(own), named, values[:, known], most))
    return found


def confusions(results: Analysis) -> list[Confusion]:
    """Return the confusion matrices of the `MOST` most accurate configurations that have one."""
    rows = of_classes(results)
    counts = rows[(rows["metric"] == "count") & rows["condition"].notna()]
    # What is below 0 is no number of images; infinite ones are left out where they are read.
    counts = counts[counts["value"] >= 0]
    found = dict(enumerate(by_group(results.groups, counts)))
    best = sorted(found, key=lambda place: -accuracy_of(found[place][0]))[:MOST]
    return [confusion(*found[place]) for place in sorted(best)]


def confusion(group: Group, rows: pd.DataFrame) -> Confusion:
    """Return a configuration's matrix from its cells."""
    # In the order of the true classes; a class that was only ever predicted comes last.
    classes = tuple(dict.fromkeys([*rows["class"], *rows["condition"]]))
    trials = list(dict.fromkeys(rows["trial_id"]))
    counts = np.zeros((len(trials), len(classes), len(classes)))
    place = (
        places(rows["trial_id"], trials),
        places(rows["class"], classes),
        places(rows["condition"], classes),
    )
    np.add.at(counts, place, rows["value"].to_numpy())
    return Confusion(group, name_of(rows), classes, counts)


def accuracy_of(group: Group) -> float:
    summary = group.summary("test_accuracy")
    return summary.mean if summary else 0.0


def places(values: "pd.Series[str]", names: Sequence[str]) -> np.ndarray:
    """Return where each value stands among the names."""
    order = {name: place for place, name in enumerate(names)}
    return values.map(order).to_numpy(dtype=int)


def name_of(rows: pd.DataFrame) -> str:
    return checkpoint_name(rows["checkpoint"].iloc[0])


def by_group(groups: Sequence[Group], rows: pd.DataFrame) -> list[tuple[Group, pd.DataFrame]]:
    """Return the rows of each group's checkpoints of one name: the best by validation, if there."""
    owners = {row["trial_id"]: place for place, group in enumerate(groups) for row in group.trials}
    by_place = dict(list(rows.groupby(rows["trial_id"].map(owners))))
    return [(group, of_one_name(by_place[place])) for place, group in enumerate(groups)
            if place in by_place]  # fmt: skip


def of_one_name(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one checkpoint for each trial, the newest of its name."""
    names = rows["checkpoint"].map(checkpoint_name)
    first = min(set(names), key=lambda name: (not name.startswith("best"), name))
    own = rows[names == first]
    newest = own.drop_duplicates("trial_id", keep="last").set_index("trial_id")["checkpoint"]
    return own[own["checkpoint"] == own["trial_id"].map(newest)]


def of_classes(results: Analysis) -> pd.DataFrame:
    """Return what was measured of single classes of the test set, as `evaluated_rows`."""
    rows = evaluated_rows(results)
    rows = rows[rows["class"].notna() & rows["kind"].eq("test")]
    # A missing name would not be equal to itself.
    return rows.assign(checkpoint=rows["checkpoint"].fillna(""))


# --- superclasses ---------------------------------------------------------------------------------

CIFAR100 = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized mammals": "fox porcupine possum raccoon skunk",
    # The Hugging Face hub's copy has "cra".
    "non-insect invertebrates": "crab cra lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}
"""The classes of each superclass of CIFAR-100, in the order of its coarse labels.

Source: https://www.cs.toronto.edu/~kriz/cifar.html; Krizhevsky, "Learning Multiple Layers of
Features from Tiny Images" (2009).
"""
SUPERCLASS = {name: coarse for coarse, names in CIFAR100.items() for name in names.split()}


def by_superclass(one: Confusion) -> tuple[ByClass, ByClass] | None:
    """Return a configuration's accuracies by superclass; None for other images than CIFAR-100's.

    Of all test images of a superclass, first: how many were taken for the right class; second: how
    many for a class of the right superclass, which is the accuracy of the coarse labels.
    """
    known = one.group.trials[0]["dataset"] == "cifar100"
    if not known or not SUPERCLASS.keys() >= set(one.classes):
        return None
    names = tuple(CIFAR100)
    member = np.eye(len(names))[[names.index(SUPERCLASS[name]) for name in one.classes]]
    images = one.counts.sum(axis=2)
    totals = images @ member
    percent = 100 / np.where(totals > 0, totals, np.nan)
    right = np.diagonal(one.counts, axis1=1, axis2=2) @ member
    within = (one.counts * (member @ member.T)).sum(axis=2) @ member
    most = int(images.sum(axis=1).max())
    fine, coarse = (ByClass(one.group, one.checkpoint, names, percent * count, most)
                    for count in (right, within))  # fmt: skip
    return fine, coarse
