"""Which figures may be compared, and what stands against it: the rules, and who asks which.

What must agree            | the Answer, fronts,  | differences to | folders       | claims
                           | default baseline     | a baseline     |               |
---------------------------|----------------------|----------------|---------------|---------------
data, test images, epoch's | `comparable`         | `obstacles`    | `obstacles`   | `matched`
selection, length          |                      |                |               |
reductions of data         | `comparable`         | `obstacles`    | `obstacles`   | `matched`
variant, ``--set``         | `comparable`         | no: compared   | no: compared  | `matched`
a stand-in for the model   | no: the group's own  | as left        | `incomparable`| no: as left
devices, alone on them     | `on_one_device`      | no time shown  | `of_device`   | `of_device`
foreign files              | not shown            | not shown      | `of_files`    | `of_files`
images evaluated           | not shown            | not shown      | `incomparable`| a soft outcome
targets of a training loss | not shown            | not shown      | `incomparable`| no such metric

An ablation's and a scaling's times ask `of_device`, time to accuracy `on_one_device`. `matched`
asks in addition for one number of ranks and one folder. A published figure stands beside ours
whatever was run; `resray.analysis.published` says why no difference is shown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from resray.analysis.groups import Group
from resray.analysis.metrics import foreign_files, limits
from resray.analysis.results import Analysis
from resray.analysis.words import listed
from resray.results.summary import VALIDATION
from resray.study.metrics import METRICS
from resray.study.reduction import Reduction
from resray.study.unions import in_use

WORDS = {
    "data": "other data",
    "test_images": "other test images",
    "validation_images": "other validation images",
    "selection": "not comparable: one is as run, selected on test or at its last epoch",
    "length": "other length",
    "reduced": "reduced otherwise",
    "stand_in": "another model stands in",
    "device": "different devices",
    "other_device": "other device",
    "shared": "shared machine",
    "loss": "another loss: {} differs",
    "evaluated": "not the same images",
    "files": "different foreign files",
    "not_run": "not run{}",
    "unmeasured": "not measured",
    "published": "{}",
    "hidden": "foreign file {}, not known to be the hidden test set",
    "early": "{}",
    "counted": "{}",
    "reduced_run": "reduced run",
}
"""Each kind of obstacle in words: what it is about is named in ``{}``, else behind a colon."""
OF_LOSS = ("label_smoothing", "mixing", "augmentation", "phases")
"""Settings that give a training loss other targets or other images."""


@dataclass(frozen=True)
class Obstacle:
    """Why two figures may not be compared."""

    kind: str
    """One of `WORDS`."""
    about: tuple[str, ...] = ()
    """The devices, groups, settings or reductions that it is about."""

    def __str__(self) -> str:
        words = WORDS[self.kind]
        if "{}" in words:
            return words.format(listed(self.about) if self.about else "")
        return f"{words}: {listed(self.about)}" if self.about else words


@dataclass(frozen=True)
class Condition:
    """What two groups must share beside their recipes, which may differ: that is what is compared.

    What the user changed by ``--set`` is such a difference too, unless it is about the data.
    """

    checksums: tuple[str, ...]
    test_images: tuple[int, ...]
    selection: str
    stop_after: int | None
    length: int | None
    """Epochs, where these are not the study's."""
    reduced: frozenset[Reduction]
    """The other reductions; a stand-in for the study's model is the group's own affair."""


def condition_of(group: Group) -> Condition:
    other_length = any(each.of_length for each in group.reductions)
    return Condition(
        checksums=tuple(map(str, group.distinct("dataset_checksum"))),
        test_images=tuple(group.distinct("test_images")),
        selection=group.selection,
        stop_after=group.settings.get("stop_after"),
        length=group.settings.get("epochs") if other_length else None,
        reduced=frozenset(
            each.asked
            for each in group.reductions
            if not (of_recipe(each) or of_length(each) or each.kind == "model")
        ),
    )


def changes_of(group: Group) -> frozenset[Reduction]:
    """Return what ``--set`` and ``--quick`` changed of the recipe, other than the data."""
    return frozenset(each.asked for each in group.reductions if of_recipe(each))


def of_length(reduction: Reduction) -> bool:
    """Return whether a reduction is about how long a training was."""
    return reduction.of_length or reduction.follows_length or reduction.kind == "stopped"


def of_recipe(reduction: Reduction) -> bool:
    """Return whether a reduction is what was changed of the recipe, other than the data."""
    return reduction.setting is not None and reduction.setting.partition(".")[0] != "data"


def obstacles(first: Condition, second: Condition) -> Iterator[Obstacle]:
    """Yield what keeps two groups' accuracies from being compared."""
    if first.checksums != second.checksums:
        yield Obstacle("data")
    elif first.test_images != second.test_images:
        yield Obstacle("test_images")
    if first.selection != second.selection:
        yield Obstacle("selection")
    if (first.length, first.stop_after) != (second.length, second.stop_after):
        yield Obstacle("length")
    if reduced := first.reduced ^ second.reduced:
        yield Obstacle("reduced", tuple(sorted(map(str, reduced))))


def comparable(groups: Sequence[Group]) -> list[Group]:
    """Return the largest set of groups of one variant and one condition, with the same changes by
    ``--set`` and ``--quick``; unreduced ones come first, then those that validation selects."""
    alike: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        for variant in group.variants:
            alike.setdefault((variant, changes_of(group), condition_of(group)), []).append(group)

    def preference(members: list[Group]) -> tuple[bool, bool, int]:
        first = members[0]
        return not first.reductions, first.selection == VALIDATION, len(members)

    return max(alike.values(), key=preference)


def of_device(groups: Sequence[Group]) -> Iterator[Obstacle]:
    """Yield why times, throughputs and memory cannot be compared."""
    devices = dict.fromkeys(str(name) for group in groups for name in group.distinct("device"))
    shared = tuple(group.label for group in groups if not group.exclusive)
    if len(devices) > 1:
        yield Obstacle("device", tuple(devices))
    elif shared:
        yield Obstacle("shared", shared)


def on_one_device(groups: Sequence[Group], *, exclusive: bool) -> list[bool]:
    """Return which groups ran on the device that most did, alone on it if it is to be so."""
    devices = [
        group.distinct("device")[0]
        if group.finished and len(group.distinct("device")) == 1
        and (group.exclusive or not exclusive) else None
        for group in groups
    ]  # fmt: skip
    known = Counter(device for device in devices if device is not None)
    most = known.most_common(1)[0][0] if known else ""
    return [device == most for device in devices]


def of_files(files: Mapping[str, str]) -> Iterator[Obstacle]:
    """Yield that accuracies are on several foreign files, by what tells them apart."""
    if len(files) > 1:
        yield Obstacle("files", tuple(files.values()))


# --- a metric of one configuration in two folders -------------------------------------------------


def incomparable(
    first: Analysis, one: Group, second: Analysis, other: Group, metric: str
) -> Iterator[Obstacle]:
    """Yield why a metric of two groups cannot be compared; nothing stands against it of a network's
    size, which is exact."""
    if METRICS[metric].counted:
        return
    yield from obstacles(condition_of(one), condition_of(other))
    if stand_ins(one) != stand_ins(other):
        yield Obstacle("stand_in", (*stand_ins(one), *stand_ins(other)))
    if METRICS[metric].of_device:
        yield from of_device([one, other])
    elif metric == "validation_accuracy":
        if one.distinct("validation_images") != other.distinct("validation_images"):
            yield Obstacle("validation_images")
    elif metric == "train_loss":
        yield from of_loss(one, other)
    else:
        evaluated = [evaluated_on(first, one, metric), evaluated_on(second, other, metric)]
        if evaluated[0] != evaluated[1]:
            yield Obstacle("evaluated", (*evaluated[0], *evaluated[1]))
        if metric == "hidden_accuracy":
            yield from of_files(foreign_files(first, one) | foreign_files(second, other))


def stand_ins(group: Group) -> list[str]:
    return [str(each) for each in group.reductions if each.kind == "model"]


def of_loss(one: Group, other: Group) -> Iterator[Obstacle]:
    before, after = in_use(one.settings), in_use(other.settings)
    changed = tuple(
        key
        for key in dict.fromkeys([*before, *after])
        if key.startswith(OF_LOSS) and before.get(key) != after.get(key)
    )
    if changed:
        yield Obstacle("loss", changed)


def evaluated_on(results: Analysis, group: Group, metric: str) -> list[str]:
    """Return of how many images `resray evaluate` measured, where these were not all."""
    return [str(each) for each in limits(results, group, metric) if each.kind == "evaluated"]
