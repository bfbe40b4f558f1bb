"""From a study's search and the user's wishes to contenders, and the trainings each may need."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from resray.errors import InputError
from resray.results.store import ResultStore, read_table
from resray.run.asked import Tune
from resray.run.plan import Resolver, Work, results_folder
from resray.run.resources import Allocation, Machine, allocate
from resray.search.budget import check_budget
from resray.search.plan import SearchTrial, plan_point, plan_search
from resray.search.points import Point
from resray.search.referee import search_key
from resray.search.rules import rungs
from resray.study.expand import PlannedTrial
from resray.study.recipes import rescale
from resray.training.trial import Job

Row = dict[str, Any]


@dataclass(frozen=True)
class Leg:
    """One training of a contender: the whole of it, or up to a rung."""

    work: Work
    point: Point
    role: str
    """search or confirmation."""
    full_epochs: int
    rung: int | None = None
    """The rung at which it ends; None: it goes to the recipe's end."""
    audited: bool = False

    @property
    def trial_id(self) -> str:
        return self.work.job.trial_id

    def columns(self, search: str) -> Row:
        """Return the columns of the trials table that only a search has."""
        return {
            "role": self.role,
            "search": search if self.role == "search" else None,
            "space": self.point.space,
            "point": self.point.to_json(),
            "full_epochs": self.full_epochs,
            "audited": self.audited if self.role == "search" else None,
            "multiply_adds": self.work.multiply_adds,
            "train_images": self.work.train_images,
            # A leg's end is the scheduler's wish, not the user's.
            "stop_after": None,
        }


@dataclass(frozen=True)
class Contender(SearchTrial):
    """A point of the search, and the legs that its training may take, in order."""

    legs: tuple[Leg, ...]

    @property
    def final(self) -> Leg:
        """The leg that ends with the full recipe's last epoch."""
        return self.legs[-1]

    def audited(self) -> Leg:
        """Return the leg that trains the point to its end although it was stopped."""
        return replace(self.final, audited=True)


class SearchPlanner:
    """Resolves a search against data, results and machine."""

    def __init__(self, asked: Tune, *, download: bool = True) -> None:
        self.asked = asked
        self.study = asked.loaded
        self.settings = asked.chosen
        self.spaces = asked.chosen_spaces
        self.plan = asked.plan
        self.results = results_folder(asked.out, self.study.name)
        self.store = ResultStore(self.results)
        # Side by side many more points are tried than one after another over all GPUs.
        self.request = replace(asked.request, most_ranks=1)
        self.began = time.monotonic()
        self._resolver = Resolver(self.study, self.store, asked, download=download)

    @property
    def points(self) -> int:
        """How many points the search has: proposed one by one, or known from the start."""
        proposed = self.settings.method == "tpe"
        return self.settings.samples if proposed else len(self.plan.trials)

    @property
    def changed(self) -> tuple[str, ...]:
        """What was typed that changes every trial: under other options nothing compares."""
        options = self.asked.options
        numbers = ("epochs", "limit_train", "limit_eval", "variant")
        typed = [(name, value) for name in numbers if (value := getattr(options, name)) is not None]
        data = " on given data" if options.data_given else ""
        return (
            *([f"quick{data}"] if options.quick else []),
            *(f"{name}={value}" for name, value in typed),
            *sorted(options.overrides),
        )

    @property
    def key(self) -> str:
        """What tells this search from others in the same results."""
        return search_key(self.settings, self.changed)

    @property
    def seed(self) -> int:
        """The seed of the search's trainings."""
        return (self.asked.options.seeds or tuple(self.study.seeds))[0]

    def allocation(self, machine: Machine) -> Allocation:
        """Return what each trial gets: by all of the points, so that it is the same on a resume."""
        allocation = allocate(self.request, machine, max(1, self.points))
        check_budget(self.asked.budget, allocation.use_gpu)
        return allocation

    def contenders(self, allocation: Allocation) -> list[Contender]:
        """Return the points that are known from the start, in the order in which they begin.

        Where they are proposed one by one, these are the ones of earlier commands.
        """
        if self.settings.method != "tpe":
            return [self.contender(each, allocation) for each in self.plan.trials]
        known: list[Contender] = []
        for point in self._proposed_before():
            # A point that the file no longer has is no longer in the search.
            with suppress(InputError):
                known.append(self.proposed(point, allocation))
        return [each for each in known if any(self.store.trial(leg.trial_id) for leg in each.legs)]

    def _proposed_before(self) -> list[Point]:
        """Return the points that this search has proposed in earlier commands, oldest first."""
        if not (self.store.folder / "trials").is_dir():
            return []
        table = read_table(self.store.folder, "trials").sort_values("started", kind="stable")
        found = table[(table["search"] == self.key) & table["space"].isin(self.spaces)]
        texts = dict.fromkeys(zip(found["space"], found["point"], strict=True))
        return [Point.from_json(str(space), str(text)) for space, text in texts]

    def proposed(self, point: Point, allocation: Allocation) -> Contender:
        """Return the contender of a point that the search method has proposed."""
        trial = plan_point(self.study, point, self.asked.options, self.seed)
        return self.contender(SearchTrial(point, trial), allocation)

    def contender(self, searched: SearchTrial, allocation: Allocation) -> Contender:
        """Return a point with the legs that its training takes under the settings."""
        trial, full_epochs = searched.trial, searched.trial.recipe.epochs
        # ASHA with full schedules decides in flight: its training ends at no rung.
        in_flight = self.settings.scheduler == "asha" and not self.settings.rescaled
        looks = () if in_flight else self.rungs_of(full_epochs)
        trials = [*(self._up_to(trial, epochs) for epochs in looks), trial]
        numbers = [*range(1, len(looks) + 1), None]
        works = [self._work(each, full_epochs, allocation) for each in trials]
        legs = [
            Leg(work, searched.point, "search", full_epochs, rung)
            for work, rung in zip(works, numbers, strict=True)
        ]
        return Contender(searched.point, trial, tuple(legs))

    def _work(self, trial: PlannedTrial, full_epochs: int, allocation: Allocation) -> Work:
        """Return the work of a leg; rungs of points of other lengths are trainings of their own."""
        is_rung = trial.recipe.epochs != full_epochs
        identity = self._resolver.identify(
            trial,
            allocation.world_size,
            tested=False,
            rung_of=full_epochs if is_rung else None,
        )
        # A training of its own up to a rung is evaluated and saved at its end.
        rungs = () if self.settings.rescaled else self.rungs_of(full_epochs)
        return self._resolver.work(trial, allocation, tested=False, identity=identity, rungs=rungs)

    def jobs_to_measure(self, allocation: Allocation) -> list[Job]:
        """Return the jobs of all points, or of random ones where they are proposed one by one."""
        trials = self.plan.trials
        if self.settings.method == "tpe":
            drawn = self.settings.model_copy(update={"method": "random"})
            trials = plan_search(self.study, drawn, self.asked.spaces, self.asked.options).trials
        return [self.contender(each, allocation).final.work.job for each in trials]

    def confirmation(self, contender: Contender, seed: int, allocation: Allocation) -> Leg:
        """Return a training of a contender's whole recipe, with another seed and with test."""
        trial = replace(contender.trial, seed=seed)
        work = self._resolver.work(trial, allocation)
        return Leg(work, contender.point, "confirmation", trial.recipe.epochs)

    def rungs_of(self, full_epochs: int) -> tuple[int, ...]:
        """Return the epochs at which a point of so many epochs is judged; median: none."""
        settings = self.settings
        if settings.scheduler not in ("asha", "halving"):
            return ()
        return rungs(settings.grace, settings.reduction_factor, full_epochs)

    def _up_to(self, trial: PlannedTrial, epochs: int) -> PlannedTrial:
        if self.settings.rescaled:
            return replace(trial, recipe=rescale(trial.recipe, epochs))
        return replace(trial, stop_after=epochs)
