"""Who has won a search, what confirms it, and `resray best`, which prints and writes it."""

import json
import re
import shlex
import shutil
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from resray.cli.best import trial_rows
from resray.data.sources import open_dataset
from resray.run.recorder import planned_row
from resray.run.resources import Machine
from resray.run.search_plan import SearchPlanner
from resray.search.best import (
    better_audited,
    confirmations_of,
    fresh_seeds,
    of_latest,
    points_of,
    ranked,
    winner,
)
from resray.search.points import Point
from resray.search.winner import find_winner
from resray.search.winner_file import (
    trial_name,
    winner_document,
    write_study_file,
    written_recipe,
)
from resray.study.entries import AS_RUN
from resray.study.expand import Options, expand
from resray.study.load import load_study, study_files
from resray.study.recipe_spec import Recipe
from resray.study.recipes import trial_id
from tests.command_line import Resray, assert_refused
from tests.inline_search import InlineSearch
from tests.report_builder import START, trial, write_results
from tests.searched_study import SEARCH, STUDY, WINNING, confirmed, results_of_a_search, searched


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


ROWS = [
    searched("diverged", None, status="failed", reason="diverged"),
    searched("failed", 30.0, status="failed", reason="error"),
    searched("second", 80.0),
    searched("stopped-late", 41.0, status="stopped", rung=2),
    searched("stopped-high", 75.0, status="stopped", rung=1),
    searched("stopped-low", 40.0, status="stopped", rung=1),
    searched("audited", 95.0, audited=True),
    searched("first", 81.0),
    searched("a-rung", 90.0, epochs=5),
    searched("waiting", None, status="pending", rung=0),
    trial("resnet34", validation_accuracy=99.0) | {"role": "bench"},
]


def test_the_winner_is_the_best_on_validation_of_those_trained_in_full() -> None:
    won = winner(ROWS)
    assert won is not None
    assert won["name"] == "first"
    assert winner(ROWS[:2]) is None
    assert winner([searched("b", 80.0), searched("a", 80.0)])["name"] == "a"  # type: ignore[index]
    assert winner([searched("empty", None), searched("some", 1.0)])["name"] == "some"  # type: ignore[index]


def test_an_audited_trial_never_wins_but_is_named_if_it_was_better() -> None:
    won = searched("first", 81.0)
    assert better_audited(ROWS, won) == ROWS[6]
    assert better_audited(ROWS, searched("first", 95.0)) is None
    assert better_audited([searched("none", None, audited=True)], won) is None


def test_the_order_puts_rungs_before_values_and_what_diverged_last() -> None:
    assert names(ranked(ROWS)) == [
        "first", "second", "audited", "a-rung", "stopped-late", "stopped-high", "stopped-low",
        "waiting", "failed", "diverged",
    ]  # fmt: skip


def test_what_confirms_the_winner_is_its_recipe_with_other_seeds() -> None:
    won = searched("first", 81.0)
    waiting = {"status": "pending", "validation_accuracy": None}
    other = json.dumps({**json.loads(won["recipe"]), "epochs": 40})
    rows = [
        won,
        confirmed(won, 3),
        confirmed(won, 1, **waiting),
        confirmed(won, 0),
        confirmed(won, 2, recipe=other),
        confirmed(won, 5, dataset_checksum="of other images"),
        searched("second", 80.0, seed=6),
    ]
    assert [row["seed"] for row in confirmations_of(rows, won)] == [1, 3]


def test_a_benched_training_of_the_recipe_confirms_it_once_it_is_tested() -> None:
    won = searched("first", 81.0, seed=0)
    benched = [confirmed(won, seed, role="bench", trial_id=f"b{seed}") for seed in (0, 2, 7)]
    half = confirmed(won, 1, role="bench", status="interrupted")
    rows = [won, *benched, half]
    assert [row["seed"] for row in confirmations_of(rows, won)] == [2, 7]
    assert fresh_seeds(rows, won, 3) == [2, 7, 1], "the interrupted one is trained on"
    rows = [won, *benched, confirmed(won, 1), confirmed(won, 9)]
    assert fresh_seeds(rows, won, 3) == [1, 2, 9], "those run for it come first"
    assert fresh_seeds(rows, won, 2) == [1, 9]


def test_a_point_counts_with_the_recipe_that_it_was_trained_with_last() -> None:
    other = json.dumps({"batch_size": 16})
    point = {"point": "{}", "search": "asha"}
    before = searched("before", 90.0, recipe=other, updated=START - timedelta(days=1), **point)
    rows = [searched("now", 50.0, **point), before, searched("else", 40.0, **point | {"point": ""})]
    assert sorted(names(of_latest(rows))) == ["else", "now"]
    assert of_latest([]) == []


def test_a_search_goes_on_without_what_other_code_trained() -> None:
    """Whatever its points: what counts is the code of the newest trial of the same network."""
    first, second = {"implementation": "a" * 16}, {"implementation": "b" * 16}
    days = (START - timedelta(days=back) for back in (4, 3, 2, 1))
    own = [
        row | {"model": "own:net", "search": "random", "updated": day, "threads": 1}
        for day, row in zip(days, [
            searched("unrecorded", 80.0),
            searched("unrecorded-rung", 85.0, status="stopped"),
            searched("before", 90.0, **first),
            searched("now", 50.0, **second),
        ], strict=True)
    ]  # fmt: skip
    other = searched("other-net", 40.0, search="random", model="own:other", **first)
    assert names(of_latest([*own, other])) == ["unrecorded", "now", "other-net"]
    older = [row | {"threads": None} for row in own[:2]]
    assert names(of_latest(older)) == ["unrecorded", "unrecorded-rung"], "as they were stored"


def test_what_confirms_an_older_winner_has_the_code_of_today() -> None:
    won = searched("first", 81.0)
    rows = [confirmed(won, 1, implementation="a" * 16), confirmed(won, 2)]
    assert [row["seed"] for row in confirmations_of(rows, won)] == [1, 2]
    warm = json.dumps({**WINNING, "schedule": {"warmup_epochs": 1}})
    won = searched("first", 81.0, recipe=warm, implementation="2 " + "a" * 16)
    others = ("2 " + "b" * 16, None, "a" * 16)
    rows = [confirmed(won, seed, implementation=each) for seed, each in enumerate(others, 2)]
    rows.append(confirmed(won, 1))
    assert [row["seed"] for row in confirmations_of(rows, won)] == [1]


@pytest.mark.parametrize("went_on", [False, True])
def test_tune_and_best_name_the_same_winner(tmp_path: Path, went_on: bool) -> None:
    """A search by an older resray, whose warm-ups began with a step at rate 0, and what came."""
    axes = "{optimizer.lr: {loguniform: [0.001, 0.1]}, schedule.warmup_epochs: {grid: [1]}}"
    search = InlineSearch(tmp_path, axes)
    settings: dict[str, Any] = {"method": "tpe", "samples": 2, "scheduler": "none", "confirm": 0}
    planner = SearchPlanner(search.request(**settings))
    point = Point("rates", {"optimizer.lr": 0.03, "schedule.warmup_epochs": 1})
    job = planner.proposed(point, planner.allocation(Machine(1, 0))).final
    older = {"trial_id": "0" * 16, "implementation": None, "threads": None, "status": "completed"}
    row = planned_row(job.trial, job.job, {}, **job.search_columns(planner.key), **older)
    row |= {"epochs_done": 9, "validation_accuracy": 99.0, "validation_images": 32}
    planner.store.put_trial(row)
    epochs = [{"trial_id": row["trial_id"], "epoch": epoch} for epoch in range(1, 10)]
    planner.store.put_epochs(row["trial_id"], epochs)
    planner.store.flush()
    shutil.copy(search.file, planner.results / "study.yaml")
    if went_on:
        search.run(**settings)
    won = find_winner(planner.results, trial_rows(planner.results)).row
    assert (won["trial_id"] == row["trial_id"]) is not went_on
    if went_on:
        planner = SearchPlanner(search.request(**settings))
        contenders = planner.candidates(planner.allocation(Machine(1, 0)))
        rows = [planner.store.trial(each.final.trial_id) for each in contenders]
        assert won == winner(row for row in rows if row)


def test_points_are_told_apart_by_their_recipe_but_not_by_its_length() -> None:
    short = json.dumps({"epochs": 3, "schedule": {"warmup_epochs": 1}, "batch_size": 8})
    long = json.dumps({"epochs": 9, "schedule": {"warmup_epochs": 3}, "batch_size": 8})
    edited = json.dumps({"epochs": 9, "schedule": {"warmup_epochs": 3}, "batch_size": 16})
    rungs = [searched("a", 1.0, recipe=long, epochs=9), searched("a", 1.0, recipe=short, epochs=3)]
    points = points_of([*rungs, searched("a", 2.0, recipe=edited, epochs=9)])
    assert [[row["epochs"] for row in point] for point in points] == [[3, 9], [9]]
    assert len(points_of([searched("a", 1.0, recipe="{"), searched("b", 1.0, recipe="[1]")])) == 2


@pytest.mark.parametrize(
    ("search_seeds", "confirmed_with", "count", "seeds"),
    [
        ([0], [], 3, [1, 2, 3]),
        ([0], [], 0, []),
        ([0, 2, 1], [], 2, [3, 4]),
        ([7], [], 2, [0, 1]),
        ([0], [1, 2, 3], 3, [1, 2, 3]),
        ([0], [5], 3, [5, 1, 2]),
        ([0], [1, 2, 3], 2, [1, 2]),
        ([0, 1], [1, 2], 3, [1, 2, 3]),
        ([1, 0], [1, 2], 2, [2, 3]),
    ],
)
def test_fresh_seeds_are_unused_and_stay_what_they_were(
    search_seeds: list[int], confirmed_with: list[int], count: int, seeds: list[int]
) -> None:
    rows = [searched(f"trial-{seed}", 50.0, seed=seed) for seed in search_seeds]
    won = rows[0]
    rows += [confirmed(won, seed) for seed in confirmed_with]
    assert fresh_seeds(rows, won, count) == seeds


SHIPPED = [
    (name, variant)
    for name in study_files()
    for variant in load_study(name).variant_names
    if variant != AS_RUN
]


@pytest.mark.parametrize(("name", "variant"), SHIPPED)
@pytest.mark.parametrize("quick", [False, True])
def test_a_written_recipe_is_read_as_the_same(
    tmp_path: Path, name: str, variant: str, quick: bool
) -> None:
    study = load_study(name)
    for planned in expand(study, Options(variant=variant, quick=quick)):
        axes = ["trial", "optimizer.lr", "augmentation.flip", "optimizer.betas", "policy"]
        document = winner_document(study, planned.name, planned.recipe, axes, [1, 2], "Here.")
        path = write_study_file(document, tmp_path / "winner.yaml", force=True)
        again = expand(load_study(str(path)), Options())
        assert [trial.recipe for trial in again] == [planned.recipe] * 2
        assert [trial.seed for trial in again] == [1, 2]


def test_a_written_recipe_leaves_out_defaults_but_not_what_a_reader_looks_for() -> None:
    recipe = Recipe.model_validate(
        {
            "model": "resnet18",
            "data": {"name": "cifar10", "limit_train": 500},
            "epochs": 9,
            "optimizer": {"name": "adam", "lr": 0.1},
            "augmentation": {"auto_augment": {}},
            "phases": {"label_smoothing": {"1-5": 0.1, "6-9": 0.0}},
        }
    )
    assert written_recipe(recipe, ["optimizer.betas", "label_smoothing", "trial"]) == {
        "model": "resnet18",
        "data": {"name": "cifar10", "limit_train": 500},
        "epochs": 9,
        "batch_size": 128,
        "optimizer": {"name": "adam", "lr": 0.1, "weight_decay": 5e-4, "betas": [0.9, 0.999]},
        "schedule": {"name": "cosine"},
        "label_smoothing": 0.0,
        "augmentation": {"auto_augment": {}},
        "phases": {"label_smoothing": {"1-5": 0.1, "6-9": 0.0}},
    }


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("resnet18-sgd-0.1", "resnet18-sgd-0.1"), ("-1-a b/c", "1-a_b_c"), ("...", "winner")],
)
def test_a_point_name_becomes_a_trial_name(name: str, allowed: str) -> None:
    assert trial_name(name) == allowed


def test_best_prints_the_winner_and_writes_a_study_file(resray: Resray, tmp_path: Path) -> None:
    results_of_a_search(tmp_path / "results" / "rates")
    answer = resray("best", "rates")
    assert answer.code == 0, answer.err
    for text in (
        "narrow-0.2",
        "trial: narrow; optimizer.lr: 0.2",
        "of the 1 of 2 points that scheduler asha let train in full; test was not looked at",
        "61.50 % (seed 0)",
        "test 92.00 ± 2.48 %",
        "n = 3, fresh seeds 1, 2, 3",
        "Recipe where it differs from trial narrow",
    ):
        assert text in answer.out, answer.out
    changed = answer.out[answer.out.index("Recipe where") :]
    assert re.findall(r"^(\S+) +(\S+) +\((\S+)\)$", changed.replace(" \n", "\n"), re.MULTILINE) == [
        ("optimizer.lr", "0.2", "0.1")
    ]
    study = load_study("./rates-best.yaml")
    assert study.name == "rates-best"
    assert study.seeds == [1, 2, 3]
    assert not study.claims
    assert not study.published
    assert resray("best", "rates").code == 0, "the same file once more"


def test_the_written_study_trains_the_trials_of_the_confirmations(
    resray: Resray, tmp_path: Path
) -> None:
    results_of_a_search(tmp_path / "results" / "rates")
    assert resray("best", "results/rates", "--out-file", "mine.yaml").code == 0
    answer = resray("bench", "./mine.yaml", "--dry-run", "--gpus", "0")
    checksum = open_dataset(Recipe.model_validate(WINNING).data).checksum
    for seed in (1, 2, 3):
        identity = trial_id(
            Recipe.model_validate(WINNING), seed, dataset_checksum=checksum, world_size=1
        )
        assert identity in answer.out


def test_best_as_json(resray: Resray, tmp_path: Path) -> None:
    results_of_a_search(tmp_path / "elsewhere" / "results" / "rates", confirmations=0)
    (tmp_path / "rates.yaml").write_text(STUDY)
    answer = resray("best", "./rates.yaml", "--out", "elsewhere", "--json")
    assert answer.code == 0, answer.err
    facts = json.loads(answer.out)
    assert facts["point"] == {"trial": "narrow", "optimizer.lr": 0.2}
    assert facts["validation_accuracy"] == 61.5
    assert facts["test_accuracy"] is None
    assert facts["confirmations"] == []
    assert facts["study_file"] == "rates-best.yaml"
    assert facts["recipe"]["optimizer"]["lr"] == 0.2


def test_best_says_what_stays_open(resray: Resray, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(WINNING).model_dump_json()
    images = {"dataset_checksum": "of others"}
    checksum = open_dataset(Recipe.model_validate(WINNING).data).checksum
    audited = searched("narrow-0.05", 63.0, audited=True, recipe=recipe, search=SEARCH)
    earlier = START - timedelta(days=1)
    others = searched("on-others", 99.0, recipe=recipe, updated=earlier, search=SEARCH, **images)
    more = (audited | {"trial_id": "audited", "dataset_checksum": checksum}, others)
    results_of_a_search(tmp_path / "results" / "rates", *more, confirmations=0)
    answer = resray("best", "rates")
    assert answer.code == 0, answer.err
    assert "not confirmed yet" in answer.out
    assert "narrow-0.05 was stopped early" in answer.out
    assert "1.50 points better on validation" in answer.out
    assert "1 trials of other searches in this folder" in answer.out
    assert load_study("./rates-best.yaml").seeds == [1, 2, 3]


def test_best_is_that_of_the_latest_search(resray: Resray, tmp_path: Path) -> None:
    """One with other settings or options left its trials in the same folder."""
    earlier = {"updated": START - timedelta(days=1), "search": '{"scheduler":"none"}'}
    recipe = Recipe.model_validate(WINNING).model_dump_json()
    others = [searched(f"shorter-{n}", 90.0 + n, recipe=recipe, **earlier) for n in range(2)]
    before = {"recipe": recipe, "search": SEARCH, "updated": earlier["updated"]}
    others.append(searched("other-seed", 99.0, seed=7, **before))
    results_of_a_search(tmp_path / "results" / "rates", *others)
    answer = resray("best", "rates")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("narrow-0.2\n")
    assert "of the 1 of 2 points that scheduler asha" in answer.out
    assert "3 trials of other searches in this folder" in answer.out


def test_a_study_file_that_trains_the_same_is_no_obstacle(resray: Resray, tmp_path: Path) -> None:
    """The search grew, and the winner is still the same."""
    folder = tmp_path / "results" / "rates"
    results_of_a_search(folder)
    assert resray("best", "rates").code == 0
    images = {"dataset_checksum": open_dataset(Recipe.model_validate(WINNING).data).checksum}
    more = searched("third", 20.0, status="stopped", search=SEARCH, **images)
    results_of_a_search(folder, more)
    assert resray("best", "rates").code == 0
    assert "1 of 3 points" in load_study("./rates-best.yaml").description
    results_of_a_search(folder, more, confirmations=2)
    assert_refused(resray("best", "rates"), 2, "rates-best.yaml: is there already and differs")


def test_best_refuses_what_has_no_winner(resray: Resray, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    write_results(folder / "benched", [trial()])
    running = searched("running", 50.0, status="running", epochs_done=3)
    write_results(folder / "begun", [running, running | {"trial_id": "other", "point": "{}"}])
    lost = [searched("one", None, status="failed"), searched("two", None, status="failed")]
    write_results(folder / "lost", lost)
    for arguments, says in (
        (("best", "depth-famly"), "study: 'depth-famly' is not known; did you mean 'depth-family'"),
        (("best", "depth-family"), "results/depth-family: no results here; type `resray tune dep"),
        (("best", "some/where"), "some/where: no results here"),
        (("best", "./nowhere.yaml"), "nowhere.yaml: No such file"),
        (("best", "benched"), "results/benched: no search here; type `resray tune` with the"),
        (("best", "begun"), "none of the search's 2 points .*; the command that began the search"),
        (
            ("best", "lost"),
            "lost: none of .* 2 points has won, as all diverged or failed;.*--force",
        ),
    ):
        assert_refused(resray(*arguments), 2, says)
    assert not list(tmp_path.glob("*.yaml"))


def test_best_overwrites_nothing_unasked(resray: Resray, tmp_path: Path) -> None:
    results_of_a_search(tmp_path / "results" / "rates")
    (tmp_path / "mine.yaml").write_text("mine")
    command = ("best", "rates", "--out-file", "mine.yaml")
    assert_refused(resray(*command), 2, "mine.yaml: is there already and differs; type --force")
    assert (tmp_path / "mine.yaml").read_text() == "mine"
    assert resray(*command, "--force").code == 0
    assert load_study("./mine.yaml").name == "rates-best"
    missing = ("best", "rates", "--out-file", "no/such.yaml")
    assert_refused(resray(*missing), 2, "no/such.yaml: cannot be written")


def test_the_line_that_best_prints_works_as_typed(resray: Resray, tmp_path: Path) -> None:
    images = tmp_path / "my images"
    for part, name, index in product(("train", "test"), ("cats", "dogs"), range(4)):
        path = images / part / name / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (60 * index, 0, 0)).save(path)
    data = {"name": "folder", "validation_images": 2}
    recipe = Recipe.model_validate({**WINNING, "data": data})
    columns: dict[str, Any] = {"recipe": recipe.model_dump_json(), "data_dir": str(images)}
    results_of_a_search(tmp_path / "results" / "rates", **columns)
    answer = resray("best", "rates", "--out-file", "the best.yaml")
    assert answer.code == 0, answer.err
    (typed,) = re.findall(r"train it with `resray (.*)`", answer.out)
    assert typed == f"bench 'the best.yaml' --data-dir '{images}'"
    again = resray(*shlex.split(typed), "--dry-run")
    assert again.code == 0, again.err
    assert "3 of 3 trials to run" in again.out


def test_a_network_of_ones_own_is_trusted_in_it(resray: Resray, tmp_path: Path) -> None:
    recipe = Recipe.model_validate({**WINNING, "model": {"name": "my_net:tiny"}})
    columns: dict[str, Any] = {"recipe": recipe.model_dump_json()}
    results_of_a_search(tmp_path / "results" / "rates", **columns)
    assert "with `resray bench rates-best.yaml --trust`\n" in resray("best", "rates").out


def test_without_a_folder_of_data_none_is_named(resray: Resray, tmp_path: Path) -> None:
    results_of_a_search(tmp_path / "results" / "rates")
    assert "with `resray bench rates-best.yaml`\n" in resray("best", "rates").out
