"""`resray compare` and `resray report` as typed: what they print, refuse, and how they end."""

import json
import os
import re
from pathlib import Path

import pytest

from resray.analysis.conditions import Condition, read_condition
from resray.errors import InputError
from tests.command_line import Answer, Resray, assert_refused
from tests.folders_case import around, folder, seeds_of, taking

A_LITTLE = (0.01, 0.0, -0.01)


@pytest.fixture
def compare(resray: Resray, tmp_path: Path) -> Resray:
    """The command line in a folder with three results folders: ``before``; ``worse``, where
    resnet18 lost 0.9 points, resnet34 nothing, and the device is another; ``slow``, on the same
    device and as accurate."""
    small, large = seeds_of("resnet18", *around(90, 0, 0, 0)), seeds_of("resnet34", 91, 91.5, 92)
    only = seeds_of("resnet50", 92)
    folder(tmp_path / "before", small, large, only, epochs=taking([*small, *large], 10.0))
    lost = seeds_of("resnet18", *around(89.1, *A_LITTLE), device="NVIDIA A100")
    same = seeds_of("resnet34", 91.2, 91.1, 92.2, device="NVIDIA A100")
    folder(tmp_path / "worse", lost, same)
    folder(tmp_path / "slow", small, large, epochs=taking([*small, *large], 12.0))
    return resray


# --- conditions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("test_accuracy < -0.5", ("test_accuracy", "<", -0.5, False)),
        (" seconds_per_epoch>=+10 % ", ("seconds_per_epoch", ">=", 10.0, True)),
        ("train_loss>.5e-2", ("train_loss", ">", 0.005, False)),
        ("parameters <= 1000", ("parameters", "<=", 1000.0, False)),
    ],
)
def test_conditions_are_read(text: str, read: tuple[str, str, float, bool]) -> None:
    metric, operator, limit, relative = read
    assert read_condition(text) == Condition(
        "--fail-if", metric, operator, limit, relative, only_real=False
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no condition; write such as"),
        ("test_accuracy", "is no condition"),
        ("test_accuracy < ", "is no condition"),
        ("test_accuracy < 0.5 and parameters > 3", "is no condition"),
        ("test_accuracy == 0", "is no condition"),
        ("-0.5 > test_accuracy", "is no condition"),
        ("test_accuracy < 1_000", "is no condition"),
        ("test_accuracy < nan", "is no condition"),
        ("test_accuracy < −0.5", "is no condition"),
        ("__import__('os') < 1", "is no condition"),
        ("test_acuracy < -0.5", "did you mean 'test_accuracy'"),
        ("test_accuracy < -1%", "accuracies differ by points; leave out the %"),
        ("parameters > 1e999", "1e999 is too large a number"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read_condition(text)
    assert says in str(refused.value)
    assert str(refused.value).startswith("--fail-if")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ([], 0, ""),
        (["--fail-if", "test_accuracy < -1"], 0, "passed --fail-if 'test_accuracy < -1'"),
        (["--fail-if", "test_accuracy < -0.5"], 1, "FAILED --fail-if 'test_accuracy < -0.5': "
         "resnet18: −0.90 (90.07 ± 0.63 (n = 3) in before, 89.17 "),
        (["--fail-if-real", "test_accuracy < -0.5", "--metric", "test_accuracy"], 1, "shown"),
        (["--fail-if", "test_accuracy < 0.1"], 1, ": resnet34: +0.00"),
        (["--fail-if-real", "test_accuracy > -0.5"], 0, "passed"),
        (["--fail-if", "parameters > 0"], 0, "holds of none of 2 comparisons"),
        (["--fail-if", "test_accuracy < -1", "--fail-if", "test_accuracy < -0.5"], 1, "FAILED"),
    ],
)  # fmt: skip
def test_conditions_decide_how_the_comparison_ends(
    compare: Resray, options: list[str], code: int, says: str
) -> None:
    both = ("--select", "resnet18", "--select", "resnet34")
    answer = compare("compare", "before", "worse", *both, *options)
    assert answer.code == code, answer
    assert says in one_line(answer)
    assert answer.err == ""


def one_line(answer: Answer) -> str:
    return " ".join(answer.out.split())


def test_condition_in_percent_is_of_the_first_mean(compare: Resray) -> None:
    slower = ("compare", "before", "slow", "--select", "resnet18", "--fail-if")
    assert compare(*slower, "seconds_per_epoch > 25%").code == 0
    assert compare(*slower, "seconds_per_epoch > 19.9%").code == 1
    assert compare(*slower, "images_per_second < -10%").code == 0, "of the trials' own column"


def test_condition_that_can_be_checked_nowhere_does_not_pass(compare: Resray) -> None:
    """Times of two devices do not compare, and passing would hide that nothing was looked at."""
    answer = compare("compare", "before", "worse", "--select", "resnet18",
                     "--fail-if", "images_per_second < -10%")  # fmt: skip
    assert_refused(answer, 2, "could be checked on no configuration .*different devices")
    assert "NOT CHECKED" in answer.out


def test_one_seed_never_shows_that_a_difference_is_real(compare: Resray, tmp_path: Path) -> None:
    folder(tmp_path / "one", seeds_of("resnet18", 50.0))
    one = ("compare", "before", "one", "--select", "resnet18")
    answer = compare(*one, "--fail-if-real", "test_accuracy < -0.5")
    assert_refused(answer, 2, "resnet18: one seed")
    assert compare(*one, "--fail-if", "test_accuracy < -0.5").code == 1


@pytest.mark.parametrize("option", ["--fail-if", "--fail-if-real"])
def test_what_was_measured_and_is_no_longer_fails(
    compare: Resray, tmp_path: Path, option: str
) -> None:
    """A candidate that failed, diverged, still runs or is not there must not pass a check."""
    gone = [
        *seeds_of("resnet18", 90, status="failed"),
        *seeds_of("resnet34", 91, 92, status="running"),
        *seeds_of("resnet50", 92),
    ]
    folder(tmp_path / "after", gone)
    answer = compare("compare", "before", "after", option, "test_accuracy < -5")
    assert answer.code == 1
    said = one_line(answer)
    failed = f"FAILED {option} 'test_accuracy < -5':"
    assert f"{failed} resnet18: measured in before, not in after: 1 failed" in said
    assert f"{failed} resnet34: measured in before, not in after: 2 running" in said
    assert "resnet50: measured" not in said
    assert "1 failed, 2 running, 1 completed" in said
    folder(tmp_path / "fewer", seeds_of("resnet18", 90, 90.1))
    answer = compare("compare", "before", "fewer", option, "test_accuracy < -5")
    assert answer.code == 1
    assert "resnet50: measured in before, not in fewer: not there" in one_line(answer)
    chosen = ("--select", "resnet18", option, "test_accuracy < -5")
    assert compare("compare", "before", "fewer", *chosen).code == 0


def test_violated_condition_counts_though_another_could_not_be_checked(compare: Resray) -> None:
    answer = compare("compare", "before", "worse", "--fail-if", "images_per_second < -10%",
                     "--fail-if", "test_accuracy < -0.5")  # fmt: skip
    assert answer.code == 1


# --- what is printed ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", ["80", "160"])
def test_comparison_is_readable(
    compare: Resray, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    answer = compare("compare", "before", "worse", "--metric", "test_accuracy")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= int(width)
    for whole in ("resnet18", "90.07 ± 0.63", "−0.90", "NVIDIA A100", "Welch (1947)"):
        assert whole in answer.out.replace("\n", " "), whole
    assert "Only in before, so not compared with worse: resnet50." in one_line(answer)
    could_show = r"a true difference of \S+ points \(median of the rows\) would be shown in 80.%"
    assert re.search(
        f"Test accuracy, % .higher is better.; {could_show} of such studies", one_line(answer)
    )
    assert "Train loss" not in answer.out
    if width == "160":
        (row,) = (line for line in lines if line.startswith("resnet18 "))
        assert "shown (p " in row
        assert "3 and 3, Welch's t)" in row


def test_text_from_results_is_no_markup(compare: Resray, tmp_path: Path) -> None:
    rows = seeds_of("[bold]odd[/]", 90, 91)
    for name in ("x", "y"):
        folder(tmp_path / name, rows, study=None)
    assert "[bold]odd[/]" in compare("compare", "x", "y").out


def test_json_holds_every_number(compare: Resray) -> None:
    answer = compare("compare", "before", "after=worse", "slow", "--json", "--select", "resnet18",
                     "--metric", "test_accuracy", "--fail-if", "test_accuracy < -0.5")  # fmt: skip
    assert answer.code == 1
    found = json.loads(answer.out)
    assert [one["name"] for one in found["folders"]] == ["before", "after", "slow"]
    worse, same = found["comparisons"]
    assert (worse["folder"], worse["method"], worse["pairs"]) == ("after", "Welch's t", None)
    assert worse["difference"] == pytest.approx(-0.9)
    low, high = worse["interval"]
    assert low < -0.9 < high
    assert worse["p"] < 0.05
    assert (same["verdict"], same["p"], same["method"]) == ("equal", None, None)
    assert found["conditions"] == [{
        "condition": "--fail-if 'test_accuracy < -0.5'", "checked": 2,
        "violations": [["after", "resnet18"]], "lost": [], "unchecked": [],
    }]  # fmt: skip
    assert found["exit_code"] == 1
    assert {"folder": "after", "what": "device", "first": "NVIDIA H200", "second": "NVIDIA A100",
            "configurations": ["resnet18"]} in found["differing"]  # fmt: skip


def test_report_of_all_folders_is_written(compare: Resray, tmp_path: Path) -> None:
    answer = compare("compare", "before", "worse", "--output", "both.html")
    assert answer.code == 0
    assert answer.out.endswith(" MB): open it with `resray open both.html`\n")
    page = (tmp_path / "both.html").read_text()
    assert "resnet18 · source=worse" in page


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["compare", "before"], "name two results folders or more; there is only before"),
        (["compare", "before", "missing"], "missing: no results here"),
        (["compare", "before", "empty"], "empty: no results here"),
        (["compare", "before", "./before"], "named twice"),
        (["compare", "x=before", "x=worse"], "another folder is called 'x', too"),
        (["compare", "=before", "worse"], "expected NAME=PATH"),
        (["compare", "before", "worse", "--metric", "accuracy"], "--metric: 'accuracy' is not"),
        (["compare", "before", "worse", "--select", "vgg*"], r"--select: 'vgg\*' is not known"),
        (["compare", "before", "worse", "--select", "resnet50"], "no configuration is in before"),
        (["compare", "before", "worse", "--fail-if", "accuracy"], "is no condition"),
        (["compare", "before", "worse", "--output", "no/x.html"], "a file in a folder that exists"),
        (["compare", "before", "worse", "--output", "before"], "a file in a folder that exists"),
        (["report", "before", "before"], "named twice"),
        (["report", "before", "missing"], "missing: no results here"),
        (["report", "before", "--price-per-gpu-hour", "-1"], "must be 0 or more"),
        (["report", "before", "--price-per-gpu-hour", "nan"], "must be 0 or more"),
        (["report", "before", "--baseline", "resnet33"], "--baseline: 'resnet33' is not known"),
        (["report", "befor", "--watch"], "befor: no such folder.*did you mean 'before'"),
    ],
)
def test_mistakes_are_told_in_one_line(
    compare: Resray, tmp_path: Path, typed: list[str], says: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert_refused(compare(*typed), 2, says)
    assert not (tmp_path / "reports").exists()


def test_a_folder_whose_name_has_an_equals_sign_is_a_folder(
    compare: Resray, tmp_path: Path
) -> None:
    folder(tmp_path / "lr=0.1", seeds_of("resnet18", 90))
    answer = compare("compare", "lr=0.1", "worse", "--json")
    assert [one["name"] for one in json.loads(answer.out)["folders"]] == ["lr=0.1", "worse"]


def test_report_takes_several_folders(compare: Resray, tmp_path: Path) -> None:
    answer = compare("report", "before", "worse/../worse")
    page = "reports/before-worse.html"
    assert re.fullmatch(rf"{page} \(\d+\.\d MB\): open it with `resray open {page}`\n", answer.out)
    assert "Difference" in (tmp_path / "reports/before-worse.html").read_text()


def test_open_without_a_display_says_where_the_newest_report_is(
    resray: Resray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert_refused(resray("open"), 2, "reports: holds no report")
    assert_refused(resray("open", "no.html"), 2, "no.html: is no file")
    Path("reports").mkdir()
    for age, name in enumerate(("new", "old")):
        page = tmp_path / "reports" / f"{name}.html"
        page.touch()
        os.utime(page, (1000 - age, 1000 - age))
    answer = resray("open")
    assert (answer.code, answer.out) == (
        0,
        f"{tmp_path}/reports/new.html (no display here: open it in a browser)\n",
    )
