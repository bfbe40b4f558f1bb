"""What the report says of the committed samples, and of results that are made up, stays."""

import pytest

from tests.golden.report import FOLDER, SECTIONS, Document, differences, frozen, stored
from tests.golden.report_inputs import INPUTS


@pytest.mark.parametrize("name", INPUTS)
def test_the_report_says_what_the_golden_one_says(name: str) -> None:
    found = differences(stored(name), frozen(name))
    assert not found, "\n".join(found)


def test_each_section_and_figure_is_in_some_golden_report() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(INPUTS)
    parts = {(section, part) for name in INPUTS for section, own in stored(name).items()
             for part in own}  # fmt: skip
    figures = {(part.id, f"figure {figure}") for part in SECTIONS for figure in part.figures}
    assert figures <= parts
    assert {section for section, _ in parts} == {"banners", *(part.id for part in SECTIONS)}


def test_a_difference_names_section_part_row_and_column() -> None:
    before: Document = {
        "answer": {
            "text": ["a leads.", "b follows."],
            "table means": [["Means"], ["Configuration", "n"], ["a", "3"], ["a", "2"], ["b", "1"]],
        },
        "cost": {
            "figure cost": [{"title": "Cost"}, {"at": "1", "panel": "%"}, {"at": "1.1", "y": [1.0]}]
        },
        "trials": {"text": ["None."]},
    }
    now: Document = {
        "answer": {
            "text": ["a leads.", "c follows."],
            "table means": [["Means"], ["Configuration", "n"], ["a", "3"], ["a", "4"], ["c", "1"]],
        },
        "cost": {
            "figure cost": [{"title": "Cost"}, {"at": "1", "panel": "%"}, {"at": "1.1", "y": [2.0]}]
        },
    }
    assert differences(before, before) == []
    assert differences(before, now) == [
        "answer, text: -b follows.",
        "answer, text: +c follows.",
        "answer, table means, row 'b' is gone",
        "answer, table means, row 'c' is new",
        "answer, table means, row 'a (2)', n: was '2', is '4'",
        "cost, figure cost, row 'at first, 1.1', y: was [1.0], is [2.0]",
        "trials: text is gone",
    ]


def test_the_order_of_rows_is_held_too() -> None:
    rows = [["Means"], ["Configuration"], ["a"], ["b"]]
    before: Document = {"answer": {"table means": rows}}
    now: Document = {"answer": {"table means": [*rows[:2], ["b"], ["a"]]}}
    (only,) = differences(before, now)
    assert only == (
        "answer, table means: the rows' order was ['caption', 'a', 'b'], is ['caption', 'b', 'a']"
    )
