"""The fault harness: that it notices what it is there for, and a short and a longer run of it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from resray.results.store import read_table
from tests.faults import inline
from tests.faults.checks import Epochs, Reference, end_problems, hidden_problems, output_problems
from tests.faults.failpoint import Failpoint

pytestmark = pytest.mark.timeout(1800)
CASE = "inline-bench"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    failpoint = Failpoint(str(folder / "out"), str(folder / "changes"))
    assert inline.run(CASE, folder / "out", folder / "log.txt", failpoint) == 0
    assert failpoint.count > 50
    return folder / "out"


def replaced(results: Path, table: str, rows: pd.DataFrame) -> None:
    """Let a table hold these rows."""
    for file in (results / table).glob("*.parquet"):
        file.unlink()
    rows.to_parquet(results / table / "rows.parquet")


def loses_an_epoch(results: Path) -> None:
    replaced(results, "epochs", read_table(results, "epochs").iloc[1:])


def doubles_an_epoch(results: Path) -> None:
    read_table(results, "epochs").iloc[:1].to_parquet(results / "epochs" / "more.parquet")


def changes_a_metric(results: Path) -> None:
    rows = read_table(results, "epochs")
    first = rows.index == 0
    losses = rows["validation_loss"].mask(first, rows["validation_loss"] + 1e-12)
    replaced(results, "epochs", rows.assign(validation_loss=losses))


def changes_a_summary(results: Path) -> None:
    replaced(results, "trials", read_table(results, "trials").assign(test_accuracy=1.0))


def leaves_a_trial_open(results: Path) -> None:
    replaced(results, "trials", read_table(results, "trials").assign(status="running"))


def leaves_a_half_file(results: Path) -> None:
    (results / "epochs" / ".rows.parquet.half").touch()


def leaves_a_folder(results: Path) -> None:
    (results / ".writing").mkdir()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (loses_an_epoch, "lost"),
        (doubles_an_epoch, "doubled"),
        (changes_a_metric, "different"),
        (changes_a_summary, "different"),
        (leaves_a_trial_open, "other"),
        (leaves_a_half_file, "stray"),
        (leaves_a_folder, "stray"),
    ],
)
def test_it_notices(
    tmp_path: Path, undisturbed: Path, fault: Callable[[Path], None], kind: str
) -> None:
    reference = Reference.of(undisturbed, CASE, 0)
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    assert list(end_problems(out, CASE, reference, points=0)) == []
    fault(out / "results" / "small")
    assert kind in {each.kind for each in end_problems(out, CASE, reference, points=0)}
    assert bool(list(hidden_problems(out))) == (kind == "stray")


def test_it_notices_stored_epochs_that_were_trained_again(undisturbed: Path) -> None:
    before, after = (Epochs.read(undisturbed / "results" / "small") for _ in range(2))
    assert list(after.since(before)) == []
    key = next(iter(after.recorded))
    after.recorded[key] += pd.Timedelta(seconds=1)
    (problem,) = after.since(before)
    assert (problem.kind, problem.count) == ("lost", 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Traceback (most recent call last):\n  ...\nOSError: no", 1),
        ("resray: no space left\nand more", 3),
        ("resray: no space left\nresray: no space left", 3),
        ("", 2),
        ("fine\n(raylet) a worker died", 0),
    ],
)
def test_it_notices_what_is_printed(text: str, code: int) -> None:
    assert [each.kind for each in output_problems(text, code)] == ["message"]
    assert list(output_problems("Study tiny\nresray: no space left", 3)) == []


def test_a_process_ends_right_before_each_change_of_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "half").write_text("123456")
    script = "import os; os.mkdir('out/a'); os.rename('out/half', 'out/whole'); open('out/b', 'w')"
    left = {1: {"half": "123456"}, 2: {"half": "123"}, 3: {"whole": "123456"}}
    for number, files in left.items():
        copy = tmp_path / str(number)
        shutil.copytree(out, copy / "out")
        failpoint = Failpoint(str(copy / "out"), str(copy / "changes"), number, torn=True)
        environment = failpoint.environment(copy / "site")
        done = subprocess.run([sys.executable, "-c", script], cwd=copy, env=environment)
        assert done.returncode == -9
        texts = {path.name: path.read_text() for path in (copy / "out").iterdir() if path.is_file()}
        assert texts == files
        assert failpoint.count == number


def harness(*options: str) -> None:
    """Run the harness; nothing may go wrong."""
    command = [sys.executable, "-m", "tests.faults.harness", "--seed", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "survived" in done.stdout


def test_a_handful_of_kills_in_writes() -> None:
    harness("--cases", "inline-bench,inline-asha", "--injections", "5")


@pytest.mark.slow
def test_every_kind_of_fault() -> None:
    harness("--minutes", "20")
