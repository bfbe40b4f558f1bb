"""The 20 superclasses of CIFAR-100: its coarse labels, and accuracies by them.

Source: https://www.cs.toronto.edu/~kriz/cifar.html; Krizhevsky, "Learning Multiple Layers of
Features from Tiny Images" (2009).
"""

import numpy as np

from resray.analysis.by_class import ByClass, Confusion

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
"""The classes of each superclass; the superclasses are in the order of the coarse labels."""
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
