"""The `search:` part of a study file: what is wrong in it is reported by its line."""

from pathlib import Path

import pytest

from resray.errors import InputError
from resray.study.load import load_study

STUDY = """\
name: mine
title: Two networks
question: Which one?
recipe: {data: cifar10, epochs: 9}
trials:
  - {name: small, recipe: {model: resnet10}}
  - {name: large, recipe: {model: resnet18, data: {validation_images: 0}}}
quick: {recipe: {epochs: 3}}
search:
  grace: 2
  spaces:
    first:
      recipe: {model: resnet10}
      axes:
"""
SPACE = "search.spaces.first.axes"


def read(folder: Path, text: str) -> list[str]:
    """Return the mistakes in a study file, without its name."""
    path = folder / "mine.yaml"
    path.write_text(text)
    try:
        load_study(str(path))
    except InputError as error:
        return [line.removeprefix(f"{path}:") for line in str(error).splitlines()]
    return []


MISTAKEN = {
    "unknown key": (
        "optimizer.lrr: {grid: [1]}",
        f"{SPACE}.optimizer.lrr: 'lrr' is not known; did you mean 'lr'? (betas, companion_lr,",
    ),
    "key below a value": (
        "epochs.last: {grid: [1]}",
        f"{SPACE}.epochs.last: has no 'last' in it",
    ),
    "values for a free name": (
        "colour: {choice: [red, green]}",
        f"{SPACE}.colour: 'colour' is not known (accumulation, ",
    ),
    "mapping without a name": (
        "schedule: {choice: [{name: linear}]}",
        f"{SPACE}.schedule.choice[0]: a mapping needs a name: {{NAME: {{changes of the recipe}}",
    ),
    "name for a value": (
        "mix: {choice: {some: 0.2}}",
        f"{SPACE}.mix.choice.some: 0.2 must be a mapping of keys to values",
    ),
    "name that is none": (
        "mix: {choice: {off: {}}}",
        f"{SPACE}.mix.choice: false (as YAML reads no and off) must be text",
    ),
    "unknown trial": (
        "trial: {grid: [small, huge]}",
        f"{SPACE}.trial.grid[1]: 'huge' is not known (large, small)",
    ),
    "named trials": (
        "trial: {grid: {small: {}}}",
        f"{SPACE}.trial.grid: must be a list of the study's trials, as grid or choice",
    ),
    "range of trials": (
        "trial: {int: [0, 1]}",
        f"{SPACE}.trial.int: must be a list of the study's trials, as grid or choice",
    ),
    "no value": ("epochs: {grid: []}", f"{SPACE}.epochs.grid: needs at least one value"),
    "value twice": (
        "optimizer.lr: {grid: [0.1, 1e-1]}",
        f"{SPACE}.optimizer.lr.grid[1]: 0.1 stands there twice",
    ),
    "two forms": (
        "epochs: {grid: [5], int: [3, 5]}",
        f"{SPACE}.epochs: needs exactly one of grid, choice, uniform, loguniform, int; it has "
        "grid and int",
    ),
    "bounds": (
        "label_smoothing: {uniform: [0.2, 0.1]}",
        f"{SPACE}.label_smoothing.uniform: 0.2 must be below 0.1",
    ),
    "logarithm of nothing": (
        "optimizer.lr: {loguniform: [0, 1]}",
        f"{SPACE}.optimizer.lr.loguniform[0]: 0 must be above 0",
    ),
    "value of the recipe": (
        "optimizer.lr: {grid: [0.1, -1]}",
        f"{SPACE}.optimizer.lr.grid[1]: -1 must be greater than 0",
    ),
    "values without a form": (
        "optimizer.name: [sgd, adamw]",
        f'{SPACE}.optimizer.name: values need a form around them: write {{grid: ["sgd", "adamw"]}}',
    ),
    "value without a form": (
        "optimizer.lr: 0.1",
        f"{SPACE}.optimizer.lr: values need a form around them: write {{grid: [0.1]}}",
    ),
    "value among forms": (
        "optimizer.lr: [{grid: [1]}, 0.1]",
        f"{SPACE}.optimizer.lr[1]: 0.1 must be a mapping of keys to values",
    ),
    "misspelt form": (
        "optimizer.lr: {gird: [0.1]}",
        f"{SPACE}.optimizer.lr: 'gird' is not known; did you mean 'grid'? (choice, grid, int,",
    ),
    "choice of the recipe": (
        "optimizer.name: {choice: [sgd, sgdd]}",
        f"{SPACE}.optimizer.name.choice[1]: 'sgdd' is not known; did you mean 'sgd'? (adam,",
    ),
    "upper bound of the recipe": (
        "label_smoothing: {uniform: [0.5, 1.5]}",
        f"{SPACE}.label_smoothing.uniform[1]: 1.5 must be less than 1",
    ),
    "lower bound of the recipe": (
        "batch_size: {int: [0, 64]}",
        f"{SPACE}.batch_size.int[0]: 0 must be at least 1",
    ),
    "change of the recipe": (
        "mix: {choice: {none: {}, mixup: {mixing: {mixup_alfa: 1}}}}",
        f"{SPACE}.mix.choice.mixup.mixing: 'mixup_alfa' is not known; did you mean",
    ),
    "what else a value needs": (
        "schedule.name: {grid: [cosine, step]}",
        f"{SPACE}.schedule.name.grid[1]: schedule.milestones: is missing",
    ),
    "nothing to select by": (
        "data.validation_images: {grid: [500, 0]}",
        f"{SPACE}.data.validation_images.grid[1]: 0 leaves a search nothing to select by",
    ),
    "trial with nothing to select by": (
        "trial: {grid: [small, large]}",
        "search.spaces.first: data.validation_images: 0 leaves a search nothing to select by (at "
        "the point large)",
    ),
    "condition on itself": (
        "epochs: {when: {epochs: 5}, grid: [5]}",
        f"{SPACE}.epochs.when.epochs: must be written before epochs, which depends on it",
    ),
    "condition on nothing": (
        "epochs: {when: {batch_size: 5}, grid: [5]}",
        f"{SPACE}.epochs.when.batch_size: epochs has no axis before it",
    ),
    "grace": (
        "epochs: {grid: [9, 2]}",
        "search.grace: 2 must be below the 2 epochs of point 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("axis", "expected"), MISTAKEN.values(), ids=MISTAKEN.keys())
def test_a_mistake_in_an_axis_is_led_to_its_line(tmp_path: Path, axis: str, expected: str) -> None:
    (message,) = read(tmp_path, f"{STUDY}        {axis}\n")
    line = {"search.grace": 10, "search.spaces.first:": 12}
    expected_line = next((at for key, at in line.items() if expected.startswith(key)), 15)
    assert message.startswith(f"{expected_line}: {expected}")


DEPENDENT = {
    "unknown axis": (
        "epochs: {when: {optimizer: adam}, grid: [5]}",
        f"{SPACE}.epochs.when.optimizer: 'optimizer' is not known; did you mean 'optimizer.name'?",
    ),
    "axis that follows": (
        "epochs: {when: {batch_size: 8}, grid: [5]}\n        batch_size: {grid: [8]}",
        f"{SPACE}.epochs.when.batch_size: must be written before epochs, which depends on it",
    ),
    "value that it never takes": (
        "epochs: {when: {optimizer.name: [adam, muon]}, grid: [5]}",
        f"{SPACE}.epochs.when.optimizer.name: 'muon' is not known (adam, sgd)",
    ),
    "range": (
        "epochs: {when: {label_smoothing: 0.1}, choice: [5]}",
        f"{SPACE}.epochs.when.label_smoothing: is drawn from a range; a condition needs an axis "
        "that lists values",
    ),
    "grid on a draw": (
        "epochs: {when: {mix: some}, grid: [5]}",
        f"{SPACE}.epochs.when.mix: is drawn, and epochs has a grid: only a grid can decide about",
    ),
    "alternative that comes too late": (
        "epochs: [{choice: [5]}, {when: {mix: some}, choice: [6]}]",
        f"{SPACE}.epochs[1]: never applies: `when` cannot hold, or one before it always does",
    ),
    "option that not all have": (
        "optimizer.momentum: {grid: [0.9, 0.5]}",
        f"{SPACE}.optimizer.momentum.grid[0]: only sgd or muon has it, not adam (at the point ",
    ),
}


@pytest.mark.parametrize(("axis", "expected"), DEPENDENT.values(), ids=DEPENDENT.keys())
def test_what_axes_say_of_each_other_is_checked(tmp_path: Path, axis: str, expected: str) -> None:
    before = (
        "        optimizer.name: {grid: [sgd, adam]}\n"
        "        label_smoothing: {uniform: [0, 0.2]}\n"
        "        mix: {choice: {none: {}, some: {mixing: {mixup_alpha: 0.2}}}}\n"
    )
    (message,) = read(tmp_path, f"{STUDY}{before}        {axis}\n")
    assert message.startswith(f"18: {expected}")


MISSPELT = {
    "value": ("optimizer.name: {grid: [sgd, adamww]}", "optimizer.name", "adamw"),
    "model": ("model: {grid: [resnet10, resnet81]}", "model", "resnet18"),
    "trial": ("trial: {grid: [small, smal]}", "trial", "large"),
    "key": ("optimizr.name: {grid: [sgd, adamw]}", "optimizer.name", "adamw"),
    "axis of trials": ("trail: {grid: [small]}", "trial", "small"),
}  # fmt: skip


@pytest.mark.parametrize(("axis", "key", "value"), MISSPELT.values(), ids=MISSPELT.keys())
@pytest.mark.parametrize("epochs", [9, -9])
def test_not_the_condition_is_blamed_for_what_an_axis_misspells(
    tmp_path: Path, axis: str, key: str, value: str, epochs: int
) -> None:
    text = STUDY.replace("epochs: 9", f"epochs: {epochs}").replace("validation_images: 0", "")
    text += f"        {axis}\n        batch_size: {{when: {{{key}: {value}}}, grid: [8]}}\n"
    text += "        accumulation: {when: {batch_size: 8}, grid: [2]}\n"
    *of_recipe, message = read(tmp_path, text)
    assert [each.split(": ")[:2] for each in of_recipe] == [["4", "recipe.epochs"]] * (epochs < 0)
    assert message.startswith(f"15: {SPACE}.{axis.split(':')[0]}")
    assert "is not known; did you mean '" in message


def test_what_is_misspelt_is_blamed_before_the_conditions(tmp_path: Path) -> None:
    text = (
        f"{STUDY}        optimizer.name: {{grid: [sgd, adamww]}}\n"
        "        epochs: {grid: [9, 8]}\n"
        "        batch_size: [{when: {epochs: 7}, grid: [8]}, {grid: [16]}]\n"
        "        optimizer.lr: {when: {optimizer.name: adamw}, grid: [0.1]}\n"
    )
    assert [line.split("; ")[0] for line in read(tmp_path, text)] == [
        f"15: {SPACE}.optimizer.name.grid[1]: 'adamww' is not known",
    ]
    text = text.replace("adamww", "adamw")
    assert [line.split("; ")[0] for line in read(tmp_path, text)] == [
        f"17: {SPACE}.batch_size[0].when.epochs: 7 is not known (8, 9)",
    ]
    text = text.replace("        epochs:", "        epoch:")
    assert [line.split("; ")[0] for line in read(tmp_path, text)] == [
        f"16: {SPACE}.epoch: 'epoch' is not known",
    ]


def test_mistakes_of_several_spaces_and_settings_come_together(tmp_path: Path) -> None:
    text = STUDY.replace("grace: 2", "grace: 0\n  metod: random").replace("first:", "a b:")
    text += "        batch_size: {grid: [0]}\n    second: {axes: {epochs: {grid: [9]}}}\n"
    assert [line.split(": ")[:2] for line in read(tmp_path, text)] == [
        ["10", "search.grace"],
        ["11", "search"],
        ["13", "search.spaces.a b"],
        ["16", "search.spaces.a b.axes.batch_size.grid[0]"],
        ["17", "search.spaces.second"],
    ]


def test_a_first_rung_beyond_a_quick_training_is_a_mistake(tmp_path: Path) -> None:
    text = f"{STUDY}        batch_size: {{grid: [8]}}\n"
    assert read(tmp_path, text) == []
    late = text.replace("grace: 2", "grace: 3")
    assert read(tmp_path, late) == ["10: search.grace: 3 must be below the 3 epochs of `--quick`"]
    assert read(tmp_path, late.replace("grace: 3", "grace: 3\n  quick: {grace: 1}")) == []
    assert read(tmp_path, late.replace("grace: 3", "grace: 30\n  scheduler: none")) == []


def test_a_trial_that_is_wrong_is_reported_as_a_trial_only(tmp_path: Path) -> None:
    text = STUDY.replace("resnet18, data: {validation_images: 0}", "resnet81")
    text = text.replace("      recipe: {model: resnet10}\n", "")
    (message,) = read(tmp_path, f"{text}        trial: {{grid: [small, large]}}\n")
    assert message.startswith("7: trials[1].recipe.model.name: 'resnet81' is not known")


ALLOWED = [
    "data.name: {grid: [cifar10, cifar100]}",
    "model: {grid: [resnet10, resnet18]}",
    "optimizer.lr: [{loguniform: [1e-4, 1e-1]}]",
    "clip_gradient_norm: {choice: [null, 1]}",
    "mixing: {choice: {none: {}, mixup: {mixing: {mixup_alpha: 1}}}}",
    "optimizer: {grid: {adam: {optimizer: {name: adam, betas: [0.9, 0.99]}}}}",
]


@pytest.mark.parametrize("axis", ALLOWED)
def test_what_does_mean_something_is_read(tmp_path: Path, axis: str) -> None:
    assert read(tmp_path, f"{STUDY}        {axis}\n") == []
