"""What is said of every wrong study, option and search that the tests try.

`messages.json` holds what is wrong, as a study's text and options, beside the lines that are said
of it, so that they can be asked for again without the tests that tried it.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import cache, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from resray.errors import InputError
from resray.search import plan
from resray.search.points import Point
from resray.study import claims, expand, load, mistakes, overrides
from resray.study.recipe_spec import Recipe
from resray.study.spec import Study

FILE = Path(__file__).with_suffix(".json")
OWN = "mine.yaml"
"""What a study file of a case is called, whatever it was in its test."""
LONGEST = 3000
"""Characters; a test that writes more is about the length, and checks itself what is said of it."""
TRIED_BY = (
    "test_study", "test_study_meaning", "test_study_options", "test_studies_files",
    "test_hostile_studies", "test_unions", "test_entries", "test_expand", "test_phases",
    "test_claims", "test_search_space", "test_search_plan", "test_search_points", "test_cli",
    "test_tune_cli", "test_own_code", "test_model_table",
)  # fmt: skip

Case = dict[str, Any]


def said(case: Case) -> list[str]:
    """Return the lines that are said of a case, tried from a folder of its own."""
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        if "text" in case:
            Path(OWN).write_text(case["text"], encoding="utf-8")
        try:
            attempt(case)
        except InputError as error:
            return str(error).replace(folder, "FOLDER").splitlines()
    return []


def attempt(case: Case) -> None:
    """Do what a case is about: a network's options, a study, its trials, its search or a point."""
    if "model" in case:
        overrides.model_from(case["model"], case["set"])
        return
    study = load.load_study(case.get("study", OWN))
    options = expand.Options(
        **{key: as_tuple(value) for key, value in case.get("options", {}).items()}
    )
    if "point" in case:
        space, values = case["point"]
        plan.plan_point(study, Point(space, values), options, 0)
    elif "search" in case:
        settings = plan.search_settings(study, case["search"], quick=options.quick)
        plan.plan_search(study, settings, case["spaces"], options)
    elif "options" in case:
        expand.expand(study, options)


def as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def stored() -> list[Case]:
    """Return all cases, each with what it ``says``."""
    return list(json.loads(FILE.read_text()))


class Recorder:
    """Gathers, while tests run, the calls that end in a refusal, as cases."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.cases: dict[str, Case] = {}
        self._patch = patch
        self._inside = False

    def watch(
        self,
        place: Any,
        name: str,
        case_of: Callable[..., Case | None],
        refuses: Callable[[Any], bool] = lambda answer: False,
    ) -> None:
        """Let refused calls of a function be gathered; ``case_of`` takes its arguments.

        Refused are those that raise, and those whose answer ``refuses`` says so.
        """
        real = getattr(place, name)

        @wraps(real)
        def watched(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return real(*arguments, **named)
            self._inside = True
            try:
                answer = real(*arguments, **named)
                if refuses(answer):
                    self.add(case_of(*arguments, **named))
                return answer
            except (InputError, ValidationError, ValueError):
                self.add(case_of(*arguments, **named))
                raise
            finally:
                self._inside = False

        self._patch.setattr(place, name, watched)

    def add(self, case: Case | None) -> None:
        """Keep a case under the first test that tried it."""
        key = json.dumps(case)
        if case is not None and len(key) < LONGEST and key not in self.cases:
            test = os.environ["PYTEST_CURRENT_TEST"].removeprefix("tests/").rpartition(" ")[0]
            self.cases[key] = {"test": test[:120], **case}


def study_case(name_or_path: str) -> Case | None:
    """Return what was read; None for what is no text at all, such as a pipe."""
    path = Path(name_or_path)
    if path.is_file() and path.suffix:
        with contextlib.suppress(UnicodeDecodeError):
            return {"text": path.read_text(encoding="utf-8")}
        return None
    return None if path.exists() else {"study": path.name if path.is_absolute() else name_or_path}


def of(study: Study) -> Case:
    """Return a study that was read, or made by a test, as part of a case."""
    if study in map(shipped, load.study_files()):
        return {"study": study.name}
    return {"text": as_text(study.model_dump(mode="json", exclude_unset=True))}


shipped = cache(load.load_study)


def as_text(document: dict[str, Any]) -> str:
    return str(yaml.safe_dump(document, sort_keys=False, width=1000))


def typed(options: expand.Options) -> dict[str, Any]:
    """Return the options that were chosen."""
    values = {each.name: getattr(options, each.name) for each in fields(options)}
    default = expand.Options()
    return {key: value for key, value in values.items() if value != getattr(default, key)}


SMALL = {"name": "mine", "title": "t", "question": "q"}
RECIPE = {"model": "resnet10", "data": "cifar10", "epochs": 20}


def recipe_case(content: Any) -> Case:
    return {"text": as_text({**SMALL, "recipe": content, "trials": [{"name": "a"}]})}


def mistakes_case(kind: Any, content: Any) -> Case | None:
    return recipe_case(content) if kind is Recipe else None


def claim_case(check: str) -> Case:
    trials, claim = [{"name": "a"}, {"name": "b"}], {"id": "a", "text": "t", "check": check}
    return {"text": as_text({**SMALL, "recipe": RECIPE, "trials": trials, "claims": [claim]})}


def settings_case(study: Study, values: dict[str, Any], *, quick: bool) -> Case:
    chosen = {key: value for key, value in values.items() if value is not None}
    return {**of(study), "options": {"quick": quick}, "search": chosen, "spaces": []}


def search_case(study: Study, settings: Any, spaces: Any, options: expand.Options) -> Case:
    chosen = {"search": settings.model_dump(mode="json"), "spaces": list(spaces)}
    return {**of(study), "options": typed(options), **chosen}


def point_case(study: Study, point: Point, options: expand.Options, seed: int) -> Case:
    return {**of(study), "options": typed(options), "point": [point.space, dict(point.values)]}


def record() -> list[Case]:
    """Run the tests that try what is wrong, and return the cases that they tried."""
    # What is said of the cases is asked for after the tests, unwatched.
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(patch)
        recorder.watch(load, "load_study", study_case)
        recorder.watch(
            expand, "expand", lambda study, asked: {**of(study), "options": typed(asked)}
        )
        recorder.watch(overrides, "model_from", lambda name, sets: {"model": name, "set": [*sets]})
        recorder.watch(plan, "search_of", lambda study: settings_case(study, {}, quick=False))
        recorder.watch(plan, "search_settings", settings_case)
        recorder.watch(plan, "plan_search", search_case)
        recorder.watch(plan, "plan_point", point_case)
        recorder.watch(Recipe, "model_validate", recipe_case)
        recorder.watch(mistakes, "mistakes_in", mistakes_case, refuses=bool)
        recorder.watch(claims, "check_statement", claim_case)
        files = [f"tests/{name}.py" for name in TRIED_BY]
        pytest.main(["-n", "0", "-q", "-p", "no:cacheprovider", *files])
    return list(recorder.cases.values())


if __name__ == "__main__":
    tried = record() if "--record" in sys.argv else stored()
    answered = [{**case, "says": said(case)} for case in tried]
    FILE.write_text(json.dumps(answered, indent=1) + "\n")
