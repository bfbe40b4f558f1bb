"""`resray report` on the command line: names of pages, baselines, prices, damaged files."""

from pathlib import Path

import pytest

from tests.command_line import Resray, assert_refused
from tests.report_builder import trial, write_results


@pytest.fixture
def two(resray: Resray, tmp_path: Path) -> Resray:
    """The command line in a folder with two results folders, ``a`` and ``b``."""
    rows = [trial(name, seed, epochs=2) for name in ("resnet18", "resnet34") for seed in (0, 1)]
    for name in ("a", "b"):
        write_results(tmp_path / name, rows)
    return resray


@pytest.mark.parametrize(
    "typed",
    [
        ("report", "a", "--output", "q.pdf"),
        ("report", "a", "--output", "-"),
        ("compare", "a", "b", "--output", "x.pdf"),
    ],
)
def test_a_page_has_a_name_that_browsers_open(
    two: Resray, tmp_path: Path, typed: tuple[str, ...]
) -> None:
    assert_refused(two(*typed), 2, f"--output {typed[-1]}: must be a page, .* ends in .html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("name", ["q.html", "q.HTM", "q"])
def test_other_names_are_taken(two: Resray, name: str) -> None:
    answer = two("report", "a", "--output", name)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"{name} (")


def test_of_several_folders_a_baseline_is_the_first_ones(two: Resray, tmp_path: Path) -> None:
    answer = two("report", "a", "NEW=b", "--baseline", "resnet34", "--output", "q.html")
    assert answer.code == 0, answer.err
    page = (tmp_path / "q.html").read_text()
    assert '<div data-baseline="resnet34 · source=a">' in page
    assert_refused(two("report", "a", "b", "--baseline", "vgg"), 2, "resnet34 · source=b")


def test_a_damaged_results_file_is_not_called_an_output(two: Resray, tmp_path: Path) -> None:
    path = next((tmp_path / "a" / "epochs").glob("*.parquet"))
    content = bytearray(path.read_bytes())
    content[4:-8] = bytes(len(content) - 12)
    for damaged in (bytes(content), path.read_bytes()[:-20]):
        path.write_bytes(damaged)
        answer = two("report", "a", "--output", "x.html")
        assert_refused(answer, 2, rf"a/epochs/{path.name}: damaged")
        assert "--output" not in answer.err


def test_what_the_file_system_refuses_is_told(two: Resray, tmp_path: Path) -> None:
    (tmp_path / "reports").touch()
    assert_refused(two("report", "a"), 2, "--output reports/a.html: cannot be written")


def test_a_price_without_gpu_hours_is_said_to_add_nothing(two: Resray, tmp_path: Path) -> None:
    write_results(tmp_path / "cpu", [trial(epochs=2, gpu_hours=None)])
    write_results(tmp_path / "gpu", [trial(epochs=2, gpu_hours=0.5)])
    answer = two("report", "cpu", "--price-per-gpu-hour", "2", "--output", "q.html")
    assert answer.code == 0
    assert answer.err == "No trial has GPU-hours, so --price-per-gpu-hour adds no costs\n"
    for folders in (["gpu"], ["cpu", "gpu"]):
        assert two("report", *folders, "--price-per-gpu-hour", "2").err == ""
