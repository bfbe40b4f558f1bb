"""What a report of thousands of trials leaves out to stay small and fast, it leaves whole."""

import gc
from pathlib import Path

import pytest

from resray.analysis.results import Analysis
from resray.errors import InputError
from resray.figures.plot import Choice, outline
from resray.report import write_report
from resray.report.contents import all_figures
from tests.report_builder import trial, write_results


def test_the_search_for_dead_cycles_goes_on_after_a_report(tmp_path: Path) -> None:
    assert gc.isenabled()
    write_report(write_results(tmp_path / "r", [trial()]), tmp_path / "page.html")
    assert gc.isenabled()
    with pytest.raises(InputError, match="no results here"):
        write_report(tmp_path / "nothing", tmp_path / "page.html")
    assert gc.isenabled()


def test_who_paused_it_finds_it_paused(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r", [trial()])
    gc.disable()
    try:
        write_report(results, tmp_path / "page.html")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_outline_has_everything_but_traces(tmp_path: Path) -> None:
    rows = [trial(name, seed) for name in ("resnet18", "resnet34") for seed in (0, 1)]
    figures = all_figures(Analysis.of(write_results(tmp_path, rows)))
    assert any(isinstance(figure.panels, Choice) for figure in figures.values())
    for figure in figures.values():
        bare = outline(figure)
        assert any(panel.traces for panel in figure.chosen())
        pairs = list(zip(bare.chosen(), figure.chosen(), strict=True))
        assert all(one.traces == [] and one.title == other.title for one, other in pairs)
        assert bare.series == figure.series
