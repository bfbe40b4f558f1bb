"""`resray tune` as users type it: mistakes are one line, and the help says what there is."""

import json
import re
from io import StringIO
from itertools import accumulate, product
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
import yaml
from rich.console import Console

from resray.cli import app
from resray.cli.best import trial_rows
from resray.cli.searching import SETTINGS, print_tuned, tune_facts
from resray.cli.show.recipe import print_search
from resray.run.command import Outcome
from resray.search.plan import plan_search, search_settings
from resray.search.points import grid_size
from resray.search.rules import rungs
from resray.study.expand import Options
from resray.study.load import load_study, study_files
from resray.study.search_spec import (
    FORMS,
    RungSchedule,
    SearchSettings,
    as_alternatives,
)
from tests.command_line import Resray, assert_refused
from tests.report_builder import write_results
from tests.searched_study import results_of_a_search

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
DOCUMENTATION = Path(__file__).parent.parent / "docs" / "search.md"
BLOCKS = re.findall(
    r"^```yaml\n(name: .*?)^```", DOCUMENTATION.read_text(), re.DOTALL | re.MULTILINE
)


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


@pytest.mark.parametrize("text", BLOCKS, ids=[block.splitlines()[0] for block in BLOCKS])
@pytest.mark.parametrize("quick", [False, True])
def test_documented_searches_are_valid(tmp_path: Path, text: str, quick: bool) -> None:
    (tmp_path / "documented.yaml").write_text(text)
    study = load_study(str(tmp_path / "documented.yaml"))
    plan = plan_search(study, search_settings(study, {}, quick=quick), (), Options(quick=quick))
    assert plan.trials
    assert plan.found == plan.wanted


def test_documentation_has_every_form_setting_and_option() -> None:
    text = DOCUMENTATION.read_text()
    assert len(BLOCKS) == 1
    spaces = yaml.safe_load(BLOCKS[0])["search"]["spaces"].values()
    axes = [as_alternatives(axis) for space in spaces for axis in space["axes"].values()]
    assert {key for alternatives in axes for axis in alternatives for key in axis} == {
        *FORMS,
        "when",
    }
    for setting in SETTINGS:
        option = setting.replace("_", "-")
        assert re.search(rf"(--{option}|\b{setting})\b", text), setting
    schedulers, methods = ("asha", "halving", "median", "none"), ("grid", "random", "tpe")
    for name in (*schedulers, *methods, *get_args(RungSchedule), "package.module:function"):
        assert re.search(rf"`(--rung-schedule )?{name}`", text), name


def test_a_rescaled_rung_costs_at_most_what_the_documentation_says() -> None:
    for factor, grace, epochs in product((2, 3, 4), (1, 2, 5), range(2, 200)):
        lengths = [*rungs(grace, factor, epochs), epochs]
        costs = list(accumulate(lengths))
        most = factor / (factor - 1)
        assert all(cost < most * length for cost, length in zip(costs[:-1], lengths, strict=False))
        assert costs[-1] < (1 + most) * epochs
        if epochs in {grace * factor**power for power in range(9)}:
            assert costs[-1] < most * epochs


def test_show_tells_the_space(tmp_path: Path) -> None:
    (tmp_path / "documented.yaml").write_text(BLOCKS[0])
    study = load_study(str(tmp_path / "documented.yaml"))
    console = Console(width=100, file=StringIO(), record=True)
    print_search(study, console, quick=False)
    print_search(study, console, quick=True)
    told = " ".join(console.export_text().split())
    for text in (
        "22 points; method: grid, samples: 2, seed: 0, scheduler: asha, grace: 3",
        "space optimizers: 8 combinations of grids",
        "grid: 0.05, 0.1, 0.2 (when optimizer.name: sgd)",
        "loguniform: 0.0003 to 0.01 (when optimizer.name: adamw)",
        "label_smoothing uniform: 0 to 0.1",
        "with {model: resnet18, optimizer: {lr: 0.1}}",
        "policy grid: plain, auto, rand auto: {augmentation: {auto_augment: {}}}",
        "int: 5 to 14 (when policy: rand)",
        "11 points; method: grid, samples: 1, seed: 0, scheduler: asha, grace: 1",
    ):
        assert text in told


def test_show_says_nothing_of_a_search_that_is_not_there(resray: Resray, tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text(STUDY[: STUDY.index("search:")])
    answer = resray("show", "./rates.yaml")
    assert answer.code == 0, answer.err
    assert "resray tune" not in answer.out
    says = "rates has no search space; studies with one: .*depth-family"
    assert_refused(resray(*TUNE), 2, says)


def test_list_says_which_studies_can_be_searched(resray: Resray) -> None:
    lines = {line.split()[1]: line for line in resray("list").out.splitlines() if "│" in line}
    for name in study_files():
        search = load_study(name).search
        points = f"{grid_size(search, search, list(search.spaces))} points" if search else "–"
        assert lines[name].endswith(f"│ {points:<9} │"), lines[name]


def outcome_of(folder: Path, **changes: Any) -> Outcome:
    results_of_a_search(folder)
    table = {row["trial_id"]: row for row in trial_rows(folder)}
    made = {
        "results": folder,
        "report": folder.parent / "rates.html",
        "trials": [row for row in table.values() if row["role"] == "search"],
        "confirmations": [row for row in table.values() if row["role"] == "confirmation"],
        "best": table["narrow-0.2"],
        "skipped": 1,
        "notes": ("ended by time budget of 30 min",),
        "gpu_hours": 0.0,
        "cost": None,
    }
    return Outcome(**{**made, **changes})


def change(folder: Path, trial_id: str, **columns: Any) -> None:
    """Write a trial's row with other columns."""
    rows = trial_rows(folder)
    write_results(folder, [row | columns if row["trial_id"] == trial_id else row for row in rows],
                  epochs=[])  # fmt: skip


def test_what_came_of_a_search_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_tuned(outcome_of(tmp_path / "rates"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "ended by time budget of 30 min",
        "Best:    trial: narrow, optimizer.lr: 0.2",
        "         validation accuracy 61.50 %",
        "Confirmed with 3 fresh seeds: test 92.00 ± 2.48 % (n = 3).",
    ]
    assert lines[4].startswith("On all 2 points the search spent ")
    said = " ".join(lines[5:])
    assert "The winner of the search, " in said
    assert "reaches a test accuracy of 92.00 ± 2.48 %" in said
    assert lines[-3:] == [
        "2 points: 1 trained in full, 1 stopped by the scheduler. 3 confirmations: 3 completed. "
        "(1 had ended before)",
        f"Results: {tmp_path / 'rates'}",
        f"Report:  {tmp_path / 'rates.html'}",
    ]


def test_an_unfinished_confirmation_is_in_no_mean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = outcome_of(tmp_path / "rates")
    change(outcome.results, "confirmation-3", status="stopped", reason="time budget of 1 min")
    print_tuned(outcome)
    told = capsys.readouterr().out
    assert "Confirmed with 2 fresh seeds: test 91.50 ± 6.35 % (n = 2). 1 of 3 did not fin" in told
    assert "3 confirmations: 2 completed, 1 stopped." in told


def test_what_an_audit_found_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = outcome_of(tmp_path / "rates")
    trained = {"status": "completed", "epochs_done": 4, "validation_accuracy": 70.0}
    change(outcome.results, "narrow-0.05", audited=True, **trained)
    print_tuned(outcome)
    told = capsys.readouterr().out
    assert "trained to the end: 1 would have won" in told
    assert "Regret: 8.50 points" in told
    # Nothing says when it was drawn.
    assert "not recorded, so they say nothing of the others" in told
    assert tune_facts(outcome)["audit"] == {
        "trained": 1,
        "would_have_won": 1,
        "regret": 8.5,
        "population": 0,
        "at_most": None,
    }


def test_spending_is_that_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_tuned(outcome_of(tmp_path / "rates", gpu_hours=0.4, cost=1.0))
    told = capsys.readouterr().out
    assert "0.40 GPU-hours, 1.00 at the given price, by all searches in this folder" in told


def test_what_came_of_a_search_without_a_winner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_tuned(outcome_of(tmp_path / "rates", best=None, confirmations=[], notes=()))
    told = capsys.readouterr().out
    assert "Best" not in told
    assert "Test" not in told


def test_what_came_of_a_search_as_json(tmp_path: Path) -> None:
    facts = tune_facts(outcome_of(tmp_path / "rates"))
    assert facts["share_of_compute"] == 0.75
    assert facts["best"]["name"] == "narrow-0.2"
    assert facts["best"]["point"] == {"trial": "narrow", "optimizer.lr": 0.2}
    assert facts["trials"][0]["recipe"]["epochs"] == 4
    assert facts["points"]["completed"] == facts["points"]["stopped"] == 1
    assert facts["audit"] is None
    assert len(facts["confirmations"]) == 3
    assert facts["exit_code"] == 0
    assert facts["notes"] == ["ended by time budget of 30 min"]
    json.dumps(facts, default=str)
