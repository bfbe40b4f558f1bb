"""Reading study files: shipped ones, a user's own, and every mistake reported at its line."""

import subprocess
import sys
from pathlib import Path

import pytest

from resray.errors import InputError, not_known
from resray.study.entries import entries
from resray.study.expand import Options, expand
from resray.study.load import load_study, study_files, study_text

STUDY = """\
name: mine
title: Two networks
question: Which one?
recipe:
  data: cifar10
  epochs: 20
  optimizer:
    name: sgd
    lr: 1e-1
    weight_decay: 5e-4
  schedule: {name: cosine, warmup_epochs: 5}
trials:
  - name: small
    recipe: {model: resnet18}
  - name: large
    recipe:
      model: resnet50
      optimizer: {lr: 0.05}
variants:
  short:
    description: half as long
    trials:
      small: {epochs: 10}
seeds: [0, 1]
quick:
  recipe: {epochs: 2}
  embedded: {images: 640, validation_images: 128}
  real: {limit_train: 512}
published:
  - {trial: small, metric: test_accuracy, value: 95.0, protocol: p, device: d, source: s}
"""

MISTAKES = {
    "unknown choice": (
        "name: sgd",
        "name: sgdd",
        "8: recipe.optimizer.name: 'sgdd' is not known; did you mean 'sgd'? "
        "(adam, adamw, muon, sgd)",
    ),
    "unknown key of the study": (
        "seeds:",
        "seed:",
        "24: 'seed' is not known; did you mean 'seeds'?",
    ),
    "unknown key of a trial's recipe": (
        "optimizer: {lr: 0.05}",
        "optimzer: {lr: 0.05}",
        "18: trials[1].recipe: 'optimzer' is not known; did you mean 'optimizer'?",
    ),
    "out of bounds": (
        "{lr: 0.05}",
        "{lr: -0.05}",
        "18: trials[1].recipe.optimizer.lr: -0.05 must be greater than 0",
    ),
    "wrong type": ("epochs: 20", "epochs: many", "6: recipe.epochs: 'many' must be a whole number"),
    "unknown model": (
        "model: resnet50",
        "model: resnet51",
        "17: trials[1].recipe.model.name: 'resnet51' is not known; did you mean 'resnet50'?",
    ),
    "model missing in one trial": (
        "{model: resnet18}",
        "{epochs: 20}",
        "14: trials[0].recipe.model: is missing",
    ),
    "key missing in the base": ("  epochs: 20\n", "", "4: recipe.epochs: is missing"),
    "name twice": ("name: large", "name: small", "15: trials[1].name: 'small' stands there twice"),
    "variant of an unknown trial": (
        "small: {epochs: 10}",
        "smal: {epochs: 10}",
        "23: variants.short.trials.smal: 'smal' is not known; did you mean 'small'? (large, small)",
    ),
    "variant's recipe": (
        "small: {epochs: 10}",
        "small: {epochs: 0}",
        "23: variants.short.trials.small.epochs: 0 must be at least 1",
    ),
    "warm-up that does not fit": (
        "warmup_epochs: 5",
        "warmup_epochs: 15",
        "11: recipe.schedule.warmup_epochs: 15 must be below epochs (10)",
    ),
    "option of another dataset": (
        "data: cifar10",
        "data: {name: cifar10, classes: 3}",
        "5: recipe.data.classes: only embedded has it, not cifar10",
    ),
    "published about an unknown trial": (
        "{trial: small,",
        "{trial: tiny,",
        "30: published[0].trial: 'tiny' is not known (large, small)",
    ),
    "published after its last epoch": (
        "protocol: p,",
        "protocol: p, epochs: 10, epoch: 11,",
        "30: published[0].epoch: epoch 11 is beyond the last one, 10",
    ),
    "default variant twice": (
        "  short:",
        "  standard:",
        "20: variants.standard: 'standard' names two variants",
    ),
    "milestone that is never reached": (
        "{name: cosine, warmup_epochs: 5}",
        "{name: step, milestones: [5, 15]}",
        "11: recipe.schedule.milestones[1]: 15 must be below epochs (10)",
    ),
    "mistake in quick": (
        "{images: 640,",
        "{imags: 640,",
        "27: quick.embedded: 'imags' is not known; did you mean 'images'?",
    ),
    "key twice": (
        "title: Two",
        "name: other\ntitle: Two",
        "2: 'name' stands twice, first in line 1",
    ),
    "not YAML": ("seeds: [0, 1]", "seeds: [0, 1", "25: not valid YAML: while parsing a flow"),
    "code": ("lr: 1e-1", "lr: !!python/name:os.system", "9: not valid YAML: could not determine"),
    "number for a name": ("name: large", "name: 50", "15: trials[1].name: 50 must be text"),
    "union": (
        "  epochs: 20",
        "  channels_last: perhaps\n  epochs: 20",
        "6: recipe.channels_last: 'perhaps' must be 'auto' or true or false",
    ),
    "split seed": (
        "  data: cifar10",
        "  data: {name: cifar10, split_seed: trail}",
        "5: recipe.data.split_seed: 'trail' must be 'trial' or a whole number",
    ),
}


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(("old", "new", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_names_file_line_place_and_choices(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert STUDY.count(old) == 1
    path = write(tmp_path, STUDY.replace(old, new))
    with pytest.raises(InputError) as raised:
        load_study(path)
    messages = str(raised.value).splitlines()
    assert len(messages) == 1, messages
    assert messages[0].startswith(f"{path}:{expected}")


def test_all_mistakes_are_reported_in_order(tmp_path: Path) -> None:
    text = STUDY.replace("name: sgd", "name: sgdd").replace("model: resnet50", "modle: resnet50")
    path = write(tmp_path, text.replace("seeds: [0, 1]", "seeds: []"))
    with pytest.raises(InputError) as raised:
        load_study(path)
    starts = [message.split(": ")[:2] for message in str(raised.value).splitlines()]
    assert starts == [
        [f"{path}:8", "recipe.optimizer.name"],
        [f"{path}:16", "trials[1].recipe.model"],
        [f"{path}:17", "trials[1].recipe"],
        [f"{path}:24", "seeds"],
    ]


FITS_NOTHING = """\
claims:
  - {id: a, text: t, check: "test_accuracy[small] > test_accuracy[lrage]"}
  - id: a
    text: t
    check:
      - [1]
      - test_accuracy[small, variant=shrot] > 1
"""


def test_what_does_not_fit_together_is_reported_beside_wrong_values(tmp_path: Path) -> None:
    text = STUDY.replace("lr: 0.05", "lr: -1")
    text = text.replace("small: {epochs", "smal: {epochs").replace("{trial: small", "{trial: tiny")
    text = text.replace("[0, 1]", "[0, x, 0]")
    text = text.replace("  real:", "  stand_ins: {resnet18: resnet1}\n  real:")
    path = write(tmp_path, text.replace("value: 95.0", "value: high") + FITS_NOTHING)
    with pytest.raises(InputError) as raised:
        load_study(path)
    found = [message.removeprefix(f"{path}:") for message in str(raised.value).splitlines()]
    expected = [
        "18: trials[1].recipe.optimizer.lr: -1 must be",
        "23: variants.short.trials.smal: 'smal' is not known",
        "24: seeds[1]: 'x' must be a whole number",
        "24: seeds[2]: 0 stands there twice",
        "28: quick.stand_ins.resnet18: 'resnet1' is not known",
        "31: published[0].value: 'high' must be a number",
        "31: published[0].trial: 'tiny' is not known",
        "33: claims[0].check: 'lrage' is not known; did you mean 'large'?",
        "34: claims[1].id: 'a' stands there twice",
        "37: claims[1].check[0]: [1] must be text",
        "38: claims[1].check[1]: 'shrot' is not known; did you mean 'short'?",
    ]
    assert len(found) == len(expected), found
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start)


@pytest.mark.parametrize(
    "text",
    ["", "just text", "- a\n- b", "a: &a [*a]", "\x00", "a: [" * 3000, f"a: {'1' * 5000}"],
    ids=["empty", "text", "list", "recursive", "control", "deep", "digits"],
)
def test_what_is_no_study_is_one_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=r"mine\.yaml") as raised:
        load_study(path)
    assert "\n" not in str(raised.value)


def test_own_study_by_path_with_yaml_1_1_numbers(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, STUDY))
    small, *_, large = expand(study, Options())
    assert (small.recipe.optimizer.lr, small.recipe.optimizer.weight_decay) == (0.1, 5e-4)
    assert (large.recipe.optimizer.lr, large.recipe.optimizer.weight_decay) == (0.05, 5e-4)
    assert [trial.seed for trial in expand(study, Options())] == [0, 1, 0, 1]


def test_missing_file_directory_and_binary_file(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x80")
    for path in (tmp_path / "none.yaml", f"{tmp_path}/", binary):
        with pytest.raises(InputError, match=str(tmp_path)):
            load_study(str(path))


def test_unknown_study_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'depth-famly' is not known; did you mean 'depth-family"):
        load_study("depth-famly")


def test_shipped_study_is_kept_as_text() -> None:
    assert study_text("depth-family") == study_files()["depth-family"].read_text()
    assert load_study("depth-family") == load_study(str(study_files()["depth-family"]))


@pytest.mark.parametrize("name", study_files())
def test_every_shipped_study_expands(name: str) -> None:
    study = load_study(name)
    assert study.name == name
    for variant in study.variant_names:
        for quick, data_given in ((False, False), (True, False), (True, True)):
            options = Options(variant=variant, quick=quick, data_given=data_given)
            trials = expand(study, options)
            names = [each.name for each in entries(study.document) if each.in_variant(variant)]
            assert len(trials) == len(names) * len(study.seeds)
            assert all(bool(trial.reductions) == quick for trial in trials)


def test_anchors_and_merge_keys() -> None:
    published = load_study("depth-family").published
    assert published[4].value == 91.68
    assert published[4].protocol == published[0].protocol
    assert len(published) == 20


def test_study_room_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys, resray.study.load, resray.study.expand\n"
        "resray.study.expand.expand(resray.study.load.load_study('depth-family'),"
        " resray.study.expand.Options())\n"
        "print(sorted({'torch', 'ray', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_message_lists_each_choice_once() -> None:
    assert not_known("d", ["a", "b", "a"]) == "'d' is not known (a, b)"
    assert not_known("aab", ["aaa", "aaa"]) == "'aab' is not known; did you mean 'aaa'? (aaa)"
