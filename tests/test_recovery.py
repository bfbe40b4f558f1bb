"""Damaged or lost files of the tables: put aside, and made again from beside the checkpoints."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from resray.api import read_results
from resray.errors import InputError
from resray.files import whole_file
from resray.results.recovery import epoch_rows, kept_beside
from resray.results.schema import TABLES
from resray.results.store import ResultStore, now, read_table
from resray.results.summary import seconds_of
from resray.run.recorder import Recorder, planned_row
from resray.run.recovery import put_right
from resray.study.expand import Options, expand
from resray.study.load import load_study
from tests.export_case import Shared, train_study
from tests.table_files import drop_trial, in_older_layout
from tests.test_results import flipped
from tests.training_case import job_of

LOST = {"updated", "ended", "started", "exclusive", "seconds_starting", "attempts", "ray_version",
        "seconds_saving", "seconds_compiling"}  # fmt: skip
"""Columns of a row that nothing beside the tables holds."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return train_study(tmp_path_factory.mktemp("recovery") / "sharing")


@pytest.fixture
def results(trained: Shared, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.results, tmp_path / "sharing"))


def begin(results: Path) -> tuple[str, Recorder]:
    """Do to the tables what a command does before it starts a trial; return what was said."""
    said = io.StringIO()
    store = ResultStore(results)
    put_right(store, Console(file=said, width=1000))
    recorder = Recorder(store)
    for trial in expand(load_study(str(results / "study.yaml")), Options()):
        job = job_of(trial.recipe, results)
        identity = next(
            path.name
            for path in (results / "checkpoints").iterdir()
            if json.loads((path / "config.json").read_text())["trial"] == trial.name
        )
        row = planned_row(trial, job, {}) | {"trial_id": identity}
        if (store.trial(identity) or {}).get("status") != "completed":
            recorder.plan(row)
    store.flush()
    return said.getvalue(), recorder


def table(results: Path, name: str) -> pd.DataFrame:
    order = {"trials": ["trial_id"], "epochs": ["trial_id", "epoch"]}[name]
    found = read_table(results, name).sort_values(order, ignore_index=True)
    return found.drop(columns=[*LOST, "attempt"], errors="ignore")


def damage(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(flipped(whole, 4 * len(whole)))


@pytest.mark.parametrize("kind", ["damaged", "lost"])
@pytest.mark.parametrize("name", ["trials", "epochs"])
@pytest.mark.parametrize("layout", ["parts", "older files", "older batch"])
def test_rows_come_back_without_a_training(
    results: Path, name: str, kind: str, layout: str
) -> None:
    if layout != "parts":
        in_older_layout(results, batch=layout == "older batch")
    before = {each: table(results, each) for each in ("trials", "epochs")}
    files = sorted((results / name).iterdir())
    assert len(files) == {"older files": 2, "older batch": 1}.get(layout, len(files))
    for path in files:
        damage(path) if kind == "damaged" else path.unlink()
    if kind == "damaged":
        with pytest.raises(InputError, match=r"damaged .*; the `resray bench` or"):
            read_results(results)
    said, recorder = begin(results)
    assert not recorder.running
    for each, rows in before.items():
        pd.testing.assert_frame_equal(table(results, each), rows)
    assert set(read_table(results, "trials")["status"]) == {"completed"}
    aside = list((results / "damaged").glob(f"{name}-*")) if kind == "damaged" else []
    assert len(aside) == (len(files) if kind == "damaged" else 0)
    assert all(f"{path}: damaged, moved to" in said for path in files if kind == "damaged")
    assert begin(results)[0] == "", "and all is well"
    assert not read_table(results, "events").duplicated(["trial_id", "event"]).any()


@pytest.mark.parametrize("name", ["events", "evaluations", "decisions"])
def test_what_nothing_else_holds_is_put_aside_and_said(results: Path, name: str) -> None:
    store = ResultStore(results)
    store.put_evaluations("a", [{"trial_id": "a", "checkpoint": "best.pt@1"}])
    store.put_decision({"trial_id": "a", "rung": 1})
    store.flush()
    in_older_layout(results)
    path = sorted((results / name).iterdir())[0]
    damage(path)
    said, _ = begin(results)
    assert path.name not in {each.name for each in (results / name).iterdir()}
    assert len(list((results / "damaged").iterdir())) == 1
    assert said.count("\n") == 1
    assert "; rows and epochs come back from the checkpoints" in said
    assert len(read_table(results, "trials")) == 2


def test_epochs_that_nothing_holds_are_trained_again(results: Path, trained: Shared) -> None:
    identity = trained.trials["plain"]
    drop_trial(results, "epochs", identity)
    shutil.rmtree(results / "checkpoints" / identity)
    said = io.StringIO()
    store = ResultStore(results)
    put_right(store, Console(file=said, width=1000))
    assert "1 trial lost epochs for good, to be trained: plain" in said.getvalue()
    row = store.trial(identity)
    assert row is not None
    assert (row["status"], row["epochs_done"]) == ("interrupted", 0)
    assert row["test_accuracy"] is not None, "the row is all that is left of it"


def test_a_completed_row_without_figures_gets_them_back(results: Path, trained: Shared) -> None:
    """What an older version left after it had advised to delete a damaged file."""
    identity = trained.trials["plain"]
    store = ResultStore(results)
    row = store.trial(identity)
    assert row is not None
    nothing = {"epochs_done": 0, "validation_accuracy": None, "test_accuracy": None}
    store.put_trial({"trial_id": identity, **nothing})
    store.flush()
    begin(results)
    found = ResultStore(results).trial(identity)
    assert found is not None
    assert {key: found[key] for key in nothing} == {key: row[key] for key in nothing}


def test_an_unfinished_trial_comes_back_as_far_as_it_was(results: Path, trained: Shared) -> None:
    identity = trained.trials["plain"]
    metrics = results / "checkpoints" / identity / "metrics.json"
    content = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(content | {"records": content["records"][:2]}))
    for name in TABLES:
        drop_trial(results, name, identity)
    _, recorder = begin(results)
    row = recorder.store.trial(identity)
    assert row is not None
    assert (row["status"], row["epochs_done"], row["device"] is None) == ("pending", 2, False)
    assert row["exclusive"] is False, "nobody knows, and what goes on cannot make up for that"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"records": 3}', '{"records": [{}]}',
                                     '{"records": [{"epoch": 7}]}', "[" * 9999])  # fmt: skip
def test_other_files_in_place_of_the_records_hold_nothing(tmp_path: Path, content: str) -> None:
    for name in ("metrics.json", "config.json"):
        (tmp_path / name).write_text(content)
    assert kept_beside(tmp_path) == ([], {})


RECORD = {"epoch": 1, "recorded": "2026-03-01T09:00:00+00:00", "validation_accuracy": 50.0,
          "test_accuracy": 49.0, "images": 9, "seconds_training": 1.0, "seconds_evaluating": 1.0,
          "peak_memory_bytes": 5}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"epoch": 2}, {"epoch": "1"}, {"recorded": "today"}, {"images": "many"}, {"strange": 1},
     {"train_loss": [1.0]}, {"validation_accuracy": "high"}],
)  # fmt: skip
def test_records_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    assert epoch_rows([RECORD])[0]["epoch"] == 1
    with pytest.raises(ValueError, match=r"."):
        epoch_rows([RECORD | wrong])


def test_half_files_of_killed_commands_are_removed(results: Path) -> None:
    (results / ".writing").mkdir(exist_ok=True)
    half = [results / ".writing" / ".x.parquet.123", results / "epochs" / ".x.parquet.123"]
    for path in half:
        path.write_bytes(b"PAR1 half a file")
    begin(results)
    assert not any(path.exists() for path in half)


def test_what_a_lost_row_had_cost_counts_in_a_budget(results: Path, trained: Shared) -> None:
    identity = trained.trials["plain"]
    drop_trial(results, "trials", identity)
    recorder = Recorder(ResultStore(results), gpus_per_trial=2)
    trial = next(each for each in expand(load_study(str(results / "study.yaml")), Options())
                 if each.name == "plain")  # fmt: skip
    recorder.plan(planned_row(trial, job_of(trial.recipe, results), {}) | {"trial_id": identity})
    row = recorder.store.trial(identity)
    assert row is not None
    held = sum(map(seconds_of, recorder.store.epochs(identity)))
    assert row["gpu_hours"] == pytest.approx(2 * held / 3600)


def test_a_lost_row_has_begun_as_often_as_its_events_tell(results: Path) -> None:
    store = ResultStore(results)
    identity = store.trials()[0]["trial_id"]
    event = {"trial_id": identity, "event": "resumed", "attempt": 3, "time": now()}
    store.put_event(event)
    store.flush()
    for path in (results / "trials").iterdir():
        path.unlink()
    _, recorder = begin(results)
    attempts = {row["trial_id"]: row["attempts"] for row in recorder.store.trials()}
    assert attempts.pop(identity) == 3
    assert set(attempts.values()) == {1}


def test_a_killed_process_leaves_nothing_that_the_next_one_keeps(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    killed = "import os, pathlib, sys; from resray.files import whole_file\n"
    killed += "with whole_file(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed, str(page)], check=False)
    (half,) = tmp_path.iterdir()
    others = {f".page.html.{os.getppid()}.half", ".page.html.x.half", f".page.html.{9**30}.half"}
    for name in others:
        (tmp_path / name).touch()
    with whole_file(page):
        assert not half.exists()
    assert {path.name for path in tmp_path.iterdir()} == {page.name, *others}
