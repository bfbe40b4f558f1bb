"""What changed by epoch is drawn and written as it was recorded."""

import json
from pathlib import Path
from typing import Any

from resray.analysis.phases import setting_name
from resray.analysis.results import Analysis
from resray.figures.phases import phases_figure
from resray.report.page import render
from resray.report.phases_section import in_words, phases_section
from tests.report_builder import epochs_of, trial, write_results

OFF: dict[str, Any] = {"augmentation.cutout": None}


def in_force(epoch: int) -> dict[str, Any]:
    """Return session 04's settings, each phase two epochs long."""
    cutout = {"augmentation.cutout.size": 8 - epoch, "augmentation.cutout.probability": 0.5}
    return {
        "model.dropout": [0.3, 0.3, 0.2, 0.2, 0.1, 0.1][epoch - 1],
        "mixing.mixup_alpha": 0.2 if epoch <= 4 else 0,
        "augmentation.flip": 0.5,
        "augmentation.affine.scale": [0.9, 1.1] if epoch <= 2 else [0.95, 1.1],
        "clip_gradient_norm": 1.0 if epoch > 3 else None,
        **(cutout if epoch <= 4 else OFF),
    }


def results_of(folder: Path, *rows: dict[str, Any], phased: bool = True) -> Analysis:
    constant = {"learning_rate": 0.1, "momentum": 0.9}
    epochs = [
        epoch
        | (constant if row["name"] != "cosine" else {})
        | {"settings": json.dumps(in_force(epoch["epoch"] if phased else 1))}
        for row in rows
        for epoch in epochs_of(row)
    ]
    return Analysis.of(write_results(folder, list(rows), epochs=epochs))


def panels(results: Analysis) -> dict[str, list[dict[str, Any]]]:
    figure = phases_figure(results)
    assert figure is not None
    return {str(panel.title): panel.traces for panel in figure.chosen()}


def test_each_setting_that_changes_has_a_panel_with_its_values(tmp_path: Path) -> None:
    found = panels(results_of(tmp_path, trial("session-04", epochs=6)))
    assert {title: traces[0]["y"] for title, traces in found.items()} == {
        "Dropout": [0.3, 0.3, 0.2, 0.2, 0.1, 0.1],
        "MixUp: alpha": [0.2, 0.2, 0.2, 0.2, 0.0, 0.0],
        "Affine: scale: lowest": [0.9, 0.9, 0.95, 0.95, 0.95, 0.95],
        "Clip gradient norm": [None, None, None, 1.0, 1.0, 1.0],
        "Cutout: size (pixels)": [7.0, 6.0, 5.0, 4.0, None, None],
        "Cutout: probability": [0.5, 0.5, 0.5, 0.5, 0.0, 0.0],
    }
    assert {trace["x"][0] for traces in found.values() for trace in traces} == {1}


def test_learning_rate_is_drawn_where_it_is_not_constant(tmp_path: Path) -> None:
    found = panels(results_of(tmp_path, trial("cosine", epochs=3), phased=False))
    assert list(found) == ["Learning rate"]
    assert phases_figure(results_of(tmp_path / "flat", trial(epochs=3), phased=False)) is None


def test_seeds_of_one_course_are_one_line(tmp_path: Path) -> None:
    early = trial("session-04", 2, 6, trial_id="early", status="stopped", epochs_done=3)
    rows = [trial("session-04", 0, 6), trial("session-04", 1, 6), early]
    assert {len(traces) for traces in panels(results_of(tmp_path, *rows)).values()} == {1}


def test_lines_that_coincide_are_all_seen(tmp_path: Path) -> None:
    found = panels(results_of(tmp_path, trial("a", epochs=6), trial("b", epochs=6)))
    assert [trace["line"]["width"] for trace in found["Dropout"]] == [4, 2]


def test_table_says_until_when_each_value_held(tmp_path: Path) -> None:
    html = phases_section(results_of(tmp_path, trial("a", epochs=6), trial("b", epochs=6)))
    assert "0.3 to epoch 2, 0.2 to epoch 4, then 0.1" in html
    assert "off to epoch 3, then 1" in html
    assert html.count("a, b") == 6
    assert in_words((None, None, 2.0)) == "off to epoch 2, then 2"


def test_names_of_settings_are_words() -> None:
    assert setting_name("label_smoothing") == "Label smoothing"
    assert setting_name("augmentation.shift_scale_rotate.degrees") == (
        "Shift scale rotate: degrees"
    )


def test_records_that_cannot_be_read_draw_nothing(tmp_path: Path) -> None:
    row = trial(epochs=2)
    broken = [epoch | {"settings": text, "learning_rate": None}
              for epoch, text in zip(epochs_of(row), ("{", None), strict=True)]  # fmt: skip
    results = Analysis.of(write_results(tmp_path, [row], epochs=broken))
    assert phases_figure(results) is None
    page = render(results)
    assert 'id="phases"' not in page
    assert 'href="#phases"' not in page


def test_page_shows_phases_and_hostile_names_as_text(tmp_path: Path) -> None:
    page = render(results_of(tmp_path, trial("<b>x</b>", trial_id="x", epochs=6)))
    assert 'data-figure="phases"' in page
    assert "<b>x</b>" not in page
