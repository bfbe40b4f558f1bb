"""Trials that follow from an ablation or a grid."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from resray.errors import InputError
from resray.study.entries import ablation_steps, trial_names
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study

CHANGES: dict[str, dict[str, Any]] = {
    "batch": {"batch_size": 64},
    "rate": {"optimizer": {"lr": 0.5}},
    "smooth": {"label_smoothing": 0.1},
}
STUDY = {
    "name": "steps",
    "title": "Steps",
    "question": "Which step helps?",
    "recipe": {"model": "resnet10", "data": "cifar10", "epochs": 5, "batch_size": 4},
}


def expanded(folder: Path, options: Options | None = None, **content: Any) -> list[PlannedTrial]:
    path = folder / "steps.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **content}, sort_keys=False))
    return expand(load_study(str(path)), options or Options())


def switched_on(trial: PlannedTrial) -> set[str]:
    recipe = trial.recipe
    states = {
        "batch": recipe.batch_size == 64,
        "rate": recipe.optimizer.lr == 0.5,
        "smooth": recipe.label_smoothing == 0.1,
    }
    return {name for name, on in states.items() if on}


def test_forms_share_their_trials(tmp_path: Path) -> None:
    trials = expanded(tmp_path, ablate={"changes": CHANGES})
    assert {trial.name: switched_on(trial) for trial in trials} == {
        "plain": set(),
        "plain+batch": {"batch"},
        "full-smooth": {"batch", "rate"},
        "full": {"batch", "rate", "smooth"},
        "plain+rate": {"rate"},
        "plain+smooth": {"smooth"},
        "full-batch": {"rate", "smooth"},
        "full-rate": {"batch", "smooth"},
    }


def test_a_chain_switches_one_change_at_a_time() -> None:
    steps = ablation_steps(list(CHANGES), "chain")
    assert [step.change for step in steps] == [None, "batch", "rate", "smooth"]
    grown = [len(step.applied) for step in steps]
    assert grown == [0, 1, 2, 3]


def test_remove_takes_each_from_the_full_recipe() -> None:
    full, *removed, plain = ablation_steps(list(CHANGES), "remove")
    assert (full.name, plain.name) == ("full", "plain")
    for step in removed:
        assert step.change is not None
        assert set(full.applied) - set(step.applied) == {step.change}


@pytest.mark.parametrize("number", [2, 3, 6])
def test_every_name_stands_for_one_set_of_changes(number: int) -> None:
    changes = [f"c{place}" for place in range(number)]
    applied: dict[str, set[str]] = {}
    for form in ("chain", "add", "remove"):
        for step in ablation_steps(changes, form):
            assert applied.setdefault(step.name, set(step.applied)) == set(step.applied)
    assert len({frozenset(on) for on in applied.values()}) == len(applied)


def test_one_form_is_chosen(tmp_path: Path) -> None:
    trials = expanded(tmp_path, Options(ablate=("remove",)), ablate={"changes": CHANGES})
    assert {trial.name for trial in trials} == {
        "plain", "full", "full-batch", "full-rate", "full-smooth",
    }  # fmt: skip


def test_a_wrong_form_names_the_choices(tmp_path: Path) -> None:
    ablate = {"forms": "chain", "changes": CHANGES}
    with pytest.raises(InputError, match=r"--ablate: 'remove' is not known \(chain\)"):
        expanded(tmp_path, Options(ablate=("remove",)), ablate=ablate)
    with pytest.raises(InputError, match="steps has no ablation"):
        expanded(tmp_path, Options(ablate=("chain",)), trials=[{"name": "a"}])


def test_a_change_that_is_wrong_is_reported_at_its_line(tmp_path: Path) -> None:
    changes = {**CHANGES, "rate": {"optimizer": {"lr": -1}}}
    with pytest.raises(InputError) as caught:
        expanded(tmp_path, ablate={"changes": changes})
    (message,) = str(caught.value).splitlines()
    assert "steps.yaml:15: ablate.changes.rate.optimizer.lr: -1 must be greater than 0" in message


def test_a_grid_holds_every_combination(tmp_path: Path) -> None:
    grid: dict[str, list[Any]] = {
        "model": ["resnet10", "resnet18"],
        "optimizer.lr": [0.1, 0.01],
        "batch_size": [4],
    }
    trials = expanded(tmp_path, grid=grid)
    assert [trial.name for trial in trials] == [
        "resnet10-0.1-4", "resnet10-0.01-4", "resnet18-0.1-4", "resnet18-0.01-4",
    ]  # fmt: skip
    assert len(trials) == math.prod(len(values) for values in grid.values())
    last = trials[-1].recipe
    assert (last.model.name, last.optimizer.lr) == ("resnet18", 0.01)


def test_a_grids_mappings_and_lists_have_names_that_can_be_typed(tmp_path: Path) -> None:
    grid: dict[str, list[Any]] = {
        "optimizer": [{"lr": 0.1}, {"lr": 0.2, "nesterov": True}],
        "augmentation.affine": [None, {"scale": [0.9, 1.1]}],
    }
    assert [trial.name for trial in expanded(tmp_path, grid=grid)] == [
        "lr_0.1-None", "lr_0.1-scale_0.9_1.1",
        "lr_0.2_nesterov_true-None", "lr_0.2_nesterov_true-scale_0.9_1.1",
    ]  # fmt: skip


def test_an_empty_grid_and_a_study_without_trials_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"steps\.yaml:\d+: grid\.model: \[\] must have at least"):
        expanded(tmp_path, grid={"model": []})
    with pytest.raises(InputError, match="a study needs trials"):
        expanded(tmp_path)


def test_names_of_a_broken_document_are_passed_over() -> None:
    assert trial_names({"trials": 3, "ablate": [], "grid": {"model": 1}}) == []
