"""The command line: what it prints, and one line and the right exit code for every mistake."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

from resray.cli import app
from resray.results.store import ResultStore
from tests.command_line import Resray, assert_refused
from tests.report_builder import trial, write_results
from tests.table_files import change_files

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
QUICK = ("bench", "depth-family", "--quick")
STUDY = """
name: brackets
title: "[red]Two[/red] stems [1]"
question: "Is [bold]this[/bold] markup?"
recipe:
  model: resnet18
  data: {name: embedded, image_size: 8}
  epochs: 3
trials:
  - {name: first}
  - {name: second, recipe: {optimizer: {lr: 0.05}}}
assumed: {epochs: "[/] three"}
published:
  - {trial: first, metric: test_accuracy, value: 12.5, unit: "%", protocol: "[p]", device: "[d]",
     source: "[s]"}
claims:
  - {id: a, text: "[link=x]claim[/link]", untested: "[why]"}
"""


HEAVY = """
import sys
from resray.cli import main
try:
    main()
finally:
    heavy = {'torch', 'ray', 'pandas', 'plotly', 'pyarrow'} & set(sys.modules)
    print('heavy:', sorted(heavy), file=sys.stderr)
"""


def without_heavy_imports(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command, and check that it waits for none of the large libraries."""
    command = [sys.executable, "-c", HEAVY, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.endswith("heavy: []\n")
    return done


def test_help_imports_neither_torch_nor_ray() -> None:
    done = without_heavy_imports("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in COMMANDS)
    assert done.stderr == "heavy: []\n"


@pytest.mark.parametrize(
    "arguments", [("resnet81",), ("resnet10", "--set", "stem=cifr"), ("my_nets:tiny",)]
)
def test_mistakes_about_a_network_are_told_at_once(arguments: tuple[str, ...]) -> None:
    assert without_heavy_imports("model", *arguments).returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(resray: Resray, command: str) -> None:
    answer = resray(command, "--help")
    assert answer.code == 0
    assert re.search(rf"Usage: .* {command} ", answer.out)
    described = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    assert described.help
    options = [each for each in described.params if each.param_type_name == "option"]
    assert all(option.help for option in options)


def test_list(resray: Resray) -> None:
    answer = resray("list")
    assert answer.code == 0
    for text in ("depth-family", "Does depth pay on 32x32 images?", "standard, author-epochs"):
        assert text in answer.out


@pytest.mark.parametrize("columns", ["80", "160"])
def test_show_depth_family(resray: Resray, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    answer = resray("show", "depth-family", "--variant", "author-epochs", "--seeds", "0,1")
    assert answer.code == 0, answer.err
    lines = [re.split(r"\s{2,}", line.strip()) for line in answer.out.splitlines()]
    sizes = next(line for line in lines if line[:3] == ["resnet152", "resnet152", "250"])
    assert sizes[3:5] == ["58.16 M", "3.722 G"]
    assert ["resnet18", "resnet18", "100"] in lines, "the recipes differ in model and epochs"
    assert re.search(r"test_accuracy: one run;[^%]* resnet18 +87.92 % +100 epochs", answer.out)
    for text in (
        "Five ResNet depths on CIFAR-10",
        "(shown here)",
        "rough",
        "2 seeds each (0, 1)",
        "assumed  schedule ",
        "optimizer.lr: 0.1",
        "NVIDIA P100",
        "mmpretrain's model zoo",
        "runtime grows much faster than accuracy",
    ):
        assert text in answer.out
    for foreign in ("model.block:", "model.groups", "optimizer.betas", "schedule.gamma"):
        assert foreign not in answer.out, "not an option of what is trained"
    assert "…" not in answer.out, "nothing is cut off"
    assert "Reduced" not in answer.out
    assert max(len(line) for line in answer.out.splitlines()) <= int(columns)


def test_show_says_what_is_reduced_and_shows_only_what_is_selected(resray: Resray) -> None:
    answer = resray("show", "depth-family", "--quick", "--select", "resnet18", "--stop-after", "1")
    assert "Reduced: 4 of 200 epochs; stopped after 1 of 4 epochs; embedded images" in answer.out
    assert "1 of 4" in answer.out
    before = answer.out[: answer.out.index("Assumed, as")]
    assert "resnet34" not in before
    assert "Differences" not in answer.out


def test_show_prints_text_as_it_stands(resray: Resray, tmp_path: Path) -> None:
    (tmp_path / "brackets.yaml").write_text(STUDY)
    answer = resray("show", "./brackets.yaml")
    assert answer.code == 0, answer.err
    for text in (
        "[red]Two[/red] stems [1]",
        "[bold]this[/bold]",
        "[/] three",
        "[p]",
        "device: [d]",
        "source: [s]",
        "12.5 %",
        "[link=x]claim[/link]",
        "optimizer.lr",
        "0.05",
    ):
        assert text in answer.out


def test_a_network_is_shown_layer_by_layer(resray: Resray) -> None:
    answer = resray("model", "resnet10", "--classes", "7", "--depth", "1")
    assert answer.code == 0, answer.err
    assert re.search(r"Trainable parameters +4,901,703", answer.out)
    assert re.search(r"Multiply-adds +253,431,296", answer.out)
    assert re.search(r"fc +Linear +7 +3,591 +3,584", answer.out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "depth-famly"), "study: 'depth-famly' is not known; did you mean 'depth-family'"),
        (("bench", "depth-famly"), "did you mean 'depth-family'"),
        (("show", "./nowhere.yaml"), "nowhere.yaml"),
        ((*QUICK, "--seeds", "0,one"), "--seeds '0,one': expected whole numbers"),
        ((*QUICK, "--seeds", ""), "--seeds ''"),
        ((*QUICK, "--seeds", "-1"), "--seeds: -1 must be from 0"),
        ((*QUICK, "--seeds", "1,1"), "--seeds: 1 stands there twice"),
        ((*QUICK, "--set", "optimizer.name=sgdd"), "--set .*'sgdd'.* did you mean 'sgd'"),
        ((*QUICK, "--set", "optimizer"), "--set"),
        ((*QUICK, "--set", "optimizer.rate=1"), "--set .*rate"),
        ((*QUICK, "--select", "vgg*"), "--select: 'vgg\\*' is not known"),
        ((*QUICK, "--variant", "authors"), "--variant: 'authors' is not known; did you mean"),
        ((*QUICK, "--stop-after", "9"), "--stop-after: 9 must be from 1 to"),
        ((*QUICK, "--data-dir", "nowhere", "--dry-run"), "nowhere"),
        (("bench", "depth-family", "--data-dir", "nowhere", "--dry-run"), "nowhere"),
        ((*QUICK, "--workers", "0"), "--workers 0: must be 1 or more"),
        ((*QUICK, "--dry-run", "--json"), "--json: .*--dry-run"),
        (("report", "nowhere"), "nowhere: no results here"),
        (("bench",), "bench: name one study .*or type --all"),
        (("bench", "resnext", "--all"), "bench: name one study .*or type --all, not both"),
        (("bench", "--all", "--ablate", "add"), "--ablate: for one study only; name it"),
        (("bench", "--all", "--select", "resnet*"), "--select: for one study only; name it"),
        (("bench", "--all", "--variant", "fp16"), "--variant: for one study only; name it"),
        ((*QUICK, "--epochs", "3", "--set", "epochs=5"), "--epochs 3: --set epochs=5 gives"),
        (("show", "resnext", "--ablate", "chain"), "--ablate chain: resnext has no ablation"),
        (("show", "resnet10-speed", "--ablate", "ad"), "--ablate: 'ad' is not known; did you"),
        (("evaluate", "nowhere"), "nowhere: no results here"),
        (("evaluate", "nowhere", "--kind", "blur"), "--kind: 'blur' is not known"),
        (("predict", "best.pt"), "predict: name a checkpoint and the images; there is only best"),
        (("predict", "best.pt", "images.npy"), "best.pt: there is no such checkpoint"),
        (("export", "nowhere"), "export: 'nowhere' is not known .*: the results come next"),
        (("export", "table", "nowhere", "--output", "a.csv"), "nowhere: no results here"),
        (("export", "model", "nowhere", "--output", "a"), "nowhere: no results here"),
        (("export", "model", "nowhere", "--output", "a", "--private"), "--private: only for --hub"),
        (("export", "model", "a/best.pt", "--output", "a", "--seed", "1"), "leave out --select, "),
        (("report", "nowhere", "--output", "b/a.html"), "--output b/a.html: must be a file in a"),
        (("model", "resnt18"), "name: 'resnt18' is not known; did you mean 'resnet18'"),
        (("model", "wrn-27-2"), "wrn-27-2: the depth must be 6n \\+ 4, such as 22 or 28"),
        (
            ("model", "torchvision:resnt18"),
            "torchvision has no network 'resnt18'; close to it: resnet18",
        ),
        (("model", "resnet18", "--set", "stem=imgnet"), "--set stem=imgnet: stem: 'imgnet'"),
    ],
)
def test_mistakes_exit_with_2_and_one_line(
    resray: Resray, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    assert_refused(resray(*arguments), 2, says)
    assert list(tmp_path.iterdir()) == [], "nothing was written"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((*QUICK, "--gpu", "4"), "No such option"),
        ((*QUICK, "--gpus", "many"), "Invalid value for '--gpus': Input should be a valid integer"),
        ((*QUICK, "--epochs", "0"), "Invalid value for '--epochs': Input should be greater than"),
        (("show",), "Missing argument"),
        (("banch",), "No such command 'banch'"),
    ],
)
def test_usage_errors_exit_with_2(resray: Resray, arguments: tuple[str, ...], says: str) -> None:
    answer = resray(*arguments)
    assert answer.code == 2
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has GPUs")
def test_four_gpus_are_refused_before_anything_starts(resray: Resray, tmp_path: Path) -> None:
    answer = resray(*QUICK, "--gpus", "4")
    says = r"--gpus 4: this machine has \d+ CPU cores? and 0 GPUs; type --workers \d+ instead"
    assert_refused(answer, 3, says)
    assert answer.out == ""
    assert list(tmp_path.iterdir()) == []


def test_too_many_workers_are_refused(resray: Resray) -> None:
    answer = resray(*QUICK, "--gpus", "0", "--workers", "100000")
    assert_refused(answer, 3, r"--workers 100000: this machine has .* type --workers \d+")


def test_dry_run_says_what_would_run_and_writes_nothing(resray: Resray, tmp_path: Path) -> None:
    answer = resray(*QUICK, "--dry-run", "--seeds", "0,1", "--select", "resnet*[84]")
    assert answer.code == 0, answer.err
    assert len(re.findall(r"│ to run", answer.out)) == 4
    assert "4 of 4 trials to run" in answer.out
    reduced = " ".join(answer.out.split())
    assert "Reduced: 4 of 200 epochs; embedded images in place of cifar10" in reduced
    assert "batch_size 32 in place of 128" in reduced
    assert "resnet50" not in answer.out
    assert list(tmp_path.iterdir()) == []


def test_report_of_a_file_or_an_empty_folder_is_refused(resray: Resray, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.html").touch()
    for path in ("empty", "page.html"):
        assert_refused(resray("report", path), 2, f"{path}: no results here")
    assert not (tmp_path / "reports").exists()


def test_report_goes_beside_the_results_or_where_it_is_told(resray: Resray, tmp_path: Path) -> None:
    write_results(tmp_path / "results" / "mine", [trial()])
    answer = resray("report", "results/mine")
    assert answer.code == 0, answer.err
    written = tmp_path / "reports" / "mine.html"
    assert re.fullmatch(
        rf"{written} \(2\.\d MB\): open it with `resray open {written}`\n", answer.out
    )
    assert "resnet18" in (tmp_path / "reports" / "mine.html").read_text()
    assert resray("report", "results/mine", "--output", "page.html").code == 0
    assert (tmp_path / "page.html").exists()
    refused = resray("report", "results/mine", "--output", "page.html/report.html")
    assert_refused(
        refused, 2, "--output page.html/report.html: must be a file in a folder that exists"
    )


def test_bench_refuses_a_place_that_cannot_be_written(resray: Resray, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = resray(*QUICK, "--gpus", "0", "--out", "file")
    assert_refused(answer, 2, "file/reports: cannot be written .*--out DIR")


def test_bench_refuses_results_of_a_newer_resray(resray: Resray, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "mine"
    store = ResultStore(folder)
    store.put_trial({"trial_id": "a"})
    store.flush()
    newer = {b"resray_schema_version": b"99"}
    change_files(folder, "trials", lambda rows: rows.replace_schema_metadata(newer))
    assert_refused(resray("report", "results/mine"), 2, "schema version 99 is newer")


def test_doctor(resray: Resray) -> None:
    answer = resray("doctor")
    assert answer.code == (1 if "missing" in answer.out else 0)
    for text in ("Python", "torch", "ray", "what to do"):
        assert text in answer.out


def test_an_address_where_nothing_listens_is_refused(resray: Resray) -> None:
    answer = resray(*QUICK, "--address", "127.0.0.1:1")
    assert_refused(answer, 3, "--address 127.0.0.1:1: nothing answers there")
