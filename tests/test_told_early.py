"""Mistakes are told before torch, Ray or pandas is imported, which takes seconds."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "ray", "numpy", "pandas", "pyarrow", "scipy", "plotly")
STUDY = """\
name: mine
title: t
question: q
recipe: {model: resnet18, data: cifar10, epochs: 5}
trials:
  - name: a
"""
FILES = {
    "value.yaml": STUDY.replace("epochs: 5", "epochs: many"),
    "key.yaml": STUDY.replace("epochs", "epoch"),
    "broken.yaml": STUDY.replace("}", ""),
    "own.yaml": STUDY.replace("resnet18", "mine:network"),
    "best.pt": "",
}
BENCH = "bench depth-family --quick"
TUNE = "tune depth-family --quick"
WRONG = [
    *(f"{command} {study}" for command in ("bench", "tune", "show", "best")
      for study in ("nosuch", "./nowhere.yaml", "value.yaml", "key.yaml", "broken.yaml")),
    *(f"{command} own.yaml" for command in ("bench", "show")),
    *(f"{command} {option}" for command in (BENCH, "show depth-family")
      for option in ("--variant nosuch", "--select vgg*", "--ablate add", "--seeds one",
                     "--seeds 1,1", "--set optimizer.rate=1", "--set optimizer", "--set epochs=yes",
                     "--stop-after 999", "--epochs 3 --set epochs=5")),
    *(f"{BENCH} {option}" for option in ("--workers 0", "--gpus-per-trial all", "--dry-run --json",
                                         "--data-dir nowhere", "--gpu 4", "--epochs 0",
                                         "--checkpoint-seconds -1", "--checkpoint-seconds nan")),
    *(f"{TUNE} {option}" for option in ("--variant nosuch", "--space nosuch", "--seeds 0,1",
                                        "--set optimizer.rate=1", "--method nosuch", "--grace 99",
                                        "--method tpe", "--scheduler none --grace 2",
                                        "--time-budget 90", "--max-cost 5", "--workers 0",
                                        "--data-dir nowhere")),
    "bench", "bench --all --select a", "tune resnet10-speed", "banch",
    "model nosuch", "model wrn-27-2", "model mine:network", "model resnet18 --set typo=1",
    "model resnet18 --set stem=imgnet",
    "best depth-family", "best ./nowhere",
    "status", "status nowhere", "clean", "clean nowhere",
    "report nowhere", "report nowhere --watch", "report nowhere --output b/a.html",
    "compare nowhere elsewhere",
    "evaluate nowhere", "evaluate nowhere --kind blur", "evaluate nowhere --batch-size 0",
    "predict best.pt", "predict nowhere.pt images.npy", "predict best.pt nowhere.npy",
    "predict best.pt images.npy --views 3",
    "export nowhere", "export table nowhere --output a.csv", "export model nowhere --output a",
    "export model nowhere", "export list nowhere",
]  # fmt: skip
RIGHT = [
    "--help",
    "--version",
    "list",
    "show wrn-cifar100 --brief",
    "show wrn-cifar100 --brief --variant as-run",
    *(f"{command} --help" for command in ("bench", "tune")),
]
RUN = """
import json, os, sys
from resray.cli import main

class Heavy(BaseException):
    pass

class Refusal:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in heavy:
            raise Heavy(f"imports {name}")

def outcome(line):
    sys.argv = ["resray", *line.split()]
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    except BaseException as error:
        return repr(error)
    return 0

heavy, lines = json.loads(sys.argv[1])
sys.meta_path.insert(0, Refusal())
found = {line: outcome(line) for line in lines}
os.environ.update(_RESRAY_COMPLETE="complete_bash", COMP_WORDS="resray be", COMP_CWORD="1")
found["completion"] = outcome("")
assert not sys.modules.keys() & set(heavy)
with open("found.json", "w") as file:
    json.dump(found, file)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Return how each line ends in a process that can import nothing heavy."""
    folder = tmp_path_factory.mktemp("lines")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-c", RUN, json.dumps([HEAVY, [*WRONG, *RIGHT]])]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return dict(json.loads((folder / "found.json").read_text()))


@pytest.mark.parametrize("line", WRONG)
def test_a_mistake_is_told_before_anything_heavy_is_imported(
    found: dict[str, object], line: str
) -> None:
    assert found[line] == 2


@pytest.mark.parametrize("line", [*RIGHT, "completion"])
def test_what_needs_nothing_heavy_imports_nothing_heavy(
    found: dict[str, object], line: str
) -> None:
    assert found[line] == 0
