"""Study files that are no honest ones: refused in one line each, before anything is built."""

import os
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from resray.study.mistakes import find_mistakes
from resray.study.model_spec import CustomModel, ResNetModel, WideModel
from resray.study.recipe_spec import Recipe
from resray.study.search_spec import Axis
from resray.study.spec import Published, Study
from resray.study.strict import LARGEST_COUNT, LONGEST_NAME, Named
from resray.study.yaml_file import LARGEST_FILE, MOST_VALUES, Dumper, parse
from tests.command_line import Resray, assert_refused

STUDY = """\
name: mine
title: Two networks
question: Which one?
recipe:
  model: resnet18
  data: {name: embedded, classes: 4, images: 96, image_size: 8, validation_images: 16}
  epochs: 20
  optimizer: {lr: 0.05}
seeds: [0, 1]
trials:
  - {name: small}
"""
QUICK = ("bench", "depth-family", "--quick", "--dry-run", "--set")
YES = r"true \(as YAML reads yes and on\)"

MISREAD = [
    ("epochs: 20", "epochs: 1:30", "7: recipe.epochs: '1:30' must be a whole number"),
    ("lr: 0.05", "lr: 1:30.5", "8: recipe.optimizer.lr: '1:30.5' must be a number"),
    ("epochs: 20", "epochs: yes", f"7: recipe.epochs: {YES} must be a whole number"),
    ("lr: 0.05", "lr: on", f"8: recipe.optimizer.lr: {YES} must be a number"),
    ("[0, 1]", "[0, true]", rf"9: seeds\[1\]: {YES} must be a whole number"),
    ("name: mine", "name: no", r"1: name: false \(as YAML reads no and off\) must be text; put it"),
]
TOO_LARGE = [
    ("epochs: 20", f"epochs: {10**20}", f"7: recipe.epochs: {10**20} must be at most"),
    ("classes: 4", "classes: 1000000000", "6: recipe.data.classes: 1000000000 must be at most"),
    ("model: resnet18", "model: wrn-6000004-1", "5: recipe.model.name: wrn-6000004-1: width and"),
    ("name: mine", f"name: {'m' * 245}", "1: name: 'mmm.* at most 100 characters"),
    ("name: small", f"name: {'m' * 245}", r"11: trials\[0\].name: 'mmm.* at most 100 characters"),
    ("title: Two", r'title: "\uD800 two" #', r"2: '\\ud800 two' holds half a character"),
    ("trials:", f"grid: {{batch_size: [{'1, ' * 101}], eval_batch_size: [{'1, ' * 101}]}}\ntrials:",
     "10: grid: more than 2,000 trials"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "instead", "says"), [*MISREAD, *TOO_LARGE])
def test_what_is_wrong_is_said_with_its_line(
    resray: Resray, tmp_path: Path, written: str, instead: str, says: str
) -> None:
    assert written in STUDY
    (tmp_path / "mine.yaml").write_text(STUDY.replace(written, instead, 1))
    assert_refused(resray("show", "./mine.yaml"), 2, f"mine.yaml:{says}")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("optimizer.lr=1:30", "optimizer.lr: '1:30' must be a number"),
        ("epochs=yes", f"epochs: {YES} must be a whole number"),
        ("optimizer={lr: 1, lr: 2}", "'lr' stands twice"),
        ("batch_size=1000000000", "batch_size: 1000000000 must be at most"),
    ],
)
def test_options_are_read_in_the_same_way(resray: Resray, change: str, says: str) -> None:
    assert_refused(resray(*QUICK, change), 2, f"--set {change}: {says}")


def test_numbers_and_words_that_mean_what_they_say_are_read(tmp_path: Path, resray: Resray) -> None:
    text = STUDY.replace("lr: 0.05", "lr: 1e-2").replace("20", "0x14").replace("mine", "'010'")
    (tmp_path / "mine.yaml").write_text(text.replace("Two networks", "'yes: 1:30'"))
    answer = resray("show", "./mine.yaml")
    assert answer.code == 0, answer.err
    assert "yes: 1:30" in answer.out


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("010", 10),
        ("-7", -7),
        ("0x14", 20),
        ("0o17", 15),
        ("1e-3", 0.001),
        ("2.", 2.0),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("1.2.3", "1.2.3"),
        ("12e", "12e"),
        ("2024-01-02", "2024-01-02"),
    ],
)
def test_numbers_are_those_of_yaml_1_2_and_come_back_from_a_file(written: str, read: Any) -> None:
    content = parse(f"a: {written}\nb: '{written}'", "mine.yaml").content
    assert content == {"a": read, "b": written}
    assert type(content["a"]) is type(read)
    assert parse(yaml.dump(content, Dumper=Dumper), "mine.yaml").content == content


LISTS = ("parts", "published", "as_run", "trials", "claims")
"""Fields of lists of models, whose paths have numbers in them."""
NAMES = {ResNetModel: "resnet18", CustomModel: "resnet", WideModel: "wrn-16-2"}


def name_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a member of a union's name, by which it is known."""
    names = (
        typing.get_args(model.model_fields["name"].annotation) if issubclass(model, Named) else ()
    )
    name = NAMES.get(model) or next(iter(names), None)
    return {"name": name} if name else {}


def numbers(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield each field of a model, and of those within it, that is only a number: its path, and
    content with true there."""
    for key, field in model.model_fields.items():
        kinds = {kind for kind in leaves(field.annotation) if kind is not type(None)}
        if kinds and kinds <= {int, float}:
            yield (key,), {**name_of(model), key: True}
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and key not in LISTS:
                for path, content in numbers(kind):
                    yield (key, *path), {**name_of(model), key: content}


def leaves(kind: Any) -> Iterator[Any]:
    """Yield the types that a value of an annotation may be made of, but for mappings' values."""
    members = [each for each in typing.get_args(kind) if each is not Ellipsis]
    if typing.get_origin(kind) in (dict, typing.Literal) or not members:
        yield kind
        return
    for member in members[:1] if typing.get_origin(kind) is typing.Annotated else members:
        yield from leaves(member)


@pytest.mark.parametrize("model", [Recipe, Study, Axis, Published])
def test_no_field_takes_true_for_a_number(model: type[BaseModel]) -> None:
    found = list(numbers(model))
    assert len(found) > (60 if model is Recipe else 1)
    for path, value in found:
        with pytest.raises(ValidationError) as refused:
            model.model_validate(value)
        messages = [
            each.message
            for each in find_mistakes(model, refused.value)
            if each.path[: len(path)] == path
        ]
        assert messages, path
        assert "true (as YAML reads yes and on)" in messages[0], path


def aliases(lines: int, fan: int = 10) -> str:
    """Return a YAML list that is ``fan ** lines`` values with its aliases written out."""
    first = "a0: &a0 [x]"
    rest = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * fan)}]" for i in range(1, lines)]
    return "\n".join([first, *rest])


def merges(lines: int, fan: int = 10) -> str:
    """Return mappings that take in each other's keys as often."""
    first = "a0: &a0 {k: 1}"
    rest = [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * fan)}]}}" for i in range(1, lines)]
    return "\n".join([first, *rest])


@pytest.mark.timeout(20)
@pytest.mark.parametrize("bomb", [aliases(30), merges(30), aliases(30, fan=2)])
def test_aliases_are_counted_before_they_are_written_out(
    resray: Resray, tmp_path: Path, bomb: str
) -> None:
    (tmp_path / "mine.yaml").write_text(STUDY + bomb)
    says = rf"mine.yaml: with its aliases written out it has [\d,]+ .*at most {MOST_VALUES:,}"
    assert_refused(resray("show", "./mine.yaml"), 2, says)
    flow = f"epochs=[&a [x, x], {', '.join(['&b [*a, *a]'] + ['*b'] * 30_000)}]"
    assert_refused(resray(*QUICK, flow), 2, r"--set epochs=.*: with its aliases written out")


@pytest.mark.timeout(20)
def test_only_regular_files_of_some_size_are_read(resray: Resray, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("pipe", "zero", "folder"):
        assert_refused(resray("show", f"./{name}.yaml"), 2, f"{name}.yaml: must be a regular file")
    (tmp_path / "large.yaml").write_text(STUDY + "# " + "x" * LARGEST_FILE)
    assert_refused(resray("show", "./large.yaml"), 2, r"large.yaml: 1,000,\d+ bytes; at most 1,000")


def test_the_limits_leave_room(resray: Resray, tmp_path: Path) -> None:
    name = "m" * LONGEST_NAME
    text = STUDY.replace("mine", name, 1).replace("epochs: 20", f"epochs: {LARGEST_COUNT}")
    (tmp_path / "mine.yaml").write_text(text)
    assert resray("show", "./mine.yaml", "--epochs", "2").code == 0
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / f".{name}.html.{'9' * 7}").touch()
