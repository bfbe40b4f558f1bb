"""Figures as pictures, drawn by Debian's chromium through kaleido; skipped without either."""

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from resray.errors import InputError
from resray.export.figures import Look, export_figure
from resray.export.pictures import PICTURES
from resray.figures.palette import palette
from tests.command_line import Resray, assert_refused
from tests.export_case import train_study
from tests.report_builder import trial, write_results

STUDY = Path(__file__).parents[2] / "benchmarks" / "depth-family.yaml"
pytestmark = [
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="no chromium (apt-get install chromium)"
    ),
    pytest.mark.skipif(find_spec("kaleido") is None, reason="no kaleido (extra images)"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [trial(name, seed, epochs=4) for name in ("resnet18", "resnet50") for seed in (0, 1)]
    return write_results(tmp_path_factory.mktemp("pictures") / "r", rows, study=STUDY)


def texts_of(svg: Path) -> set[str]:
    tree = ET.parse(svg)
    return {"".join(text.itertext()) for text in tree.iter("{http://www.w3.org/2000/svg}text")}


def test_a_drawing_has_title_key_panels_and_no_foreign_address(
    results: Path, tmp_path: Path
) -> None:
    path, _ = export_figure(results, tmp_path / "curves.svg", figure="curves")
    assert {"Learning curves", "Five ResNet depths on CIFAR-10", "resnet18", "resnet50",
            "Validation accuracy (%)", "Test accuracy (%)", "epoch"} <= texts_of(path)  # fmt: skip
    drawing = path.read_text()
    assert "rgb(0, 103, 165)" in drawing
    assert 'href="http' not in drawing.replace('xmlns:xlink="http', "")


def test_a_picture_has_the_asked_size_and_the_themes_paper(results: Path, tmp_path: Path) -> None:
    for theme in ("light", "dark"):
        look = Look(theme=theme, width=700, height=500, scale=1.5)
        path, _ = export_figure(results, tmp_path / f"{theme}.png", figure="cost", look=look)
        with Image.open(path) as picture:
            assert picture.size == (1050, 750)
            corner = picture.convert("RGB").crop((3, 3, 4, 4)).tobytes()
        assert f"#{corner.hex()}" == palette(theme)["panel"]


def test_all_figures_are_drawn(resray: Resray, results: Path, tmp_path: Path) -> None:
    answer = resray("export", "all", str(results), "--output", "files")
    assert (answer.code, answer.out) == (0, "files\n"), answer.err
    drawings = sorted((tmp_path / "files" / "figures").iterdir())
    assert {"cost.svg", "curves.svg", "time.svg"} <= {path.name for path in drawings}
    assert all(texts_of(path) for path in drawings)


def test_without_a_browser_the_way_out_is_told(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="pictures need Chrome or Chromium, which is not found"):
        export_figure(results, tmp_path / "cost.png", figure="cost")
    assert not (tmp_path / "cost.png").exists()


def test_a_browser_that_fails_is_one_line(
    resray: Resray, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    os.chmod(broken, 0o755)
    monkeypatch.setenv("BROWSER_PATH", str(broken))
    answer = resray("export", "figure", str(results), "--name", "cost", "--output", "a.png")
    assert_refused(answer, 3, "the browser that draws pictures failed")


def test_a_network_is_shared_with_pictures_that_its_card_shows(
    resray: Resray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained = train_study(tmp_path / "sharing")
    checkpoint = trained.checkpoint("plain", "last")
    answer = resray("export", "model", str(checkpoint), "--output", "plain")
    assert (answer.code, answer.out) == (0, "plain\n"), answer.err
    for name in PICTURES:
        with Image.open(tmp_path / "plain" / name) as picture:
            assert picture.format == "PNG"
        assert f"({name})" in (tmp_path / "plain" / "README.md").read_text()
    config = json.loads((tmp_path / "plain" / "config.json").read_text())
    assert (config["name"], config["checkpoint"]) == ("plain", "last")
    monkeypatch.setitem(sys.modules, "kaleido", None)
    again = resray("export", "model", str(checkpoint), "--output", "plain")
    assert "the folder has no pictures: pictures need kaleido" in again.err
    assert not list((tmp_path / "plain").glob("*.png"))
    assert "![" not in (tmp_path / "plain" / "README.md").read_text()
