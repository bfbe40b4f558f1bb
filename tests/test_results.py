"""The result tables: readable at any moment, by anyone; written by one."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resray.errors import InputError
from resray.results import store as store_module
from resray.results.files import MARK
from resray.results.lock import writer_lock
from resray.results.schema import TABLES, VERSION, VERSION_KEY, table_schema
from resray.results.storage import LocalFolder
from resray.results.store import ResultStore, read_table
from tests.table_files import in_older_layout

HOLD_LOCK = """
import sys, time
from pathlib import Path
from resray.results.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
REWRITE = """
import sys
from pathlib import Path
from resray.results.store import ResultStore
store = ResultStore(Path(sys.argv[1]))
for turn in range(1, 100_000):
    for trial_id in ("a", "b"):
        store.put_trial({"trial_id": trial_id, "epochs_done": turn})
        store.put_epochs(trial_id, [{"trial_id": trial_id, "epoch": turn}])
    store.flush()
    if turn == 1:
        print("begun", flush=True)
"""


NO_FLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int flock(int fd, int op) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0) { path[n] = 0; if (strstr(path, "/lustre/")) { errno = NUMBER; return -1; } }
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    return real(fd, op);
}
"""


@contextmanager
def script(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run ``code`` beside the test, from its first line of output to the end of the block."""
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def epoch(number: int, **columns: Any) -> dict[str, Any]:
    return {"trial_id": "a", "name": "resnet18", "epoch": number, **columns}


def evaluation(checkpoint: str, trial_id: str = "a", **columns: Any) -> dict[str, Any]:
    key = {"checkpoint": checkpoint, "kind": "test", "metric": "accuracy"}
    return {"trial_id": trial_id, **key, **columns}


def store_trial(folder: Path, row: dict[str, Any]) -> None:
    """Write a trial's row."""
    store = ResultStore(folder)
    store.put_trial(row)
    store.flush()


def test_rows_survive_the_store_and_every_column_is_there(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_trial({"trial_id": "a", "name": "resnet18", "status": "running"})
    store.put_trial({"trial_id": "a", "status": "completed"})
    store.put_epochs("a", [epoch(1), epoch(2)])
    store.put_event({"trial_id": "a", "event": "started"})
    store.put_event({"trial_id": "a", "event": "completed"})
    store.put_evaluations("a", [evaluation("best.pt@1", value=50.0)])
    store.put_decision({"trial_id": "a", "rung": 1, "stopped": False})
    store.put_decision({"trial_id": "a", "rung": 2, "stopped": True})
    store.put_predictions({"trial_id": "a", "kind": "test", "predicted": b"\x00\x03"})
    store.flush()
    opened = ResultStore(tmp_path)
    row = opened.trial("a")
    assert row is not None
    assert (row["name"], row["status"], row["seed"]) == ("resnet18", "completed", None)
    assert read_table(tmp_path, "events")["event"].tolist() == ["started", "completed"]
    assert [decision["rung"] for decision in opened.all_decisions()] == [1, 2]
    assert [decision["rung"] for decision in opened.decisions("a")] == [1, 2]
    assert opened.trial("b") is None
    assert opened.epochs("b") == []
    for table in TABLES:
        assert list(pd.read_parquet(tmp_path / table).columns) == table_schema(table).names


def test_epochs_merge_by_number_also_across_processes(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_epochs("a", [epoch(2, train_loss=2.0), epoch(1, train_loss=1.0)])
    store.flush()
    store = ResultStore(tmp_path)
    store.put_epochs("a", [epoch(2, train_loss=2.5), epoch(3, train_loss=3.0)])
    store.flush()
    expected = [(1, 1.0), (2, 2.5), (3, 3.0)]
    for each in (store, ResultStore(tmp_path)):
        assert [(row["epoch"], row["train_loss"]) for row in each.epochs("a")] == expected
    store.compact()
    found = pd.read_parquet(tmp_path / "epochs")
    assert list(zip(found["epoch"], found["train_loss"], strict=True)) == expected


def test_what_is_put_is_known_at_once_and_written_when_it_is_due(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    for number in range(1, 50):
        store.put_epochs("a", [epoch(number)])
        store.put_trial({"trial_id": "a", "epochs_done": number})
        store.flush_if_due()
    assert len(store.epochs("a")) == 49
    assert len(list((tmp_path / "epochs").iterdir())) < 5, "many rows to a part"
    store.flush()
    row = ResultStore(tmp_path).trial("a")
    assert row is not None
    assert row["epochs_done"] == 49
    store.release("a")
    assert len(store.epochs("a")) == len(ResultStore(tmp_path).epochs("a")) == 49


def test_however_long_a_flush_takes_few_epochs_wait_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LEAST_SECONDS", 1000)
    monkeypatch.setattr(store_module, "MOST_PENDING", 10)
    store = ResultStore(tmp_path)
    for number in range(1, 36):
        store.put_epochs("a", [epoch(number)])
        store.flush_if_due()
    assert len(read_table(tmp_path, "epochs")) == 31, "the first one, then ten at a time"


def test_a_store_may_forget_what_it_read_before_it_had_the_lock(tmp_path: Path) -> None:
    early = ResultStore(tmp_path)
    assert early.trials() == []
    store_trial(tmp_path, {"trial_id": "a"})
    early.reload()
    early.put_trial({"trial_id": "b"})
    early.flush()
    assert read_table(tmp_path, "trials")["trial_id"].tolist() == ["a", "b"]


def test_an_evaluation_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_evaluations("a", [evaluation("best.pt@1", value=1.0), evaluation("last.pt@2")])
    per_class = {"class": "cat", "value": 3.0}
    again = [evaluation("best.pt@1", value=2.0), evaluation("best.pt@1", **per_class)]  # type: ignore[arg-type]
    ResultStore(tmp_path).put_evaluations("a", again)
    rows = ResultStore(tmp_path).evaluations("a")
    assert [(row["checkpoint"], row["class"], row["value"]) for row in rows] == [
        ("last.pt@2", None, None),
        ("best.pt@1", None, 2.0),
        ("best.pt@1", "cat", 3.0),
    ]
    assert all(row["evaluated"] is not None for row in rows)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_trial({"trial_id": "a"})
    store.flush()
    path = tmp_path / "trials" / "trials.parquet"
    with path.open("rb") as before:
        store.put_trial({"trial_id": "b"})
        store.flush()
        assert len(pq.read_table(before)) == 1, "who had the old file open still reads all of it"
    assert len(pq.read_table(path)) == 2
    assert [file.name for file in path.parent.iterdir()] == ["trials.parquet"]


@pytest.mark.parametrize("links", [True, False])
def test_an_object_is_put_only_where_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Also on a file system without links."""
    if not links:
        monkeypatch.setattr("os.link", refused)
    storage = LocalFolder(tmp_path)
    assert storage.put_if_absent("epochs/x", b"first")
    assert not storage.put_if_absent("epochs/x", b"second")
    storage.put("epochs/.hidden", b"")
    assert (storage.list("epochs/"), storage.get("epochs/x")) == (["epochs/x"], b"first")
    for _ in range(2):
        storage.delete("epochs/x")
    assert storage.list("epochs/") == storage.list("none/") == []
    with pytest.raises(FileNotFoundError):
        storage.get("epochs/x")


def refused(*_: object) -> None:
    raise PermissionError(errno.EPERM, "no links here")


def test_what_a_kill_left_half_written_is_passed_over(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_trial({"trial_id": "a"})
    store.flush()
    (tmp_path / "trials" / ".a.parquet.4711").write_bytes(b"PAR1 half a file")
    assert len(pd.read_parquet(tmp_path / "trials")) == 1
    assert len(read_table(tmp_path, "trials")) == 1


def test_folders_are_readable_while_another_process_writes(tmp_path: Path) -> None:
    with script(REWRITE, tmp_path) as writer:
        reads, newest = 0, 0
        until = time.monotonic() + 2
        while time.monotonic() < until or reads < 5:
            trials = pd.read_parquet(tmp_path / "trials")
            # Parts may be merged between its list of the files and its look into them.
            with suppress(FileNotFoundError):
                epochs = pd.read_parquet(tmp_path / "epochs")
            assert sorted(trials["trial_id"]) == ["a", "b"]
            assert {*epochs["trial_id"]} == {"a", "b"}
            assert trials["epochs_done"].min() >= newest, "a row once written is never lost"
            newest = trials["epochs_done"].min()
            reads += 1
        assert writer.poll() is None
    assert newest > 1, "the writer wrote in the meantime"


def test_a_column_that_the_schema_lacks_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="acuracy"):
        store_trial(tmp_path, {"trial_id": "a", "acuracy": 1.0})


def test_an_older_file_lacks_a_column_and_still_reads(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    old = pa.table({"trial_id": ["a"], "seed": pa.array([3], pa.int32())})
    pq.write_table(old, tmp_path / "trials" / "a.parquet")
    store_trial(tmp_path, {"trial_id": "b", "parameters": 7})
    trials = read_table(tmp_path, "trials").set_index("trial_id")
    assert list(trials.columns) == table_schema("trials").names[1:]
    assert trials.loc["a", "seed"] == 3
    assert trials["parameters"].isna().to_dict() == {"a": True, "b": False}
    row = ResultStore(tmp_path).trial("a")
    assert row is not None
    assert row["parameters"] is None


def test_files_of_several_versions_read_as_one_table(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    first = pa.schema([("seed", pa.int32()), ("trial_id", pa.string())])
    before = first.with_metadata({VERSION_KEY: str(VERSION - 1).encode()})
    for number, schema in enumerate((first, before)):
        old = pa.table({"seed": [number], "trial_id": [f"old-{number}"]}, schema=schema)
        pq.write_table(old, tmp_path / "trials" / f"old-{number}.parquet")
    store_trial(tmp_path, {"trial_id": "new", "seed": 2, "name": "resnet18"})
    trials = read_table(tmp_path, "trials").set_index("trial_id")
    assert trials["seed"].to_dict() == {"new": 2, "old-0": 0, "old-1": 1}
    assert trials["name"].isna().to_dict() == {"new": False, "old-0": True, "old-1": True}
    rows = ResultStore(tmp_path).trials()
    told = [(row["trial_id"], row["seed"], row["name"]) for row in rows]
    assert told == [("new", 2, "resnet18"), ("old-0", 0, None), ("old-1", 1, None)]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    schema = pa.schema([("trial_id", pa.string())], {VERSION_KEY: str(VERSION + 1).encode()})
    path = tmp_path / "trials" / "a.parquet"
    pq.write_table(pa.table({"trial_id": ["a"]}, schema=schema), path)
    store = ResultStore(tmp_path)
    put = partial(store.put_trial, {"trial_id": "b"})
    for read in (lambda: read_table(tmp_path, "trials"), lambda: store.trial("a"), put):
        with pytest.raises(InputError, match=f"{path}: schema version {VERSION + 1} is newer"):
            read()


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "empty"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, damage: str) -> None:
    store = ResultStore(tmp_path)
    for trial_id in ("a", "b"):
        rows = [{"trial_id": trial_id, "epoch": epoch} for epoch in range(1, 99)]
        store.put_epochs(trial_id, rows)
    store.flush()
    path = tmp_path / "epochs" / "b.parquet"
    in_older_layout(tmp_path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    zeros = b"PAR1" + bytes(len(whole) - 12) + whole[-8:]
    path.write_bytes({"cut off": whole[:middle], "empty": b"", "overwritten": zeros}[damage])
    for read in (lambda: read_table(tmp_path, "epochs"), lambda: ResultStore(tmp_path).epochs("b")):
        with pytest.raises(InputError, match=f"{path}: damaged .*`resray bench`") as caught:
            read()
        assert "\n" not in str(caught.value)


def flipped(whole: bytes, bit: int) -> bytes:
    """Return the content with one bit, counted from the start, turned over."""
    place, mask = bit // 8, 1 << bit % 8
    return whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :]


def test_no_flipped_bit_gives_other_rows(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_epochs("a", [epoch(number, train_loss=number / 7) for number in range(1, 6)])
    store.flush()
    (path,) = (tmp_path / "epochs").iterdir()
    whole, rows = path.read_bytes(), read_table(tmp_path, "epochs")
    said = []
    # Every third byte, and of these each of the eight bits in turn.
    bits = range(0, 8 * len(whole), 25)
    for bit in bits:
        path.write_bytes(flipped(whole, bit))
        # Where nothing is said, the bit was one that no value depends on: of the mark's own name.
        try:
            pd.testing.assert_frame_equal(read_table(tmp_path, "epochs"), rows)
        except InputError as error:
            said.append(str(error))
    assert len(bits) - len(MARK) <= len(said) < len(bits)
    assert all(text.startswith(f"{path}: damaged") for text in said)


def test_what_stands_between_pages_and_footer_bothers_no_reader(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_epochs("a", [epoch(1, train_loss=0.5)])
    store.flush()
    (path,) = (tmp_path / "epochs").iterdir()
    assert MARK in path.read_bytes()
    for read in (pd.read_parquet, lambda at: pq.read_table(at, memory_map=True).to_pandas()):
        assert read(path)["train_loss"].tolist() == [0.5]


def written(path: Path, columns: dict[str, Any], version: int | str = VERSION) -> Path:
    """Write a file of the tables as nobody should, with no checksum of its own."""
    path.parent.mkdir(exist_ok=True)
    table = pa.table(list(columns.values()), names=list(columns))
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: str(version)}), path)
    return path


def test_a_renamed_column_is_damage_in_every_version(tmp_path: Path) -> None:
    """One flipped bit of the footer of an older file: the value would read as missing."""
    old = {"trial_id": ["a"], "epoch": [1], "test_accuracy": [90.0]}
    path = written(tmp_path / "epochs" / "a.parquet", old, VERSION - 1)
    assert ResultStore(tmp_path).epochs("a")[0]["test_accuracy"] == 90.0
    path.write_bytes(path.read_bytes().replace(b"test_accuracy", b"test_accurac}"))
    with pytest.raises(InputError, match=r"a\.parquet: damaged \(.*test_accurac}"):
        ResultStore(tmp_path).epochs("a")
    now = {name: pa.nulls(1, kind) for name, kind in zip(
        table_schema("epochs").names, table_schema("epochs").types, strict=True)}  # fmt: skip
    written(path, {**now, "trial_id": ["a"], "epoch": [1]})
    assert len(ResultStore(tmp_path).epochs("a")) == 1
    for wrong in ({"epoch": [1.0]}, {"recorded": ["today"]}):
        written(path, {**now, "trial_id": ["a"], "epoch": [1], **wrong})
        with pytest.raises(InputError, match="are not those of schema version"):
            ResultStore(tmp_path).epochs("a")
    written(path, {"trial_id": ["a"], "epoch": [1]})
    with pytest.raises(InputError, match="are not those of schema version"):
        ResultStore(tmp_path).epochs("a")


@pytest.mark.parametrize(
    ("columns", "version", "reason"),
    [
        ({"trial_id": ["a"]}, "four", "invalid literal"),
        ({"trial_id": ["../../out"]}, 1, "no trial's id"),
        ({"trial_id": ["a/b"]}, 1, "no trial's id"),
        ({"trial_id": [None]}, 1, "no trial's id"),
        ({"trial_id": [""]}, 1, "no trial's id"),
        ({"trial_id": ["x" * 300]}, 1, "no trial's id"),
        ({"trial_id": ["a"], "epoch": [2**60]}, 1, "epoch from 1152921504606846976"),
        ({"trial_id": ["a"], "epoch": [-1]}, 1, "epoch from -1"),
        ({"trial_id": ["a"], "epoch": pa.array([None], pa.int64())}, 1, "epoch from 0 to 0"),
        ({"trial_id": ["a"], "epoch": [1], "recorded": [2**62]}, 1, "recorded from 4611686018"),
        ({"trial_id": ["a"], "epoch": ["one"]}, 1, "Failed to parse"),
        ({"trial_id": ["a"], "epoch": [[1]]}, 1, "Unsupported cast"),
    ],
)  # fmt: skip
def test_hostile_rows_are_one_line(
    tmp_path: Path, columns: dict[str, Any], version: int | str, reason: str
) -> None:
    path = written(tmp_path / "epochs" / "a.parquet", columns, version)
    for read in (lambda: read_table(tmp_path, "epochs"), lambda: ResultStore(tmp_path).epochs("a")):
        with pytest.raises(InputError, match=rf"{path}: damaged \(.*{reason}") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_column_that_is_there_twice_is_damage(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    twice = pa.Table.from_arrays([pa.array(["a"])] * 2, names=["trial_id", "trial_id"])
    pq.write_table(twice, tmp_path / "trials" / "a.parquet")
    with pytest.raises(InputError, match="there twice: trial_id"):
        read_table(tmp_path, "trials")


def test_a_pipe_in_place_of_a_file_blocks_nobody(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    os.mkfifo(tmp_path / "trials" / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: damaged \(not a regular file\)"):
        read_table(tmp_path, "trials")


def test_rows_that_would_fill_the_memory_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"trial_id": pa.array(["a"] * 100_000), "name": pa.nulls(100_000)}
    written(tmp_path / "trials" / "a.parquet", nothing, 1)
    assert len(read_table(tmp_path, "trials")) == 100_000
    monkeypatch.setenv("RESRAY_MAX_GB", "0.001")
    with pytest.raises(InputError, match=r"would unpack to .*set RESRAY_MAX_GB"):
        read_table(tmp_path, "trials")


def test_a_folder_named_like_an_address_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (Path("exp:1"), Path("s3:", "bucket"), Path("~", "x")):
        store = ResultStore(folder)
        store.put_trial({"trial_id": "a"})
        store.flush()
        assert len(read_table(folder, "trials")) == len(store.trials()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exp:1", "s3:", "~"]


def test_a_file_that_the_system_refuses_is_not_called_damaged(tmp_path: Path) -> None:
    store_trial(tmp_path, {"trial_id": "a"})
    (tmp_path / "trials" / "b.parquet").symlink_to("b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: cannot be read \(Too many levels"):
        read_table(tmp_path, "trials")


def test_a_folder_without_results_is_refused_and_a_table_without_files_is_empty(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="no results here"):
        read_table(tmp_path, "trials")
    store_trial(tmp_path, {"trial_id": "a"})
    empty = read_table(tmp_path, "epochs")
    assert empty.empty
    assert list(empty.columns) == table_schema("epochs").names


def test_one_writer_at_a_time_and_a_kill_frees_the_place(tmp_path: Path) -> None:
    with script(HOLD_LOCK, tmp_path) as first:
        with pytest.raises(InputError, match=rf"process {first.pid}\) is writing"):
            writer_lock(tmp_path).__enter__()
        first.send_signal(signal.SIGKILL)
        first.wait()
        with writer_lock(tmp_path), pytest.raises(InputError, match="--out DIR"):
            writer_lock(tmp_path).__enter__()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written .*--out DIR"):
        writer_lock(tmp_path / "file" / "results").__enter__()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_keeps_nobody_out_and_says_so(
    tmp_path: Path, number: int
) -> None:
    """As a Lustre mount without the option flock: preloaded, as nothing here has such a mount."""
    library = without_flock(tmp_path, number)
    folder = tmp_path / "lustre" / "results"
    code = HOLD_LOCK.replace("time.sleep(60)", "")
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "held\n"
    said = f"resray: {folder}: no locks here ({os.strerror(number)}), so a second resray is"
    assert done.stderr == f"{said} not kept out\n"


def without_flock(folder: Path, number: int) -> Path:
    """Build a library that takes flock() away from files below a folder named lustre."""
    source, library = folder / "noflock.c", folder / "noflock.so"
    source.write_text(NO_FLOCK.replace("NUMBER", str(number)))
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def test_a_kill_in_the_middle_of_a_write_leaves_no_other_file_in_the_tables(tmp_path: Path) -> None:
    """polars.read_parquet of the folder takes any file in it for a whole one."""
    for turn in range(3):
        with script(REWRITE, tmp_path) as writer:
            time.sleep(0.1 + turn / 7)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        for table in ("trials", "epochs"):
            names = {path.name for path in (tmp_path / table).iterdir()}
            pattern = r"trials\.parquet" if table == "trials" else r"part-\d{20}-\d+\.parquet"
            assert all(re.fullmatch(pattern, name) for name in names), names
    assert {path.name for path in tmp_path.iterdir()} <= {"trials", "epochs", ".writing"}
