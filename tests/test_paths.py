"""Paths as they are typed: ``~`` is the home folder, a URI is refused, all else is a path."""

from pathlib import Path

import pytest

from resray.data.cache import cache_folder
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
    ("export", URI, "--list"),
    ("export", "here", "--output", URI),
    ("export", "here", "--hub-dir", URI),
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
    assert resray(*shown).out == f"{home}/page.html\n"
    assert resray("report", "here=~/out/results/exp:1").code == 0
    assert (home / "out" / "reports" / "exp:1.html").is_file()
    table = ("--table", "trials", "--output", "~/trials.csv")
    assert resray("export", "~/out/results/exp:1", *table).code == 0
    assert (home / "trials.csv").is_file()
    (home / "mine.yaml").write_text("[]")
    assert_refused(resray("show", "~/mine.yaml"), 2, "mine.yaml:1: a study is a mapping")
    assert len(ResultStore(results).trials()) == 1
    assert not list(tmp_path.glob("~*")), "no folder of that name"
    assert_refused(resray("report", "~nobody-here/x"), 2, "there is no such home folder")
