"""What the user asks of `resray bench` and `resray tune`, and which trials that means.

What is wrong with it is found here, where neither torch nor Ray is imported: that takes seconds.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from resray.errors import InputError
from resray.files import require_folder
from resray.run.resources import Request, check_positive
from resray.search.budget import Budget
from resray.search.plan import (
    SearchPlan,
    plan_search,
    refuse_contradictions,
    search_of,
    search_settings,
)
from resray.study.expand import Options, PlannedTrial, expand, matching
from resray.study.load import load_study
from resray.study.search_spec import SearchSettings
from resray.study.spec import Study


@dataclass(frozen=True)
class Asked(ABC):
    """What both commands are asked."""

    study: str
    """A shipped study's name, or the path of a study file."""
    options: Options = field(default_factory=Options)
    request: Request = field(default_factory=Request)
    data_dir: Path | None = None
    out: Path = Path()
    """The folder that receives results/<study>/ and reports/<study>.html."""
    address: str | None = None
    max_failures: int = 3
    checkpoint_seconds: float = 20.0
    """The shortest time from one checkpoint of a trial to the next, but for those that must be."""
    stall_timeout: float | None = 1800.0
    """Seconds after which a trial starts again that has shown no sign of life; None: never."""
    force: bool = False

    @cached_property
    def loaded(self) -> Study:
        """The study, read once."""
        return load_study(self.study)

    @property
    @abstractmethod
    def trials(self) -> list[PlannedTrial]:
        """The trials asked for. Raises InputError for a study or an option that is wrong."""

    def check(self) -> None:
        """Raise InputError for anything that is wrong and can be seen from here.

        That includes a number that can never be right, and a folder that is not there.
        """
        trials = self.trials  # first: what is wrong in the study is said before the rest
        check_positive(self.request)
        if not self.checkpoint_seconds >= 0:
            raise InputError(f"--checkpoint-seconds {self.checkpoint_seconds:g}: must be 0 or more")
        if self.data_dir and any(trial.recipe.data.name != "embedded" for trial in trials):
            require_folder(self.data_dir, "--data-dir")


@dataclass(frozen=True)
class Bench(Asked):
    """What `resray bench` was asked to do."""

    @cached_property
    def trials(self) -> list[PlannedTrial]:
        return expand(self.loaded, self.options)


@dataclass(frozen=True)
class Tune(Asked):
    """What `resray tune` was asked to do."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Keys of `SearchSettings` that were typed; they take precedence over the study's."""
    spaces: tuple[str, ...] = ()
    """Globs on names of spaces; none takes all."""
    budget: Budget = field(default_factory=Budget)
    fail_fast: bool = False

    @cached_property
    def chosen(self) -> SearchSettings:
        """The study's settings with those that were typed. Raises InputError for a wrong one."""
        return search_settings(self.loaded, self.settings, quick=self.options.quick)

    @cached_property
    def chosen_spaces(self) -> list[str]:
        """The names of the spaces asked for. Raises InputError for a glob that matches none."""
        return matching(list(search_of(self.loaded).spaces), self.spaces, "--space")

    @cached_property
    def plan(self) -> SearchPlan:
        """The trials asked for. Raises InputError for a study or an option that is wrong."""
        search = search_of(self.loaded)
        refuse_contradictions(search, self.chosen, self.chosen_spaces, self.settings)
        return plan_search(self.loaded, self.chosen, self.spaces, self.options)

    @property
    def trials(self) -> list[PlannedTrial]:
        return [each.trial for each in self.plan.trials]


def check_all(benches: Sequence[Bench]) -> None:
    """Raise now, before the first of several studies trains, what is wrong with one of them.

    The InputError then begins with the study at fault.
    """
    for bench in benches:
        try:
            bench.check()
        except InputError as error:
            where = f"{bench.study}: " if len(benches) > 1 else ""
            raise InputError(f"{where}{error}") from error
