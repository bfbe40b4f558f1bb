"""The figure of published values beside ours."""

import json
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.results import Analysis
from resray.figures.plot import Figure, Panel
from resray.figures.published_against_measured import published_figure
from resray.report.page import render
from tests.page_reader import figures_of, panels_of
from tests.report_builder import trial, write_results
from tests.test_analysis_published import write_study

STUDIES = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.yaml"))


def drawn(folder: Path, rows: list[dict[str, Any]], *figures: dict[str, Any]) -> Figure:
    study = write_study(folder / "written.yaml", *figures)
    figure = published_figure(Analysis.of(write_results(folder, rows, study=study)))
    assert figure is not None
    return figure


def parts(panel: Panel) -> dict[str, Any]:
    """Return a panel's traces by what they show."""
    names = ("published", "compared", "not compared", "best on test", "ours")
    return dict(zip(names, panel.traces, strict=True))


ACCURACY = {"metric": "test_accuracy", "value": 90.0}


def test_row_shows_published_ours_and_our_best_epoch_on_test(tmp_path: Path) -> None:
    rows = [trial("a", seed, test_accuracy=91.0 + seed, test_accuracy_best=93.0) for seed in (0, 1)]
    (panel,) = drawn(tmp_path, rows, ACCURACY).chosen()
    found = parts(panel)
    assert {name: trace["x"] for name, trace in found.items()} == {
        "published": [90.0],
        "compared": [90.0, 91.5, None],
        "not compared": [],
        "best on test": [93.0],
        "ours": [91.5],
    }
    assert found["ours"]["marker"]["symbol"] == ["circle"]
    assert found["ours"]["error_x"]["array"] == pytest.approx([0.5 * 12.7062])
    assert "difference: +1.50\u00a0points" in found["ours"]["customdata"][0]


def test_what_may_not_be_compared_is_hollow_and_says_why(tmp_path: Path) -> None:
    reduced = trial("a", reductions='["2 of 20 epochs"]')
    figure = drawn(
        tmp_path, [reduced], ACCURACY, {**ACCURACY, "not_comparable": "another data set"}
    )
    (panel,) = figure.chosen()
    found = parts(panel)
    assert found["ours"]["marker"]["symbol"] == ["circle-open"] * 2
    assert found["compared"]["x"] == []
    assert [name.rpartition("<br>")[2] for name in found["ours"]["y"]] == [
        "reduced run</span>",
        "another data set</span>",
    ]


def test_reason_that_all_rows_share_stands_in_the_title(tmp_path: Path) -> None:
    rows = [trial("a", reductions='["2 of 20 epochs"]')]
    (panel,) = drawn(tmp_path, rows, ACCURACY).chosen()
    assert panel.title == "Test accuracy (%): reduced run, not to be compared"
    assert parts(panel)["ours"]["y"] == ["a"]


def test_what_was_not_run_keeps_its_row_whatever_is_hidden(tmp_path: Path) -> None:
    (panel,) = drawn(tmp_path, [trial("b")], ACCURACY).chosen()
    found = parts(panel)["published"]
    assert found["x"] == [90.0]
    assert "not run" in found["y"][0]
    assert found["meta"]["keys"] == [None]


def test_rows_of_one_configuration_are_told_apart(tmp_path: Path) -> None:
    figures = (
        ACCURACY,
        {**ACCURACY, "source": "somebody else"},
        {**ACCURACY, "source": "twice", "protocol": "first"},
        {**ACCURACY, "source": "twice", "protocol": "second"},
        {**ACCURACY, "source": "twice", "protocol": "second"},
    )
    (panel,) = drawn(tmp_path, [trial("a")], *figures).chosen()
    names = parts(panel)["published"]["y"]
    assert len(set(names)) == len(names) == 5
    for name, told in zip(names, ("the author", "somebody else", "first", "second", "(2)"),
                          strict=True):  # fmt: skip
        assert told in name


def test_metrics_are_chosen_one_at_a_time(tmp_path: Path) -> None:
    figure = drawn(
        tmp_path,
        [trial("a", seconds_training=7200.0, device="NVIDIA H200")],
        {"metric": "seconds_training", "value": 14400.0, "unit": "s"},
        {"metric": "test_accuracy", "value": 40.0, "epoch": 2},
        ACCURACY,
    )
    assert figure.switches[0].options == (
        "test accuracy", "test accuracy by epoch", "training time",
    )  # fmt: skip
    (times,) = figure.chosen({"view": "training time"})
    assert times.title == "Training time (hours)"
    assert (parts(times)["published"]["x"], parts(times)["ours"]["x"]) == ([4.0], [2.0])
    (by_epoch,) = figure.chosen({"view": "test accuracy by epoch"})
    assert parts(by_epoch)["ours"]["y"] == ["a, epoch 2"]
    assert parts(by_epoch)["best on test"]["x"] == [None], "an epoch is not picked from any"


def test_study_without_published_figures_has_none(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.yaml")
    assert published_figure(Analysis.of(write_results(tmp_path, [trial("a")], study=study))) is None
    plain = Analysis.of(write_results(tmp_path / "plain", [trial("a")]))
    assert published_figure(plain) is None


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    figures = [{**ACCURACY, "source": f"<b>{place}</b>%{{x}}", "protocol": "<script>"}
               for place in (1, 2)]  # fmt: skip
    study = write_study(tmp_path / "s.yaml", *figures)
    page = render(Analysis.of(write_results(tmp_path, [trial("a")], study=study)))
    (panel,) = panels_of(figures_of(page)["published"])
    text = json.dumps(panel["data"])
    assert "&lt;b&gt;1&lt;/b&gt;" in text
    assert "<script" not in text
    assert "%{x}" not in text


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_without_a_finished_trial(tmp_path: Path, study: Path) -> None:
    rows = [trial("none such", status="running")]
    results = Analysis.of(write_results(tmp_path, rows, study=study))
    figure = published_figure(results)
    assert results.study is not None
    assert (figure is not None) == bool(results.study.published)
    if figure is not None:
        options = figure.switches[0].options
        panels = [figure.chosen({"view": option})[0] for option in options]
        shown = sum(len(parts(panel)["published"]["x"]) for panel in panels)
        assert shown == len(results.study.published)
