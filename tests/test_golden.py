"""What people see stays: what `show` prints of shipped studies, what is said of each mistake."""

import pytest

from resray.study.load import study_files
from tests.golden import show
from tests.golden.messages import Case, said, stored


@pytest.mark.parametrize("name", study_files())
def test_what_is_shown_of_a_shipped_study(name: str) -> None:
    assert show.shown(name) == show.file(name).read_text()


def test_each_shipped_study_has_its_file() -> None:
    assert {path.stem for path in show.FOLDER.iterdir()} == set(study_files())


@pytest.mark.parametrize("case", stored(), ids=lambda case: case["test"])
def test_what_is_said_of_a_mistake(case: Case) -> None:
    assert said(case) == case["says"]
