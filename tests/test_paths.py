"""Paths as they are typed: ``~`` is the home folder, a URI is refused, all else is a path."""

import os
import pwd
from pathlib import Path

import pytest
import torch

from resray.data.cache import cache_folder, cached
from resray.data.dataset import Images
from resray.data.raw import Decoded
from resray.results.store import ResultStore
from tests.command_line import Resray, assert_refused
from tests.report_builder import trial, write_results

URI = "s3://bucket/x"
TAKING_PATHS = [
    ("bench", "depth-family", "--quick", "--dry-run", "--out", URI),
    ("bench", "depth-family", "--quick", "--dry-run", "--data-dir", URI),
    ("tune", "depth-family", "--quick", "--dry-run", "--out", URI),
    ("show", f"{URI}.yaml"),
    ("best", URI),
    ("best", "depth-family", "--out", URI),
    ("best", "depth-family", "--out-file", URI),
    ("report", URI),
    ("report", f"before={URI}"),
    ("report", "here", "--output", URI),
    ("compare", "here", f"after={URI}"),
    ("compare", "here", "there", "--output", URI),
    ("evaluate", URI),
    ("evaluate", "here", "--input", URI),
    ("predict", "here", URI),
    ("predict", "here", "there", "--output", URI),
    ("export", "list", URI),
    ("export", "table", "here", "--output", URI),
    ("export", "model", "here", "--output", URI),
    ("doctor", "--data-dir", URI),
]


@pytest.mark.parametrize("arguments", TAKING_PATHS, ids=" ".join)
def test_a_uri_is_refused_in_one_line(resray: Resray, arguments: tuple[str, ...]) -> None:
    assert_refused(resray(*arguments), 2, rf"{URI}\S*: is a URI")


def test_the_environment_is_read_in_the_same_way(
    resray: Resray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RESRAY_CACHE_DIR", "~/cache")
    assert cache_folder() == tmp_path / "cache" / "decoded"
    monkeypatch.setenv("RESRAY_DATA_DIR", URI)
    quick = ("bench", "depth-family", "--quick", "--dry-run")
    assert_refused(resray(*quick), 2, f"--data-dir {URI}: is a URI")


def test_a_tilde_is_the_home_folder_everywhere(
    resray: Resray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    results = home / "out" / "results" / "exp:1"
    write_results(results, [trial("first")])
    monkeypatch.setenv("HOME", str(home))
    shown = ("report", "~/out/results/exp:1", "--output", "~/page.html")
    assert resray(*shown).out.startswith(f"{home}/page.html (")
    assert resray("report", "here=~/out/results/exp:1").code == 0
    assert (home / "out" / "reports" / "exp:1.html").is_file()
    table = ("--name", "trials", "--output", "~/trials.csv")
    assert resray("export", "table", "~/out/results/exp:1", *table).code == 0
    assert (home / "trials.csv").is_file()
    (home / "mine.yaml").write_text("[]")
    assert_refused(resray("show", "~/mine.yaml"), 2, "mine.yaml:1: a study is a mapping")
    assert len(ResultStore(results).trials()) == 1
    assert not list(tmp_path.glob("~*")), "no folder of that name"
    assert_refused(resray("report", "~nobody-here/x"), 2, "there is no such home folder")


def test_bytes_that_are_no_text_are_refused(resray: Resray) -> None:
    bytes_of_latin_1 = os.fsdecode(b"caf\xe9")
    quick = ("bench", "depth-family", "--quick", "--out", bytes_of_latin_1)
    assert_refused(resray(*quick), 2, r"--out caf\?: must be text in UTF-8")


@pytest.fixture
def without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """This user has no entry in the system's list, and says of no folder that it is his."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "RESRAY_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


@pytest.mark.usefixtures("without_home")
@pytest.mark.parametrize("verb", ["bench", "tune"])
def test_a_run_needs_a_home_folder(
    resray: Resray, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.delenv("RESRAY_CACHE_DIR")
    says = "this user has no home folder; set HOME to a folder that can be written"
    assert_refused(resray(verb, "depth-family", "--quick"), 3, says)
    assert_refused(resray("show", "~/mine.yaml"), 2, "study ~/mine.yaml: there is no such home")


@pytest.mark.usefixtures("without_home")
def test_data_are_read_without_a_cache_where_there_is_no_home() -> None:
    images = Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))
    decoded = Decoded(images, images, ("a", "b"), ("PNG",), resized=False)
    assert cached(("key",), lambda: decoded).decoded is decoded
