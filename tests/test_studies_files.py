"""Study files of one's own: those of the documentation are valid, and mistakes are explained."""

import re
from pathlib import Path

import pytest
import yaml

from resray.errors import InputError
from resray.study.expand import Options, expand
from resray.study.load import load_study, study_files

DOCUMENTATION = Path(__file__).parent.parent / "docs" / "studies.md"
BLOCKS = re.findall(
    r"^```yaml\n(name: .*?)^```", DOCUMENTATION.read_text(), re.DOTALL | re.MULTILINE
)


@pytest.mark.parametrize("text", BLOCKS, ids=[block.splitlines()[0] for block in BLOCKS])
def test_documented_study_files_are_valid(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    study = load_study(str(path))
    for variant in study.variant_names:
        assert expand(study, Options(variant=variant))
        assert expand(study, Options(variant=variant, quick=True))


@pytest.mark.parametrize(
    ("page", "name"), [("README.md", "stems"), ("docs/studies.md", "regularisation")]
)
def test_the_mistake_that_is_shown_is_what_resray_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, name: str
) -> None:
    text = (DOCUMENTATION.parent.parent / page).read_text()
    example = re.search(rf"^```yaml\n(name: {name}\n.*?)^```", text, re.DOTALL | re.MULTILINE)
    shown = re.search(rf"^    ({name}\.yaml:\d+: .*)$", text, re.MULTILINE)
    assert example
    assert shown
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.yaml").write_text(example[1].replace("name: sgd,", "name: sgdd,"))
    assert mistakes_in(Path(f"{name}.yaml")) == [shown[1]]


def test_documentation_names_every_key_of_a_study_and_has_examples() -> None:
    text = DOCUMENTATION.read_text()
    assert len(BLOCKS) >= 2
    assert set().union(*(yaml.safe_load(block) for block in BLOCKS)) >= {
        "trials", "ablate", "grid", "variants", "quick", "published", "claims", "assumed",
        "checkpoints", "exclusive",
    }  # fmt: skip
    assert all(f"`{name}`" in text for name in study_files())


MISTAKEN = """\
name: mistaken
title: Eight mistakes
question: Which?
colour: blue
recipe:
  model: resnet81
  data: cifar10
  epochs: 10
  batch_size: many
  optimizer: {name: sgd, lr: -0.1}
  phases:
    label_smoothing:
      1-4: 0.1
      6-10: 0
trials:
  - name: small
  - name: large
    recipe: {model: resnet34}
  - name: small
    recipe: {epochs: 5}
grid:
  optimizer.momentum: []
claims:
  - id: a
    text: larger is better
    check:
      - test_accuracy[large] > test_accuracy[small]
      - test_acuracy[large] > 90
"""
MESSAGES = [
    "4: 'colour' is not known (",
    "6: recipe.model.name: 'resnet81' is not known; did you mean 'resnet18'? (",
    "9: recipe.batch_size: 'many' must be a whole number",
    "10: recipe.optimizer.lr: -0.1 must be greater than 0",
    "14: recipe.phases.label_smoothing.6-10: epoch 5 has no value",
    "19: trials[2].name: 'small' stands there twice",
    "22: grid.optimizer.momentum: [] must have at least 1 item, not 0",
    "28: claims[0].check[1]: 'test_acuracy' is not known; did you mean 'test_accuracy'? (",
]


def mistakes_in(path: Path) -> list[str]:
    with pytest.raises(InputError) as raised:
        load_study(str(path))
    assert raised.value.exit_code == 2
    return str(raised.value).splitlines()


def test_ten_mistakes_each_say_where_and_what(tmp_path: Path) -> None:
    path, broken, missing = (tmp_path / f"{name}.yaml" for name in ("mistaken", "broken", "none"))
    path.write_text(MISTAKEN)
    broken.write_text(MISTAKEN.replace("lr: -0.1}", "lr: 0.1"))
    found = mistakes_in(path)
    assert len(found) == len(MESSAGES), found
    for message, expected in zip(found, MESSAGES, strict=True):
        assert message.startswith(f"{path}:{expected}")
    assert mistakes_in(missing) == [f"{missing}: No such file or directory"]
    (syntax,) = mistakes_in(broken)
    assert syntax.startswith(f"{broken}:11: not valid YAML: while parsing a flow mapping")
