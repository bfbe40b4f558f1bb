"""`resray tune` as users type it: mistakes are one line, and the help says what there is."""

import re
from pathlib import Path

import pytest
import typer

from resray.cli import app
from resray.cli.searching import SETTINGS
from resray.study.search_spec import SearchSettings
from tests.command_line import Resray, assert_refused

STUDY = """
name: rates
title: Two rates
question: Which rate is the better one?
recipe:
  model: {name: resnet, blocks: [1], channels: [8]}
  data: {name: embedded, images: 200, classes: 4, image_size: 8, validation_images: 40}
  epochs: 4
trials:
  - {name: base}
search:
  spaces:
    rates:
      axes:
        optimizer.lr: {grid: [0.05, 0.1]}
"""
TUNE = ("tune", "./rates.yaml")


@pytest.fixture(autouse=True)
def rates(tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text(STUDY)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tune", "depth-famly"), "study: 'depth-famly' is not known; did you mean 'depth-family'"),
        (("tune", "./nowhere.yaml"), "nowhere.yaml"),
        ((*TUNE, "--dry-run", "--json"), "--json: .*--dry-run"),
        ((*TUNE, "--seeds", "0,1"), "--seeds 0,1: a search trains each .* with one seed"),
        ((*TUNE, "--seeds", "one"), "--seeds 'one': expected whole numbers"),
        ((*TUNE, "--scheduler", "ashaa"), "--scheduler.*'?ashaa'?.*asha.*halving.*median.*none"),
        ((*TUNE, "--method", "bohb"), "--method.*'?bohb'?.*grid.*random.*tpe"),
        ((*TUNE, "--rung-schedule", "half"), "--rung-schedule.*'?half'?.*full.*rescaled"),
        ((*TUNE, "--space", "rate"), "--space: 'rate' is not known; did you mean 'rates'"),
        ((*TUNE, "--variant", "fp16"), "--variant: 'fp16' is not known"),
        ((*TUNE, "--set", "optimizer.rate=1"), "--set .*rate"),
        ((*TUNE, "--time-budget", "90"), "--time-budget '90': expected a number with a unit"),
        ((*TUNE, "--max-cost", "5"), "--max-cost 5: needs --price-per-gpu-hour"),
        ((*TUNE, "--max-gpu-hours", "0"), "--max-gpu-hours 0: must be a finite number above 0"),
        ((*TUNE, "--gpus-per-trial", "all"), "--gpus-per-trial 'all': expected a number, .* auto"),
        ((*TUNE, "--workers", "0"), "--workers 0: must be 1 or more"),
    ],
)  # fmt: skip
def test_mistakes_exit_with_2_and_one_line(
    resray: Resray, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    assert_refused(resray(*arguments), 2, says)
    assert [path.name for path in tmp_path.iterdir()] == ["rates.yaml"], "nothing was written"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tune",), "Missing argument"),
        ((*TUNE, "--select", "base"), "No such option"),
        ((*TUNE, "--samples", "0"), "Invalid value for '--samples'"),
        ((*TUNE, "--reduction-factor", "1"), "Invalid value for '--reduction-factor'"),
    ],
)
def test_usage_errors_exit_with_2(resray: Resray, arguments: tuple[str, ...], says: str) -> None:
    answer = resray(*arguments)
    assert answer.code == 2
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_help_groups_the_options(resray: Resray) -> None:
    answer = resray("tune", "--help")
    assert answer.code == 0
    panels = ("Options", "What is searched", "What is stopped early", "After the search", "Budget")
    found = [answer.out.index(f"─ {panel} ─") for panel in panels]
    assert found == sorted(found)


def test_every_setting_of_a_search_is_an_option_with_the_same_name() -> None:
    command = typer.main.get_command(app).commands["tune"]  # type: ignore[attr-defined]
    options = {option.name: option.opts for option in command.params}
    assert set(SETTINGS) == set(SearchSettings.model_fields) - {"evaluate"}
    for name in SETTINGS:
        assert options[name] == [f"--{re.sub('_', '-', name)}"]
