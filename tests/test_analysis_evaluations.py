"""Views, ensembles, corruptions, calibration and foreign files, from the evaluations table."""

from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resray.analysis.evaluations import ensembles, evaluated
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary
from resray.figures.corruption_severity import evaluations_figure
from resray.report.evaluations_section import evaluations_section
from resray.report.page import render
from resray.results.schema import table_schema
from tests.page_reader import packed_in
from tests.report_builder import START, trial, write_results

ROWS = [trial("resnet18", seed) for seed in (0, 1)]


def value(kind: str, amount: float, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a row of the evaluations table."""
    row = {
        "trial_id": f"resnet18-{seed}-20",
        "study": "depth-family",
        "name": "resnet18",
        "seed": seed,
        "checkpoint": f"best.pt@{18 + seed}",
        "epoch": 18 + seed,
        "kind": kind,
        "metric": "accuracy",
        "value": amount,
        "images": 10000,
        "device": "NVIDIA H200",
        "evaluated": START,
    }
    return row | changes


def all_kinds(seed: int) -> list[dict[str, Any]]:
    severities = [
        value("corruptions", 80.0 - 10 * severity + seed, seed, condition=f"{kind} {severity}")
        for kind in ("blur", "noise")
        for severity in (1, 2)
    ]
    return [
        value("test", 90.0 + seed, seed),
        value("test", 10.0, seed, **{"class": "cat"}),
        value("test", 0.3, seed, metric="loss"),
        value("tta", 91.0 + seed, seed, condition="5 views"),
        value("tta", 91.5 + seed, seed, condition="10 views"),
        value("corruptions", 65.0 + seed, seed, condition="mean"),
        *severities,
        value("calibration", 3.5 + seed, seed, metric="calibration_error"),
        value("foreign", 79.0 + seed, seed, condition="hidden.pkl", images=500),
        value("foreign", 88.0, seed, condition="other.npy", metric="confidence", images=40),
    ]


ENSEMBLE = {
    **value("ensemble", 92.5),
    "trial_id": "hash",
    "name": "resnet18 x 2",
    "seed": None,
    "epoch": None,
    "checkpoint": "best.pt",
    "members": '["resnet18-0-20", "resnet18-1-20"]',
}


def results_of(
    folder: Path, rows: list[dict[str, Any]], trials: list[dict[str, Any]] = ROWS
) -> Analysis:
    write_results(folder, trials)
    (folder / "evaluations").mkdir()
    table = pa.Table.from_pylist(rows, schema=table_schema("evaluations"))
    pq.write_table(table, folder / "evaluations" / "0.parquet")
    return Analysis.of(folder)


def test_values_are_means_over_trials(tmp_path: Path) -> None:
    (one,) = evaluated(results_of(tmp_path, all_kinds(0) + all_kinds(1)))
    spread = 0.5**0.5
    assert (one.n, one.checkpoint, one.epochs) == (2, "best.pt", [18, 19])
    assert one.summary("test") == Summary(90.5, spread, 2)
    assert one.summary("tta", "10 views") == Summary(92.0, spread, 2)
    assert one.summary("calibration", metric="calibration_error") == Summary(4.0, spread, 2)
    assert one.corruption("blur") == Summary(65.5, spread, 2)


def test_clean_train_and_calibration_stand_beside_test(tmp_path: Path) -> None:
    assert "Clean train" not in evaluations_section(results_of(tmp_path / "older", all_kinds(0)))
    rows = [
        *all_kinds(0),
        value("train", 99.25, images=45_000),
        value("calibration", -0.4, metric="calibration_error_debiased"),
        value("calibration", 0.1234, metric="brier_score"),
    ]
    results = results_of(tmp_path / "newer", rows)
    (one,) = evaluated(results)
    assert one.images == [10_000], "of test"
    html = evaluations_section(results)
    for text in ("Clean train,", "99.25", "(+9.25)", "Debiased,", "-0.40", "Brier score", "0.1234"):
        assert text in html


def test_newest_of_repeated_evaluations_counts(tmp_path: Path) -> None:
    later = value("test", 91.0, evaluated=START + timedelta(hours=1))
    (one,) = evaluated(results_of(tmp_path, [later, value("test", 50.0)]))
    assert one.summary("test") == Summary(91.0, None, 1)


def test_checkpoints_are_kept_apart(tmp_path: Path) -> None:
    rows = [value("test", 91.0), value("test", 80.0, checkpoint="final.pt@20", epoch=20)]
    found = evaluated(results_of(tmp_path, rows))
    assert [(one.checkpoint, one.epochs) for one in found] == [
        ("best.pt", [18]),
        ("final.pt", [20]),
    ]


def test_unfinished_trials_enter_no_mean_of_finished_ones(tmp_path: Path) -> None:
    stopped = trial("resnet18", 1, status="stopped", epochs_done=3)
    rows = [value("test", 90.0, 0), value("test", 20.0, 1)]
    (one,) = evaluated(results_of(tmp_path, rows, [trial("resnet18", 0), stopped]))
    assert one.summary("test") == Summary(90.0, None, 1)


def test_ensemble_stands_beside_its_members(tmp_path: Path) -> None:
    results = results_of(tmp_path, [*all_kinds(0), *all_kinds(1), ENSEMBLE])
    (one,) = ensembles(results)
    assert (one.accuracy, one.members) == (92.5, ("resnet18 (seed 0)", "resnet18 (seed 1)"))
    assert one.members_accuracy == Summary(90.5, 0.5**0.5, 2)
    assert "+2.00" in evaluations_section(results)


def test_members_that_were_not_all_evaluated_have_no_mean(tmp_path: Path) -> None:
    (one,) = ensembles(results_of(tmp_path, [value("test", 90.0), ENSEMBLE]))
    assert one.members_accuracy is None


def test_tables_hold_gains_losses_and_foreign_files(tmp_path: Path) -> None:
    html = evaluations_section(results_of(tmp_path, all_kinds(0)))
    for expected in (
        "best.pt, epoch 18", "5 views,\xa0%", "+1.00", "+1.50", "65.00", "−25.00", "3.50",
        "hidden.pkl", "79.00", "−11.00", "500", "other.npy", "88.00", "Blur,\xa0%", "10,000",
    ):  # fmt: skip
        assert expected in html
    assert "Ensembles" not in html


def test_columns_without_a_value_are_left_out(tmp_path: Path) -> None:
    html = evaluations_section(results_of(tmp_path, [value("test", 90.0)]))
    assert "Test,\xa0%" in html
    for absent in (" views", "Calibration", "Foreign", "by kind of corruption"):
        assert absent not in html


def test_figure_draws_accuracy_by_severity_from_the_uncorrupted_on(tmp_path: Path) -> None:
    figure = evaluations_figure(results_of(tmp_path, all_kinds(0)))
    assert figure is not None
    panels = figure.chosen()
    assert [panel.title for panel in panels] == [
        "Blur: test accuracy (%)",
        "Noise: test accuracy (%)",
    ]
    (line,) = panels[0].traces
    assert (line["x"], line["y"]) == ([0, 1, 2], [90.0, 70.0, 60.0])
    assert line["error_y"]["visible"] is False


def test_reduced_runs_and_stand_ins_are_marked(tmp_path: Path) -> None:
    row = trial("resnet18", model="wrn-16-2", reductions='["wrn-16-2 in place of resnet18"]')
    ensemble = {**ENSEMBLE, "members": '["resnet18-0-20"]'}
    html = evaluations_section(results_of(tmp_path, [*all_kinds(0), ensemble], [row]))
    assert html.count("resnet18 (wrn-16-2)") == html.count("reduced run") == 5


def test_page_shows_evaluations_with_text_as_text(tmp_path: Path) -> None:
    hostile = value("foreign", 9.0, condition="<i>x</i>", name="<i>x</i>")
    page = render(results_of(tmp_path / "with", [*all_kinds(0), hostile, ENSEMBLE]))
    assert 'data-figure="evaluations"' in page
    assert "&lt;i&gt;x" in page
    assert "<i>x" not in page


def test_page_without_evaluations_says_what_to_type(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "without any", ROWS)
    html = evaluations_section(Analysis.of(folder))
    for typed in (f"resray evaluate '{folder}'", f"resray report '{folder}'"):
        assert f"<code>{escape(typed)}</code>" in html
    given = trial("resnet18", data_dir="/my data", model="nets:tiny")
    html = evaluations_section(Analysis.of(write_results(tmp_path / "given", [given])))
    needed = f"resray evaluate {tmp_path}/given --data-dir '/my data' --trust"
    assert f"<code>{escape(needed)}</code>" in html
    assert "accuracy under corruptions" in html
    unnamed = write_results(tmp_path / "unnamed", [trial("resnet18", model=None)])
    assert "resray evaluate" in evaluations_section(Analysis.of(unnamed))
    running = [trial("resnet18", status="running")]
    page = render(Analysis.of(write_results(tmp_path / "running", running)))
    assert 'id="evaluations"' not in page
    assert 'href="#evaluations"' not in page


def test_values_that_are_missing_leave_the_page_whole(tmp_path: Path) -> None:
    rows = [
        value("corruptions", float("nan"), condition="blur ²", checkpoint=None),
        value("corruptions", float("inf"), condition="blur 1", checkpoint=None),
        value("corruptions", 40.0, condition="blur 2", checkpoint=None, images=None),
        value("ensemble", 50.0, members="{", trial_id="hash"),
    ]
    page = render(results_of(tmp_path, rows))
    assert 'id="evaluations"' in page
    assert "NaN" not in packed_in(page)["figure-evaluations"]
