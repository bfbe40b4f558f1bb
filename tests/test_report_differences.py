"""The table of differences to a baseline, and the baselines to choose from."""

import json
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.comparability import WORDS
from resray.analysis.contrasts import all_shown, contrasts, difference
from resray.analysis.metrics import sample_of
from resray.analysis.results import Analysis
from resray.analysis.words import between
from resray.errors import InputError
from resray.report.differences import MOST_PAIRED, MOST_ROWS, differences_section
from resray.report.tables import Table
from resray.report.text import Html
from tests.report_builder import RECIPE, trial, write_results
from tests.verdict_case import write_study

Rows = list[dict[str, Any]]
AS_RUN = json.dumps({**RECIPE, "model": {"name": "resnet50"}, "epochs": 20, "selection": "test"})


def seeds_of(name: str, *accuracies: float, first: int = 0, **changes: Any) -> Rows:
    return [
        trial(
            name,
            seed,
            test_accuracy=value,
            trial_id=f"{name}-{seed}-{len(str(changes))}",
            **changes,
        )
        for seed, value in enumerate(accuracies, first)
    ]


def load(folder: Path, *rows: Rows) -> Analysis:
    return Analysis.of(write_results(folder, [row for some in rows for row in some], epochs=[]))


def first_table(section: Html) -> dict[object, dict[str, object]]:
    """Return the rows of the table that is shown at first, by configuration and column."""
    return rows_of(section.tables[0])


def rows_of(shown: Html) -> dict[object, dict[str, object]]:
    assert isinstance(shown, Table)
    titles = [column.title.replace("\xa0", " ") for column in shown.columns]
    return {row[0]: dict(zip(titles, row, strict=True)) for row in shown.rows}


NOISE = (0.1, -0.1, 0.2)


def near(mean: float, *shifts: float) -> tuple[float, ...]:
    """Return accuracies around a mean: the noise of the seeds, and what is a trial's own."""
    return tuple(mean + noise + own for noise, own in zip(NOISE, shifts, strict=True))


def test_means_of_all_seeds_are_compared(tmp_path: Path) -> None:
    rows = first_table(differences_section(load(
        tmp_path,
        seeds_of("resnet18", *near(90, 0, 0, 0)),
        seeds_of("resnet34", *near(91.2, 0.01, 0, -0.01)),
        seeds_of("resnet50", *near(90, 0.3, -0.4, 0.2)),
        seeds_of("resnet101", 91.0),
    )))  # fmt: skip
    assert rows["resnet18"]["Effect"] == "baseline"
    assert rows["resnet18"]["Test accuracy, %"] == "90.07\xa0±\xa00.38 (n\xa0=\xa03)"
    better = rows["resnet34"]
    assert (better["Difference, points"], better["Seeds"]) == ("+1.20", "3 and 3")
    # Tukey's q of three groups and four degrees of freedom is 5.04, 0.44 from the mean; of two
    # tests after Sidak, 0.50: the wider of the two.
    assert better["95 % interval"] == "+0.70\xa0to +1.70"
    assert (better["p"], better["Effect"], better["Method"]) == ("0.002", "shown", "Welch's t")
    assert rows["resnet50"]["Effect"] == "not shown"
    assert (rows["resnet101"]["Effect"], rows["resnet101"]["Why"]) == ("not tested", "one seed")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reductions": '["2 of 20 epochs"]'}, "other length"),
        ({"reductions": '["500 training images"]'}, "reduced otherwise: 500 training images"),
        ({"dataset_checksum": "00"}, "other data"),
        ({"test_images": 500}, "other test images"),
        ({"status": "failed"}, "none finished"),
        ({"recipe": AS_RUN}, WORDS["selection"]),
    ],
)
def test_what_was_trained_otherwise_is_shown_and_not_compared(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    other = seeds_of("resnet50", *near(60, 0, 0.1, 0), **changes)
    rows = first_table(
        differences_section(
            load(
                tmp_path, seeds_of("resnet18", 90, 91, 92), seeds_of("resnet34", 90, 92, 92), other
            )
        )
    )
    (apart,) = (row for label, row in rows.items() if str(label).startswith("resnet50"))
    assert (apart["Effect"], apart["Why"], apart["p"]) == ("not compared", why, None)
    assert rows["resnet34"]["Effect"] == "not shown"


def test_what_the_user_changed_by_hand_is_a_difference_to_test(tmp_path: Path) -> None:
    changed: dict[str, Any] = {"reductions": '["changed: optimizer.lr=0.2"]'}
    rows = first_table(
        differences_section(
            load(
                tmp_path,
                seeds_of("resnet18", 90, 91, 92),
                seeds_of("resnet34", *near(95, 0, 0.1, 0), **changed),
            )
        )
    )
    assert rows["resnet34"]["Seeds"] == "3 and 3"


def test_each_configuration_can_be_chosen_as_the_baseline(tmp_path: Path) -> None:
    results = load(tmp_path, *(seeds_of(name, 90, 91) for name in ("a", "b", "<script>")))
    section = differences_section(results, "b")
    # The trials of no study are in the order of their names.
    assert section.count('<div data-baseline="b">') == 1
    for other in ("a", "&lt;script&gt;"):
        assert f'<div data-baseline="{other}" hidden="">' in section
        assert f'<option value="{other}">{other}</option>' in section
    assert [made.id for made in section.tables if isinstance(made, Table)] == [
        "differences-to-1", "differences-to-2", "differences-to-3",
    ]  # fmt: skip
    assert first_table(section)["b"]["Effect"] == "baseline"
    assert all(f"{name} 19" in section for name in ("Student", "Howell", "Sidak")), "cited"


def test_baselines_that_would_make_the_page_long_are_left_out(tmp_path: Path) -> None:
    number = 60
    results = load(tmp_path, *(seeds_of(f"net{place:02}", 90, 91) for place in range(number)))
    section = differences_section(results)
    assert len(section.tables) == MOST_ROWS // number, "nor is every pair there"
    assert f" {number - MOST_ROWS // number} more by --baseline" in section
    assert f"at most {MOST_PAIRED} configurations" in section


def test_unknown_baseline_is_refused(tmp_path: Path) -> None:
    results = load(tmp_path, seeds_of("resnet18", 90, 91), seeds_of("resnet34", 90, 91))
    with pytest.raises(InputError, match=r"--baseline: 'resnet35' is not known; did you mean"):
        differences_section(results, "resnet35")


def test_a_name_of_several_configurations_is_no_baseline(tmp_path: Path) -> None:
    results = load(
        tmp_path, seeds_of("resnet18", 90, 91), seeds_of("resnet18", 90, 91, dataset_checksum="00")
    )
    with pytest.raises(InputError, match="resnet18 · checksum=00"):
        differences_section(results, "resnet18")


def test_baseline_that_has_not_finished_is_waited_for(tmp_path: Path) -> None:
    waits = seeds_of("resnet50", 1, status="running")
    results = load(tmp_path, seeds_of("resnet18", 90, 91), seeds_of("resnet34", 90, 91), waits)
    rows = first_table(differences_section(results, "resnet50"))
    assert rows["resnet18"]["Effect"] == "baseline"
    assert rows["resnet50"]["Why"] == "none finished"


def test_reduced_runs_are_no_baseline_of_whole_ones(tmp_path: Path) -> None:
    reduced = seeds_of("a", 50, 51, reductions='["2 of 20 epochs"]')
    section = differences_section(load(tmp_path, reduced, seeds_of("b", 9, 8), seeds_of("c", 9, 7)))
    assert first_table(section)["b"]["Effect"] == "baseline"


@pytest.mark.parametrize("rows", [[], seeds_of("resnet18", 90, 91)])
def test_nothing_to_compare_is_no_section(tmp_path: Path, rows: Rows) -> None:
    assert differences_section(load(tmp_path, rows)) == ""
    assert differences_section(load(tmp_path, rows), "resnet18") == ""


# --- every pair ---------------------------------------------------------------------------------


def test_every_pair_is_corrected_for_all_that_may_come_out(tmp_path: Path) -> None:
    results = load(
        tmp_path,
        seeds_of("a", *near(90, 0, 0, 0)),
        seeds_of("b", *near(91.2, 0.01, 0, -0.01)),
        seeds_of("c", *near(90.1, 0.3, -0.4, 0.2)),
        seeds_of("d", 91.0),
        seeds_of("e", *near(60, 0, 0, 0), test_images=500),
    )
    section = differences_section(results)
    pairs = section.tables[-1]
    assert isinstance(pairs, Table)
    assert "<details><summary>Every pair: 6 differences</summary>" in section
    assert [row[:2] for row in pairs.rows] == [
        ("b", "a"), ("c", "a"), ("d", "a"), ("c", "b"), ("d", "b"), ("d", "c"),
    ]  # fmt: skip
    first, second = (sample_of(results, group, "test_accuracy") for group in results.groups[:2])
    (expected,) = contrasts([difference(first, second)], all_shown(3))
    titles = [column.title.replace("\xa0", " ") for column in pairs.columns]
    shown = dict(zip(titles, pairs.rows[0], strict=True))
    assert shown["95 % interval"] == between(expected.interval)
    assert (shown["Difference, points"], shown["Effect"]) == ("+1.20", "shown")
    assert pairs.rows[2][titles.index("Why")] == "one seed"
    assert "(median of the rows) would be shown in 80\xa0% of such studies" in pairs.caption


@pytest.mark.parametrize(
    "rows",
    [
        [seeds_of("a", 90, 91), seeds_of("b", 90, 92)],
        [seeds_of("a", 90), seeds_of("b", 90), seeds_of("c", 91)],
        [seeds_of("a", 90, 91), seeds_of("b", 9, 8), seeds_of("c", 9, 7, test_images=500)],
    ],
)
def test_one_pair_or_none_to_test_is_no_table(tmp_path: Path, rows: list[Rows]) -> None:
    assert "Every pair" not in differences_section(load(tmp_path, *rows))


def test_a_declared_difference_is_marked_with_its_claim(tmp_path: Path) -> None:
    """The claim's own interval is the narrower: it may be shown there and not here."""
    claims = [
        {"id": "<better>", "text": "b is", "check": "test_accuracy[b] > test_accuracy[a]"},
        {"id": "close", "text": "not much", "check": "test_accuracy[b] - test_accuracy[a] < 3"},
    ]
    names = [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    study = write_study(tmp_path / "written.yaml", *claims, trials=names, variants={})
    rows = [*seeds_of("a", 90, 91), *seeds_of("b", 91, 92), *seeds_of("c", 92, 93)]
    results = Analysis.of(write_results(tmp_path, rows, epochs=[], study=study))
    section = differences_section(results)
    marked = {row: cells["Claim"] for row, cells in first_table(section).items()}
    assert marked["a"] is marked["c"] is None
    assert isinstance(marked["b"], Html)
    assert marked["b"].text == "<better>, close"
    assert '<a href="#claim--better-">&lt;better&gt;</a>' in marked["b"]
    assert "Where a row names a claim" in section
    assert rows_of(section.tables[-1])["b"]["Claim"] == marked["b"]
