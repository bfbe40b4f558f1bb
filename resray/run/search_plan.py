"""From a study's search and the user's wishes to its points, and the jobs that each may need."""

import time
from contextlib import suppress
from dataclasses import replace

from resray.errors import InputError
from resray.results.store import ResultStore
from resray.run.plan import Resolver, results_folder
from resray.run.request import Request
from resray.run.resources import Allocation, Machine, allocate
from resray.search.budget import check_budget
from resray.search.jobs import Candidate, PlannedJob
from resray.search.plan import SearchTrial, plan_point, plan_search, search_key
from resray.search.points import Point
from resray.search.rules import rungs
from resray.study.expand import PlannedTrial
from resray.study.recipes import rescale
from resray.training.trial import Job


class SearchPlanner:
    """Resolves a search against data, results and machine."""

    def __init__(self, request: Request, *, download: bool = True) -> None:
        self.request = request
        self.study = request.loaded
        self.settings = request.settings
        self.plan = request.plan
        self.results = results_folder(request.out, self.study.name)
        self.store = ResultStore(self.results)
        # Side by side many more points are tried than one after another over all GPUs.
        self.shares = replace(request.shares, most_ranks=1)
        self.began = time.monotonic()
        self._resolver = Resolver(self.study, self.store, request, download=download)
        self.dataset = self._resolver.dataset

    @property
    def points(self) -> int:
        """How many points the search has: proposed one by one, or known from the start."""
        return self.settings.samples if self.settings.proposes else len(self.plan.trials)

    @property
    def changed(self) -> tuple[str, ...]:
        """What was typed that changes every trial: under other options nothing compares."""
        options = self.request.options
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
        return (self.request.options.seeds or tuple(self.study.seeds))[0]

    def allocation(self, machine: Machine) -> Allocation:
        """Return what each trial gets: by all of the points, so that it is the same on a resume."""
        allocation = allocate(self.shares, machine, max(1, self.points))
        check_budget(self.request.searching.budget, allocation.use_gpu)
        return allocation

    def candidates(self, allocation: Allocation) -> list[Candidate]:
        """Return the points that are known from the start, in the order in which they begin.

        Where they are proposed one by one, these are the ones of earlier commands.
        """
        if not self.settings.proposes:
            return [self.candidate(each, allocation) for each in self.plan.trials]
        known: list[Candidate] = []
        for point in self._proposed_before():
            # A point that the file no longer has is no longer in the search.
            with suppress(InputError):
                known.append(self.proposed(point, allocation))
        return [each for each in known if any(self.store.trial(job.trial_id) for job in each.jobs)]

    def _proposed_before(self) -> list[Point]:
        """Return the points that this search has proposed in earlier commands, oldest first."""
        rows = [row for row in self.store.trials() if row["search"] == self.key]
        rows.sort(key=lambda row: (row.get("started") is None, row.get("started")))
        found = dict.fromkeys((row["space"], row["point"]) for row in rows)
        return [Point.from_json(*each) for each in found if each[0] in self.request.spaces]

    def proposed(self, point: Point, allocation: Allocation) -> Candidate:
        """Return the candidate of a point that the search method has proposed."""
        trial = plan_point(self.study, point, self.request.options, self.seed)
        return self.candidate(SearchTrial(point, trial), allocation)

    def candidate(self, searched: SearchTrial | Candidate, allocation: Allocation) -> Candidate:
        """Return a point with the jobs that its training takes under the settings."""
        trial, full_epochs = searched.trial, searched.trial.recipe.epochs
        # Only synchronous halving decides between jobs; all others while a trial trains.
        looks = self.rungs_of(full_epochs) if self.settings.scheduler == "halving" else ()
        trials = [*(self._up_to(trial, epochs) for epochs in looks), trial]
        numbers = [*range(1, len(looks) + 1), None]
        jobs = [
            replace(
                self._job(each, full_epochs, allocation),
                role="search",
                point=searched.point,
                rung=rung,
                full_epochs=full_epochs,
            )
            for each, rung in zip(trials, numbers, strict=True)
        ]
        return Candidate(searched.point, trial, tuple(jobs))

    def _job(self, trial: PlannedTrial, full_epochs: int, allocation: Allocation) -> PlannedJob:
        """Return a job of a search; rungs of points of other lengths are trials of their own."""
        is_rung = trial.recipe.epochs != full_epochs
        identity = self._resolver.identify(
            trial,
            allocation.world_size,
            tested=False,
            rung_of=full_epochs if is_rung else None,
        )
        # A training of its own up to a rung is evaluated and saved at its end.
        looks = () if self.settings.rescaled else self.rungs_of(full_epochs)
        return self._resolver.job(trial, allocation, tested=False, identity=identity, rungs=looks)

    def jobs_to_measure(self, allocation: Allocation) -> list[Job]:
        """Return the jobs of all points, or of random ones where they are proposed one by one."""
        trials = self.plan.trials
        if self.settings.proposes:
            drawn = self.settings.model_copy(update={"method": "random"})
            spaces = self.request.searching.spaces
            trials = plan_search(self.study, drawn, spaces, self.request.options).trials
        return [self.candidate(each, allocation).final.job for each in trials]

    def confirmation(self, candidate: Candidate, seed: int, allocation: Allocation) -> PlannedJob:
        """Return a training of a point's whole recipe, with another seed and with test."""
        trial = replace(candidate.trial, seed=seed)
        job = self._resolver.job(trial, allocation)
        full_epochs = trial.recipe.epochs
        return replace(job, role="confirmation", point=candidate.point, full_epochs=full_epochs)

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
