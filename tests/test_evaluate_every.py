"""Epochs between two evaluations: what is recorded, what stops early, what a search judges by."""

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError
from rich.console import Console

from resray.analysis.results import Analysis
from resray.report.contents import all_figures
from resray.results.schema import TABLES
from resray.results.summary import chosen_by, summarise
from resray.run.command import run
from resray.run.request import Request
from resray.run.resources import Shares
from resray.run.wording import measured, selected
from resray.study.expand import Options
from resray.study.recipe_spec import Recipe
from resray.training.checkpoint_file import read_checkpoint
from resray.training.stopping import ending_of, is_best_so_far
from tests.inline_search import InlineSearch
from tests.training_case import DATA, job_of, messages_of, tiny_recipe, train, without_clocks

EVALUATED = ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy")


def evaluated_epochs(records: list[dict[str, Any]]) -> list[int]:
    """The epochs with figures of validation and test; the others must have none of them."""
    known = [record for record in records if record["validation_accuracy"] is not None]
    assert all(record[key] is not None for record in known for key in EVALUATED)
    others = [record for record in records if record not in known]
    assert all(record[key] is None for record in others for key in EVALUATED)
    assert all(record["seconds_evaluating"] == 0 for record in others)
    return [record["epoch"] for record in known]


def test_only_some_epochs_are_evaluated_and_training_stays_what_it_is(tmp_path: Path) -> None:
    _, every = train(tiny_recipe(epochs=5))
    trainer, some = train(tiny_recipe(epochs=5, evaluate_every=2), folder=tmp_path)
    assert evaluated_epochs(some) == [2, 4, 5]
    for record, whole in zip(without_clocks(some), without_clocks(every), strict=True):
        hidden = {} if record["epoch"] in (2, 4, 5) else dict.fromkeys(EVALUATED)
        assert record == whole | hidden
    accuracies = {record["epoch"]: record["validation_accuracy"] for record in some}
    best = max((2, 4, 5), key=lambda epoch: (accuracies[epoch], -epoch))
    assert trainer.checkpoints is not None
    kept = read_checkpoint(trainer.checkpoints.best)
    assert kept is not None
    assert kept["epoch"] == best
    assert summarise(some)["best_epoch"] == best


def test_where_a_command_or_a_search_ends_is_evaluated_too(tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=8, evaluate_every=5)
    first = messages_of(job_of(recipe, tmp_path, stop_after=3, rungs=(1,)))
    assert first[-1]["status"] == "stopped"
    rest = messages_of(job_of(recipe, tmp_path, rungs=(1,)))
    records = [each["record"] for each in [*first, *rest] if each["kind"] == "epoch"]
    assert evaluated_epochs(records) == [1, 3, 5, 8]


def without_split(epochs: int, **changes: Any) -> Recipe:
    return tiny_recipe(data={**DATA, "validation_images": 0}, epochs=epochs, **changes)


def test_without_a_split_that_selects_the_last_epoch_is_the_best() -> None:
    recipe = without_split(4, evaluate_every=2)
    _, records = train(recipe)
    best = [is_best_so_far(recipe, records[:done]) for done in range(1, 5)]
    assert best == [False, True, True, True], "nothing is known of the first one"
    assert summarise(records[:3])["best_epoch"] == 3
    assert summarise(records[:3])["test_accuracy"] is None
    assert summarise(records)["test_accuracy"] == records[-1]["test_accuracy"]


def ended_after(recipe: Recipe, accuracies: list[float | None]) -> int | None:
    records = [{"validation_accuracy": value} for value in accuracies]
    ends = (done for done in range(1, len(records) + 1) if ending_of(recipe, records[:done]))
    return next(ends, None)


def test_early_stopping_waits_in_epochs_and_looks_where_the_recipe_evaluates() -> None:
    def recipe(**stopping: Any) -> Recipe:
        return tiny_recipe(epochs=60, evaluate_every=3, early_stopping=stopping)

    falling = [None, None, 50.0, None, None, 49.0, None, None, 48.0, None, None, 47.0]
    assert ended_after(recipe(patience=4), falling) == 9, "4 epochs after the best one is the 7th"
    assert ended_after(recipe(patience=6), falling) == 9
    assert ended_after(recipe(patience=7), falling) == 12
    assert ended_after(recipe(target=48.5), [None, None, 40.0, None, None, 49.0]) == 6
    measured_besides = [None, 60.0, *falling[2:]]
    assert ended_after(recipe(patience=4), measured_besides) == 9, "a rung changes no training"
    assert ended_after(recipe(target=55), measured_besides) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schedule": {"name": "plateau"}, "evaluate_every": 2},
         "2: a plateau schedule looks at every epoch (1)"),
        ({"evaluate_every": 0}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        tiny_recipe(**changes)
    assert said in str(raised.value)


def test_a_running_trial_without_an_evaluation_says_so() -> None:
    _, records = train(tiny_recipe(epochs=2, evaluate_every=2))
    row = {**dict.fromkeys(TABLES["trials"]), **summarise(records[:1]), "recipe": None}
    assert (row["epochs_done"], row["best_epoch"], row["validation_accuracy"]) == (1, None, None)
    assert chosen_by(row) == "validation"
    assert measured(records[0]) == "not evaluated"
    assert measured(records[1]).startswith("validation ")
    assert selected(row) == "best validation – (epoch –), its test –"


SPARSE = Options(trusted=True, overrides=("evaluate_every=4",))


@pytest.mark.parametrize(
    ("scheduler", "evaluated"), [("asha", {1, 3, 4, 8, 9}), ("halving", {1, 3, 4, 8, 9}),
                                 ("median", {4, 8, 9})]
)  # fmt: skip
def test_a_search_judges_by_what_was_evaluated(
    tmp_path: Path, scheduler: str, evaluated: set[int]
) -> None:
    search = InlineSearch(tmp_path, options=SPARSE)
    search.run(scheduler=scheduler, confirm=0)
    epochs, decisions = search.table("epochs"), search.table("decisions")
    measured_in = epochs[epochs["validation_accuracy"].notna()]
    assert set(measured_in["epoch"]) == evaluated
    assert len(decisions)
    for decision in decisions.to_dict("records"):
        own = measured_in[measured_in["trial_id"] == decision["trial_id"]]
        so_far = own[own["epoch"] <= decision["epoch"]]["validation_accuracy"]
        assert decision["value"] == so_far.max()
    rows = search.table("trials")
    assert rows["validation_accuracy"].notna().all()


def test_a_search_goes_on_with_what_another_one_evaluated_elsewhere(tmp_path: Path) -> None:
    search = InlineSearch(tmp_path, "{optimizer.lr: {grid: [0.1, 0.02]}}", options=SPARSE)
    search.run(scheduler="none", confirm=0)
    search.run(scheduler="halving", grace=2, reduction_factor=2, confirm=0)
    decisions = search.table("decisions")
    first = decisions[decisions["rung"] == 1]
    assert first["value"].notna().all(), "nothing was evaluated by then, but later"
    assert not decisions["stopped"].any(), "both are trained"
    search.run(scheduler="asha", grace=2, reduction_factor=2, confirm=0)


STUDY = """
name: sparse
title: Two trainings that are seldom evaluated
question: Does everything that reads records know of nulls?
target_accuracy: 30
recipe:
  model: {name: resnet, blocks: [1], channels: [8]}
  data: {name: embedded, classes: 3, images: 180, image_size: 8, validation_images: 30}
  epochs: 5
  batch_size: 32
  evaluate_every: 2
  optimizer: {lr: 0.02}
  precision: fp32
seeds: [0, 1]
trials:
  - {name: plain}
  - {name: smooth, recipe: {label_smoothing: 0.1}}
claims:
  - id: a
    text: smooth is better
    check: "test_accuracy[smooth, epoch=3] > test_accuracy[plain, epoch=3]"
  - id: b
    text: smooth is better
    check: "test_accuracy[smooth, epoch=4] > test_accuracy[plain, epoch=4]"
"""


def test_a_study_that_is_seldom_evaluated_ends_in_a_report(tmp_path: Path) -> None:
    study = tmp_path / "sparse.yaml"
    study.write_text(STUDY)
    console = Console(file=io.StringIO(), width=150)
    shares = Shares(gpus=0, workers=2)
    outcome = run(Request(study=str(study), shares=shares, out=tmp_path), console)
    assert outcome.exit_code == 0
    assert isinstance(console.file, io.StringIO)
    assert "not evaluated" in console.file.getvalue()
    folder = tmp_path / "results" / "sparse"
    epochs = pd.read_parquet(folder / "epochs")
    assert set(epochs[epochs["test_accuracy"].notna()]["epoch"]) == {2, 4, 5}
    trials = pd.read_parquet(folder / "trials")
    assert trials["best_epoch"].isin([2, 4, 5]).all()
    results = Analysis.of(folder)
    curves = all_figures(results)["curves"]
    lines = [trace for trace in curves.chosen()[0].traces if trace["mode"].startswith("lines")]
    assert all(trace["connectgaps"] for trace in lines if "connectgaps" in trace)
    bands = [trace for trace in curves.chosen()[0].traces if trace.get("fill") == "toself"]
    assert all(len(band["x"]) == 6 for band in bands), "across the epochs between"
    page = outcome.report.read_text()
    assert "was not measured" in page, "the claim on an epoch that was not evaluated"
